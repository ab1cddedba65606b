"""One response: what it claims, what the evidence says, how it was checked, what it took."""

from __future__ import annotations

import streamlit as st

from dashboards import api, charts, evidence, frame, markup, viewer, wording
from dashboards.bodies import ClaimView, FindingView, ResponseDetail
from dashboards.wording import UNKNOWN

ORDER = {"hallucinated": 0, "not_checked": 1, "supported": 2}


def render() -> None:
    """Header, claims at left, evidence at right, everything else below."""
    wanted = st.query_params.get("id")
    if not wanted:
        ask_for_id()
        return
    try:
        detail = api.response(wanted)
    except api.ApiFailed as error:
        if error.status != 404:
            raise
        frame.say("There is no such response", f"Nothing with the id {wanted} is stored. It may have left with the retention time.", "warn")
        ask_for_id()
        return
    header(detail)
    claim = chosen_claim(detail)
    left, right = st.columns([6, 7], gap="medium")
    with left:
        show_answer(detail, claim)
    with right:
        show_evidence(detail, claim)
    below(detail)


def ask_for_id() -> None:
    """Without an id: type one, or go to the list."""
    st.title("Response")
    with st.form("by_id", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input("Response id", width=380, placeholder="the id your application logged")
        if st.form_submit_button("Open") and typed.strip():
            frame.open_page("response", {"id": typed.strip()})
    frame.link("Or choose one from the list", "responses", {}, ":material/list:")


def chosen_claim(detail: ResponseDetail) -> ClaimView | None:
    """The claim in the address bar, else the worst one."""
    wanted = st.query_params.get("claim")
    by_id = {claim.id: claim for claim in detail.claims}
    if wanted in by_id:
        return by_id[wanted]
    return min(detail.claims, key=lambda claim: (ORDER.get(claim.verdict, 1), -(claim.score or 0)), default=None)


def header(detail: ResponseDetail) -> None:
    """Who answered what, when, and the actions."""
    row = detail.row
    verdict = "pending" if detail.pending and row.verdict == "not_checked" else row.verdict
    left, right = st.columns([5, 2], vertical_alignment="center")
    with left:
        st.title("Response")
        chips = [
            markup.verdict_chip(verdict),
            markup.chip(row.workflow),
            markup.chip(wording.RISKS.get(row.risk, row.risk), title="Risk"),
            markup.chip(row.model or "model unknown", title="Model"),
            markup.chip(f"release {row.release}" if row.release else "no release", title="Release"),
            *(markup.chip(f"{key}: {value}", title="Cohort") for key, value in row.cohort.items()),
            markup.chip(f"fallback: {row.fallback}", "warn") if row.fallback else None,
        ]
        times = f"{wording.moment(row.time, frame.zone())} · received {wording.moment(detail.received_at, frame.zone())} · "
        frame.put(markup.el("div", *chips), markup.el("div", times, markup.el("span", row.id, cls="gw-mono"), cls="gw-note"))
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Back to list", icon=":material/arrow_back:"):
            frame.open_page("responses", st.session_state.get(frame.LAST) or {})
        queued = detail.review_item is not None
        if st.button("In review queue" if queued else "Send to review", icon=":material/rate_review:", type="primary", disabled=queued):
            frame.act("Sent to review", lambda: api.request_review(row.id, frame.actor()))
            st.rerun()


def show_answer(detail: ResponseDetail, claim: ClaimView | None) -> None:
    """Question, answer with its claims, and what was found about the chosen one."""
    if detail.question:
        st.subheader("Question")
        frame.put(markup.el("div", detail.question, cls="gw-question"))
    st.subheader("Answer and its claims")
    clicked = viewer.show_claims(
        detail.answer, [_shown(item) for item in detail.claims], claim.id if claim else None, f"claims_{detail.row.id}"
    )
    if clicked and clicked != (claim.id if claim else None):
        st.query_params["claim"] = clicked
        st.rerun()
    if claim is None:
        if detail.pending:
            frame.say("Not checked yet", f"Still to look: {', '.join(detail.pending)}.")
        else:
            frame.say("No claims were found in this answer", "It counts as not checked; the table of checks below says why.")
        return
    st.subheader("Findings on the chosen claim")
    frame.put(*(_finding(item) for item in claim.findings))
    if not claim.findings:
        frame.say("No detector spoke about this claim", "It counts as not checked.")


def _shown(claim: ClaimView) -> viewer.Shown:
    icon = wording.VERDICTS.get(claim.verdict, ("?", ""))[0]
    side = wording.plain(claim.kind) + (f" · {wording.score(claim.score)}" if claim.score is not None else "")
    return viewer.Shown(claim.id, claim.text, claim.span, claim.verdict, icon, wording.verdict(claim.verdict), side)


def _finding(found: FindingView) -> markup.Safe:
    head = [markup.verdict_chip(found.verdict), markup.el("b", found.detector)]
    if found.score is not None:
        head.append(markup.el("span", f" · score {wording.score(found.score)}"))
    if found.error:
        head.append(markup.el("span", f" · error: {wording.ERRORS.get(found.error, found.error).lower()}"))
    head.append(markup.el("span", f" · {wording.duration(found.duration_ms)}", cls="gw-dim"))
    return markup.el(
        "div",
        markup.el("div", *head),
        markup.el("p", found.explanation),
        markup.el("p", f"Why not checked: {wording.plain(found.reason)}") if found.reason else None,
        markup.el("p", f"Evidence says: “{found.quote}”") if found.quote else None,
        cls=f"gw-finding gw-{found.verdict}",
    )


def show_evidence(detail: ResponseDetail, claim: ClaimView | None) -> None:
    """The source the chosen claim rests on, with every finding's place."""
    st.subheader("Evidence")
    chosen = claim.id if claim else None
    places = [evidence.Place(found, item.text, item.id == chosen) for item in detail.claims for found in item.findings]
    if (item := evidence.pick(detail.evidence, places, f"evidence_{detail.row.id}")) is not None:
        frame.put(evidence.quality_line(item.quality))
        evidence.show(item, places)


def below(detail: ResponseDetail) -> None:
    """Checks, latency, cost, verdicts and attributes."""
    checks, latency, cost, reviews, attributes = st.tabs(["Checks", "Latency", "Usage and cost", "Verdicts of people", "Attributes"])
    with checks:
        show_checks(detail)
    with latency:
        show_latency(detail)
    with cost:
        show_usage(detail)
    with reviews:
        show_verdicts(detail)
    with attributes:
        pairs = [(name, wording.fact(value)) for name, value in detail.attributes.items()]
        frame.put(markup.facts(pairs)) if pairs else frame.say("No attributes were logged")


def show_checks(detail: ResponseDetail) -> None:
    """How each detector ended, with the reason where it did not judge."""
    rows = [
        [
            item.detector,
            markup.chip(wording.STATES.get(item.state, item.state), "good" if item.state == "judged" else "not_checked"),
            wording.plain(item.reason) if item.reason else UNKNOWN,
            f"{item.claims_flagged:,} of {item.claims_checked:,}" if item.state == "judged" else UNKNOWN,
            wording.duration(item.duration_ms),
            markup.el("span", f"{item.detector_version or UNKNOWN} / {item.weights_version or UNKNOWN}", cls="gw-mono"),
            markup.el("span", wording.moment(item.finished_at, frame.zone()), cls="gw-nowrap"),
        ]
        for item in detail.outcomes
    ]
    rows += [[name, markup.chip("Waiting", "pending"), "has not looked yet", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN] for name in detail.pending]
    if not rows:
        frame.say("No detector is meant for this response", "It counts as not checked. Operations lists the detectors that run.")
        return
    heads = ["Detector", "State", "Reason", "Claims flagged", "Took", "Version / weights", "Finished"]
    frame.put(markup.table(heads, rows, (3, 4)))


def show_latency(detail: ResponseDetail) -> None:
    """The chain of stages."""
    if not detail.stages:
        frame.say("No stages were logged", "Send `stages` with the response to see where the time goes.")
        return
    st.plotly_chart(charts.stage_chart(detail.stages), key="stages", config={"displayModeBar": False})
    total = sum(stage.duration_ms for stage in detail.stages)
    st.caption(f"{wording.duration(total)} in all. A grey tick is a stage's budget; a hatched bar is over it.")


def show_usage(detail: ResponseDetail) -> None:
    """What was consumed and what it cost; unpriced is said, never 0."""
    if not detail.usage:
        frame.say("No usage was logged", "Send `usage` with the response to see what it costs.")
        return
    rows = [
        [item.item, item.modality or UNKNOWN, f"{wording.count(item.quantity)} {item.unit}", _cost(item.cost, item.currency)]
        for item in detail.usage
    ]
    rows.append([markup.el("b", "Sum of the priced"), "", "", markup.el("b", wording.money(detail.row.cost, detail.row.currency))])
    frame.put(markup.table(["Item", "Modality", "Quantity", "Cost"], rows, (2, 3)))


def _cost(amount: float | None, currency: str | None) -> str:
    return markup.chip("unpriced", "warn") if amount is None else wording.money(amount, currency)


def show_verdicts(detail: ResponseDetail) -> None:
    """What reviewers said."""
    if not detail.verdicts:
        frame.say("Nobody has judged this response", "Send it to review to put it into the queue.")
        return
    rows = [
        [
            wording.moment(item.created_at, frame.zone()),
            item.reviewer,
            item.claim_text,
            markup.verdict_chip("hallucinated" if item.hallucinated else "supported"),
            wording.ERRORS.get(item.error or "", item.error or UNKNOWN),
            wording.CAUSES[item.cause][0] if item.cause in wording.CAUSES else UNKNOWN,
            item.note or UNKNOWN,
        ]
        for item in detail.verdicts
    ]
    frame.put(markup.table(["When", "Reviewer", "Claim", "Verdict", "Error", "Cause", "Note"], rows))


if __name__ == "__main__":
    render()
