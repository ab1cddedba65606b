"""Which claims of a case are statements that can be held against the sources they cite."""

from __future__ import annotations

from collections.abc import Collection

from detectors.citing.sources import written
from detectors.claims.citing import without_marks
from detectors.contract import Case, Claim


def attributable(case: Case, kinds: Collection[str]) -> list[Claim]:
    """Statement claims; of claims of other kinds those that no statement covers, at most one a sentence."""
    statements = [claim for claim in case.claims if claim.kind == "statement"]
    covered = [claim.span for claim in statements if claim.span]
    chosen = list(statements)
    for claim in case.claims:
        if claim.kind not in kinds or claim.kind == "statement" or claim.span is None:
            continue
        sentence = _sentence(case, claim)
        if any(span[0] < sentence[1] and sentence[0] < span[1] for span in covered):
            continue
        covered.append(sentence)
        chosen.append(claim)
    return sorted(chosen, key=lambda claim: claim.span or (0, 0))


def statement_text(case: Case, claim: Claim) -> str:
    """What is held against the sources: the statement, or the sentence another claim stands in, without citation marks."""
    if claim.kind == "statement" or claim.span is None:
        return without_marks(claim.text)
    return without_marks(case.answer[slice(*_sentence(case, claim))])


def _sentence(case: Case, claim: Claim) -> tuple[int, int]:
    start, end = claim.span or (0, 0)
    around = [span for span in written(case.answer).sentences if span[0] < end and start < span[1]]
    return (min(start, *(span[0] for span in around)), max(end, *(span[1] for span in around))) if around else (start, end)
