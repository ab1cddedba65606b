from datetime import UTC, datetime

import msgspec
import pytest

from dashboards import judging
from dashboards.bodies import ResponseDetail
from tests.dashboards.fake_content import detail_of
from tests.dashboards.fake_scenes import blobs


@pytest.fixture(scope="module")
def detail() -> ResponseDetail:
    made = detail_of("r", datetime.now(UTC), "receipt-extraction", 0, "judged", "1", "ios", 900.0, blobs())
    return msgspec.json.decode(made.model_dump_json(), type=ResponseDetail)


def test_claims_come_in_the_order_of_the_answer(detail: ResponseDetail) -> None:
    shuffled = msgspec.structs.replace(detail, claims=list(reversed(detail.claims)))
    assert [subject.text for subject in judging.start(shuffled).subjects] == ["Harbour Street Bakery", "14/03/2026", "16.70"]


def test_a_true_claim_takes_one_step_and_the_next_claim_follows(detail: ResponseDetail) -> None:
    work = judging.start(detail)
    assert work.step == "verdict"
    work = work.supported()
    assert (work.at, work.judged, work.step) == (1, 1, "verdict")


def test_a_hallucinated_claim_names_its_error_and_its_cause(detail: ResponseDetail) -> None:
    work = judging.start(detail).hallucinated()
    assert (work.at, work.step, work.judged) == (0, "error", 0)
    work = work.error("value")
    assert work.step == "cause"
    work = work.cause("perception")
    assert (work.at, work.judged) == (1, 1)


def test_undo_takes_back_one_step_at_a_time(detail: ResponseDetail) -> None:
    work = judging.start(detail).supported().hallucinated().error("value")
    assert work.undo().step == "error"
    assert work.undo().undo().step == "verdict"
    assert work.undo().undo().undo().undo() == judging.start(detail)


def test_verdicts_are_sent_only_when_every_claim_has_one(detail: ResponseDetail) -> None:
    work = judging.start(detail).supported().supported()
    assert not work.complete
    with pytest.raises(ValueError, match=r"16\.70"):
        work.verdicts(None)
    done = work.hallucinated().error("value").cause("grounding")
    assert done.complete
    last = done.verdicts(" seen ")[-1]
    assert (last["claim_text"], last["hallucinated"], last["error"], last["cause"]) == ("16.70", True, "value", "grounding")


def test_a_judged_claim_can_be_judged_again(detail: ResponseDetail) -> None:
    work = judging.start(detail).supported().go(0)
    assert work.step == "done"
    assert work.again().step == "verdict"


def test_an_answer_without_claims_is_judged_as_a_whole(detail: ResponseDetail) -> None:
    work = judging.start(msgspec.structs.replace(detail, claims=[]))
    sent = work.supported().verdicts(None)
    assert sent == [
        {
            "claim_id": None,
            "claim_text": detail.answer,
            "span": (0, len(detail.answer)),
            "hallucinated": False,
            "error": None,
            "cause": None,
            "note": None,
        }
    ]
    assert judging.compare(work.supported(), [])[0].agrees is None


def test_the_comparison_says_where_detectors_and_reviewer_differ(detail: ResponseDetail) -> None:
    work = judging.start(detail).supported().supported().supported()
    assert [line.agrees for line in judging.compare(work, detail.claims)] == [True, True, False]
