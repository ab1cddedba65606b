"""Review: one item at a time, by keyboard, without seeing what the detectors said until the verdict is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboards import api, evidence, frame, judging, markup, viewer, wording
from dashboards.bodies import ResponseDetail, ReviewItemView
from dashboards.judging import Work

# Streamlit keeps C and R for itself, so the keys are digits and the initials that are left.
ERROR_KEYS = dict(zip(wording.ERRORS, [*"1234567890", "S", "U"], strict=True))
CAUSE_KEYS = dict(zip(wording.CAUSES, "123", strict=True))
LAST = "review_last"
EMPTY = "review_empty"
WANTED = "review_workflow_wanted"


def render() -> None:
    """The item in the address, or the start screen."""
    remember_reviewer()
    item_id = st.query_params.get("item")
    if item_id is None:
        start_screen()
        return
    item = current_item(item_id)
    if item.state != "claimed":
        leave()
        frame.say("This item is no longer yours", f"It is {item.state} now: the lease ran out, or it was judged elsewhere.", "warn")
        start_screen()
        return
    work_screen(item)


def remember_reviewer() -> None:
    """The name survives a reload because the address carries it."""
    if given := st.query_params.get("reviewer"):
        st.session_state.setdefault("reviewer", given)


def current_item(item_id: str) -> ReviewItemView:
    """The item with its lease; asked from the sidecar once, then kept while it is worked on."""
    key = f"item_{item_id}"
    kept: ReviewItemView | None = st.session_state.get(key)
    if kept is None or (kept.lease_until is not None and kept.lease_until < frame.now()):
        kept = api.review_item(item_id)
        st.session_state[key] = kept
    return kept


# --- between items ------------------------------------------------------------------------------------------------


def start_screen() -> None:
    """Counts, who reviews, take the next."""
    st.title("Review")
    queue = api.review_queue()
    counts = queue.counts
    frame.put(
        markup.tiles(
            [
                markup.tile("Queued", wording.count(counts.get("queued", 0)), "wait for a reviewer"),
                markup.tile("In hand", wording.count(counts.get("claimed", 0)), "claimed, lease running"),
                markup.tile("Judged", wording.count(counts.get("judged", 0)), "verdict given"),
                markup.tile("Skipped", wording.count(counts.get("skipped", 0)), "left out by a reviewer"),
            ]
        )
    )
    if st.session_state.pop(EMPTY, False) or not counts.get("queued", 0):
        frame.say(
            "Nothing waits for review",
            "The queue fills every minute with uncertain, risky and random responses. You are done for now.",
            "good",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reviewer = st.text_input(
            "Your name", st.session_state.get("reviewer", ""), max_chars=256, width=260, placeholder="who judges", live=True
        )
        workflows = [frame.EVERYTHING, *api.facets((("since", "2000-01-01T00:00:00Z"),)).workflows]
        workflow = st.selectbox("Workflow", workflows, key="review_workflow", width=220)
        ready = bool(reviewer.strip())
        if st.button(
            "Take the next item", type="primary", shortcut="N", disabled=not ready, help=None if ready else "Give your name first"
        ):
            # Kept apart from the widgets, whose state Streamlit drops while they are not drawn.
            st.session_state["reviewer"] = reviewer.strip()
            st.session_state[WANTED] = None if workflow == frame.EVERYTHING else workflow
            take_next(reviewer.strip())
        if LAST in st.session_state:
            undo_button()
    frame.put(
        markup.el(
            "div",
            "You judge from the answer and its evidence. What the detectors said is shown after you sent your verdict.",
            cls="gw-note",
        )
    )
    show_last()


def take_next(reviewer: str) -> None:
    """Claim the next item of the workflow the reviewer chose, or say that there is none."""
    item = api.claim_next(reviewer, st.session_state.get(WANTED))
    if item is None:
        leave()
        st.session_state[EMPTY] = True
    else:
        open_item(item, reviewer)
    st.rerun()


def open_item(item: ReviewItemView, reviewer: str) -> None:
    """Make the item the current one; the address keeps it through a reload."""
    st.session_state[f"item_{item.id}"] = item
    st.query_params.from_dict({"item": item.id, "reviewer": reviewer})


def leave() -> None:
    """No item is current."""
    if (item_id := st.query_params.get("item")) is not None:
        st.session_state.pop(f"item_{item_id}", None)
        st.session_state.pop(f"work_{item_id}", None)
        del st.query_params["item"]


# --- one item -----------------------------------------------------------------------------------------------------


def work_screen(item: ReviewItemView) -> None:
    """Claims and questions at left, evidence at right."""
    detail = api.response(item.response_id)
    key = f"work_{item.id}"
    work: Work = st.session_state.get(key) or judging.start(detail)
    left, right = st.columns([6, 7], gap="medium")
    with left:
        head(item, work)
        if detail.question:
            frame.put(markup.el("div", detail.question, cls="gw-question"))
        clicked = viewer.show_claims(
            detail.answer, [shown(work, index) for index in range(len(work.subjects))], work.subjects[work.at].key, key + "_view"
        )
        keep(key, ask(work))
        if clicked is not None:
            keep(key, work.go(next((index for index, subject in enumerate(work.subjects) if subject.key == clicked), work.at)))
        finish(item, work, detail)
        show_last()
    with right:
        show_sources(detail, work, item)


def keep(key: str, work: Work | None) -> None:
    """Store a changed state and draw again."""
    if work is not None and work != st.session_state.get(key):
        st.session_state[key] = work
        st.rerun()


def head(item: ReviewItemView, work: Work) -> None:
    """What is judged, how far it is, how long the lease runs."""
    st.title(f"Review: {work.judged} of {len(work.subjects)} judged")
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.put(markup.chip(item.workflow), markup.chip(wording.RISKS.get(item.risk, item.risk)), narrow=True)
        lease(item)


@st.fragment(run_every=5)
def lease(item: ReviewItemView) -> None:
    """Time left, counted down on its own."""
    if item.lease_until is None:
        return
    left = (item.lease_until - frame.now()).total_seconds()
    if left <= 0:
        frame.put(markup.chip("Lease over: others may take this item", "hallucinated"))
    else:
        frame.put(markup.chip(f"{int(left // 60)} min {int(left % 60):02d} s left", "warn" if left < 120 else ""))


def shown(work: Work, index: int) -> viewer.Shown:
    """A subject with the reviewer's own mark, nothing of the detectors."""
    subject, mark = work.subjects[index], work.marks[index]
    if mark is None:
        return viewer.Shown(subject.key, subject.text, subject.span, "unseen", "?", "To judge", f"{index + 1}")
    tone = "hallucinated" if mark.hallucinated else "supported"
    word = "✕ Hallucinated" if mark.hallucinated else "✓ True"
    parts = [wording.ERRORS.get(mark.error or "", ""), wording.CAUSES.get(mark.cause or "", ("", ""))[0]]
    side = ", ".join(part for part in parts if part) or ("…" if mark.hallucinated else f"{index + 1}")
    return viewer.Shown(subject.key, subject.text, subject.span, tone, word[0], word, side)


def ask(work: Work) -> Work | None:
    """The question about the current claim; returns the new state when it was answered."""
    answers: dict[str, list[tuple[str, str, str, Callable[[], Work]]]] = {
        "verdict": [("True", "T", "", work.supported), ("Hallucinated", "H", "", work.hallucinated)],
        "error": [(wording.ERRORS[kind], key, "", partial(work.error, kind)) for kind, key in ERROR_KEYS.items()],
        "cause": [(wording.CAUSES[name][0], key, wording.CAUSES[name][1], partial(work.cause, name)) for name, key in CAUSE_KEYS.items()],
        "done": [("Judge this claim again", "A", "", work.again)],
    }
    questions = {
        "verdict": "Does the evidence bear out the marked claim?",
        "error": "What is wrong with it?",
        "cause": "Why is it wrong?",
        "done": "This claim is judged.",
    }
    st.subheader(f"Claim {work.at + 1}: {questions[work.step]}")
    chosen: Work | None = None
    with st.container(horizontal=True, gap="small"):
        for label, key, help_text, action in answers[work.step]:
            if st.button(label, key=f"answer_{work.step}_{key}", shortcut=key, help=help_text or None):
                chosen = action()
    with st.container(horizontal=True, gap="small"):
        if st.button("Previous claim", key="claim_previous", type="tertiary", shortcut="K", disabled=work.at == 0):
            chosen = work.go(work.at - 1)
        if st.button("Next claim", key="claim_next", type="tertiary", shortcut="J", disabled=work.at == len(work.subjects) - 1):
            chosen = work.go(work.at + 1)
        if st.button("Undo", key="mark_undo", type="tertiary", shortcut="Backspace", disabled=not work.past):
            chosen = work.undo()
    return chosen


def finish(item: ReviewItemView, work: Work, detail: ResponseDetail) -> None:
    """Note, send, skip, back to the last item."""
    note = st.text_input("Note", key=f"note_{item.id}", max_chars=4000, placeholder="optional; goes with every verdict on this item")
    who = item.claimed_by or frame.actor()
    with st.container(horizontal=True, gap="small"):
        if st.button("Send and next", key="send", type="primary", shortcut="Enter", disabled=not work.complete):
            if frame.act("Sent", lambda: api.judge(item.id, who, work.verdicts(note))):
                st.session_state[LAST] = (item, work, judging.compare(work, detail.claims))
                st.session_state.pop(frame.FLASH, None)
                leave()
                take_next(who)
            st.rerun()
        if st.button("Skip", key="skip", shortcut="X"):
            if frame.act("Skipped", lambda: api.hand_back(item.id, who, "skip")):
                leave()
                take_next(who)
            st.rerun()
        if LAST in st.session_state:
            undo_button(item)
        if st.button("Stop", key="stop", type="tertiary", help="Give the item back to the queue"):
            frame.act("Item is back in the queue", lambda: api.hand_back(item.id, who, "release"))
            leave()
            st.rerun()


def undo_button(current: ReviewItemView | None = None) -> None:
    """Take the last sent verdict back and judge that item again."""
    if not st.button("Undo the last item", key="undo_last", type="tertiary", shortcut="Z"):
        return
    last, work, _ = st.session_state[LAST]
    who = last.claimed_by or frame.actor()

    def back() -> None:
        # The item in hand goes back first: a reviewer holds one lease at a time.
        if current is not None:
            api.hand_back(current.id, who, "release")
        taken = api.hand_back(last.id, who, "undo")
        leave()
        open_item(taken or last, who)

    if frame.act("The last verdict is taken back", back):
        st.session_state[f"work_{last.id}"] = work
        del st.session_state[LAST]
    st.rerun()


def show_sources(detail: ResponseDetail, work: Work, item: ReviewItemView) -> None:
    """The evidence. Where detectors looked stays hidden unless asked for, what they said always."""
    st.subheader("Evidence")
    looked = st.toggle("Show where detectors looked, not what they said", key="show_places")
    subject = work.subjects[work.at]
    places = [
        evidence.Place(found, claim.text, claim.id == subject.claim_id, blind=True)
        for claim in detail.claims
        for found in claim.findings
        if looked
    ]
    if (source := evidence.pick(detail.evidence, places, f"review_{item.id}")) is not None:
        evidence.show(source, places, blind=True)


def show_last() -> None:
    """After sending: the detectors' word beside the reviewer's."""
    if LAST not in st.session_state:
        return
    lines: list[judging.Comparison] = st.session_state[LAST][2]
    judged = [line for line in lines if line.agrees is not None]
    agreed = sum(bool(line.agrees) for line in judged)
    st.subheader("Your last item: you and the detectors")
    rows = [
        [
            line.text,
            markup.verdict_chip(line.reviewer),
            markup.el("span", markup.verdict_chip(line.detector), f" {wording.score(line.score)}" if line.score is not None else ""),
            {True: "agree", False: markup.chip("disagree", "warn"), None: wording.UNKNOWN}[line.agrees],
        ]
        for line in lines
    ]
    note = f"Detectors agreed on {agreed} of {len(judged)} claims they checked."
    frame.put(markup.el("div", markup.table(["Claim", "You", "Detectors", ""], rows, note=note), cls="gw-compare"))


if __name__ == "__main__":
    render()
