"""On the labelled corpus: clean input is good, degraded copies are graded worse, the same seed makes the same copy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from detectors.contract import EvidenceFile, EvidenceUnreadable
from detectors.quality import Quality, measure
from detectors.quality.degrade import KINDS, PICTURE_KINDS, SOUND_KINDS, degrade, family_of

_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".flac": "audio/flac"}
_RANK = {"good": 0, "poor": 1, "unusable": 2}
SPEECH = Path(__file__).parents[2] / "monitor" / "demo" / "meeting.flac"


def sample(corpus: Path, name: str, count: int) -> list[EvidenceFile]:
    files = sorted((corpus / name / "evidence").iterdir())
    return [EvidenceFile("e", _TYPES[file.suffix], file, "") for file in files[:: max(1, len(files) // count)][:count]]


def measured(evidence: EvidenceFile) -> Quality:
    found = measure(evidence)
    assert found is not None
    return found


# Shares measured on all of it: photographs .95, receipts 1.0, charts .93 (the others are small), speech 1.0, 1.0, .98.
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("objects-coco", 0.9),
        ("receipts-sroie", 0.9),
        ("charts-chocolate", 0.8),
        ("speech-quotes", 0.95),
        ("speech-digits", 0.95),
        ("speaker-turns", 0.9),
    ],
)
def test_clean_evidence_is_good(corpus: Path, name: str, share: float) -> None:
    found = [measured(evidence).grade for evidence in sample(corpus, name, 20)]
    assert found.count("good") >= share * len(found)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *[("objects-coco", kind) for kind in ("blur", "half", "jpeg15", "dark_noise")],
        *[("receipts-sroie", kind) for kind in ("rotate5", "blur", "jpeg15", "dark_noise")],
        *[("charts-chocolate", kind) for kind in ("rotate5", "blur", "jpeg15", "dark_noise")],
        *[("speech-quotes", kind) for kind in SOUND_KINDS],
        *[("speech-digits", kind) for kind in SOUND_KINDS],
    ],
)
def test_a_degraded_copy_is_graded_worse(corpus: Path, tmp_path: Path, name: str, kind: str) -> None:
    worse = []
    for number, evidence in enumerate(sample(corpus, name, 8)):
        clean = measured(evidence)
        if clean.grade != "good":
            continue
        made = degrade(evidence, kind, seed=1)
        path = tmp_path / str(number)
        path.write_bytes(made.content)
        worse.append(_RANK[measured(EvidenceFile("e", made.media_type, path, "")).grade] > _RANK[clean.grade])
    assert sum(worse) >= 0.7 * len(worse) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_copy_and_the_original_stays(kind: str, tmp_path: Path) -> None:
    from tests.detectors.test_quality import page

    path = tmp_path / "page.png"
    page().save(path)
    original = EvidenceFile("e", "image/png", path, "") if kind in PICTURE_KINDS else EvidenceFile("e", "audio/flac", SPEECH, "")
    before = hashlib.sha256(original.path.read_bytes()).hexdigest()
    first, again, other = (degrade(original, kind, seed) for seed in (1, 1, 2))
    assert first == again
    if kind in ("perspective", "dark_noise", "noise"):
        assert first.content != other.content
    assert first.content != original.path.read_bytes()
    assert hashlib.sha256(original.path.read_bytes()).hexdigest() == before


def test_an_unknown_kind_and_an_unreadable_original_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="melt"):
        family_of("melt")
    path = tmp_path / "x.png"
    path.write_bytes(b"x")
    with pytest.raises(EvidenceUnreadable):
        degrade(EvidenceFile("e", "image/png", path, ""), "blur", 1)
