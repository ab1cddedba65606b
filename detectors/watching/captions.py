"""Reads the text on the screen, only for claims that quote some."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from rapidfuzz.fuzz import partial_ratio_alignment

from detectors.contract import DetectorOptions, Interval
from detectors.reading.readers import FastReader
from detectors.watching.facets import Facet
from detectors.watching.film import frames_at
from detectors.watching.looks import Look, Viewing

# Frames read for one claim: a second each.
_INSIDE, _OUTSIDE = 6, 6
_FRAMES_KEPT = 256
# Similarity in percent, of letters and digits: captions of moving pictures are read with a slip here and there.
_SAME_TEXT = 82.0
_FOUND, _NOT_FOUND = 4.0, -2.0


class CaptionReader:
    """OCR on frames, loaded when the first claim asks for it, with what was read of each frame."""

    def __init__(self, options: DetectorOptions) -> None:
        self._options = options
        self._reader: FastReader | None = None
        self._read: OrderedDict[tuple[str, float], str] = OrderedDict()

    def facets(self, viewing: Viewing, texts: Sequence[str], window: Interval) -> list[Facet]:
        """A facet for each quoted text. A text that is not found proves nothing: it may stand between two frames.

        Raises:
            DetectorUnavailable: the reader or its weights are not installed.
        """
        inside = [look.time_s for look in viewing.looks if window[0] <= look.time_s <= window[1]]
        outside = [look.time_s for look in viewing.looks if not window[0] <= look.time_s <= window[1]]
        times = sorted({*_spread(inside, _INSIDE), *_spread(outside, _OUTSIDE)})
        screens = self._screens(viewing, times)
        return [_facet(text, screens, [time for time in times if window[0] <= time <= window[1]]) for text in texts]

    def _screens(self, viewing: Viewing, times: Sequence[float]) -> dict[float, str]:
        if self._reader is None:
            reader = FastReader(self._options)
            reader.load()
            self._reader = reader
        key = viewing.evidence.sha256
        new = [time for time in times if (key, time) not in self._read]
        for time, image in frames_at(viewing.evidence, new):
            self._read[key, time] = _plain(" ".join(line.text for line in self._reader.lines_of(image)))
        found = {time: self._read[key, time] for time in times}
        while len(self._read) > _FRAMES_KEPT:
            self._read.popitem(last=False)
        return found


def _facet(text: str, screens: dict[float, str], inside: Sequence[float]) -> Facet:
    wanted = _plain(text)

    def log_odds(looks: Sequence[Look]) -> float:
        read = [screens[look.time_s] for look in looks if look.time_s in screens]
        if not read:
            return 0.0
        return _FOUND if any(_match(wanted, screen) == "same" for screen in read) else _NOT_FOUND

    # The same words with other figures are read on purpose: then this text is not what the screen shows.
    found = {_match(wanted, screens[time]) for time in inside}
    return Facet(f"the text {text!r}", log_odds, proves_absence="other figures" in found and "same" not in found, specific=True)


def _match(wanted: str, screen: str) -> Literal["same", "other figures", "none"]:
    """Whether a screen shows a text: its letters allow for slips of reading, its figures do not."""
    if len(screen) < len(wanted) * 0.8 or not wanted:
        return "none"
    place = partial_ratio_alignment(wanted, screen, score_cutoff=_SAME_TEXT)
    if place is None:
        return "none"
    shown = screen[place.dest_start : place.dest_end]
    if _figures(wanted) == _figures(shown):
        return "same"
    return "other figures" if len(_figures(wanted)) == len(_figures(shown)) else "none"


def _figures(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _spread(times: Sequence[float], count: int) -> list[float]:
    if len(times) <= count:
        return list(times)
    return [times[int(index)] for index in np.linspace(0, len(times) - 1, count)]


def _plain(text: str) -> str:
    return "".join(character.lower() for character in text if character.isalnum())
