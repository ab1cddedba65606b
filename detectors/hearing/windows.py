"""Reads windows of sound with a Whisper model: the words with their times, and the language from the same encoding.

faster-whisper's batched pipeline does the decoding; it is given windows of any length up to 30 s instead of whole files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

# Below this the recogniser itself takes a stretch for something else than speech (Whisper's own defaults).
_SILENT = 0.6
_UNLIKELY = -1.0
_REPETITIVE = 2.4
# The same word so often in a row is a decoder that is stuck, too short for the compression ratio to show it.
_STUCK = 6
_BEAM = 5


@dataclass(frozen=True, slots=True)
class Word:
    """A heard word as the recogniser writes it, its start and end in seconds, its probability."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What one window holds: words timed from its start, the language (ISO 639-1) with its probability."""

    words: tuple[Word, ...]
    language: str
    certainty: float


def window_reader(model: Any, tokenizer: Any) -> Any:
    """An object whose ``read(features, seconds)`` gives a :class:`Heard` for each window of a batch (n, channels, frames)."""
    from faster_whisper import BatchedInferencePipeline
    from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

    options = TranscriptionOptions(
        beam_size=_BEAM,
        best_of=_BEAM,
        patience=1,
        length_penalty=1,
        repetition_penalty=1,
        no_repeat_ngram_size=0,
        log_prob_threshold=None,
        no_speech_threshold=None,
        compression_ratio_threshold=None,
        condition_on_previous_text=False,
        prompt_reset_on_temperature=0.5,
        temperatures=[0.0],
        initial_prompt=None,
        prefix=None,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        # Its own time stamps keep words on their side of a pause.
        without_timestamps=False,
        max_initial_timestamp=1.0,
        word_timestamps=True,
        prepend_punctuations="\"'“¿([{-",
        append_punctuations="\"'.。,，!！?？:：”)]}、",
        multilingual=False,
        max_new_tokens=None,
        clip_timestamps=[],
        hallucination_silence_threshold=None,
        hotwords=None,
    )

    class WindowReader(BatchedInferencePipeline):  # type: ignore[misc]
        """The batched pipeline, which also keeps the language of each window it encodes."""

        def generate_segment_batched(self, features: Any, tokenizer: Any, options: Any) -> Any:
            encoded, outputs = super().generate_segment_batched(features, tokenizer, options)
            found = self.model.model.detect_language(encoded) if self.model.model.is_multilingual else [[("<|en|>", 1.0)]] * len(outputs)
            self.languages = [(token.strip("<|>"), float(probability)) for (token, probability), *_ in found]
            return encoded, outputs

        def read(self, features: Any, seconds: Sequence[float]) -> list[Heard]:
            windows = [{"offset": 0.0, "duration": length} for length in seconds]
            read = self.forward(features, tokenizer, windows, options)
            return [Heard(_words(segments), *language) for segments, language in zip(read, self.languages, strict=True)]

    return WindowReader(model)


def _words(segments: Sequence[dict[str, Any]]) -> tuple[Word, ...]:
    found: list[Word] = []
    for segment in segments:
        if (segment["no_speech_prob"] > _SILENT and segment["avg_logprob"] < _UNLIKELY) or segment["compression_ratio"] > _REPETITIVE:
            continue
        words = [Word(w["word"], float(w["start"]), float(w["end"]), float(w["probability"])) for w in segment.get("words", ())]
        found += [] if _stuck(words) else words
    return tuple(found)


def _stuck(words: Sequence[Word]) -> bool:
    run = 1
    for before, word in pairwise(words):
        run = run + 1 if word.text.strip(" .,").lower() == before.text.strip(" .,").lower() else 1
        # Digits and letters are dictated in runs.
        if run >= _STUCK and len(word.text.strip(" .,")) > 1:
            return True
    return False
