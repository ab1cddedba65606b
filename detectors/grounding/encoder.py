"""The sentence encoder: all-MiniLM-L6-v2 (Apache-2.0) as int8 ONNX, run by onnxruntime, with its vectors token by token.

Sentence vectors are the mean of the token vectors, as the model was trained (Reimers and Gurevych 2019, arXiv:1908.10084).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.contract import DetectorUnavailable, Span
from detectors.weights import MINILM, package_folder, verified_files

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]
# WordPiece vocabulary of BERT base uncased (Apache-2.0, Google), which the model was trained with.
VOCABULARY = Path(__file__).with_name("wordpieces.txt")
LONGEST = 256
_BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as unit vectors: ``tokens`` (n × 384) with their ``spans`` in the text, and ``sentence`` (384)."""

    tokens: Vectors
    spans: tuple[Span, ...]
    sentence: Vectors


class Encoder:
    """Encodes texts in batches of like length; the same texts give the same vectors up to rounding."""

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads
        self._session: Any = None
        self._tokenizer: Tokenizer | None = None

    @staticmethod
    def installed() -> bool:
        """Whether the package with the weights is there; :meth:`load` also proves that they are the pinned ones."""
        return package_folder(MINILM.files[0].package) is not None

    @property
    def version(self) -> str:
        """Name and short hash of the weights."""
        return MINILM.version

    def load(self) -> None:
        """Raises DetectorUnavailable when weights, onnxruntime or tokenizers are missing."""
        (path,) = verified_files(MINILM, "grounding")
        self._session = _session(path, self._threads)
        self._tokenizer = _tokenizer()

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """One encoding a text, in order; what lies behind :data:`LONGEST` tokens is cut off."""
        if self._tokenizer is None:
            raise RuntimeError("encode() before load()")
        encodings = self._tokenizer.encode_batch([text if text.strip() else "." for text in texts])
        order = sorted(range(len(texts)), key=lambda index: len(encodings[index].ids))
        results: dict[int, Encoded] = {}
        batch: list[int] = []
        for index in order:
            batch.append(index)
            if (len(batch) + 1) * len(encodings[index].ids) > _BATCH_TOKENS:
                results.update(self._run(batch, encodings))
                batch = []
        results.update(self._run(batch, encodings))
        return [results[index] for index in range(len(texts))]

    def _run(self, batch: list[int], encodings: Sequence[Any]) -> dict[int, Encoded]:
        if not batch:
            return {}
        width = max(len(encodings[index].ids) for index in batch)
        ids, mask = np.zeros((len(batch), width), np.int64), np.zeros((len(batch), width), np.int64)
        for row, index in enumerate(batch):
            length = len(encodings[index].ids)
            ids[row, :length], mask[row, :length] = encodings[index].ids, 1
        states = self._session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]
        found = {}
        for row, index in enumerate(batch):
            length = len(encodings[index].ids)
            vectors = np.asarray(states[row, :length], np.float32)
            found[index] = Encoded(
                _unit(vectors[1:-1]), tuple(tuple(span) for span in encodings[index].offsets[1:-1]), _unit(vectors.mean(axis=0))
            )
        return found


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def _session(path: Path, threads: int) -> Any:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise DetectorUnavailable("grounding", f"Python package {error.name}", "pip install 'groundwatch[lite]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@functools.lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    try:
        from tokenizers import BertWordPieceTokenizer
    except ModuleNotFoundError as error:
        raise DetectorUnavailable("grounding", f"Python package {error.name}", "pip install 'groundwatch[lite]'") from error
    tokenizer: Tokenizer = BertWordPieceTokenizer(str(VOCABULARY), lowercase=True)
    tokenizer.enable_truncation(LONGEST)
    return tokenizer
