"""Operations: is the sidecar well, which detectors cannot run and why, jobs, dead letters, audit."""

from __future__ import annotations

import streamlit as st

from dashboards import api, dead_letters, frame, markup, wording
from dashboards.bodies import JobView, Status
from dashboards.wording import UNKNOWN

JOB_WIDTHS = [2.4, 1.2, 2.0, 2.0, 1.6, 4.2, 1.4]


def render() -> None:
    """Status above, lists in tabs."""
    st.title("Operations")
    status = api.status()
    frame.put(markup.tiles(key_figures(status)))
    if status.store_problem:
        frame.say("The store is away", f"{status.store_problem}. What is sent is kept on disk and stored when it is back.", "hallucinated")
    if status.detection_halted:
        frame.say("Detection has stopped itself", f"{status.detection_halted}. What is due stays due.", "hallucinated")
        if st.button("Resume detection", type="primary", icon=":material/play_arrow:"):
            frame.act("Detection goes on", api.resume_detection)
            st.rerun()
    if status.unusable_evidence:
        found = wording.many(status.unusable_evidence, "sealed file")
        frame.say("Evidence does not open", f"{found} changed on the disk and cannot be checked; sending it again mends it.", "warn")
    if status.damaged_parts:
        frame.say(
            "Rows of the store are missing",
            f"{wording.many(len(status.damaged_parts), 'folder')} could not be read at the start; the rows in there are in no list or "
            "chart. Restore the data folder from a backup; to go on without these rows, delete:",
            "hallucinated",
            "\n".join(status.damaged_parts),
        )
    frame.silent_calls(status)
    detectors, jobs, letters, audit = st.tabs(["Detectors", "Jobs", "Dead letters", "Audit"])
    with detectors:
        show_detectors(status)
    with jobs:
        show_jobs()
    with letters:
        dead_letters.show()
    with audit:
        show_audit()


def key_figures(status: Status) -> list[markup.Safe]:
    """How the sidecar is doing."""
    ready = sum(detector.available for detector in status.detectors)
    role = "leader: runs jobs and detection" if status.leader else "follower: another process leads"
    oldest = (
        "nothing waits"
        if status.oldest_spooled_s is None
        else f"oldest {wording.span_of(status.oldest_spooled_s)}, {wording.size(status.spool_bytes)}"
    )
    sealed = f"evidence sealed with key {status.sealed_with}" if status.sealed_with else "evidence lies plain on the disk"
    up = wording.span_of((frame.now() - status.started_at).total_seconds())
    return [
        markup.tile("Sidecar", status.version, f"up {up}", role),
        markup.tile("Spooled, not stored yet", wording.count(status.spooled), oldest),
        markup.tile(
            "Stored, not checked yet",
            UNKNOWN if status.undetected is None else wording.count(status.undetected),
            wording.many(status.workers, "detection worker"),
        ),
        markup.tile(
            "Dead letters", wording.count(status.dead_letters), "waiting for a decision" if status.dead_letters else "none waiting"
        ),
        markup.tile("Detectors ready", f"{ready} of {len(status.detectors)}", "those not ready check nothing"),
        markup.tile("Store", "server" if "://" in status.store else "embedded", markup.el("span", status.store, cls="gw-mono"), sealed),
    ]


def show_detectors(status: Status) -> None:
    """Which detectors run here, and the remedy for those that cannot."""
    if not status.detectors:
        frame.say("No detector is configured", "Name them in GROUNDWATCH_DETECTORS; until then nothing is checked.", "warn")
        return
    rows = [
        [
            detector.name,
            markup.chip("✓ Ready", "good") if detector.available else markup.chip("✕ Not available", "hallucinated"),
            detector.failure,
            detector.reason or UNKNOWN,
            markup.el("span", f"{detector.version or UNKNOWN} / {detector.weights_version or UNKNOWN}", cls="gw-mono"),
        ]
        for detector in sorted(status.detectors, key=lambda item: (item.available, item.name))
    ]
    frame.put(markup.table(["Detector", "State", "Finds", "Why it cannot run", "Version / weights"], rows))


def show_jobs() -> None:
    """Jobs with their last run; each can be started now."""
    jobs = api.jobs()
    if not jobs:
        frame.say("No job is scheduled here", "Jobs run in the process that leads; this one may be a follower.")
        return
    zone = str(frame.zone())
    heads = ["Job", "Every", f"Last run ({zone})", "Next run", "State", "Result", ""]
    for cell, head in zip(st.columns(JOB_WIDTHS), heads, strict=True):
        with cell:
            frame.put(markup.el("div", head, cls="gw-label"))
    for job in jobs:
        job_row(job)


def job_row(job: JobView) -> None:
    """One job."""
    zone, now = frame.zone(), frame.now()
    tone = {"succeeded": "good", "failed": "hallucinated", "running": "pending"}.get(job.last_state or "", "not_checked")
    took = ""
    if job.last_started_at and job.last_finished_at:
        took = wording.duration(1000 * (job.last_finished_at - job.last_started_at).total_seconds())
    contents: list[list[str]] = [
        [wording.plain(job.name)],
        [wording.span_of(job.interval_s)],
        [wording.short_moment(job.last_started_at, zone), markup.el("div", wording.ago(job.last_started_at, now), cls="gw-note")],
        [wording.ago(job.next_run_at, now)],
        [markup.chip(wording.plain(job.last_state or "never ran"), tone), markup.el("div", took, cls="gw-note")],
        [job.last_error or wording.fact(job.last_facts)],
    ]
    cells = st.columns(JOB_WIDTHS, vertical_alignment="center")
    for cell, parts in zip(cells[:-1], contents, strict=True):
        with cell:
            frame.put(*parts)
    with cells[-1]:
        if st.button("Run now", key=f"run_{job.name}", disabled=job.last_state == "running"):
            frame.act("Job started", lambda: api.run_job(job.name))
            st.rerun()


def show_audit() -> None:
    """Who did what, newest first."""
    page = api.audit()
    if not page.items:
        frame.say("Nothing was done by hand yet", "Acknowledged alerts, verdicts and changed rules appear here.")
        return
    rows = [
        [
            wording.moment(line.at, frame.zone()),
            line.actor,
            wording.plain(line.action),
            markup.el("span", line.subject, cls="gw-mono"),
            wording.fact(line.facts),
        ]
        for line in page.items
    ]
    frame.put(markup.table(["When", "Who", "What", "Subject", "Facts"], rows))


if __name__ == "__main__":
    render()
