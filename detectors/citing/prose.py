"""Whether a picture is a page of prose: a cheap look at its print, then at what was read of it.

A page of prose says what it says in sentences, so that a statement none of them bears out is not on it. Receipts, forms,
charts, posters and photographs speak otherwise too: by where words stand, by lines and by what is seen.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.citing.texts import SourceText, TextSources
from detectors.contract import EvidenceFile, EvidenceUnreadable
from detectors.grounding.passages import Passage, Source, passages_of
from detectors.quality.pictures import Copy, Grey, PictureBroken, copy_of
from detectors.quality.printing import glyph_centres, print_measures
from detectors.reading.lines import Line, around

# Less of a source's words in sentences, and it is a form: "Amount due" and "EUR 184.40" stand apart, and no passage says that this
# sum is due. A line of this many words counts as a sentence.
PROSE_SHARE, SENTENCE_WORDS = 0.5, 8
# A picture has more in its sentences, so many words, so many of them on the mean line, and sentences over this share of the height
# its words stand on. Charts have headlines and notes in sentences too: of 120 none had all of the last three (benchmarks/TUNING.md).
PAGE_WORDS, PAGE_SHARE, PAGE_HEIGHT, LINE_WORDS = 60, 0.8, 0.65, 4.6
LETTERED_SHARE = 0.75
_LETTERS = re.compile(r"[^\W\d_]")
# Fewer separate signs than this are no page, before anything is read; on a soft page letters run together.
_GLYPHS = 120
# Beside its words a page is plain; something may be shown in this share of the picture and more.
_SHOWN = 0.25
# The picture is looked at in squares of this side on a copy of so many pixels; a square with this share of the contrast is not plain.
_SQUARE, _SMALL_SIDE, _PLAIN = 8, 160, 0.08
# A page counts as well read from this mean confidence on (of soft pages at .94 lines of .9 and more had wrong digits), and up to this
# share of its signs outside the lines that were read: less than one line of fifty, and pages that were read whole have none.
SURE_PAGE, MISSED = 0.97, 0.02
_KEPT = 256

Seen = TypeVar("Seen")


class ProsePages:
    """Looks at pictures and reads those that are pages of prose; what was seen is kept by content. Not thread-safe."""

    def __init__(self, texts: TextSources) -> None:
        self._texts = texts
        self._printed: OrderedDict[str, bool] = OrderedDict()
        self._doubts: OrderedDict[str, str | None] = OrderedDict()

    def printed(self, evidence: EvidenceFile) -> bool:
        """Whether a picture has as much print as a page, by its look alone; False too where it cannot be opened."""
        try:
            return _remembered(self._printed, evidence.sha256, lambda: _has_print(copy_of(evidence)))
        except PictureBroken:
            return False

    def read_ahead(self, pieces: Iterable[EvidenceFile]) -> None:
        """Read the printed ones together. Raises DetectorUnavailable where the page reader is not installed."""
        self._texts.read_ahead([piece for piece in pieces if self.printed(piece)])

    def read(self, evidence: EvidenceFile) -> Source | None:
        """A picture as passages; None where it is no page of prose. Raises DetectorUnavailable as above."""
        if not self.printed(evidence):
            return None
        try:
            text = self._texts.read(evidence)
            source = passages_of(text, evidence.sha256)
            return source if is_page(source, text) and _plain_beside(copy_of(evidence).grey, text.lines) else None
        except (EvidenceUnreadable, PictureBroken):
            return None

    def doubt(self, evidence: EvidenceFile) -> str | None:
        """Why what a page does not say may still stand on it; None where it was read well. Asked of pages that were read."""
        text = self._texts.read(evidence)
        return _remembered(self._doubts, evidence.sha256, lambda: _badly_read(evidence, text))


def is_prose(source: Source) -> bool:
    """Whether most words of a source stand in sentences."""
    lengths = [len(passage.text.split()) for passage in source.passages]
    return sum(length for length in lengths if length >= SENTENCE_WORDS) >= PROSE_SHARE * sum(lengths)


def is_page(source: Source, text: SourceText) -> bool:
    """Whether what was read of a picture is a page of prose, by its words and where they stand."""
    words = sum(len(passage.text.split()) for passage in source.passages)
    if words < max(PAGE_WORDS, LINE_WORDS * len(text.lines)):
        return False
    # The rows of a table can be as long as sentences and look like wrapped lines, but much of them are numbers.
    if sum(bool(_LETTERS.search(word)) for one in source.passages for word in one.text.split()) < LETTERED_SHARE * words:
        return False
    held = [one for one in source.passages if len(one.text.split()) >= SENTENCE_WORDS]
    if sum(len(one.text.split()) for one in held) < PAGE_SHARE * words:
        return False
    return _height_of(held, text) >= PAGE_HEIGHT


def _height_of(sentences: Sequence[Passage], text: SourceText) -> float:
    """The share of the height that words stand on which these sentences take up, the first page alone."""
    lines = [line for line in text.lines if line.page == text.lines[0].page]
    leading = float(np.median([line.level[3] for line in lines]))
    held = [line for one in sentences for line in text.lines_at(one.span) if line.page == lines[0].page]
    spans = sorted((line.level[1] - leading / 2, line.level[1] + line.level[3] + leading / 2) for line in held)
    covered, end = 0.0, -1.0
    for top, bottom in spans:
        covered += max(0.0, bottom - max(top, end))
        end = max(end, bottom)
    whole = max(line.level[1] + line.level[3] for line in lines) - min(line.level[1] for line in lines)
    return covered / whole if whole > 0 else 0.0


def _has_print(copy: Copy) -> bool:
    # A page may lie on its side.
    return any(
        print_measures(grey, copy.shrunk).get("glyphs", 0.0) >= _GLYPHS for grey in (copy.grey, np.ascontiguousarray(np.rot90(copy.grey)))
    )


def _plain_beside(grey: Grey, lines: Sequence[Line]) -> bool:
    """Whether the picture is plain outside the smallest region with all its words."""
    import cv2

    scale = _SMALL_SIDE / max(grey.shape)
    size = tuple(max(_SQUARE, round(side * scale) // _SQUARE * _SQUARE) for side in grey.shape)
    small = cv2.resize(grey, (size[1], size[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
    squares = small.reshape(size[0] // _SQUARE, _SQUARE, size[1] // _SQUARE, _SQUARE).std(axis=(1, 3))
    low, high = np.percentile(small, (2, 98))
    rough = squares > _PLAIN * max(1.0, float(high - low))
    x, y, width, height = around([line for line in lines if line.page == lines[0].page])
    rows, columns = rough.shape
    rough[int(y * rows) : int(np.ceil((y + height) * rows)), int(x * columns) : int(np.ceil((x + width) * columns))] = False
    return float(rough.mean()) < _SHOWN


def _badly_read(evidence: EvidenceFile, text: SourceText) -> str | None:
    signs = [sum(character.isalnum() for character in line.text) for line in text.lines]
    confidence = sum(line.confidence * count for line, count in zip(text.lines, signs, strict=True)) / max(1, sum(signs))
    if confidence < SURE_PAGE:
        return f"{evidence.id!r} is read too uncertainly (confidence {confidence:.2f})"
    first = [line for line in text.lines if line.page == text.lines[0].page]
    missed = _outside(copy_of(evidence).grey, first)
    return f"a part of {evidence.id!r} was not read" if missed > MISSED else None


def _outside(grey: Grey, lines: Sequence[Line]) -> float:
    """The share of the signs of a picture that stand in none of the lines, each as it leans: a box around one holds its neighbours."""
    centres = glyph_centres(grey)
    if not len(centres):
        return 0.0
    inside = np.zeros(len(centres), bool)
    for line in lines:
        origin, along, down = _edges(line, grey.shape)
        height = float(np.hypot(*down)) / max(1.0, float(np.hypot(*along)))
        # In units of the line's own length and height, measured along its edges.
        place = np.linalg.lstsq(np.stack([along, down], axis=1), (centres - origin).T, rcond=None)[0]
        inside |= (place[0] >= -height / 2) & (place[0] <= 1 + height / 2) & (place[1] >= -0.25) & (place[1] <= 1.25)
    return float(1 - inside.mean())


def _edges(line: Line, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Top left corner of a line, and its top and left edge, in pixels; opposite edges count by their mean."""
    x, y, width, height = line.region
    upright = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    one, two, three, four = np.asarray(line.corners or upright) * (shape[1], shape[0])
    along, down = (two - one + three - four) / 2, (four - one + three - two) / 2
    return (one + two + three + four) / 4 - along / 2 - down / 2, along, down


def _remembered(kept: OrderedDict[str, Seen], key: str, look: Callable[[], Seen]) -> Seen:
    if key not in kept:
        kept[key] = look()
        if len(kept) > _KEPT:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
