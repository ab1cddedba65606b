"""Loads the listeners of this machine and hears each recording once."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from detectors.contract import DetectorOptions, DetectorUnavailable, EvidenceFile
from detectors.hearing.audio import RATE, decode
from detectors.hearing.listener import Listener
from detectors.hearing.recording import Recording, recording, unheard
from detectors.hearing.regions import speech_regions
from detectors.weights import WHISPER_BASE, WHISPER_TINY_EN, verified_files, whisper_base_folder

# A recording is kept with its samples (4 MB a minute), so few are kept; findings of one response come together.
_KEPT_SECONDS = 3600.0
_LANGUAGE_S = 30


@dataclass(frozen=True, slots=True)
class NoSpeech:
    """A recording in which nobody speaks, or nothing that can be told apart."""

    duration_s: float


class Ears:
    """The first listener transcribes; the second, of another training, is asked only where claim and transcript part.

    ``options.whisper_model`` (size or local folder) takes the place of the pinned whisper base. The second listener is
    the pinned tiny.en where it is installed: two recognisers seldom mishear the same word the same way.
    """

    def __init__(self, options: DetectorOptions, detector: str) -> None:
        """Load the weights. Raises DetectorUnavailable with the remedy."""
        self._heard: OrderedDict[str, Recording | NoSpeech] = OrderedDict()
        threads = options.threads
        try:
            if options.whisper_model:
                first = self._load(options, options.whisper_model, options.allow_download)
                versions = [f"whisper:{Path(options.whisper_model).name}"]
            else:
                cache = options.cache_dir or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundwatch"
                first = self._load(options, whisper_base_folder(cache, detector), False)
                versions = [WHISPER_BASE.version]
            self.listeners = [first]
            with contextlib.suppress(DetectorUnavailable):
                tiny = verified_files(WHISPER_TINY_EN, detector)[0].parent
                self.listeners.append(Listener(tiny, options.device, options.precision, threads, False))
                versions.append(WHISPER_TINY_EN.version)
        except ModuleNotFoundError as error:
            raise DetectorUnavailable(detector, f"Python package {error.name}", "pip install 'groundwatch[lite]'") from error
        except (OSError, ValueError, RuntimeError) as error:
            # What faster-whisper, huggingface_hub and CTranslate2 raise for a model that is absent, partial or not a model.
            model = options.whisper_model or "whisper-base"
            remedy = "Give a local folder of a CTranslate2 Whisper model, or allow downloads"
            raise DetectorUnavailable(detector, f"usable weights of the speech recogniser {model!r} ({error})", remedy) from error
        self.weights_version = " ".join(versions)

    def hear(self, evidence: EvidenceFile) -> Recording | NoSpeech:
        """The recording, transcribed once for each content hash. Raises EvidenceUnreadable."""
        known = self._heard.get(evidence.sha256)
        if known is not None:
            self._heard.move_to_end(evidence.sha256)
            return known
        heard = self._listen(evidence)
        self._heard[evidence.sha256] = heard
        while len(self._heard) > 1 and sum(kept.duration_s for kept in self._heard.values()) > _KEPT_SECONDS:
            self._heard.popitem(last=False)
        return heard

    def _listen(self, evidence: EvidenceFile) -> Recording | NoSpeech:
        samples = decode(evidence)
        regions = speech_regions(samples)
        if not regions:
            return NoSpeech(len(samples) / RATE)
        first = self.listeners[0]
        begin = int(regions[0][0] * RATE)
        language, certainty = first.language(samples[begin : begin + _LANGUAGE_S * RATE])
        words = first.transcribe(samples, regions)
        missed = unheard(words, regions)
        if missed:
            words = first.fill(samples, words, missed)
        if not words:
            return NoSpeech(len(samples) / RATE)
        return recording(samples, regions, words, language, certainty)

    @staticmethod
    def _load(options: DetectorOptions, model: str | Path, allow_download: bool) -> Listener:
        return Listener(model, options.device, options.precision, options.threads, allow_download)
