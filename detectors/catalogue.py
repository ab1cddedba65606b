"""Every detector there is: name → where it lives and what it needs. Read it, it is the whole truth.

Nothing is imported until a detector is asked for; a missing package becomes
:class:`~detectors.contract.DetectorUnavailable`, which the service records as *not checked: not installed*.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from detectors.contract import Detector, DetectorOptions, DetectorUnavailable


@dataclass(frozen=True, slots=True)
class Entry:
    """``target`` is ``module:Class``, ``extra`` the pip extra that installs it, ``failure`` what it catches."""

    target: str
    extra: str
    failure: str


CATALOGUE: dict[str, Entry] = {
    "missing_evidence": Entry(
        "detectors.missing_evidence:MissingEvidence", "lite", "speaks of evidence that is not there, or answers over what cannot be read"
    ),
    "object_hallucination": Entry(
        "detectors.object_hallucination:ObjectHallucination", "lite", "names an object the picture does not show"
    ),
    "ocr_mismatch": Entry("detectors.ocr_mismatch:OcrMismatch", "lite", "gives a text, number, date or name the page does not print"),
    "chart_mismatch": Entry("detectors.chart_mismatch:ChartMismatch", "lite", "states a value, label or trend the chart does not bear out"),
    "event_mismatch": Entry(
        "detectors.event_mismatch:EventMismatch", "lite", "tells of an event the video does not show, or at another time"
    ),
    "quote_mismatch": Entry("detectors.quote_mismatch:QuoteMismatch", "lite", "quotes words, or a time, the recording does not have"),
    "entity_mismatch": Entry(
        "detectors.entity_mismatch:EntityMismatch", "lite", "says a name is mentioned that the recording does not have, or not then"
    ),
    "speaker_confusion": Entry("detectors.speaker_confusion:SpeakerConfusion", "lite", "gives words to the wrong speaker of a recording"),
    "citation_mismatch": Entry(
        "detectors.citation_mismatch:CitationMismatch", "lite", "cites a source that is not there, or a place that does not say it"
    ),
    "ungrounded_statement": Entry(
        "detectors.ungrounded_statement:UngroundedStatement", "lite", "states what no text, page or speech given as evidence bears out"
    ),
    "source_confusion": Entry("detectors.source_confusion:SourceConfusion", "lite", "attributes to one source what comes from another"),
}


def create(name: str, options: DetectorOptions) -> Detector:
    """The detector of that name, not yet loaded.

    Raises:
        KeyError: no such detector.
        DetectorUnavailable: a package it needs is not installed.
    """
    entry = CATALOGUE[name]
    module, _, cls = entry.target.partition(":")
    try:
        detector: Detector = getattr(importlib.import_module(module), cls)(options)
    except ModuleNotFoundError as error:
        raise DetectorUnavailable(name, f"Python package {error.name}", f"pip install 'groundwatch[{entry.extra}]'") from error
    return detector
