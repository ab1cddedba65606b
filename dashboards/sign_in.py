"""The door: where people sign in, and who is signed in on every page."""

from __future__ import annotations

import streamlit as st

from dashboards import api, frame, markup

# The issuer sends everybody back to the first page. Where they were headed waits in their tab meanwhile, which no address
# from outside can write to.
_REMEMBER = """<script>
if (location.pathname.length > 1 || location.search) sessionStorage.setItem("groundwatch-target", location.pathname + location.search)
</script>"""
_GO_ON = """<script>
{
  const target = sessionStorage.getItem("groundwatch-target")
  sessionStorage.removeItem("groundwatch-target")
  if (target && target !== location.pathname + location.search) location.replace(target)
}
</script>"""


def passed() -> bool:
    """Whether this visitor may go on; otherwise the page asks them to sign in."""
    if not api.sign_in_needed():
        return True
    if st.user.is_logged_in and st.user.tokens.get("id"):
        _run(_GO_ON)
        return True
    _run(_REMEMBER)
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
    _run(_REMEMBER)
    st.button("Sign in again", type="primary", icon=":material/login:", on_click=st.logout)


def _run(script: str) -> None:
    st.html(script, width="content", unsafe_allow_javascript=True)
