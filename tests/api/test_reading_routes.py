from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor.records import Evidence
from monitor.settings import Settings
from tests.api.conftest import Api
from tests.conftest import NOON


def test_the_list_pages_and_the_default_window_is_a_day(api: Api) -> None:
    page = api.http.get("/v1/responses?limit=1").json()
    assert ([item["id"] for item in page["items"]], page["next"]) == (["r-1"], "more")
    asked = api.reader.asked
    assert asked is not None
    assert asked.since == NOON - timedelta(hours=24)
    assert asked.until == NOON + timedelta(seconds=api.settings.future_tolerance_s)


def test_every_filter_reaches_the_store(api: Api) -> None:
    given = {
        "since": "2026-03-01T00:00:00+01:00",
        "until": "2026-03-02T00:00:00Z",
        "workflow": "qa",
        "risk": "authoritative",
        "model": "m",
        "release": "1",
        "detector": "ocr_mismatch",
        "verdict": "not_checked",
        "modality": "image",
        "quality": "poor",
        "text": "41",
        "min_score": "0.5",
    }
    assert api.http.get("/v1/responses", params=[*given.items(), ("cohort", "device:phone"), ("cohort", "at:12:30")]).status_code == 200
    asked = api.reader.asked
    assert asked is not None
    assert asked.cohort == {"device": "phone", "at": "12:30"}
    assert asked.since == NOON - timedelta(hours=37)
    same = {name: getattr(asked, name) for name in given if name not in ("since", "until", "min_score")}
    assert same == {name: value for name, value in given.items() if name in same}
    assert asked.min_score == 0.5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("since=2026-03-01T00:00:00", "since"),
        ("since=2026-03-03T00:00:00Z&until=2026-03-02T00:00:00Z", "until"),
        ("cohort=phone", "cohort"),
        ("risk=none", "risk"),
        ("verdict=clean", "verdict"),
        ("quality=fine", "quality"),
        ("limit=0", "limit"),
        ("limit=100000", "limit"),
        ("min_score=2", "min_score"),
    ],
)
def test_a_filter_that_cannot_be_read_names_itself(api: Api, query: str, field: str) -> None:
    reply = api.http.get(f"/v1/responses?{query}")
    assert reply.status_code in (400, 422)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["field"] == field


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://ann:secret@cdn.example.com/a%20b.png?X-Amz-Signature=secret#secret", "https://cdn.example.com/a%20b.png"),
        ("s3://bucket/receipts/a.png", "s3://bucket/receipts/a.png"),
        ("gs://bucket/a.png?generation=1", "gs://bucket/a.png"),
        ("https://[broken/a.png", None),
        (f"sha256:{'0' * 64}", None),
    ],
)
def test_evidence_elsewhere_is_shown_with_its_address_and_no_secret_in_it(api: Api, uri: str, shown: str | None) -> None:
    known = api.reader.rows["default", "r-1"]
    record = msgspec.structs.replace(known.record, evidence=(Evidence(id="away", media_type="image/png", uri=uri),))
    api.reader.rows["default", "r-1"] = msgspec.structs.replace(known, record=record)
    reply = api.http.get("/v1/responses/r-1")
    assert reply.json()["evidence"][0]["reference"] == shown
    assert "secret" not in reply.text


def test_a_response_shows_claims_evidence_outcomes_and_what_is_pending(api: Api) -> None:
    api.evidence.put(b"hello")
    detail: dict[str, Any] = api.http.get("/v1/responses/r-1").json()
    flagged, unseen = detail["claims"]
    assert (flagged["verdict"], flagged["score"], len(flagged["findings"])) == ("hallucinated", 0.9, 2)
    assert (unseen["text"], unseen["verdict"], unseen["score"], unseen["findings"]) == ("A dog.", "not_checked", None, [])
    note, short, photo = detail["evidence"]
    assert (note["text"], note["url"]) == ("hello", f"/v1/evidence/{note['sha256']}")
    assert (short["text"], short["url"]) == ("said inline", None)
    assert (photo["url"], photo["family"]) == (None, "image")
    assert photo["quality"] == {
        "grade": "poor",
        "problems": [{"name": "blurred", "grade": "poor", "text": "the picture is blurred"}],
        "measures": {"sharpness": 0.05},
    }
    assert (note["quality"], detail["row"]["input_quality"]) == (None, "poor")
    assert (detail["outcomes"][0]["claims_checked"], detail["outcomes"][0]["claims_flagged"]) == (1, 1)
    assert detail["pending"] == [name for name in Settings.model_fields["detectors"].default if name != "ocr_mismatch"]
    assert [item["cost"] for item in detail["usage"]] == [1.0, None]
    assert detail["attributes"] == {"shop": 7}
    assert (detail["review_item"], detail["verdicts"]) == (None, [])


def test_an_unknown_response_answers_404(api: Api) -> None:
    reply = api.http.get("/v1/responses/nobody")
    assert (reply.status_code, reply.json()["detail"]) == (404, "no response 'nobody' in this project")


def test_the_summary_counts_shares_over_checked_responses_only(api: Api) -> None:
    found = api.http.get("/v1/summary").json()
    assert (found["responses"], found["checked"], found["not_checked"], found["pending"]) == (10, 4, 5, 1)
    assert (found["flagged"]["value"], found["flagged"]["n"]) == (0.25, 4)
    assert 0.04 < found["flagged"]["low"] < 0.05
    assert 0.69 < found["flagged"]["high"] < 0.71
    ocr, quote = found["detectors"]
    assert (ocr["states"], ocr["flagged"]["n"], ocr["duration_ms_p95"]) == ({"judged": 4, "failed": 5}, 4, 20.0)
    assert quote["flagged"] == {"value": None, "low": None, "high": None, "n": 0}
    assert quote["duration_ms_p50"] is None


@pytest.mark.parametrize(
    ("hours", "bucket", "wanted"),
    [
        (1, "auto", 60),
        (6, "auto", 600),
        (24, "auto", 3600),
        (24 * 60, "auto", 86_400),
        (24, "60", 60),
        (24 * 30, "60", 3600),
        (24 * 365, "3600", 86_400),
    ],
)
def test_trend_buckets_fit_their_window(api: Api, hours: int, bucket: str, wanted: int) -> None:
    times = {"since": (NOON - timedelta(hours=hours)).isoformat(), "until": NOON.isoformat(), "bucket": bucket}
    found = api.http.get("/v1/trends", params=times).json()
    assert found["bucket_s"] == wanted
    assert found["points"][0]["flagged"]["value"] is None
    assert found["marks"][0]["version"] == "1"


def test_facets_tell_what_there_is_to_filter_by(api: Api) -> None:
    assert api.http.get("/v1/facets").json()["workflows"] == ["qa"]


def test_a_store_that_is_down_answers_503_with_retry_after(api: Api) -> None:
    api.reader.down = True
    reply = api.http.get("/v1/summary")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert reply.json()["title"] == "Service Unavailable"


def test_a_metadata_database_that_fails_answers_503(api: Api) -> None:
    with api.database.session() as session:
        session.connection().exec_driver_sql("DROP TABLE alert_deliveries")
        session.connection().exec_driver_sql("DROP TABLE alerts")
    reply = api.http.get("/v1/alerts")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")


def test_the_status_tells_queues_and_detectors(api: Api) -> None:
    api.http.post("/v1/responses", json=api.record())
    found = api.http.get("/v1/status").json()
    assert (found["spooled"], found["oldest_spooled_s"], found["undetected"], found["leader"]) == (1, 3.0, 4, True)
    assert found["detectors"][0]["reason"] == "not installed"


def test_the_status_is_told_while_the_store_is_away(api: Api) -> None:
    api.driver.store_problem = "connection refused"
    found = api.http.get("/v1/status").raise_for_status().json()
    assert found["undetected"] is None
    assert found["store_problem"].endswith("connection refused")
    assert found["leader"] is True


def test_readiness_names_what_is_missing(api: Api) -> None:
    assert api.http.get("/readyz").status_code == 200
    api.missing.append("the store")
    reply = api.http.get("/readyz")
    assert (reply.status_code, reply.json()["detail"]) == (503, "not ready: the store")
    assert api.http.get("/healthz").status_code == 200


def test_jobs_are_listed_and_run_by_name(api: Api) -> None:
    assert [job["name"] for job in api.http.get("/v1/jobs").json()["items"]] == ["drift"]
    assert api.http.post("/v1/jobs/drift/run").status_code == 202
    assert api.http.post("/v1/jobs/nothing/run").status_code == 404
    assert [entry["action"] for entry in api.http.get("/v1/audit").json()["items"]] == ["job.run"]


def test_dead_letters_are_listed_newest_first(api: Api) -> None:
    from monitor.metadata.letters import DeadLetters

    letters = DeadLetters(api.database, api.clock)
    letters.add("default", "store", "r-1", None, "too wide", "{}")
    api.clock.move(timedelta(minutes=1))
    letters.add("default", "detect", "r-2", "ocr_mismatch", "crashed twice", None)
    letters.add("other", "detect", "r-3", None, "not ours", None)
    first = api.http.get("/v1/dead-letters?limit=1").json()
    assert [item["response_id"] for item in first["items"]] == ["r-2"]
    second = api.http.get(f"/v1/dead-letters?cursor={first['next']}").json()
    assert ([item["reason"] for item in second["items"]], second["next"]) == (["too wide"], None)
    assert api.http.get("/v1/dead-letters?cursor=garbage").status_code == 400


def test_the_summary_splits_the_flagged_by_input_quality_best_first_and_unmeasured_last(api: Api) -> None:
    split = api.http.get("/v1/summary").json()["input_quality"]
    assert [(part["grade"], part["responses"], part["flagged"]["value"], part["flagged"]["n"]) for part in split] == [
        ("good", 2, 0.0, 2),
        ("poor", 5, 0.5, 2),
        (None, 3, None, 0),
    ]
