"""Shows one piece of evidence with the places that findings point to: boxes, pages, play positions, marked text."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from dashboards import api, frame, markup, pictures, wording
from dashboards.bodies import EvidenceQualityView, EvidenceView, FindingView

TICK_S = 5.0
TALLEST = 700
COLUMN = 700


@dataclass(frozen=True, slots=True)
class Place:
    """A finding with the claim it is about; ``chosen`` belongs to the claim the reader looks at."""

    finding: FindingView
    claim: str
    chosen: bool
    blind: bool = False

    @property
    def tone(self) -> str:
        """The verdict, or ``unseen`` while the reviewer must not know it."""
        return "unseen" if self.blind else self.finding.verdict

    @property
    def title(self) -> str:
        """Verdict and claim in a line; only the claim while it is blind."""
        return self.claim if self.blind else f"{wording.verdict(self.finding.verdict)}: {self.claim}"


def pick(evidence: Sequence[EvidenceView], places: Sequence[Place], key: str) -> EvidenceView | None:
    """Let the reader choose the source; the one the chosen claim rests on comes first."""
    if not evidence:
        frame.say("No evidence was logged with this response", "Without evidence no detector can check it.", "warn")
        return None
    by_id = {item.id: item for item in evidence}
    wanted = next((p.finding.evidence_id for p in worst_first(places) if p.chosen and p.finding.evidence_id in by_id), evidence[0].id)
    if len(evidence) == 1:
        frame.put(markup.el("div", _title(evidence[0]), cls="gw-label"))
        return evidence[0]
    # The key holds the wanted source, so choosing another claim moves on while a choice by hand stays.
    name = st.selectbox(
        "Evidence",
        list(by_id),
        index=list(by_id).index(wanted or evidence[0].id),
        format_func=lambda item: _title(by_id[item]),
        key=f"{key}_{wanted}",
        label_visibility="collapsed",
    )
    return by_id[name]


def worst_first(places: Sequence[Place]) -> list[Place]:
    """What a detector objects to before what another one supports, the surest objection first."""
    return sorted(places, key=lambda place: (place.finding.verdict != "hallucinated", -(place.finding.score or 0.0)))


def _title(item: EvidenceView) -> str:
    role = "" if item.role == "source" else f", {item.role.replace('_', ' ')}"
    return f"{item.title or item.id} ({item.media_type}{role})"


def quality_line(quality: EvidenceQualityView | None) -> markup.Safe:
    """The grade as a badge and what is wrong with the source as an input; says so where nobody measured it."""
    if quality is None:
        return markup.el("div", markup.chip("Input quality not measured", "not_checked"), cls="gw-quality")
    tone = wording.GRADES.get(quality.grade, ("", "", ""))[2]
    measures = "\n".join(f"{wording.plain(name)}: {value:.4g}" for name, value in quality.measures.items())
    problems = "; ".join(problem.text for problem in quality.problems)
    return markup.el(
        "div",
        markup.chip(f"Input quality: {wording.grade(quality.grade)}", tone, measures or None),
        markup.el("span", problems, cls="gw-detail") if problems else None,
        cls="gw-quality",
    )


def show(item: EvidenceView, places: Sequence[Place], blind: bool = False) -> None:
    """Draw the source according to its family, with the places found in it; ``blind`` says nothing about findings at all."""
    here = [place for place in places if place.finding.evidence_id in (item.id, None)]
    try:
        if item.text is not None:
            _text(item, here, blind)
        elif item.deleted_at is not None:
            frame.say(f"Deleted by retention on {item.deleted_at:%Y-%m-%d}", "What was found in it stays; the file itself is gone.", "info")
        elif item.url is None and item.reference is not None:
            frame.say(
                "This evidence lies elsewhere", f"{item.reference}\nDetectors fetch it where the operator allowed its address.", "info"
            )
        elif item.url is None:
            frame.say("This evidence is not stored", "It was named but its file never came, so detectors cannot look at it either.", "warn")
        elif item.family == "image":
            _picture(item.url, here, None, item, blind)
        elif item.family == "pdf":
            _document(item.url, here, item, blind)
        elif item.family in ("audio", "video"):
            _recording(item, item.url, here, blind)
        else:
            frame.say("This kind of evidence has no view", item.media_type)
    except api.ApiFailed as error:
        frame.say(*_not_shown(item, error), "warn")
    except pictures.PictureUnreadable as error:
        frame.say("The picture cannot be read", str(error), "warn")


def _not_shown(item: EvidenceView, error: api.ApiFailed) -> tuple[str, str]:
    """What a reader is told where the API has no picture of it; its own words are for whoever calls it."""
    if error.status == 415:
        return "This evidence cannot be shown", f"The file is not what it was logged as ({item.media_type})."
    # Its detail is "evidence NAME: problem. Remedy", and the remedy is a request.
    if error.status == 422 and (problem := error.detail.rpartition(f"evidence {item.sha256}: ")[2].rpartition(". ")[0]):
        return "This evidence cannot be shown", f"The file {problem}."
    return error.title, error.detail


def _picture(url: str, places: Sequence[Place], page: int | None, item: EvidenceView, blind: bool) -> None:
    picture = pictures.open_picture(api.picture(url, page=page))
    boxes = [
        pictures.Box(place.finding.region, place.tone, _box_label(place), place.chosen)
        for place in places
        if place.finding.region is not None and (page is None or (place.finding.page or 1) == page)
    ]
    drawn = pictures.with_boxes(picture, boxes)
    bold = [box for box in boxes if box.chosen]
    about = f"{wording.many(len(boxes), 'region')} marked, {len(bold)} of the chosen claim" if boxes else "no region marked"
    # A tall page would push everything else off the screen; it can be opened full screen.
    tall = drawn.height * COLUMN > drawn.width * TALLEST
    st.image(
        drawn, width=max(1, TALLEST * drawn.width // drawn.height) if tall else "stretch", alt=f"Evidence {item.title or item.id}: {about}"
    )
    if bold and (near := pictures.closer(pictures.with_boxes(picture, [replace(bold[0], label="")]), bold[0].region)) is not None:
        st.caption("The chosen region, closer:")
        st.image(near, width="content", alt="The chosen region, enlarged")
    if not boxes and not blind:
        st.caption(f"No finding points to a place {'on this page' if page else 'in this picture'}.")


def _box_label(place: Place) -> str:
    if place.blind:
        return ""
    return f"{wording.VERDICTS.get(place.finding.verdict, ('', place.finding.verdict))[1]}: {place.claim}"


def _document(url: str, places: Sequence[Place], item: EvidenceView, blind: bool) -> None:
    found = sorted({place.finding.page or 1 for place in places if place.finding.page or place.finding.region})
    wanted = next((place.finding.page or 1 for place in places if place.chosen and (place.finding.page or place.finding.region)), 1)
    pages = item.metadata.get("pages")
    last = pages if isinstance(pages, int) and pages > 0 else max([wanted, *found, 1])
    limit = last if isinstance(pages, int) else 9999
    with st.container(horizontal=True, vertical_alignment="center"):
        number = int(st.number_input("Page", 1, limit, wanted, key=f"page_{item.id}_{wanted}", width=130, label_visibility="collapsed"))
        st.caption(
            (f"of {pages}. " if isinstance(pages, int) else "") + ("Findings on page " + ", ".join(map(str, found)) if found else "")
        )
    _picture(url, places, number, item, blind)
    for place in places:
        if place.chosen and place.finding.quote:
            frame.put(markup.el("div", f"Found text: “{place.finding.quote}”", cls="gw-question"))


def _recording(item: EvidenceView, url: str, places: Sequence[Place], blind: bool) -> None:
    content = api.media(url)
    timed = [place for place in places if place.finding.time is not None]
    chosen = next((place.finding.time for place in timed if place.chosen), None)
    start = chosen[0] if chosen else 0.0
    player = st.video if item.family == "video" else st.audio
    player(content, format=item.media_type, start_time=start)
    if chosen:
        st.caption(f"Starts at {wording.media_time(chosen[0])}, where the chosen claim's finding points.")
    length = _length(item, content, [place.finding.time[1] for place in timed if place.finding.time])
    if length:
        frame.put(markup.timeline(length, [(*p.finding.time, p.tone, p.title) for p in timed if p.finding.time], chosen))
    rows = [
        [f"{wording.media_time(p.finding.time[0])}–{wording.media_time(p.finding.time[1])}", p.finding.quote or wording.UNKNOWN, p.claim]
        for p in sorted(timed, key=lambda place: place.finding.time or (0, 0))
        if p.finding.time and (p.chosen or not any(place.chosen for place in timed))
    ]
    if rows:
        frame.put(markup.table(["At", "Heard", "Claim"], rows))
    elif not timed and not blind:
        st.caption("No finding points to a time in this recording.")


def _length(item: EvidenceView, content: bytes, ends: Sequence[float]) -> float | None:
    """Seconds from the metadata or the header; else up to the last finding, rounded up, so the strip has a scale."""
    known = item.metadata.get("duration_s")
    length = float(known) if isinstance(known, (int, float)) and known > 0 else header_seconds(content)
    if length is None and ends:
        st.caption("The strip ends after the last finding; the recording may go on.")
        return (max(ends) // TICK_S + 1) * TICK_S
    return max([length, *ends]) if length else None


def header_seconds(content: bytes) -> float | None:
    """Length that a WAV or FLAC header states (RFC 9639, 8.2: 20 bits of sample rate, 36 bits of samples); else None."""
    if content[:4] == b"fLaC" and len(content) >= 26:
        packed = int.from_bytes(content[18:26], "big")
        rate, samples = packed >> 44, packed & 0xFFFFFFFFF
        return samples / rate if rate and samples else None
    try:
        with wave.open(io.BytesIO(content)) as file:
            return float(file.getnframes() / file.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return None


def _text(item: EvidenceView, places: Sequence[Place], blind: bool) -> None:
    text = item.text or ""
    span = next((place.finding.evidence_span for place in worst_first(places) if place.chosen and place.finding.evidence_span), None)
    shown = markup.marked(text, span)
    frame.put(shown)
    if span is not None and shown != (whole := markup.marked(text, span, len(text), len(text))):
        with st.expander(f"The whole text ({len(text):,} characters)"):
            frame.put(whole)
    if span is None and not blind:
        quote = next((place.finding.quote for place in places if place.chosen and place.finding.quote), None)
        st.caption("No finding of the chosen claim points to a place in this text." if quote is None else "The finding quotes:")
        if quote:
            frame.put(markup.el("div", quote, cls="gw-question"))
