"""Loads the listeners of this machine and hears each recording once."""

from __future__ import annotations

import contextlib
import functools
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detectors.contract import DetectorOptions, DetectorUnavailable, EvidenceFile, EvidenceUnreadable, Interval
from detectors.hearing.audio import RATE, Samples, decode
from detectors.hearing.listener import Listener
from detectors.hearing.recording import Recording, placed, recording, unheard, windows
from detectors.hearing.regions import speech_regions
from detectors.hearing.windows import Heard, Word
from detectors.weights import WHISPER_BASE, WHISPER_TINY_EN, verified_files, whisper_base_folder

# A recording is kept with its samples (4 MB a minute), so few are kept; findings of one response come together.
_KEPT_SECONDS = 3600.0
# Longer recordings are heard one by one: their own windows fill a batch.
_TOGETHER_S = 120
# No sample beyond this: a microphone that is off (-60 dB against full scale).
_SILENCE = 0.001
# What Whisper writes over noise, having learnt it from subtitles; where no voice is heard it means nothing.
_INVENTED = frozenset({
    "", "you", "thank you", "thanks", "thanks for watching", "thank you for watching", "thank you very much", "bye", "bye bye", "okay",
    "oh", "so", "uh", "hmm", "please subscribe", "subtitles by the amara.org community",
})  # fmt: skip
# So much of a recording without a voice is listened to all the same, from its beginning.
_LISTENED_S = 120.0


@functools.lru_cache(maxsize=1)
def ears_of(options: DetectorOptions) -> Ears:
    """The listeners of this process: detectors with the same options hear a recording once between them. Raises DetectorUnavailable."""
    return Ears(options, "listeners")


def transcriber_of(options: DetectorOptions) -> str:
    """Name and short hash of the first listener, known before it is loaded."""
    return f"whisper:{Path(options.whisper_model).name}" if options.whisper_model else WHISPER_BASE.version


@dataclass(frozen=True, slots=True)
class NoSpeech:
    """A recording without words. ``certain`` where it is silent, or neither voice detector nor recogniser hears speech in it."""

    duration_s: float
    certain: bool


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
            else:
                cache = options.cache_dir or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundwatch"
                first = self._load(options, whisper_base_folder(cache, detector), False)
            versions = [transcriber_of(options)]
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
        if known is None:
            samples = decode(evidence)
            known = self._listen([(samples, speech_regions(samples))])[0]
            self._keep(evidence.sha256, known)
        self._heard.move_to_end(evidence.sha256)
        return known

    def hear_parts(self, evidence: EvidenceFile, parts: Sequence[Interval]) -> Recording | NoSpeech:
        """The recording, heard only within these stretches (seconds), or whole where that is known or little more work."""
        key = f"{evidence.sha256} {[(round(a, 1), round(b, 1)) for a, b in parts]}"
        if evidence.sha256 in self._heard or key in self._heard:
            return self._heard[evidence.sha256 if evidence.sha256 in self._heard else key]
        samples = decode(evidence)
        if len(samples) <= _TOGETHER_S * RATE:
            return self.hear(evidence)
        regions = [(max(a, c), min(b, d)) for a, b in parts for c, d in speech_regions(samples) if min(b, d) > max(a, c)]
        self._keep(key, self._listen([(samples, regions)])[0])
        return self._heard[key]

    def hear_ahead(self, recordings: Sequence[EvidenceFile]) -> None:
        """Transcribe several recordings together, so that :meth:`hear` finds them; those that cannot be read are left to it."""
        waiting: dict[str, tuple[Samples, list[Interval]]] = {}
        for evidence in recordings:
            if evidence.sha256 in self._heard or evidence.sha256 in waiting:
                continue
            try:
                samples = decode(evidence)
            except EvidenceUnreadable:
                continue
            sound = samples, speech_regions(samples)
            if len(samples) > _TOGETHER_S * RATE:
                self._keep(evidence.sha256, self._listen([sound])[0])
            else:
                waiting[evidence.sha256] = sound
        for sha256, heard in zip(waiting, self._listen(list(waiting.values())), strict=True):
            self._keep(sha256, heard)

    def _keep(self, sha256: str, heard: Recording | NoSpeech) -> None:
        self._heard[sha256] = heard
        while len(self._heard) > 1 and sum(kept.duration_s for kept in self._heard.values()) > _KEPT_SECONDS:
            self._heard.popitem(last=False)

    def _listen(self, sounds: Sequence[tuple[Samples, list[Interval]]]) -> list[Recording | NoSpeech]:
        """Several recordings, windows of all of them read together."""
        heard = self._in_windows(sounds, [windows(regions, len(samples) / RATE) for samples, regions in sounds])
        missed = [unheard(words, regions) for (words, _, _), (_, regions) in zip(heard, sounds, strict=True)]
        again = self._in_windows(
            sounds, [[part for gap in gaps for part in windows([gap], len(s) / RATE)] for gaps, (s, _) in zip(missed, sounds, strict=True)]
        )
        found: list[Recording | NoSpeech] = []
        for (samples, regions), (words, language, certainty), (more, _, _) in zip(sounds, heard, again, strict=True):
            words = sorted([*words, *more], key=lambda word: (word.start, word.end))
            found.append(recording(samples, regions, words, language, certainty) if words else self._wordless(samples, bool(regions)))
        return found

    def _wordless(self, samples: Samples, voiced: bool) -> NoSpeech:
        """Listens once more to a recording without words, past the voice detector: it misses far voices and takes music for one.

        Where it heard a voice, no listener may hear words; where it heard none, one that hears none is enough, because a
        recogniser dreams up whole sentences over music and two seldom do so together.
        """
        seconds = len(samples) / RATE
        if float(np.abs(samples).max()) < _SILENCE:
            return NoSpeech(seconds, True)
        cuts = windows([(0.0, min(seconds, _LISTENED_S))], seconds)
        pieces = [samples[int(start * RATE) : int(end * RATE)] for start, end in cuts]
        wordless = [_invented(listener.hear(pieces)) for listener in self.listeners]
        return NoSpeech(seconds, (all(wordless) if voiced else any(wordless)) and seconds <= _LISTENED_S)

    def _in_windows(
        self, sounds: Sequence[tuple[Samples, list[Interval]]], cuts: Sequence[Sequence[Interval]]
    ) -> list[tuple[list[Word], str, float]]:
        """Words and language of each recording, heard in these windows of it; its language is that of its first window."""
        pieces = [samples[int(a * RATE) : int(b * RATE)] for (samples, _), parts in zip(sounds, cuts, strict=True) for a, b in parts]
        heard = iter(self.listeners[0].hear(pieces))
        found = []
        for (_, regions), parts in zip(sounds, cuts, strict=True):
            words: list[Word] = []
            language, certainty = "en", 0.0
            for number, (start, _) in enumerate(parts):
                window = next(heard)
                if number == 0:
                    language, certainty = window.language, window.certainty
                timed = (replace(word, start=word.start + start, end=word.end + start) for word in window.words)
                words += [word for one in timed if (word := placed(one, regions)) is not None]
            found.append((words, language, certainty))
        return found

    @staticmethod
    def _load(options: DetectorOptions, model: str | Path, allow_download: bool) -> Listener:
        return Listener(model, options.device, options.precision, options.threads, allow_download)


def _invented(heard: Sequence[Heard]) -> bool:
    """Whether nothing is heard but what Whisper writes over noise."""
    return all(" ".join(word.text.strip(" .,!?").lower() for word in window.words) in _INVENTED for window in heard)
