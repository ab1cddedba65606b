"""Finds the stretches of a video that an answer speaks of, in the forms people write them.

"From 0:00 to 0:03 …", "Starting at 0:03, … until 0:11", "(0:04-0:08)", "In the first 4 seconds", "At 0:13", "between 12
and 15 seconds", "after two minutes", "in the last minute", "towards the end".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from detectors.claims.moments import NUMBER, Moment, find_moments, number_of
from detectors.contract import Span

_INEXACT = r"(?:about|around|approximately|roughly|nearly|shortly|just|the|time\s*stamps?|timecode)\s+"
# Words that belong to a stated time and not to what happens then.
_LEAD = re.compile(
    rf"(?:\b(?:and\s+)?(?:(?:starting|beginning|ending|stopping|lasting|continuing|running)\s+)?"
    rf"(?:at|around|about|approximately|roughly|near|after|before|from|between|until|till|up\s+to|by|since|through|to|timestamp)\s+(?:{_INEXACT})*"
    r"|[~≈]\s*|[(\[]\s*)+$",
    re.IGNORECASE,
)
_TRAIL = re.compile(
    r"\s*(?:(?:mark|timestamp)\b)?(?:\s*onwards?\b|\s*on\b(?=\s*[,.;)]|\s*$))?(?:\s+(?:in|into)\b(?:\s+the\s+(?:video|clip|recording|footage))?)?"
    r"\s*[)\]]?\s*(?:[,:]|\s[-–—](?=\s))?\s*",
    re.IGNORECASE,
)
_BEGINS = re.compile(rf"\b(?:(?:start|begin)(?:s|ing)?(?:\s+at|\s+from)?|from|since)\s+(?:{_INEXACT})*$", re.IGNORECASE)
_ENDS = re.compile(
    rf"\b(?:until|till|through|up\s+to|to|(?:ends?|ending|stops?|stopping|finish\w*)\s+(?:at|by)|lasts?\s+until)\s+(?:{_INEXACT})*$",
    re.IGNORECASE,
)
_STOPS = re.compile(rf"\b(?:ends?|stops?|finish\w*|lasts?\s+until)\s+(?:at\s+|by\s+)?(?:{_INEXACT})*$", re.IGNORECASE)
_OPEN = re.compile(rf"\bafter\s+(?:{_INEXACT})*$", re.IGNORECASE)
_CLOSED = re.compile(rf"\b(?:before|until|till|up\s+to|by)\s+(?:{_INEXACT})*$", re.IGNORECASE)
_EDGE = re.compile(
    rf"\b(?:(?:in|during|within|over|for|throughout)\s+)?(?:about\s+)?the\s+(?:very\s+)?(?P<which>first|opening|initial|last|final|closing)\s+"
    rf"(?P<number>{NUMBER})?\s*(?P<unit>seconds?|secs?|minutes?|mins?)\b(?:\s+of\s+the\s+(?:video|clip|recording|footage))?\s*,?\s*",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\b(?:(?:at|in|near|towards?|around|during)\s+)?the\s+(?:very\s+)?"
    r"(?P<which>beginning|start|middle|end|first\s+half|second\s+half)\b(?:\s+of\s+the\s+(?:video|clip|recording|footage))?(?!\s+of\b)\s*,?\s*",
    re.IGNORECASE,
)
# Loose words for a part of the whole, as shares of its length.
_SHARES = {
    "beginning": (0.0, 0.34),
    "start": (0.0, 0.34),
    "middle": (0.25, 0.75),
    "end": (0.66, 1.0),
    "first half": (0.0, 0.5),
    "second half": (0.5, 1.0),
}


@dataclass(frozen=True, slots=True)
class Window:
    """A stated stretch: seconds from the start (``end_s`` None for a moment, or where ``open`` it lasts to the end).

    ``last_s`` counts from the end instead, ``share`` is a part of the whole length. ``spans`` are the words that state it.
    """

    spans: tuple[Span, ...]
    start_s: float | None = None
    end_s: float | None = None
    open: bool = False
    approximate: bool = False
    last_s: float | None = None
    share: tuple[float, float] | None = None


def find_windows(text: str) -> list[Window]:
    """Stated stretches of one sentence in reading order; spans include the words around the time ("Starting at …,")."""
    edges = [_edge(match) for match in _EDGE.finditer(text)]
    taken = [window.spans[0] for window in edges]
    moments = [m for m in find_moments(text) if not any(m.span[0] < b and a < m.span[1] for a, b in taken)]
    found = edges + _joined(text, moments)
    if not found:
        found = [_part(match) for match in _PART.finditer(text)]
    return sorted(found, key=lambda window: window.spans)


def _joined(text: str, moments: list[Moment]) -> list[Window]:
    """Windows of the moments; "from 0:03 …" and a later "… until 0:11" are the two ends of one."""
    windows: list[Window] = []
    waiting = False
    for moment in moments:
        before = text[: moment.span[0]]
        span = _around(text, moment.span)
        joins = bool(windows) and windows[-1].end_s is None and (_ENDS if waiting else _STOPS).search(before) is not None
        if joins and moment.end_s is None and moment.start_s > (windows[-1].start_s or 0.0):
            last = windows[-1]
            windows[-1] = replace(last, spans=(*last.spans, span), end_s=moment.start_s, open=False)
            waiting = False
            continue
        if moment.end_s is not None:
            windows.append(Window((span,), moment.start_s, moment.end_s, approximate=moment.approximate))
        elif _CLOSED.search(before):
            windows.append(Window((span,), 0.0, moment.start_s, approximate=moment.approximate))
        else:
            waiting = bool(_BEGINS.search(before))
            opened = waiting or bool(_OPEN.search(before))
            windows.append(Window((span,), moment.start_s, open=opened, approximate=moment.approximate))
    return windows


def _around(text: str, span: Span) -> Span:
    lead = _LEAD.search(text[: span[0]])
    trail = _TRAIL.match(text, span[1])
    return (lead.start() if lead else span[0], trail.end() if trail else span[1])


def _edge(match: re.Match[str]) -> Window:
    length = number_of(match["number"].strip()) if match["number"] else 1.0
    seconds = length * (60.0 if match["unit"].lower().startswith("m") else 1.0)
    if match["which"].lower() in ("first", "opening", "initial"):
        return Window((match.span(),), 0.0, seconds)
    return Window((match.span(),), last_s=seconds)


def _part(match: re.Match[str]) -> Window:
    which = " ".join(match["which"].lower().split())
    return Window((match.span(),), approximate=True, share=_SHARES[which])
