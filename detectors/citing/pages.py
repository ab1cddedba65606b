"""Whether a value cited to a region or a page stands there: the place the reader finds it at, against the place cited."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.citing.texts import SourceText, mostly_in
from detectors.contract import Claim, Place
from detectors.reading.comparison import compare
from detectors.reading.lines import Line, Reading, around
from detectors.seeing.coco import iou

# What a caller's claim may be on a page; other kinds are seen, not read.
PRINTED_KINDS = frozenset({"text", "quantity", "entity"})
# Below this distance the value is read there, above the other another value is.
READ, OTHER = 0.3, 0.7


@dataclass(frozen=True, slots=True)
class PageCheck:
    """Distance of the claim to what is printed at the cited place and anywhere in the source, in [0, 1] (None: cannot be compared).

    ``place`` is the best place in the source, ``shared`` the intersection over union of its region and the cited one.
    """

    here: float | None
    anywhere: float | None
    place: Place | None
    shared: float


def on_page(claim: Claim, text: SourceText, cited: Place) -> PageCheck:
    """Compare a value with the lines at the cited place, and with all lines of the source."""
    inside = tuple(line for line in text.lines if _cited(line, cited))
    here = compare(claim, Reading(inside, "")) if inside else None
    whole = compare(claim, Reading(text.lines, ""))
    found = here.lines if here and here.raw is not None and here.raw < READ else whole.lines
    if not found:
        return PageCheck(here.raw if here else None, whole.raw, None, 0.0)
    page = found[0].page
    region = around(line for line in found if line.page == page)
    quote = " ".join(line.text for line in found)
    shared = iou(region, cited.region) if cited.region else float(cited.page == page)
    return PageCheck(here.raw if here else None, whole.raw, Place(text.evidence, region=region, page=page, quote=quote), shared)


def _cited(line: Line, cited: Place) -> bool:
    return (cited.page is None or line.page == cited.page) and (cited.region is None or mostly_in(line.region, cited.region))
