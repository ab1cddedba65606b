"""Entry point of ``streamlit run``: pages, look, and one place where API failures become messages."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboards import api, frame, sign_in

HERE = Path(__file__).parent


def main() -> None:
    """Draw the page the address asks for."""
    st.set_page_config(page_title="groundwatch", page_icon=str(HERE / "assets" / "icon.png"), layout="wide")
    st.html(f"<style>{(HERE / 'assets' / 'look.css').read_text(encoding='utf-8')}</style>")
    if not sign_in.passed():
        return
    page = st.navigation(
        [
            st.Page(HERE / "views/overview.py", title="Overview", icon=":material/monitoring:", url_path="overview", default=True),
            st.Page(HERE / "views/responses.py", title="Responses", icon=":material/list:", url_path="responses"),
            st.Page(HERE / "views/response.py", title="Response", icon=":material/search:", url_path="response"),
            st.Page(HERE / "views/task_quality.py", title="Task quality", icon=":material/task_alt:", url_path="task-quality"),
            st.Page(HERE / "views/alerts.py", title="Alerts", icon=":material/notifications:", url_path="alerts"),
            st.Page(HERE / "views/review.py", title="Review", icon=":material/rate_review:", url_path="review"),
            st.Page(HERE / "views/operations.py", title="Operations", icon=":material/settings:", url_path="operations"),
        ],
        position="top",
    )
    sign_in.show_visitor()
    frame.show_flash()
    try:
        page.run()
    except api.ApiFailed as error:
        frame.show_failure(error)
        if error.status == 401 and api.sign_in_needed():
            sign_in.offer_again()


main()
