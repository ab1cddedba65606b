"""The door: where people sign in, and who is signed in on every page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboards import api, frame, markup

ASSETS = Path(__file__).parent / "assets"


def passed() -> bool:
    """Whether this visitor may go on; otherwise the page asks them to sign in."""
    if not api.sign_in_needed():
        return True
    if st.user.is_logged_in and st.user.tokens.get("id"):
        _keep_target(signed_in=True)
        return True
    _keep_target(signed_in=False)
    _, middle, _ = st.columns([1, 1.2, 1])
    with middle:
        frame.put(
            markup.el("h1", "groundwatch"),
            markup.el("p", "Checks what multimodal AI answers claim against their evidence. Sign in to see this team's responses."),
        )
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    return False


def show_visitor() -> None:
    """Who is signed in, and the way out."""
    if not api.sign_in_needed():
        return
    _, who = st.columns([5, 1.4])
    with who, st.popover("Account", icon=":material/person:", width="stretch"):
        frame.put(markup.el("p", f"Signed in as {frame.actor()}", cls="gw-note"))
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def offer_again() -> None:
    """After a sign-in that has run out."""
    _keep_target(signed_in=False)
    st.button("Sign in again", type="primary", icon=":material/login:", on_click=st.logout)


def _keep_target(*, signed_in: bool) -> None:
    """Remember the address of a visitor who has to sign in first, and lead them there afterwards."""
    # Registered on every run of the application, as Streamlit asks; the name is the identity.
    component = st.components.v2.component("groundwatch.target", js=(ASSETS / "target.js").read_text(encoding="utf-8"))
    component(data={"signed_in": signed_in}, key=f"target_{signed_in}", height=1)
