"""Finds where an answer, or a question, speaks of its evidence itself: a picture, a recording, page 7, 4:10, "no file was attached".

Needs no language model, and no evidence: what it looks for is talk of something that may not be there. The span of a
mention is the words that speak of it. Its facts:

``speaks_of``  what is spoken of: a key of :data:`~detectors.claims.phrases.THINGS`, or ``page``, ``moment``
``number``     the page, the ordinal of the picture ("the third image"), or the second of the recording
``pointed``    the words point at something handed over ("the attached file", "the video you sent")
``denies``     the answer says it lacks the thing: ``absent`` (never arrived), ``unable`` (cannot see, hear or open it) or
               ``unreadable`` (too dark, blank, damaged)

It works by phrases in which answers speak of evidence, not by nouns: "picture this", "video games", "the offer on the
table", "the bigger picture shows" are no mentions. It is wrong where such a phrase is meant of another thing (a film that
the answer talks about), and it reads English only.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from detectors.claims.phrases import (
    ASKED,
    ASKS_FOR_IT,
    CITED_WORK,
    DAYTIME_AFTER,
    DECLINES,
    DENIALS,
    GRID,
    HOW_TO,
    HYPOTHETICAL,
    KEPT_IN_THE_PICTURE,
    MOMENT,
    MUSIC,
    ORDINALS,
    PAGE,
    POINTED,
    RULES,
    STRICT,
    THINGS,
    TIME_OF_DAY,
    WORDS,
)
from detectors.contract import Claim, Span

# Beyond these an answer is not searched, or a sentence not read back, so that a hostile one takes no more than its length.
MOST_CHARACTERS = 50_000
_LONGEST_SENTENCE = 400
_LONGEST_QUOTE = 4000


def find(text: str) -> list[Claim]:
    """Mentions and denials in an answer, in reading order, with ids ``m1``, ``m2`` …; overlapping ones are one."""
    text = text[:MOST_CHARACTERS]
    found = [*_denials(text), *_things(text), *_pages(text), *_moments(text)]
    kept: list[tuple[Span, dict[str, Any]]] = []
    for span, facts in found:
        # Those kept do not overlap, so their starts and ends are in the same order.
        place = bisect_left(kept, span[1], key=lambda item: item[0][0])
        if not place or kept[place - 1][0][1] <= span[0]:
            kept.insert(place, (span, facts))
    return [
        Claim(id=f"m{number}", text=text[slice(*span)], span=span, kind="statement", facts=facts)
        for number, (span, facts) in enumerate(kept, start=1)
    ]


def asked_about(question: str) -> frozenset[str]:
    """Which things a question takes for handed over ("in this picture", "the attached PDF"); a how-to question none."""
    question = question[:MOST_CHARACTERS]
    if HOW_TO.search(question):
        return frozenset()
    return frozenset(_thing_of(match) for match in ASKED.finditer(question))


def declines(text: str) -> bool:
    """Whether an answer says that it cannot answer, or asks for what it would need; what it quotes others for does neither."""
    text = text[:MOST_CHARACTERS]
    return not text.strip() or any(not _inside_quotes(text, match.start()) for match in DECLINES.finditer(text))


def speaks_of(thing: str, text: str) -> bool:
    """Whether a text has a word for such a thing; a text that does may itself describe one that nobody attached."""
    return WORDS[thing].search(text) is not None


def _thing_of(match: re.Match[str]) -> str:
    name = next(name for name, value in match.groupdict().items() if value is not None and name != "number")
    return name.rstrip("23")


def _sentence_before(text: str, start: int) -> str:
    earliest = max(0, start - _LONGEST_SENTENCE)
    begin = max(text.rfind(mark, earliest, start) for mark in (". ", "! ", "? ", "\n"))
    return text[max(begin + 1, earliest) : start]


def _things(text: str) -> Iterator[tuple[Span, dict[str, Any]]]:
    found = []
    for rule, pattern in RULES:
        for match in pattern.finditer(text):
            thing = _thing_of(match)
            pointed = rule in POINTED
            if (thing in STRICT and not pointed) or not _is_meant(text, match, thing, pointed):
                continue
            facts: dict[str, Any] = {"speaks_of": thing, "pointed": pointed}
            if (number := _ordinal(match)) is not None:
                facts["number"] = number
            found.append((match.span(), facts))
    found.sort(key=lambda item: (not item[1]["pointed"], item[0]))
    yield from found


def _is_meant(text: str, match: re.Match[str], thing: str, pointed: bool) -> bool:
    before = _sentence_before(text, match.start())
    said = match.group().lower()
    if ASKS_FOR_IT.search(before) or (thing == "table" and _has_grid(text)):
        return False
    if pointed:
        return not re.match(r"an?\s", said) or bool(re.search(r"\b(?:attached|uploaded|enclosed)\b", said))
    if HYPOTHETICAL.search(before + match.group()):
        return False
    if thing == "table" and re.search(r"\b(?:on|of|has|does|left|right|end|side|edge|corner|middle|top|bottom)\b", said):
        return False
    if thing == "image" and re.search(r"\bin\s+the\s+picture$", said) and KEPT_IN_THE_PICTURE.search(before):
        return False
    if thing == "chart" and (MUSIC.search(before) or re.search(r"\bthe\s+charts$", said)):
        return False
    return thing == "table" or said.startswith(("this", "it ")) or match.start() < _introduced(text, thing)


@functools.lru_cache(maxsize=16)
def _introduced(text: str, thing: str) -> int:
    """Where the answer itself first brings the thing up ("took a photograph …"): from there on it need not be the evidence."""
    pattern = rf"\b(?:an?|his|her|their|its|whose|famous|another)\s+(?:[\w-]+\s+){{0,2}}?(?:{THINGS[thing]})\b"
    first = re.search(pattern, text, re.IGNORECASE)
    return len(text) if first is None else first.end()


@functools.lru_cache(maxsize=4)
def _has_grid(text: str) -> bool:
    return GRID.search(text) is not None


def _ordinal(match: re.Match[str]) -> int | None:
    if (digits := match.groupdict().get("number")) is not None:
        return int(digits)
    words = re.findall(r"[a-z]+", match.group().lower())
    return next((ORDINALS[word] for word in words if word in ORDINALS), None)


def _pages(text: str) -> Iterator[tuple[Span, dict[str, Any]]]:
    for match in PAGE.finditer(text):
        before = _sentence_before(text, match.start())
        if CITED_WORK.search(before) or ASKS_FOR_IT.search(before):
            continue
        number = int(next(value for value in match.groupdict().values() if value))
        if number > 0:
            yield match.span(), {"speaks_of": "page", "number": number, "pointed": match["d"] is not None}


def _moments(text: str) -> Iterator[tuple[Span, dict[str, Any]]]:
    for match in MOMENT.finditer(text):
        name = "a" if match["a"] else "b"
        start = match.start() if name == "b" else match.start("a")
        around = _sentence_before(text, match.start()) + text[match.end() : match.end() + 60].split(".")[0]
        if DAYTIME_AFTER.match(text, match.end()) or (name == "a" and TIME_OF_DAY.search(around)) or _inside_quotes(text, start):
            continue
        parts = [int(part) for part in match[name].split(":")]
        seconds = sum(part * 60**power for power, part in enumerate(reversed(parts)))
        yield (match.start(), match.end()), {"speaks_of": "moment", "number": seconds, "pointed": False}


def _inside_quotes(text: str, at: int) -> bool:
    begin = max(text.rfind("\n", 0, at), at - _LONGEST_QUOTE, 0)
    return text.count('"', begin, at) % 2 == 1 or text.count("“", begin, at) > text.count("”", begin, at)


def _denials(text: str) -> Iterator[tuple[Span, dict[str, Any]]]:
    for kind, pattern in DENIALS:
        for match in pattern.finditer(text):
            thing = "document" if match.groupdict().get("page") else _thing_of(match)
            before = _sentence_before(text, match.start())
            if not HYPOTHETICAL.search(before + " ") and not re.search(r"\b(?:said|says|told|claims?|because|that)\s*$", before):
                yield match.span(), {"speaks_of": thing, "denies": kind, "pointed": True}
