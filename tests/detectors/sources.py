"""Cases with text sources, for the detectors that compare answers with what they cite."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from detectors.claims import extract
from detectors.contract import Case, Claim, EvidenceFile, Place


def text_file(folder: Path, name: str, text: str, title: str | None = None, media_type: str = "text/plain") -> EvidenceFile:
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = folder / digest
    path.write_text(text, encoding="utf-8")
    return EvidenceFile(name, media_type, path, digest, title=title)


def case(folder: Path, answer: str, texts: Mapping[str, str], claims: tuple[Claim, ...] | None = None) -> Case:
    """A case whose evidence are these texts by id; without claims those the finders see in the answer."""
    evidence = tuple(text_file(folder, name, text) for name, text in texts.items())
    return Case("r1", answer, extract(answer, {"text"}) if claims is None else claims, evidence)


def claim(text: str, *citations: Place, span: tuple[int, int] | None = None, name: str = "c1") -> Claim:
    return Claim(name, text, span or (0, len(text)), "statement", citations, given=True)
