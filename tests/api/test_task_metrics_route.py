"""The route of the task metrics: estimates with n and interval, two kinds of truth, groupings and their refusals."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api


def test_every_number_has_its_n_and_interval(api: Api) -> None:
    found = api.http.get("/v1/task-metrics").json()
    (group,) = found["groups"]
    assert (found["by"], found["left_out"], group["responses"]) == ("all", 0, 9)
    correct, wer = group["metrics"]
    assert (correct["name"], correct["better"], correct["estimate"]["n"]) == ("correct", "higher", 4)
    assert correct["estimate"]["low"] < 0.75 < correct["estimate"]["high"]
    assert (wer["name"], wer["better"]) == ("wer", "lower")
    assert [(one["k"], one["estimate"]["n"]) for one in group["pass_at"]] == [(1, 2), (2, 2), (3, 2)]


def test_truth_by_reference_and_by_verdict_are_told_apart_and_the_unchecked_are_unknown(api: Api) -> None:
    reference, verdict = api.http.get("/v1/task-metrics").json()["groups"][0]["selections"]
    assert (reference["truth"], reference["right_answers"], reference["missed_abstentions"]) == ("reference", 3, 1)
    assert reference["confidence"]["curve"][-1] == {"confidence": 0.6, "coverage": 1.0, "risk": 0.25}
    assert (verdict["truth"], verdict["right_answers"], verdict["unknown_answers"]) == ("verdict", 0, 5)
    assert verdict["confidence"]["brier"] == {"value": None, "low": None, "high": None, "n": 0}


def test_filters_narrow_and_a_cohort_key_groups(api: Api) -> None:
    found = api.http.get("/v1/task-metrics", params={"by": "cohort:device", "workflow": "qa"}).json()
    assert api.reader.asked is not None
    assert api.reader.asked.workflow == "qa"
    assert found["groups"][0]["group"] == "cohort/device"
    assert (len(found["groups"]), found["left_out"]) == (50, 11)


@pytest.mark.parametrize("by", ["colour", "cohort:", "cohort", "WORKFLOW"])
def test_an_unknown_grouping_is_refused_by_name(api: Api, by: str) -> None:
    reply = api.http.get("/v1/task-metrics", params={"by": by})
    assert reply.status_code == 400
    assert reply.json()["field"] == "by"
