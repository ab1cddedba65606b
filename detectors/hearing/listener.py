"""One Whisper recogniser: words with times, silence, and how well the sound supports words it is given.

Forced scoring is teacher forcing (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision",
section 2.2 gives the decoder): the decoder is fed the words and its probability of each token is read off. CTranslate2
returns them from the pass that computes word times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.hearing.audio import RATE, Samples

# Whisper reads sound in windows of this many seconds.
WINDOW_S = 30.0
_FRAMES_PER_S = 100
# Below this the recogniser itself takes a stretch for something else than speech (Whisper's own defaults).
_SILENT = 0.6
_REPETITIVE = 2.4
_FLOOR = 1e-8
# The decoder holds 448 tokens, half of them for what came before.
_MOST_TOKENS = 220
# GPT-2's own splitting of a text before it is merged into tokens; a space is written as this letter in the vocabulary.
_SPACED = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?[^\s\w]+|_+|\s+")
_SPACE = "Ġ"


@dataclass(frozen=True, slots=True)
class Word:
    """A heard word as the recogniser writes it, its start and end in seconds, its probability."""

    text: str
    start: float
    end: float
    probability: float


class Listener:
    """A loaded Whisper model. ``multilingual`` tells whether it hears other languages than English."""

    def __init__(self, model: str | Path, device: str, precision: str, threads: int, allow_download: bool) -> None:
        """Load a model by size name or local folder. Raises what faster-whisper raises when it is absent or broken."""
        from faster_whisper import WhisperModel

        where = "cuda" if device == "cuda" or (device == "auto" and _has_gpu()) else "cpu"
        kind = {"single": "float32", "half": "float16" if where == "cuda" else "int8"}.get(
            precision, "float16" if where == "cuda" else "int8"
        )
        self._model: Any = WhisperModel(
            str(model), device=where, compute_type=kind, cpu_threads=threads, local_files_only=not allow_download
        )
        self.multilingual = bool(self._model.model.is_multilingual)
        self._silence: Any = None

    def language(self, samples: Samples) -> tuple[str, float]:
        """The language spoken (ISO 639-1) and its probability."""
        if not self.multilingual:
            return "en", 1.0
        language, probability, _ = self._model.detect_language(samples)
        return str(language), float(probability)

    def transcribe(self, samples: Samples, regions: Sequence[tuple[float, float]], language: str = "en") -> list[Word]:
        """All words heard, in order. Words over silence and stuck repetitions are the recogniser's own inventions and left out."""
        segments, _ = self._model.transcribe(
            samples, language=language, word_timestamps=True, condition_on_previous_text=False, beam_size=5
        )
        words: list[Word] = []
        for segment in segments:
            if (segment.no_speech_prob > _SILENT and segment.avg_logprob < -1.0) or segment.compression_ratio > _REPETITIVE:
                continue
            words += [Word(w.word, float(w.start), float(w.end), float(w.probability)) for w in segment.words or ()]
        return [placed for word in words if (placed := _in_speech(word, regions)) is not None]

    def fill(self, samples: Samples, words: Sequence[Word], missed: Sequence[tuple[float, float]], language: str = "en") -> list[Word]:
        """The words together with those heard when the missed stretches (seconds) are listened to alone."""
        found = list(words)
        for start, end in missed:
            piece = samples[int(start * RATE) : int(end * RATE)]
            heard = self.transcribe(piece, [(0.0, end - start)], language)
            found += [Word(w.text, w.start + start, w.end + start, w.probability) for w in heard]
        return sorted(found, key=lambda word: (word.start, word.end))

    def hear_encoded(self, encoded: Any) -> str:
        """The words of one encoded stretch, decoded alone."""
        tokenizer = self._tokenizer()
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        result = self._model.model.generate(encoded, [prompt], beam_size=5, max_length=224)[0]
        return str(tokenizer.decode([token for token in result.sequences_ids[0] if token < tokenizer.eot]))

    def encode(self, samples: Samples) -> Any:
        """Encoded sound of one stretch of at most 30 s."""
        from faster_whisper.audio import pad_or_trim

        return self._model.encode(pad_or_trim(self._model.feature_extractor(samples)[:, :-1]))

    def support(self, encoded: Any, seconds: float, texts: Sequence[str]) -> list[float]:
        """Log probability of each text given the encoded sound, summed over its tokens (natural logarithm, at most 0)."""
        tokenizer = self._tokenizer()
        frames = max(2, min(int(WINDOW_S * _FRAMES_PER_S), math.ceil(seconds * _FRAMES_PER_S)))
        scores: dict[str, float] = {}
        for text in dict.fromkeys(texts):
            ids = self._ids(text)[:_MOST_TOKENS]
            probabilities = self._model.model.align(encoded, tokenizer.sot_sequence, [ids], frames)[0].text_token_probs if ids else []
            scores[text] = float(np.log(np.maximum(np.asarray(probabilities, np.float64), _FLOOR)).sum())
        return [scores[text] for text in texts]

    def expectation(self, texts: Sequence[str]) -> list[float]:
        """The same without hearing anything: what the decoder expects of the words alone."""
        if self._silence is None:
            self._silence = self.encode(np.zeros(RATE * 5, np.float32))
        return self.support(self._silence, 5.0, texts)

    def _ids(self, text: str) -> list[int]:
        """Tokens of a text the way the decoder itself writes them.

        A whole word in the vocabulary is one token. The tokenizer of the pinned whisper base lacks its first merge
        (space and t), which would split every word in t- and make it look unlikely.
        """
        vocabulary = self._model.hf_tokenizer
        ids: list[int] = []
        for piece in _SPACED.findall(" " + text.strip()):
            whole = vocabulary.token_to_id(piece.replace(" ", _SPACE))
            ids += [whole] if whole is not None else _rejoined(vocabulary, vocabulary.encode(piece, add_special_tokens=False).ids)
        return ids

    def _tokenizer(self) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        return Tokenizer(self._model.hf_tokenizer, self.multilingual, task="transcribe", language="en")


def _rejoined(vocabulary: Any, ids: list[int]) -> list[int]:
    """Tokens with a lone leading space joined to the token after it where the vocabulary has the two as one."""
    if len(ids) > 1 and vocabulary.id_to_token(ids[0]) == _SPACE:
        one = vocabulary.token_to_id(_SPACE + vocabulary.id_to_token(ids[1]))
        if one is not None:
            return [one, *ids[2:]]
    return ids


def _has_gpu() -> bool:
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count()) > 0


def _in_speech(word: Word, regions: Sequence[tuple[float, float]]) -> Word | None:
    """The word with its times drawn into the stretch of speech it overlaps most; None where it lies in silence.

    Whisper stretches a word next to a pause over the pause, by up to a second.
    """
    best, most = None, -0.3
    for start, end in regions:
        shared = min(end, word.end) - max(start, word.start)
        if shared > most:
            best, most = (start, end), shared
    if best is None:
        return None
    start = min(max(word.start, best[0]), best[1])
    return Word(word.text, start, max(start, min(word.end, best[1])), word.probability)
