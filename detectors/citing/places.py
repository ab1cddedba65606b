"""Whether the place a citation points to exists: page, time, region, span, and a quote that really stands there."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from rapidfuzz import fuzz

from detectors.citing.texts import SourceText
from detectors.contract import EvidenceFile, Place, Span
from detectors.presence.extent import pages_of, seconds_of
from detectors.reading.pages import open_pages

# Containers round their length; a citation may end this much after it.
_SLACK_S = 1.0
# A quote may differ by a typing slip or a changed quotation mark, in characters of a hundred.
_SAME_WORDS = 92.0
_FOLDED = str.maketrans("’‘‚“”„«»–—−\u00a0", '\'\'\'"""""--- ')


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a citation does not hold as a link, whatever the claim says; ``found`` is where the cited words do stand."""

    problem: str
    error: str = "source"
    found: Place | None = None


def flaw_of(piece: EvidenceFile, place: Place) -> Flaw | None:
    """What is wrong with the place within its source; None where it exists, or its kind has no such measure.

    Raises EvidenceUnreadable where the source itself cannot be opened.
    """
    if place.page is not None and (flaw := _page_flaw(piece, place.page)):
        return flaw
    if place.time is not None and (flaw := _time_flaw(piece, place.time)):
        return flaw
    if place.region is not None:
        return _region_flaw(piece, place)
    return None


def span_flaw(text: SourceText, place: Place) -> Flaw | None:
    """Whether span and quote of a citation stand in the text of its source."""
    if place.span is not None and not text.lines and not 0 <= place.span[0] < place.span[1] <= len(text.text):
        return Flaw(f"it cites characters {place.span[0]} to {place.span[1]} of a text of {len(text.text)}")
    if not place.quote or not place.quote.strip():
        return None
    part = text.only(place)
    if part is not None and locate(part, place.quote) is not None:
        return None
    elsewhere = locate(text.text, place.quote)
    if elsewhere is None:
        return Flaw(f"it quotes “{_short(place.quote)}”, which the source does not say", error="quote")
    if part is not None:
        found = text.place(elsewhere)
        return Flaw(f"it quotes “{_short(place.quote)}”, which stands elsewhere in the same source{_at(found)}", found=found)
    return None


def locate(text: str, quote: str) -> Span | None:
    """Where the quote stands in the text, letter case, blanks and kinds of quotation marks aside; None where it does not."""
    wanted, _ = _folded(quote)
    folded, offsets = _folded(text)
    if not wanted or not folded:
        return None
    start = folded.find(wanted)
    if start < 0:
        # A shorter text would be laid over the quote instead.
        if len(folded) < len(wanted):
            return None
        near = fuzz.partial_ratio_alignment(wanted, folded, score_cutoff=_SAME_WORDS)
        if near is None or not near.score or _digits(wanted) != _digits(folded[near.dest_start : near.dest_end]):
            return None
        start, end = near.dest_start, near.dest_end
        while start > 0 and folded[start - 1].isalnum():
            start -= 1
        while end < len(folded) and folded[end].isalnum():
            end += 1
    else:
        end = start + len(wanted)
    return offsets[start], offsets[min(end, len(offsets)) - 1] + 1


def _page_flaw(piece: EvidenceFile, page: int) -> Flaw | None:
    if piece.family not in ("pdf", "image"):
        return None
    if piece.family == "image":
        count, _ = open_pages(piece)
        return Flaw(f"it cites page {page} of {count}") if page > count else None
    pages = pages_of(piece)
    if pages is None or page <= pages.count or page in pages.printed:
        return None
    return Flaw(f"it cites page {page} of {pages.count}")


def _time_flaw(piece: EvidenceFile, time: tuple[float, float]) -> Flaw | None:
    if piece.family not in ("audio", "video"):
        return Flaw(f"it cites a time in {piece.media_type}, which has none") if piece.family == "image" else None
    length = seconds_of(piece)
    if length is not None and time[1] > length + _SLACK_S:
        return Flaw(f"it cites {time[0]:g} to {time[1]:g} s of a recording of {length:.1f} s")
    return None


def _region_flaw(piece: EvidenceFile, place: Place) -> Flaw | None:
    if piece.family in ("audio", "text"):
        return Flaw(f"it cites a region in {piece.media_type}, which has none")
    x, y, width, height = place.region or (0.0, 0.0, 0.0, 0.0)
    if width <= 0 or height <= 0:
        return Flaw("the region it cites has no area")
    if x < 0 or y < 0 or x + width > 1.0001 or y + height > 1.0001:
        return Flaw("the region it cites leaves the picture")
    return None


def _folded(text: str) -> tuple[str, list[int]]:
    """The text in one letter case with single blanks and plain marks, and for each of its characters the offset in ``text``."""
    letters: list[str] = []
    offsets: list[int] = []
    for offset, character in enumerate(text):
        for plain in unicodedata.normalize("NFKC", character.translate(_FOLDED)).casefold():
            if plain.isspace():
                if not letters or letters[-1] == " ":
                    continue
                plain = " "
            letters.append(plain)
            offsets.append(offset)
    while letters and letters[-1] == " ":
        letters.pop()
        offsets.pop()
    return "".join(letters), offsets


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _short(quote: str, limit: int = 80) -> str:
    return quote if len(quote) <= limit else quote[: limit - 1] + "…"


def _at(place: Place) -> str:
    return f" (page {place.page})" if place.page else ""
