"""The reviewer's work on one item, free of any screen: mark each claim, step by step, and undo.

A claim is judged in at most three steps: true or hallucinated, which error, which cause. The detectors' word is not
part of it: it is compared only after the verdicts are sent (:func:`compare`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dashboards.bodies import ClaimView, ResponseDetail

Step = Literal["verdict", "error", "cause", "done"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: a claim, or the whole answer where no claim was extracted. ``key`` is unique in the item."""

    key: str
    claim_id: str | None
    text: str
    span: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Mark:
    """The reviewer's word on one subject."""

    hallucinated: bool
    error: str | None = None
    cause: str | None = None

    @property
    def complete(self) -> bool:
        """A hallucinated claim names its error and its cause."""
        return not self.hallucinated or (self.error is not None and self.cause is not None)


@dataclass(frozen=True, slots=True)
class Work:
    """The state of one item. ``past`` are the earlier states, newest last."""

    subjects: tuple[Subject, ...]
    marks: tuple[Mark | None, ...]
    at: int = 0
    past: tuple[Work, ...] = ()

    @property
    def step(self) -> Step:
        """What the reviewer is asked next about the current subject."""
        mark = self.marks[self.at]
        if mark is None:
            return "verdict"
        if mark.complete:
            return "done"
        return "error" if mark.error is None else "cause"

    @property
    def complete(self) -> bool:
        """Whether every subject has its verdict."""
        return all(mark is not None and mark.complete for mark in self.marks)

    @property
    def judged(self) -> int:
        """How many subjects have their verdict."""
        return sum(mark is not None and mark.complete for mark in self.marks)

    def supported(self) -> Work:
        """The current subject is true."""
        return self._put(Mark(hallucinated=False))

    def hallucinated(self) -> Work:
        """The current subject is hallucinated; error and cause follow."""
        return self._put(Mark(hallucinated=True))

    def error(self, kind: str) -> Work:
        """Name the error of the current subject."""
        return self._put(replace(self.marks[self.at] or Mark(hallucinated=True), error=kind))

    def cause(self, cause: str) -> Work:
        """Name the cause of the current subject."""
        return self._put(replace(self.marks[self.at] or Mark(hallucinated=True), cause=cause))

    def go(self, to: int) -> Work:
        """Look at another subject."""
        return replace(self, at=max(0, min(len(self.subjects) - 1, to)))

    def again(self) -> Work:
        """Take the current subject's mark away."""
        return self._put(None)

    def undo(self) -> Work:
        """The state before the last mark."""
        return self.past[-1] if self.past else self

    def verdicts(self, note: str | None) -> list[dict[str, Any]]:
        """The body for the API, one verdict a subject. The note goes with each."""
        sent: list[dict[str, Any]] = []
        for subject, mark in zip(self.subjects, self.marks, strict=True):
            if mark is None or not mark.complete:
                raise ValueError(f"{subject.text!r} has no complete verdict")
            body: dict[str, Any] = {"claim_id": subject.claim_id, "claim_text": subject.text, "span": subject.span}
            sent.append({**body, "hallucinated": mark.hallucinated, "error": mark.error, "cause": mark.cause, "note": note or None})
        return sent

    def _put(self, mark: Mark | None) -> Work:
        marks = (*self.marks[: self.at], mark, *self.marks[self.at + 1 :])
        moved = replace(self, marks=marks, past=(*self.past, self))
        if mark is None or not mark.complete:
            return moved
        # The next subject without a verdict, going round; stay when there is none.
        order = [*range(self.at + 1, len(marks)), *range(self.at)]
        following = next((index for index in order if (later := marks[index]) is None or not later.complete), self.at)
        return replace(moved, at=following)


def start(detail: ResponseDetail) -> Work:
    """Begin with the claims in the order of the answer, not of the detectors' scores."""
    claims = sorted(detail.claims, key=lambda claim: (claim.span is None, claim.span or (0, 0)))
    subjects = tuple(Subject(claim.id, claim.id, claim.text, claim.span) for claim in claims)
    if not subjects:
        subjects = (Subject("answer", None, detail.answer or "(empty answer)", (0, len(detail.answer)) if detail.answer else None),)
    return Work(subjects, (None,) * len(subjects))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One subject after the verdicts were sent: the detectors' word and the reviewer's."""

    text: str
    detector: str
    score: float | None
    reviewer: str

    @property
    def agrees(self) -> bool | None:
        """None where no detector judged."""
        return None if self.detector == "not_checked" else self.detector == self.reviewer


def compare(work: Work, claims: Sequence[ClaimView]) -> list[Comparison]:
    """The detectors' word beside the reviewer's, in the order of the answer."""
    by_id = {claim.id: claim for claim in claims}
    lines = []
    for subject, mark in zip(work.subjects, work.marks, strict=True):
        if mark is None:
            continue
        claim = by_id.get(subject.claim_id or "")
        word = "hallucinated" if mark.hallucinated else "supported"
        lines.append(Comparison(subject.text, claim.verdict if claim else "not_checked", claim.score if claim else None, word))
    return lines
