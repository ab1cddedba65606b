"""The dead letters of the operations page: what could not be processed, mended and sent again, or given up."""

from __future__ import annotations

import json

import streamlit as st

from dashboards import api, frame, markup, wording
from dashboards.bodies import DeadLetterView
from dashboards.wording import UNKNOWN

STATES = {"Waiting": "waiting", "Replaying": "replaying", "Replayed": "replayed", "Discarded": "discarded", "All": None}
WIDTHS = [1.8, 1.1, 2.6, 2.0, 5.0, 1.3, 1.6]
_STACK = "gw_letters_before"


def show() -> None:
    """A page of letters in one state, with what can be done about each."""
    choice = st.segmented_control("State", list(STATES), default="Waiting", key="gw_letter_state", label_visibility="collapsed")
    state = STATES[choice or "Waiting"]
    trail: list[str] = st.session_state.setdefault(f"{_STACK}_{state}", [])
    page = api.dead_letters(state, trail[-1] if trail else None)
    if not page.items and not trail:
        if state == "waiting":
            frame.say("No dead letter waits", "Everything sent was stored, and every detector ended on it.", "good")
        else:
            frame.say("None here", "Letters appear once something could not be processed.")
        return
    if state == "waiting" and st.button("Replay all that wait", icon=":material/replay:", help="Oldest first, 500 at a time."):
        _replay_all()
    heads = [f"When ({frame.zone()})", "Stage", "Response", "Detector", "Reason", "State", ""]
    for cell, head in zip(st.columns(WIDTHS), heads, strict=True):
        with cell:
            frame.put(markup.el("div", head, cls="gw-label"))
    for letter in page.items:
        _row(letter)
    _pager(trail, page.next)


def _row(letter: DeadLetterView) -> None:
    contents = [
        wording.short_moment(letter.created_at, frame.zone()),
        wording.plain(letter.stage),
        markup.el("span", letter.response_id, cls="gw-mono"),
        letter.detector or UNKNOWN,
        letter.reason,
        wording.plain(letter.state),
    ]
    cells = st.columns(WIDTHS, vertical_alignment="center")
    for cell, content in zip(cells[:-1], contents, strict=True):
        with cell:
            frame.put(content)
    with cells[-1]:
        if letter.state == "waiting" and st.button("Open", key=f"letter_{letter.id}", icon=":material/edit:"):
            _open(letter)


@st.dialog("Dead letter", width="large")
def _open(letter: DeadLetterView) -> None:
    detail = api.dead_letter(letter.id)
    frame.put(markup.el("p", letter.reason), markup.el("p", f"{wording.plain(letter.stage)} · {letter.response_id}", cls="gw-note"))
    held = _pretty(detail.payload)
    editable = letter.stage != "detect" and held is not None
    if held is None:
        frame.say("Nothing is known of what it held", "Find it with its sender, or discard the letter.")
        changed = ""
    else:
        help_text = "Mend what is wrong and keep the id." if editable else "A stored response cannot be changed; it is judged again."
        changed = st.text_area("What it held", held, height=360, disabled=not editable, help=help_text, key=f"held_{letter.id}")
    replay, discard, _ = st.columns([1, 1, 3])
    if replay.button("Replay", type="primary", disabled=held is None, icon=":material/replay:"):
        payload = changed if editable and changed != held else None
        if frame.act("Sent through again", lambda: api.replay_letter(letter.id, frame.actor(), payload)):
            st.rerun()
        frame.show_flash()
    if discard.button("Discard", icon=":material/delete:"):
        frame.act("Discarded", lambda: api.discard_letter(letter.id, frame.actor()))
        st.rerun()


def _pretty(payload: str | None) -> str | None:
    if payload is None:
        return None
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except ValueError:
        return payload  # it may be a letter for that very reason


def _replay_all() -> None:
    report = None

    def replay() -> None:
        nonlocal report
        report = api.replay_waiting(frame.actor())

    if frame.act("Sent through again", replay) and report is not None:
        left = f"; {wording.many(len(report.failed), 'letter')} could not be" if report.failed else ""
        frame.act(f"{wording.many(report.replayed, 'letter')} sent through again{left}", lambda: None)
    st.rerun()


def _pager(trail: list[str], following: str | None) -> None:
    if not trail and following is None:
        return
    back, forward, _ = st.columns([1, 1, 6])
    if back.button("Newer", disabled=not trail, key="letters_newer"):
        trail.pop()
        st.rerun()
    if forward.button("Older", disabled=following is None, key="letters_older"):
        trail.append(following or "")
        st.rerun()
