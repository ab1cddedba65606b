"""One contract for every detector of the catalogue: what it declares, and how it bears input that nobody should send.

A detector is tested here from the day it is registered.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from detectors import calibration
from detectors.calibration import RISKS, Calibration
from detectors.catalogue import CATALOGUE, create
from detectors.claims import complete, extract
from detectors.contract import Case, Claim, Detector, DetectorOptions, DetectorUnavailable, EvidenceFile, Finding, Outcome, Place, State
from detectors.missing_evidence import RULE_SCORES
from monitor.records import ClaimKind, ErrorKind, Risk
from tests.conftest import missing
from tests.detectors.hard_evidence import HARD, MEDIA_TYPES, UNREADABLE, foreign, hard, renamed, sound

ANSWER = (
    'A dog stands beside two cars. The total is RM 9.00, dated 12 March 2024. The sign says "STOP". '
    'At 0:01 the speaker says "we will go home today". Sales rose from 10 in 2019 to 20 in 2020. '
    "Anna: we start on Monday. At 0:01 a man opens a door next to a red wall. The report says that profit fell by 12% [1]."
)
# Detectors whose few rules each have a measured score instead of a calibration curve, and where those stand.
SCORED_BY_RULES = {"missing_evidence": RULE_SCORES}
STRANGE_ANSWERS = {
    "nothing": "",
    "blanks": " \n\t ",
    "Chinese": "图片里有一只狗，总价是九元，发言人说“我们回家”。",
    "Arabic": "في الصورة كلب، والمجموع ٩٫٠٠، وقال المتحدث «سنعود إلى المنزل».",
    "emoji": "🐶🚗🚗 = 9️⃣.0️⃣0️⃣ 👨‍👩‍👧‍👦 \u200d\ufeff",
    "controls": 'A dog\x00 and "\x1b[31mSTOP\x07" at \u202e0:01',
    "unbroken": "9" * 3000 + '"' * 500,
}


@pytest.fixture(scope="module", params=CATALOGUE)
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """Every detector in turn, loaded with the offline weights."""
    try:
        made = create(request.param, DetectorOptions(threads=1, cache_dir=tmp_path_factory.mktemp("cache")))
        made.load()
    except DetectorUnavailable as error:
        missing(str(error))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the evidence of these tests lies."""
    return tmp_path_factory.mktemp("evidence")


def case_of(
    detector: Detector,
    evidence: tuple[EvidenceFile, ...],
    answer: str = ANSWER,
    claims: tuple[Claim, ...] | None = None,
    risk: str = RISKS[0],
) -> Case:
    """A case whose claims are what is found in the answer, and one of the caller's own of each kind the detector judges."""
    families = sorted({piece.family for piece in evidence})
    if claims is None and detector.finds_own_claims:
        claims = ()
    elif claims is None:
        given = [Claim(f"own-{kind}", answer[:60], None, kind, given=True) for kind in sorted(detector.kinds)] if answer.strip() else []
        claims = extract(answer, families) + complete(given, answer, families)
    return Case(id="case", answer=answer, claims=claims, evidence=evidence, question="What is this?", risk=risk)


def families_of(detector: Detector) -> list[str]:
    """The families it reads of which there is evidence to test with."""
    return sorted(detector.families & set(MEDIA_TYPES))


def needs_evidence(detector: Detector) -> None:
    """Leaves out the test for a detector whose very business is evidence that is not there."""
    if detector.accounts_for_missing:
        pytest.skip(f"{detector.name} looks at what is missing or unusable")


def judged_alone(detector: Detector, case: Case) -> Outcome:
    """The outcome of one case, held against everything that must be so of any outcome."""
    (outcome,) = detector.detect([case])
    assert_well_formed(detector, case, outcome)
    return outcome


def assert_well_formed(detector: Detector, case: Case, outcome: Outcome) -> None:
    assert outcome.detector == detector.name
    assert outcome.detector_version == detector.version
    assert outcome.state in get_args(State)
    assert outcome.duration_ms >= 0.0
    scored = [finding for finding in outcome.findings if finding.score is not None]
    assert bool(scored) == (outcome.state == "judged")
    if outcome.state != "judged":
        assert outcome.reason, f"{outcome.state} without a reason"
    ids = [finding.claim.id for finding in outcome.findings]
    assert len(ids) == len(set(ids)), "two findings on one claim"
    known = {claim.id: claim for claim in case.claims}
    for finding in outcome.findings:
        assert_claim_is_of_the_answer(detector, finding.claim, known, case.answer)
        assert_finding_makes_sense(finding, {piece.id for piece in case.evidence})
    if outcome.findings and not detector.finds_own_claims:
        assert set(ids) == {claim.id for claim in detector.claims_for(case)}, "a claim of this detector was left without a word"


def assert_claim_is_of_the_answer(detector: Detector, found: Claim, known: dict[str, Claim], answer: str) -> None:
    if found.id in known or not detector.finds_own_claims:
        claim = known[found.id]
        assert (found.text, found.span) == (claim.text, claim.span)
    elif found.span is not None:
        assert found.text == answer[found.span[0] : found.span[1]]


def assert_finding_makes_sense(finding: Finding, evidence: set[str]) -> None:
    assert finding.explanation.strip()
    if finding.score is None:
        assert finding.verdict == "not_checked"
        assert finding.reason
    else:
        assert finding.verdict in ("supported", "hallucinated")
        assert math.isfinite(finding.score)
        assert 0.0 <= finding.score <= 1.0
    if finding.verdict == "hallucinated":
        assert finding.error in get_args(ErrorKind)
    if finding.place is not None:
        assert finding.place.evidence in evidence
        assert_place_is_inside(finding.place)


def assert_place_is_inside(place: Place) -> None:
    if place.region is not None:
        x, y, width, height = place.region
        assert min(x, y, width, height) >= 0.0
        assert max(x + width, y + height) <= 1.0 + 1e-6
    if place.time is not None:
        assert 0.0 <= place.time[0] <= place.time[1]
    assert place.page is None or place.page >= 1


def word(outcome: Outcome) -> list[tuple[object, ...]]:
    """What an outcome says, without how long it took."""
    return [(f.claim.id, f.verdict, f.score, f.error, f.reason, f.explanation, f.place) for f in outcome.findings]


# --- what it declares -------------------------------------------------------------------------------------------------


def test_it_declares_what_it_is_and_when_it_is_wrong(detector: Detector) -> None:
    assert detector.name in CATALOGUE
    assert detector.version
    assert detector.weights_version is not None
    assert detector.kinds
    assert detector.kinds <= set(get_args(ClaimKind))
    assert detector.families
    assert detector.families <= {*MEDIA_TYPES, "other"}
    told = f"{inspect.getdoc(type(detector))} {sys.modules[type(detector).__module__].__doc__}".lower()
    assert "wrong when" in told, "the docstring must say when the detector is wrong"


def test_it_states_what_it_costs(detector: Detector) -> None:
    assert detector.seconds_per_case > 0
    costs = detector.stated_costs()
    assert set(costs) == set(detector.families)
    assert all(seconds > 0 for seconds in costs.values())


def test_its_calibration_was_fitted_on_this_version_and_says_on_what(detector: Detector) -> None:
    if detector.name in SCORED_BY_RULES:
        assert json.loads(SCORED_BY_RULES[detector.name].read_text(encoding="utf-8"))["rules"]
        return
    shipped = Calibration.load(detector.name)
    assert shipped.detector_version == detector.version
    stored = json.loads((calibration.FOLDER / f"{detector.name}.json").read_text(encoding="utf-8"))
    assert stored["detector"] == detector.name
    assert stored["provenance"]["date"]
    assert stored["provenance"]["n"] >= stored["provenance"]["positives"] > 0
    assert shipped.provenance == stored["provenance"]


def test_its_threshold_follows_the_risk_of_the_case(detector: Detector) -> None:
    if detector.name in SCORED_BY_RULES:
        pytest.skip("its rules have scores, no threshold decides")
    thresholds = []
    for risk in get_args(Risk):
        detector.detect([case_of(detector, (), risk=risk)])
        assert detector.calibration.threshold == Calibration.load(detector.name).threshold_for(risk)
        thresholds.append(detector.calibration.threshold)
    assert get_args(Risk) == RISKS
    assert thresholds == sorted(thresholds, reverse=True)


# --- what it does with what it is given ---------------------------------------------------------------------------------


def test_without_evidence_it_is_not_applicable(detector: Detector) -> None:
    needs_evidence(detector)
    outcome = judged_alone(detector, case_of(detector, ()))
    assert (outcome.state, outcome.findings) == ("not_applicable", ())


def test_without_claims_it_is_not_applicable(detector: Detector, folder: Path) -> None:
    needs_evidence(detector)
    for family in families_of(detector):
        outcome = judged_alone(detector, case_of(detector, (sound(family, folder),), claims=()))
        assert (outcome.state, outcome.findings) == ("not_applicable", ())


def test_evidence_of_another_family_is_not_its_business(detector: Detector, folder: Path) -> None:
    needs_evidence(detector)
    outcome = judged_alone(detector, case_of(detector, (foreign(folder),)))
    assert (outcome.state, outcome.findings) == ("not_applicable", ())


def test_evidence_of_another_family_changes_no_verdict(detector: Detector, folder: Path) -> None:
    if "other" in detector.families:
        pytest.skip(f"{detector.name} looks at evidence of every family")
    for family in families_of(detector):
        alone = case_of(detector, (sound(family, folder),))
        beside = replace(alone, evidence=(foreign(folder), *alone.evidence))
        assert word(judged_alone(detector, alone)) == word(judged_alone(detector, beside))


@pytest.mark.parametrize("name", STRANGE_ANSWERS)
def test_strange_answers_end_in_a_named_state(detector: Detector, name: str, folder: Path) -> None:
    for family in families_of(detector):
        judged_alone(detector, case_of(detector, (sound(family, folder),), STRANGE_ANSWERS[name]))


@pytest.mark.parametrize("kind", HARD)
def test_hard_evidence_ends_in_a_named_state_and_leaves_its_neighbours_alone(detector: Detector, kind: str, folder: Path) -> None:
    for family in families_of(detector):
        good = case_of(detector, (sound(family, folder),))
        bad = case_of(detector, (hard(family, kind, folder),))
        before, outcome, after = detector.detect([good, bad, good])
        assert_well_formed(detector, bad, outcome)
        assert word(before) == word(after) == word(judged_alone(detector, good))
        if kind in UNREADABLE and not detector.accounts_for_missing:
            assert outcome.state in ("abstained", "not_applicable"), f"{kind} {family} was judged: {word(outcome)}"


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_could_not_be_read_never_makes_a_claim_wrong(detector: Detector, kind: str, folder: Path) -> None:
    """Beside a readable piece an unreadable one may still bear the claim out."""
    needs_evidence(detector)
    for family in families_of(detector):
        case = case_of(detector, (sound(family, folder), hard(family, kind, folder)))
        outcome = judged_alone(detector, case)
        wrong = [finding for finding in outcome.findings if finding.verdict == "hallucinated"]
        assert not wrong, f"with {kind} {family} beside it: {wrong}"


def test_a_claim_citing_evidence_that_is_not_there_is_borne(detector: Detector, folder: Path) -> None:
    for family in families_of(detector):
        case = case_of(detector, (sound(family, folder),))
        nowhere = (Place("nowhere", region=(0.0, 0.0, 1.0, 1.0), time=(5.0, 6.0), page=99, span=(0, 10**6), quote="words"),)
        judged_alone(detector, replace(case, claims=tuple(replace(claim, citations=nowhere) for claim in case.claims)))


def test_the_same_case_gets_the_same_word_again(detector: Detector, folder: Path) -> None:
    for family in families_of(detector):
        case = case_of(detector, (sound(family, folder),))
        # Under another hash nothing that was kept is found, so that the evidence is truly read twice.
        again = replace(case, evidence=tuple(renamed(piece, folder) for piece in case.evidence))
        assert word(judged_alone(detector, case)) == word(judged_alone(detector, again))


def test_many_cases_come_back_in_order(detector: Detector, folder: Path) -> None:
    family = families_of(detector)[0]
    good, nothing, bad = (
        case_of(detector, (sound(family, folder),)),
        case_of(detector, ()),
        case_of(detector, (hard(family, "noise", folder),)),
    )
    cases = [nothing, good, bad, nothing, bad, good]
    outcomes = detector.detect(cases)
    assert len(outcomes) == len(cases)
    for case, outcome in zip(cases, outcomes, strict=True):
        assert_well_formed(detector, case, outcome)
    states = [outcome.state for outcome in outcomes]
    assert (states[0], states[1], states[2]) == (states[3], states[5], states[4])
    assert word(outcomes[1]) == word(outcomes[5])


def test_a_verdict_kept_for_a_claim_alone_is_the_one_it_gets_in_any_answer(detector: Detector, folder: Path) -> None:
    """What :meth:`Detector.claim_context` leaves out must play no part: other claims, and where in the answer the claim stands."""
    for family in families_of(detector):
        together = case_of(detector, (sound(family, folder),))
        said = {finding.claim.id: finding for finding in judged_alone(detector, together).findings}
        for claim in detector.claims_for(together):
            moved = replace(claim, id="moved", span=None if claim.span is None else (claim.span[0] + 6, claim.span[1] + 6))
            alone = replace(together, answer=f"Well, {together.answer}", claims=(moved,))
            context = detector.claim_context(together, claim)
            if context is None or detector.claim_context(alone, moved) != context:
                continue
            (found,) = judged_alone(detector, alone).findings
            before = said[claim.id]
            assert (found.verdict, found.score, found.error, found.place, found.explanation) == (
                before.verdict, before.score, before.error, before.place, before.explanation
            )  # fmt: skip
