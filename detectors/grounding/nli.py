"""Second opinion of a local sequence-classification model trained on inference or fact checking (transformers format).

Off unless the setting ``nli_model`` names its folder. Nothing is downloaded, no code of the folder is run, and weights
are read as safetensors only.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectors.contract import DetectorUnavailable
from detectors.grounding.verdicts import Opinion
from detectors.weights import sha256_of

_ENTAILS = re.compile(r"entail|support|consistent|grounded|faithful|factual|true|yes", re.IGNORECASE)
_DENIES = re.compile(
    r"(?:^|[^a-z])(?:not|non|no|un|in|false)(?=[^a-z]|consistent|support|ground|faithful|factual|entail)|refut|contradict", re.IGNORECASE
)
_LONGEST = 512


class NliModel:
    """Reads "the passages entail the statement" off a classifier whose label names say which one that is."""

    def __init__(self, folder: str, device: str = "auto") -> None:
        self._folder = Path(folder)
        self._device = device
        self._entailed = 0
        self._model: Any = None
        self._tokenizer: Any = None
        self._torch: Any = None
        self.version = f"nli:{self._folder.name}"

    def load(self) -> None:
        """Raises DetectorUnavailable: no such folder, transformers missing, no safetensors, no label that means entailment."""
        weights = sorted(self._folder.glob("*.safetensors"))
        if not (self._folder / "config.json").is_file() or not weights:
            raise DetectorUnavailable(
                "ungrounded_statement",
                f"an NLI model in {self._folder}",
                "nli_model is a folder with config.json, tokenizer and *.safetensors",
            )
        try:
            transformers = importlib.import_module("transformers")
            self._torch = importlib.import_module("torch")
        except ModuleNotFoundError as error:
            raise DetectorUnavailable("ungrounded_statement", f"Python package {error.name}", "pip install 'groundwatch[nli]'") from error
        transformers.utils.logging.disable_progress_bar()
        place = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(str(self._folder), **place)
        self._model = transformers.AutoModelForSequenceClassification.from_pretrained(str(self._folder), use_safetensors=True, **place)
        self._entailed = entailment_of(self._model.config.id2label, self._folder)
        self._model.to(self._where()).eval()
        self.version = f"nli:{self._folder.name}@{sha256_of(weights[0])[:12]}"

    def opinion(self, statement: str, passages: Sequence[str]) -> Opinion:
        """One minus the highest probability of entailment by a passage alone or by all together."""
        if self._model is None:
            raise RuntimeError("opinion() before load()")
        premises = [*passages, " ".join(passages)] if len(passages) > 1 else list(passages)
        if not premises:
            return Opinion(self.version, None, reason="there is no passage to read")
        batch = self._tokenizer(
            premises, [statement] * len(premises), truncation="only_first", max_length=_LONGEST, padding=True, return_tensors="pt"
        ).to(self._where())
        with self._torch.inference_mode():
            shares = self._torch.softmax(self._model(**batch).logits.float(), dim=-1)[:, self._entailed]
        return Opinion(self.version, 1.0 - float(shares.max()))

    def _where(self) -> str:
        if self._device == "auto":
            return "cuda" if self._torch.cuda.is_available() else "cpu"
        return self._device


def entailment_of(labels: Mapping[int, str], folder: Path) -> int:
    """The index of the label that means entailment. Raises DetectorUnavailable when none or several could."""
    found = [int(index) for index, name in labels.items() if _ENTAILS.search(name) and not _DENIES.search(name)]
    if len(found) != 1:
        raise DetectorUnavailable(
            "ungrounded_statement",
            f"a label that means entailment in {folder} (id2label: {', '.join(labels.values())})",
            "Name it 'entailment' under id2label in config.json",
        )
    return found[0]
