"""A local entailment model as second opinion."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.contract import DetectorUnavailable
from detectors.grounding.encoder import VOCABULARY
from detectors.grounding.nli import NliModel, entailment_of
from detectors.grounding.verdicts import joined


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        ({0: "contradiction", 1: "neutral", 2: "entailment"}, 2),
        ({0: "entailment", 1: "not_entailment"}, 0),
        ({0: "NOT_SUPPORTED", 1: "SUPPORTED"}, 1),
        ({0: "hallucinated", 1: "consistent"}, 1),
        ({0: "inconsistent", 1: "consistent"}, 1),
        ({0: "unsupported", 1: "supported"}, 1),
    ],
)
def test_the_label_of_entailment_is_found_by_its_name(labels: dict[int, str], index: int) -> None:
    assert entailment_of(labels, Path("model")) == index


@pytest.mark.parametrize("labels", [{0: "LABEL_0", 1: "LABEL_1"}, {0: "entailment", 1: "supported"}])
def test_labels_that_do_not_say_which_means_entailment_are_refused(labels: dict[int, str]) -> None:
    with pytest.raises(DetectorUnavailable, match="id2label"):
        entailment_of(labels, Path("model"))


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(DetectorUnavailable, match="safetensors"):
        NliModel(str(tmp_path)).load()


@pytest.mark.models
def test_a_real_model_in_a_folder_gives_a_probability(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=30522,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label={0: "contradiction", 1: "neutral", 2: "entailment"},
        label2id={"contradiction": 0, "neutral": 1, "entailment": 2},
    )
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY.read_bytes())
    transformers.BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    model = NliModel(str(tmp_path), "cpu")
    model.load()
    opinion = model.opinion("The shop opens at nine.", ["The shop opens at nine on Monday.", "It rains."])
    assert opinion.probability is not None
    assert 0 < opinion.probability < 1
    assert "@" in model.version


def test_a_tier_moves_a_score_halfway_in_log_odds_and_never_settles_it_alone() -> None:
    assert joined(0.5, 0.95) == pytest.approx(0.8134, abs=1e-3)
    assert joined(0.5, 0.0) > 0.1
    assert joined(0.3, 0.3) == pytest.approx(0.3)
