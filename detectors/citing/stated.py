"""Times that a statement gives for what is said ("At 0:15 …"): they point into a recording as a citation does, and no passage says them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from detectors.claims.windows import Window, find_windows
from detectors.contract import Case, Claim, EvidenceFile, Interval
from detectors.presence.extent import seconds_of

# Containers round their length.
_SLACK_S = 1.0
# Claims of these kinds have a detector that compares their times.
_OWN_TIME = frozenset({"quote", "speaker", "event", "trend", "object"})
_FEWEST_WORDS = 3
_BEFORE_MARK = re.compile(r"\s+(?=[.,;:!?])")


def by_the_clock(text: str) -> bool:
    """Whether a text may name a time by the clock at all."""
    return ":" in text


def without_times(text: str, length_s: float | None = None) -> str:
    """A sentence without the places in a recording it names by the clock; times beyond ``length_s`` (seconds) are of the day and stay."""
    rest = text
    for start, end in sorted((span for window in _clocked(text, length_s) for span in window.spans), reverse=True):
        rest = f"{rest[:start].rstrip()} {rest[end:].lstrip()}"
    return _BEFORE_MARK.sub("", rest).strip(" ,;:–—-") or text


def stated_time(case: Case, claim: Claim) -> tuple[EvidenceFile, Interval] | None:
    """The one recording of a case and the window of it (seconds) that a statement says it is heard in; None without just one of each."""
    # Most statements give no time; only for those that may is the recording opened for its length.
    if claim.kind != "statement" or claim.span is None or not by_the_clock(claim.text) or case.evidence_of("video"):
        return None
    recordings = case.evidence_of("audio")
    if len(recordings) != 1 or _has_own(claim, case.claims):
        return None
    windows = _clocked(claim.text, length := seconds_of(recordings[0]))
    if len(windows) != 1 or len(without_times(claim.text, length).split()) < _FEWEST_WORDS:
        return None
    start, end = windows[0].start_s or 0.0, windows[0].end_s
    if end is None:
        end = length if windows[0].open and length is not None else start
    return recordings[0], (start, end)


def _clocked(text: str, length_s: float | None) -> list[Window]:
    return [
        window
        for window in find_windows(text)
        if any(by_the_clock(text[slice(*span)]) for span in window.spans)
        and max(window.start_s or 0.0, window.end_s or 0.0) <= (float("inf") if length_s is None else length_s + _SLACK_S)
    ]


def _has_own(claim: Claim, claims: Sequence[Claim]) -> bool:
    start, end = claim.span or (0, 0)
    return any(one.kind in _OWN_TIME and one.span is not None and one.span[0] < end and start < one.span[1] for one in claims)
