"""What was written can be read back, exactly, page by page and under every filter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from monitor.errors import RecordInvalid
from monitor.findings import FindingRecord
from monitor.records import Answer, Evidence, Label, Model, Release, Route, Stage, Usage
from monitor.store.reading import Reader
from monitor.store.rows import ResponseFilter
from monitor.store.unfolding import encode_cursor
from monitor.store.writer import Writer
from tests.store.samples import NOON, full, outcome, spooled, window


def listed(reader: Reader, limit: int = 100, **fields: object) -> list[str]:
    page, _ = reader.list_responses(window(**fields), limit)
    return [row.id for row in page]


def test_a_response_comes_back_as_it_was_logged(reader: Reader, writer: Writer) -> None:
    given = full(
        "r:1.a_b-c",
        7,
        text='Zwei Hunde 🐕 "zitiert" \\ \n ' + "lang " * 100,
        risk="authoritative",
        prompt_version="p3",
        trace_id="t",
        span_id="s",
        session_id="u",
        stages=(Stage(name="encode", duration_ms=12.5, budget_ms=10), Stage(name="infer", duration_ms=700.25, status="timeout")),
        usage=(Usage(item="tokens", quantity=1000, unit="token", unit_price=0.00001, currency="USD"),),
        route=Route(tier="large", fallback="small", attempt=2),
        attributes={"deep": [1, {"a": None}]},
        labels=(Label(span=(0, 4), hallucinated=True),),
        time=NOON + timedelta(microseconds=123456),
    )
    given = msgspec.structs.replace(given, received_at=NOON + timedelta(milliseconds=1500))
    writer.insert_responses([given], "t1")
    found = reader.response("default", "r:1.a_b-c")
    assert found is not None
    assert found.record == given.record
    assert found.received_at == given.received_at
    assert found.outcomes == []
    line = found.listed
    assert (line.id, line.time, line.workflow, line.risk) == ("r:1.a_b-c", NOON + timedelta(milliseconds=123), "image-qa", "authoritative")
    assert (line.model, line.release, line.fallback, line.modalities) == ("gpt-4v", "2.0", "small", ["image"])
    assert line.cohort == {"device": "ios", "language": "en"}
    assert (line.duration_ms, line.cost, line.currency, line.unpriced_items) == (712.75, pytest.approx(0.01), "USD", 0)
    assert line.answer_excerpt == given.record.answer.text[:240]
    assert (line.verdict, line.max_score, line.states) == ("not_checked", None, {})
    assert reader.list_responses(window(), 10)[0] == [line]


def test_what_a_response_does_not_say_is_none_and_not_zero(reader: Reader, writer: Writer) -> None:
    writer.insert_responses([spooled("bare")], "t1")
    found = reader.response("default", "bare")
    assert found is not None
    line = found.listed
    assert (line.model, line.release, line.fallback, line.duration_ms, line.cost, line.currency) == (None,) * 6
    assert (line.cohort, line.modalities, line.unpriced_items) == ({}, [], 0)


def test_outcomes_come_back_with_every_detail_of_their_findings(reader: Reader, writer: Writer) -> None:
    response = full("r")
    finding = FindingRecord(
        detector="ocr_mismatch",
        claim_id="c1",
        claim_text='total "9.00"',
        claim_kind="quantity",
        verdict="hallucinated",
        explanation="Reads 8.00.",
        claim_span=(3, 9),
        score=0.87654321,
        error="value",
        evidence_id="e",
        region=(0.1, 0.2, 0.3, 0.4),
        time=(1.5, 2.25),
        page=3,
        evidence_span=(0, 4),
        quote="",
        duration_ms=3.25,
    )
    bare = FindingRecord(
        detector="ocr_mismatch",
        claim_id="c2",
        claim_text="x",
        claim_kind="text",
        verdict="not_checked",
        explanation="No.",
        reason="blurred",
    )
    given = outcome(
        response, findings=(finding, bare), detector_version="2", weights_version="w:1", duration_ms=41.5, attempts=2, reason=None
    )
    failed = outcome(response, "quote_mismatch", "failed", reason="worker died")
    writer.insert_responses([response], "t1")
    writer.insert_outcomes([given, failed], "t2")
    found = reader.response("default", "r")
    assert found is not None
    assert found.outcomes == [given, failed]
    assert found.listed.states == {"ocr_mismatch": "judged", "quote_mismatch": "failed"}
    assert (found.listed.verdict, found.listed.max_score, found.listed.flagged_detectors) == ("hallucinated", 0.87654321, ["ocr_mismatch"])


def test_what_a_detector_paid_others_for_comes_back_priced_or_unpriced(reader: Reader, writer: Writer) -> None:
    response = full("r")
    usage = (
        Usage(item="judge calls", quantity=1, unit="call"),
        Usage(item="judge input tokens", quantity=1200, unit="token", amount=0.0024, currency="USD"),
    )
    paid = outcome(response, "ungrounded_statement", "judged", 0.9, usage=usage)
    writer.insert_responses([response], "t1")
    writer.insert_outcomes([paid], "o1")
    found = reader.response("default", "r")
    assert found is not None
    assert found.outcomes == [paid]


def test_a_later_outcome_replaces_the_earlier_one_and_all_its_findings_whichever_arrives_first(reader: Reader, writer: Writer) -> None:
    response = full("r")
    first, second = outcome(response, "ocr_mismatch", "judged", 0.9, 0.8, 0.7), outcome(response, "ocr_mismatch", "judged", 0.1, after_s=60)
    writer.insert_responses([response], "t1")
    for turn, order in enumerate(((first, second), (second, first))):
        for number, given in enumerate(order):
            writer.insert_outcomes([given], f"o{turn}{number}")
        found = reader.response("default", "r")
        assert found is not None
        assert found.outcomes == [second]
        assert (found.listed.verdict, found.listed.max_score) == ("supported", 0.1)
    assert reader.summary(window()).flagged == 0


def test_of_two_outcomes_of_a_detector_in_one_batch_the_later_one_is_read_before_any_merge(reader: Reader, writer: Writer) -> None:
    response = full("r")
    writer.insert_responses([response], "t1")
    later = outcome(response, "ocr_mismatch", "judged", 0.1, after_s=60)
    writer.insert_outcomes([later, outcome(response, "ocr_mismatch", "judged", 0.9)], "o1")
    found = reader.response("default", "r")
    assert found is not None
    assert (found.outcomes, found.listed.max_score) == ([later], 0.1)
    assert (reader.summary(window()).responses, reader.summary(window()).flagged) == (1, 0)


def test_a_response_sent_twice_is_one_response_even_under_two_tokens_and_before_any_merge(reader: Reader, writer: Writer) -> None:
    given = full("r", stages=(Stage(name="infer", duration_ms=10),))
    for token in ("t1", "t2", "t2", "t3"):
        writer.insert_responses([given], token)
    writer.insert_outcomes([outcome(given, "ocr_mismatch", "judged", 0.9)], "o1")
    assert listed(reader) == ["r"]
    assert reader.summary(window()).responses == 1
    assert [bucket.responses for bucket in reader.trends(window(), 3600)] == [1]
    assert {stage.responses for stage in reader.stage_latencies("default", NOON - timedelta(days=1), NOON + timedelta(days=1))} == {1}
    assert [item.sequence for item in reader.due("s1", 0, 10)] == [1]


def test_outcomes_without_their_response_are_seen_only_when_it_arrives(reader: Reader, writer: Writer) -> None:
    response = full("r")
    writer.insert_outcomes([outcome(response, "ocr_mismatch", "judged", 0.9)], "o1")
    assert listed(reader) == []
    assert reader.summary(window()).responses == 0
    assert reader.response("default", "r") is None
    writer.insert_responses([response], "t1")
    assert listed(reader, verdict="hallucinated") == ["r"]


def test_pages_are_newest_first_and_together_hold_everything_once(reader: Reader, writer: Writer) -> None:
    ages = [0, 0, 0, 0.5, 0.5, 3, 9, 40, 100, 400]
    since = NOON - timedelta(days=30)
    given = [spooled(f"r{n}", n, time=NOON - timedelta(hours=age)) for n, age in enumerate(ages)]
    writer.insert_responses(given, "t1")
    expected = [item.record.id for item in sorted(given, key=lambda item: (item.record.time, item.record.id), reverse=True)]
    for limit in (1, 2, 3, 10, 50):
        found: list[str] = []
        cursor = None
        while True:
            page, cursor = reader.list_responses(window(since=since), limit, cursor)
            found += [row.id for row in page]
            if cursor is None:
                break
        assert found == expected, limit


def test_a_page_under_a_cursor_is_not_moved_by_newer_responses(reader: Reader, writer: Writer) -> None:
    writer.insert_responses([spooled(f"r{n}", n, time=NOON - timedelta(minutes=n)) for n in range(4)], "t1")
    first, cursor = reader.list_responses(window(), 2)
    writer.insert_responses([spooled("new", 9, time=NOON + timedelta(minutes=1))], "t2")
    second, end = reader.list_responses(window(), 2, cursor)
    assert [row.id for row in first + second] == ["r0", "r1", "r2", "r3"]
    assert end is None


@pytest.mark.parametrize("cursor", ["", "!", "abc", "MTIz", encode_cursor(NOON, "")])
def test_a_foreign_cursor_is_refused_by_name(reader: Reader, cursor: str) -> None:
    with pytest.raises(RecordInvalid, match="cursor"):
        reader.list_responses(window(), 10, cursor)


def test_every_filter_keeps_what_it_names(reader: Reader, writer: Writer) -> None:
    audio = (Evidence(id="a", media_type="audio/flac", uri="sha256:" + "0" * 64),)
    a = full("a", 1, workflow="minutes", evidence=audio, text="The TOTAL is 9 Äpfel")
    b = full("b", 2, risk="authoritative", model=Model(name="claude"), cohort={"device": "android", "language": "en"})
    c = full("c", 3, release=Release(version="3.0"), evidence=())
    writer.insert_responses([a, b, c], "t1")
    writer.insert_outcomes([outcome(a, "quote_mismatch", "judged", 0.2), outcome(b, "ocr_mismatch", "judged", 0.7)], "o1")
    for fields, ids in (
        ({}, "abc"),
        ({"workflow": "minutes"}, "a"),
        ({"risk": "authoritative"}, "b"),
        ({"model": "claude"}, "b"),
        ({"release": "3.0"}, "c"),
        ({"modality": "audio"}, "a"),
        ({"modality": "image"}, "b"),
        ({"cohort": {"language": "en"}}, "abc"),
        ({"cohort": {"language": "en", "device": "android"}}, "b"),
        ({"cohort": {"device": ""}}, ""),
        ({"cohort": {"nothing": ""}}, ""),
        ({"detector": "ocr_mismatch"}, "b"),
        ({"verdict": "hallucinated"}, "b"),
        ({"verdict": "supported"}, "a"),
        ({"verdict": "not_checked"}, "c"),
        ({"min_score": 0.2}, "ab"),
        ({"min_score": 0.7}, "b"),
        ({"min_score": 0.0}, "ab"),
        ({"text": "total is"}, "a"),
        ({"text": "äPFEL"}, "a"),
        ({"text": "c"}, "c"),
        ({"text": "answer"}, "bc"),
        ({"text": "9 %"}, ""),
        ({"since": NOON}, "abc"),
        ({"until": NOON}, ""),
        ({"workflow": "image-qa", "verdict": "hallucinated", "model": "claude", "text": "answer", "min_score": 0.5}, "b"),
    ):
        assert "".join(sorted(listed(reader, **fields))) == ids, fields
        assert reader.summary(window(**fields)).responses == len(ids), fields
        assert sum(bucket.responses for bucket in reader.trends(window(**fields), 60)) == len(ids), fields


def test_with_a_detector_named_verdict_and_score_are_that_detectors(reader: Reader, writer: Writer) -> None:
    response, other = full("r"), full("other", 2)
    writer.insert_responses([response, other], "t1")
    writer.insert_outcomes(
        [
            outcome(response, "ocr_mismatch", "judged", 0.9),
            outcome(response, "quote_mismatch", "judged", 0.1),
            outcome(other, "quote_mismatch", "abstained"),
        ],
        "o1",
    )
    (line,) = reader.list_responses(window(detector="quote_mismatch", verdict="supported"), 10)[0]
    assert (line.id, line.verdict, line.max_score) == ("r", "supported", 0.1)
    assert line.flagged_detectors == ["ocr_mismatch"]
    assert listed(reader, detector="quote_mismatch", verdict="hallucinated") == []
    assert listed(reader, detector="quote_mismatch", verdict="not_checked") == ["other"]
    summary = reader.summary(window(detector="quote_mismatch"))
    assert (summary.responses, summary.checked, summary.flagged, summary.not_checked) == (2, 1, 0, 1)
    assert {count.detector for count in summary.detectors} == {"quote_mismatch"}


def test_projects_never_see_each_other(reader: Reader, writer: Writer) -> None:
    mine, theirs = full("same", 1), full("same", 2, project="other", text="theirs")
    writer.insert_responses([mine, theirs], "t1")
    writer.insert_outcomes([outcome(theirs, "ocr_mismatch", "judged", 0.9)], "o1")
    assert reader.summary(window()).flagged == 0
    assert reader.summary(window(project="other")).flagged == 1
    found = reader.response("default", "same")
    assert found is not None
    assert found.record.answer == Answer(text="answer of same")
    assert found.outcomes == []
    assert reader.response("third", "same") is None
    assert reader.projects(NOON - timedelta(days=1)) == ["default", "other"]
    assert reader.projects(NOON + timedelta(days=1)) == []


@pytest.mark.parametrize("word", ["'; DROP TABLE records; --", "\\", "{workflow:String}", "%s", "\t\n\0", "' OR 1=1 --", "$filters"])
def test_a_callers_words_are_never_read_as_sql(reader: Reader, writer: Writer, word: str) -> None:
    writer.insert_responses([spooled("plain"), spooled("odd", 2, workflow=word, text=f"a {word} b", cohort={word: word})], "t1")
    assert listed(reader, workflow=word) == ["odd"]
    assert listed(reader, text=word) == ["odd"]
    assert listed(reader, cohort={word: word}) == ["odd"]
    assert reader.exists("default", [word, "plain"]) == {"plain"}
    assert reader.response(word, word) is None


def test_exists_and_outcome_states_answer_for_thousands_of_ids(reader: Reader, writer: Writer) -> None:
    given = [spooled(f"r{n}", n, time=NOON - timedelta(minutes=n)) for n in range(2500)]
    writer.insert_responses(given, "t1")
    writer.insert_outcomes([outcome(item, "ocr_mismatch", "not_applicable") for item in given[:1500]], "o1")
    ids = [item.record.id for item in given] + ["nobody"]
    assert reader.exists("default", ids) == set(ids) - {"nobody"}
    states = reader.outcome_states("default", ids)
    assert len(states) == 2500
    assert states["r0"] == {"ocr_mismatch": "not_applicable"}
    assert states["r2000"] == {}
    assert reader.exists("default", []) == set()


def test_due_gives_each_sidecars_records_in_the_order_they_came(reader: Reader, writer: Writer) -> None:
    times = [NOON - timedelta(days=n * 20) for n in range(5)]
    mine = [full(f"m{n}", n + 1, time=time) for n, time in enumerate(times)]
    theirs = [full(f"t{n}", n + 1, sidecar="s2") for n in range(3)]
    writer.insert_responses(mine[2:] + theirs, "t1")
    writer.insert_responses(mine[:2], "t2")
    assert reader.due("s1", 0, 3) == mine[:3]
    assert reader.due("s1", 3, 100) == mine[3:]
    assert reader.due("s1", 5, 100) == []
    assert reader.due("nobody", 0, 100) == []
    assert reader.sidecars() == ["s1", "s2"]
    assert (reader.due_count("s1", 0), reader.due_count("s1", 4), reader.due_count("s2", 9)) == (5, 1, 0)


def test_a_filter_with_a_window_of_nothing_finds_nothing(reader: Reader, writer: Writer) -> None:
    writer.insert_responses([full("r")], "t1")
    backwards = ResponseFilter(project="default", since=NOON + timedelta(days=1), until=NOON - timedelta(days=1))
    assert reader.list_responses(backwards, 10) == ([], None)
    assert reader.summary(backwards).responses == 0


def test_a_window_beyond_what_the_store_can_hold_is_the_window_of_everything(reader: Reader, writer: Writer) -> None:
    writer.insert_responses([full("r")], "t1")
    always = {"since": datetime(2, 1, 1, tzinfo=UTC), "until": datetime(9999, 1, 1, tzinfo=UTC)}
    assert listed(reader, **always) == ["r"]
    assert reader.summary(window(**always)).responses == 1
