"""The quality of a piece of evidence, measured once however many ask: a detector, and the service's own meter after it."""

from __future__ import annotations

from collections import OrderedDict

from detectors.contract import EvidenceFile
from detectors.quality.grades import Quality
from detectors.quality.measuring import measure

# A few hundred bytes each.
_KEPT = 512
_known: OrderedDict[tuple[str, str, str], Quality | None] = OrderedDict()


def measure_once(evidence: EvidenceFile) -> Quality | None:
    """As :func:`~detectors.quality.measuring.measure`, remembering the last pieces. Not thread-safe, like the detectors."""
    key = (evidence.sha256, evidence.family, str(evidence.path))
    if key in _known:
        _known.move_to_end(key)
        return _known[key]
    found = measure(evidence)
    _known[key] = found
    if len(_known) > _KEPT:
        _known.popitem(last=False)
    return found
