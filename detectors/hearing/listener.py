"""One Whisper recogniser: words with times, silence, and how well the sound supports words it is given.

Forced scoring is teacher forcing (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision",
section 2.2 gives the decoder): the decoder is fed the words and its probability of each token is read off. CTranslate2
returns them from the pass that computes word times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectors.hearing.audio import RATE, Samples
from detectors.hearing.windows import Heard, window_reader

# Whisper reads sound in windows of this many seconds.
WINDOW_S = 30.0
_FRAMES_PER_S = 100
# Silence that Whisper wants to see after the last word.
_TRAILING_S = 1.0
# Windows read together, at most: what a small GPU holds, and what a processor gains from.
_BATCH = 8
# So many words of no length (seconds) in a window are a repetition.
_NO_LENGTH_S, _REPEATED = 0.02, 3
_FLOOR = 1e-8
# The decoder holds 448 tokens, half of them for what came before.
_MOST_TOKENS = 220
# GPT-2's own splitting of a text before it is merged into tokens; a space is written as this letter in the vocabulary.
_SPACED = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?[^\s\w]+|_+|\s+")
_SPACE = "Ġ"


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
        self._pipeline: Any = None

    def hear(self, windows: Sequence[Samples]) -> list[Heard]:
        """What is heard in windows of at most 29 s each, in order. Windows of about the same length are read together.

        Whisper pads every window to 30 s; here a window is encoded at its own length, which costs a fraction for short
        ones and changes hardly a word. Words are timed from the start of their window. Stretches that the recogniser itself
        takes for silence, and repetitions it is stuck in, are its own inventions and left out.
        """
        lengths = [min(WINDOW_S, math.ceil(len(samples) / RATE + _TRAILING_S)) for samples in windows]
        heard: dict[int, Heard] = {}
        for length in dict.fromkeys(lengths):
            numbers = [number for number, other in enumerate(lengths) if other == length]
            for first in range(0, len(numbers), _BATCH):
                batch = numbers[first : first + _BATCH]
                # Features are made a batch at a time: an hour of them would take 70 MB.
                features = np.stack([self._features(windows[n], length) for n in batch])
                parts = self._windows().read(features, [len(windows[n]) / RATE for n in batch])
                heard |= dict(zip(batch, parts, strict=True))
        for number, length in enumerate(lengths):
            # Words without length are a decoder that repeats itself; with the silence it was trained on it seldom does.
            if length < WINDOW_S and sum(word.end - word.start < _NO_LENGTH_S for word in heard[number].words) >= _REPEATED:
                features = np.stack([self._features(windows[number], WINDOW_S)])
                (heard[number],) = self._windows().read(features, [len(windows[number]) / RATE])
        return [heard[number] for number in range(len(windows))]

    def hear_encoded(self, encoded: Any) -> str:
        """The words of one encoded stretch, decoded alone."""
        tokenizer = self._tokenizer()
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        result = self._model.model.generate(encoded, [prompt], beam_size=5, max_length=224)[0]
        return str(tokenizer.decode([token for token in result.sequences_ids[0] if token < tokenizer.eot]))

    def encode(self, samples: Samples) -> Any:
        """Encoded sound of one stretch of at most 30 s, padded to 30 s: what rates words is what Whisper was trained on."""
        return self._model.encode(self._features(samples, WINDOW_S))

    def _features(self, samples: Samples, seconds: float) -> Any:
        """Mel features (channels, frames) of a stretch, with silence after it up to ``seconds``."""
        from faster_whisper.audio import pad_or_trim

        return pad_or_trim(self._model.feature_extractor(samples)[:, :-1], int(seconds * _FRAMES_PER_S))

    def _windows(self) -> Any:
        if self._pipeline is None:
            self._pipeline = window_reader(self._model, self._tokenizer())
        return self._pipeline

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
