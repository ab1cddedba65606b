"""Collects the claims of an answer from the finders that fit its evidence, and completes a caller's own claims.

Each finder is a function ``find(text) -> list[Claim]`` with spans in ``text``; ids are given here, in reading order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from detectors.claims import charts, citing, events, objects, quotes, speakers, spoken_names, statements, values
from detectors.contract import Claim

Finder = Callable[[str], list[Claim]]

# Which finders read an answer, by the families of its evidence.
FINDERS: dict[str, tuple[Finder, ...]] = {
    "image": (objects.find, values.find, charts.find, citing.find, statements.find),
    "video": (events.find, quotes.find_in_video, speakers.find, spoken_names.find, citing.find),
    "pdf": (values.find, charts.find, citing.find, statements.find),
    "audio": (quotes.find, speakers.find, spoken_names.find, citing.find, statements.find),
    "text": (citing.find, statements.find),
    "other": (),
}


def extract(answer: str, families: Iterable[str]) -> tuple[Claim, ...]:
    """Claims of ``answer`` that evidence of these families can bear on, in reading order, with ids ``c1``, ``c2`` …"""
    finders: dict[Finder, None] = {}
    for family in sorted(set(families)):
        finders.update(dict.fromkeys(FINDERS[family]))
    # Two families may read the same quote: once is enough.
    found = list({(claim.span, claim.kind, repr(claim.facts)): claim for finder in finders for claim in finder(answer)}.values())
    found.sort(key=lambda claim: (claim.span or (0, 0), claim.kind))
    return tuple(replace(claim, id=f"c{number}") for number, claim in enumerate(found, start=1))


def complete(given: Sequence[Claim], answer: str, families: Iterable[str]) -> tuple[Claim, ...]:
    """A caller's claims made checkable: located in the answer, and split into what the finders understand.

    A given claim keeps its id; its checkable parts are ``id.1``, ``id.2`` … and carry its citations. A claim in which
    no finder sees anything stays as it is, so that it ends as *not checked* instead of vanishing.
    """
    families = tuple(families)
    completed: list[Claim] = []
    for claim in given:
        start = claim.span[0] if claim.span else answer.find(claim.text)
        span = claim.span or ((start, start + len(claim.text)) if start >= 0 else None)
        parts = [part for part in extract(claim.text, families) if claim.kind in (None, part.kind)]
        if claim.kind == "statement" and len(parts) <= 1:
            # One sentence is one statement already.
            parts = []
        if not parts:
            completed.append(replace(claim, span=span, kind=claim.kind or "statement", given=True))
        for number, part in enumerate(parts, start=1):
            inside = (start + part.span[0], start + part.span[1]) if part.span and start >= 0 else span
            completed.append(
                replace(part, id=f"{claim.id}.{number}", span=inside, citations=claim.citations, speaker=claim.speaker, given=True)
            )
    return tuple(completed)
