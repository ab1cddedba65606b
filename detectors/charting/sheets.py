"""Finds the chart in a piece of evidence and keeps it ready for statements, shared by the detectors of one process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from detectors.charting.association import Association
from detectors.charting.chart import Chart
from detectors.charting.recover import not_a_chart, recover
from detectors.charting.turned import PieceReader, with_turned
from detectors.charting.words import Vocabulary
from detectors.contract import EvidenceFile
from detectors.reading.lines import Line, Reading
from detectors.reading.pages import open_pages

# Charts kept ready: responses on one chart come together.
_KEPT, _MOST_PAGES = 64, 5
# Below this mean confidence of the reader the numbers of a chart are guesses.
_UNCERTAIN = 0.55
# A sign this many times the usual height of print is a mark.
_GIANT = 2.5


@dataclass(frozen=True)
class Sheet:
    """A chart made ready for statements, and the page it is on."""

    page: int
    chart: Chart
    association: Association
    vocabulary: Vocabulary


_sheets: OrderedDict[tuple[str, str], Sheet | str] = OrderedDict()
_lock = threading.Lock()


def sheet_of(evidence: EvidenceFile, reading: Reading, reader: PieceReader) -> Sheet | str:
    """The first chart among the evidence's pages, or why there is none; ``reader`` reads print on its side again.

    Raises EvidenceUnreadable.
    """
    # The number of lines tells readings of one picture apart where tests write their own.
    key = (evidence.sha256, f"{reading.reader}/{len(reading.lines)}/{reading.confidence:.4f}")
    with _lock:
        if key in _sheets:
            _sheets.move_to_end(key)
            return _sheets[key]
    found = _recover(evidence, reading, reader)
    with _lock:
        _sheets[key] = found
        while len(_sheets) > _KEPT:
            _sheets.popitem(last=False)
    return found


def _recover(evidence: EvidenceFile, reading: Reading, reader: PieceReader) -> Sheet | str:
    _, pages = open_pages(evidence)
    reason = "the document carries its own text, its drawings are not read"
    for page in pages:
        if page.number > _MOST_PAGES:
            break
        if page.image is None:
            continue
        # Bars are measured where they stand, so print is taken where it stands too, not where it would on a page made level.
        lines = [replace(line, straight=None) for line in _print_alone(reading.lines) if line.page == page.number]
        whole = replace(reading, lines=with_turned(lines, reader, page.image, page.number))
        chart = recover(whole, page.image, page.number)
        why = not_a_chart(chart)
        if why is None and chart.confidence >= _UNCERTAIN:
            return Sheet(page.number, chart, Association(chart), Vocabulary(line.text for line in chart.texts))
        reason = why or f"the chart is read too uncertainly (confidence {chart.confidence:.2f})"
    return reason


def _print_alone(lines: Sequence[Line]) -> list[Line]:
    """The lines without bars and wedges read as a sign or two: so much taller and, for their signs, so much larger than the print."""
    heights = sorted(min(line.region[2], line.region[3]) for line in lines)
    usual = heights[len(heights) // 2] if heights else 0.0

    def giant(line: Line) -> bool:
        short, long = sorted(line.region[2:])
        return len(line.text.strip()) <= 2 and (short >= _GIANT * usual or long >= 2 * _GIANT * usual)

    return [line for line in lines if not giant(line)]
