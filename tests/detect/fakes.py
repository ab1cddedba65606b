"""Detectors and claim finders that work without models: a catalogue of their own, named to the engine by module.

A claim is every word of an answer. ``keyword`` flags the word "wrong"; the others break in one way each.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from detectors.catalogue import Entry
from detectors.contract import (
    Case,
    Claim,
    Detector,
    DetectorOptions,
    DetectorUnavailable,
    EvidenceUnreadable,
    Finding,
    Place,
    not_checked,
)


class Keyword(Detector):
    """Flags "wrong", supports every other word, cannot say anything about "unsure"."""

    name: ClassVar[str] = "keyword"
    version: ClassVar[str] = "1"
    kinds: ClassVar[frozenset[str]] = frozenset({"statement"})
    families: ClassVar[frozenset[str]] = frozenset({"text"})
    seconds_per_case: ClassVar[float] = 0.001
    words_judged: ClassVar[int] = 0

    def load(self) -> None:
        """Nothing to load."""

    @property
    def weights_version(self) -> str:
        return "none"

    def judge(self, case: Case, claims: Sequence[Claim]) -> list[Finding]:
        evidence = case.evidence_of("text")[0]
        if evidence.path.read_bytes() == b"unreadable":
            raise EvidenceUnreadable(evidence.id, "it says so itself")
        return [self.word(case, claim) for claim in claims]

    def word(self, case: Case, claim: Claim) -> Finding:
        type(self).words_judged += 1
        place = Place(case.evidence[0].id, span=(0, 1))
        if claim.text == "unsure":
            return not_checked(claim, "the word is unsure")
        if claim.text.startswith("wrong"):
            return Finding(claim, "hallucinated", 0.9, "It says wrong.", place, error="unsupported")
        return Finding(claim, "supported", 0.1, "It does not say wrong.", place)


class Independent(Keyword):
    """Judges every word by itself; on "vanish" its evidence is gone afterwards."""

    name: ClassVar[str] = "independent"

    def claim_context(self, case: Case, claim: Claim) -> str:
        return ""

    def word(self, case: Case, claim: Claim) -> Finding:
        found = super().word(case, claim)
        if claim.text == "vanish":
            case.evidence[0].path.unlink()
        return found


class Crashing(Keyword):
    """Takes the whole process with it on "crash"; on "die-once" only while the marker file is not there."""

    name: ClassVar[str] = "crashing"

    def word(self, case: Case, claim: Claim) -> Finding:
        if claim.text == "crash":
            os._exit(7)
        if claim.text == "die-once":
            marker = Path(self.options.cache_dir or ".") / "died-once"
            if not marker.exists():
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.touch()
                os._exit(7)
        return super().word(case, claim)


class Hanging(Keyword):
    """Never returns on "hang"."""

    name: ClassVar[str] = "hanging"

    def word(self, case: Case, claim: Claim) -> Finding:
        if claim.text == "hang":
            time.sleep(3600)
        return super().word(case, claim)


class Bloating(Keyword):
    """Holds ever more memory on "bloat", as a decoder does on a bomb."""

    name: ClassVar[str] = "bloating"

    def word(self, case: Case, claim: Claim) -> Finding:
        held = []
        while claim.text == "bloat" and len(held) < 200:
            held.append(bytearray(os.urandom(1 << 20) * 8))
            time.sleep(0.01)
        return super().word(case, claim)


class Raising(Keyword):
    """Raises on "raise", as a library with a bug would; sleeps a second on "slow"."""

    name: ClassVar[str] = "raising"

    def word(self, case: Case, claim: Claim) -> Finding:
        if claim.text == "raise":
            raise RuntimeError("a bug in a library")
        if claim.text == "slow":
            time.sleep(1.0)
        return super().word(case, claim)


class Absent(Keyword):
    """Its weights are not installed."""

    name: ClassVar[str] = "absent"

    def load(self) -> None:
        raise DetectorUnavailable(self.name, "imaginary weights", "pip install imagination")


class Unloadable(Keyword):
    """Its library crashes the process at load."""

    name: ClassVar[str] = "unloadable"

    def load(self) -> None:
        os._exit(9)


_FAKES: dict[str, type[Keyword]] = {
    fake.name: fake for fake in (Keyword, Independent, Crashing, Hanging, Bloating, Raising, Absent, Unloadable)
}
CATALOGUE: dict[str, Entry] = {name: Entry(f"{__name__}:{fake.__name__}", "none", f"fake {name}") for name, fake in _FAKES.items()}


def create(name: str, options: DetectorOptions) -> Detector:
    """The fake of that name."""
    return _FAKES[name](options)


def extract(answer: str, families: Iterable[str]) -> tuple[Claim, ...]:
    """Every word a statement, where there is text evidence."""
    if "text" not in set(families):
        return ()
    words = re.finditer(r"[\w-]+", answer)
    return tuple(Claim(f"c{number}", match.group(), match.span(), "statement") for number, match in enumerate(words, start=1))


def complete(given: Sequence[Claim], answer: str, families: Iterable[str]) -> tuple[Claim, ...]:
    """Given claims located in the answer."""
    located = ((claim, answer.find(claim.text)) for claim in given)
    return tuple(
        replace(claim, kind=claim.kind or "statement", span=claim.span or ((at, at + len(claim.text)) if at >= 0 else None))
        for claim, at in located
    )
