"""What a response was given, as far as talk of evidence goes: which things it can stand for, and whether any of it can be used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from detectors.claims.mentions import speaks_of
from detectors.contract import Case, EvidenceFile, MissingEvidence
from detectors.presence.extent import pages_of, seconds_of
from detectors.quality.grades import Quality
from detectors.quality.remembering import measure_once

# Which families a thing may be found in. ``other`` is any format that is not known here, so it may hold anything.
STANDS_FOR: dict[str, frozenset[str]] = {
    "image": frozenset(("image", "video", "pdf", "other")),
    "chart": frozenset(("image", "video", "pdf", "other")),
    "audio": frozenset(("audio", "video", "other")),
    "video": frozenset(("video", "other")),
    "document": frozenset(("pdf", "text", "image", "other")),
    "table": frozenset(("pdf", "text", "image", "other")),
    "transcript": frozenset(("text", "audio", "video", "pdf", "other")),
    "attachment": frozenset(("image", "audio", "video", "text", "pdf", "other")),
    "page": frozenset(("pdf", "text", "image", "other")),
    "moment": frozenset(("audio", "video", "text", "pdf", "other")),
}
# A text made from a source stands for that source.
_MADE_FROM = {"transcript": ("audio", "video"), "ocr": ("image", "chart"), "table": ("chart",)}
# Ordinals count whole pieces of evidence, which only these are one of each.
_COUNTED = {"image": "image", "video": "video", "audio": "audio"}
_MOST_TEXT = 2_000_000
# A question of so many words carries the material itself.
_LONG_QUESTION_WORDS = 40
# Times are rounded, and players show the second after the last frame.
SLACK_S = 1.5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lack:
    """Why a thing is not there. ``rule`` is a key of the rule scores, ``told`` a clause for a person."""

    rule: str
    told: str


class Stock:
    """The evidence of one case. Files are opened only where a question about them is asked."""

    def __init__(self, case: Case) -> None:
        self.files = tuple(piece for piece in case.evidence if piece.role != "reference_voice")
        self.missing = case.missing
        self._question = case.question or ""

    def matching(self, thing: str) -> tuple[EvidenceFile, ...]:
        """The pieces that talk of the thing may be about."""
        families = STANDS_FOR[thing]
        return tuple(piece for piece in self.files if piece.family in families or thing in _MADE_FROM.get(piece.role, ()))

    def withheld(self, thing: str) -> MissingEvidence | None:
        """A piece that was attached and may be the thing, but could not be had here."""
        return next((piece for piece in self.missing if piece.family in STANDS_FOR[thing]), None)

    def lack(self, thing: str) -> Lack | str | None:
        """Why there is no such thing: a reason, None where there is one, or a sentence where it cannot be told."""
        if self.matching(thing):
            return None
        if (piece := self.withheld(thing)) is not None:
            return piece.problem
        article = "an" if thing[0] in "aeiou" else "a"
        if thing == "video" and sum(piece.family == "image" for piece in self.files) > 1:
            return "no video is attached, but several pictures that may be its frames"
        if any(piece.family == "text" for piece in self.missing):
            return f"a text is attached that is not stored here and may speak of {article} {thing}"
        texts = [piece for piece in self.files if piece.family == "text"]
        if self._carries_text() or texts:
            if any(speaks_of(thing, _text_of(piece)) for piece in texts) or (self._carries_text() and speaks_of(thing, self._question)):
                return f"no {thing} is attached, but a text speaks of one itself"
            if self._carries_text() and thing in ("document", "table", "transcript", "attachment", "page"):
                return "nothing is attached, but the question carries a text"
            if texts:
                return Lack("text_silent", f"only text is attached, which speaks of no {thing}")
        if not self.files:
            return Lack("nothing_attached", "nothing is attached to this response")
        families = " and ".join(sorted({piece.family for piece in self.files}))
        return Lack("other_family", f"only {families} evidence is attached")

    def beyond(self, thing: str, number: int) -> Lack | str | None:
        """Whether a page, a moment or the n-th piece lies beyond what is there; as :meth:`lack`."""
        if thing == "page":
            return self._beyond_pages(number)
        if thing == "moment":
            return self._beyond_length(number)
        family = _COUNTED.get(thing)
        count = sum(piece.family == family for piece in self.files)
        mixed = len({piece.family for piece in self.files}) > 1 or self.missing
        if family is None or not count or mixed or number <= count:
            return None
        return Lack("beyond_count", f"only {count} {'is' if count == 1 else 'are'} attached")

    def _beyond_pages(self, number: int) -> Lack | str | None:
        if any(piece.family != "pdf" for piece in self.files) or self.missing or not self.files:
            return None
        several = [pages_of(piece) for piece in self.files]
        known = [pages for pages in several if pages is not None]
        if len(known) < len(several) or any(number <= pages.count or number in pages.printed for pages in known):
            return None
        if not all(pages.legible for pages in known):
            return "it has fewer pages, but the numbers printed on them cannot be read"
        most = max(pages.count for pages in known)
        return Lack("beyond_pages", f"the document has {most} page{'s' * (most > 1)}, none of them with this number")

    def _beyond_length(self, second: int) -> Lack | str | None:
        if any(piece.family not in ("audio", "video") for piece in self.files) or self.missing or not self.files:
            return None
        lengths = [seconds_of(piece) for piece in self.files]
        known = [length for length in lengths if length is not None]
        if len(known) < len(lengths) or any(second <= length + SLACK_S for length in known):
            return None
        return Lack("beyond_length", f"the recording is {max(known):.0f} s long")

    def unusable(self, pieces: Sequence[EvidenceFile]) -> str | None:
        """What is wrong, where none of these pieces can be used; None where one can, or was not measured."""
        if not pieces:
            return None
        faults = []
        for piece in pieces:
            found = quality_of(piece)
            if found is None or found.grade != "unusable":
                return None
            faults.append(found.problems[0].text)
        return "; ".join(dict.fromkeys(faults))

    def faultless(self, pieces: Sequence[EvidenceFile]) -> bool:
        """Whether every one of these pieces was measured and is good."""
        grades = [quality_of(piece) for piece in pieces]
        return bool(grades) and all(found is not None and found.grade == "good" for found in grades)

    def _carries_text(self) -> bool:
        return len(self._question.split()) > _LONG_QUESTION_WORDS


def quality_of(piece: EvidenceFile) -> Quality | None:
    """Its quality; None where it has no measure, or measuring failed."""
    try:
        return measure_once(piece)
    except Exception:  # noqa: BLE001 - a decoder may raise anything on hostile bytes; then nothing is known of this piece
        _log.exception("the quality of evidence %s (sha256 %s) could not be measured", piece.id, piece.sha256)
        return None


def _text_of(piece: EvidenceFile) -> str:
    try:
        with piece.path.open("rb") as stream:
            said = stream.read(_MOST_TEXT).decode("utf-8", errors="replace")
    except OSError:
        said = ""
    return f"{piece.title or ''}\n{said}"
