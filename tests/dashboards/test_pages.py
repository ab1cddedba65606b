"""Each page against the fake API over HTTP, by Streamlit's own test runner."""

from __future__ import annotations

import html

import pytest
import streamlit as st
from fastapi import FastAPI
from streamlit.testing.v1 import AppTest

from tests.dashboards.conftest import Opener, first_id, open_page, picture_alts, text_of
from tests.dashboards.fake_api import create, running

PAGES = ("overview", "responses", "response", "task_quality", "alerts", "review", "operations")


# --- all pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_a_sidecar_says_how_to_start_it(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDWATCH_API_URL", "http://127.0.0.1:9")
    app = open_page(page, **({"id": "r-1"} if page == "response" else {}))
    assert not app.exception
    assert "The sidecar at http://127.0.0.1:9 does not answer" in text_of(app)
    assert "groundwatch up" in text_of(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_an_empty_sidecar_says_what_to_do(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(create(empty=True)) as url:
        monkeypatch.setenv("GROUNDWATCH_API_URL", url)
        app = open_page(page)
        assert not app.exception
        expected = {
            "overview": "No responses in the last 24 hours",
            "responses": "curl -X POST " + url,
            "task_quality": "No responses in the last 24 hours",
            "alerts": "No alert is open",
            "review": "Nothing waits for review",
            "operations": "Nothing was done by hand yet",
        }
        assert page == "response" or expected[page] in html.unescape(text_of(app))


@pytest.mark.parametrize("page", ["overview", "operations"])
def test_model_calls_that_do_not_tell_what_was_said_are_told_with_the_remedy(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = create(empty=True)
    with running(empty) as url:
        monkeypatch.setenv("GROUNDWATCH_API_URL", url)
        assert "without what was said" not in text_of(open_page(page))
        empty.state.desk.silent_calls = 12
        st.cache_data.clear()
        text = text_of(open_page(page))
    assert "12 model calls came without what was said" in text
    assert "CAPTURE_MESSAGE_CONTENT=span_only" in text


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("overview", "/v1/trends"),
        ("responses", "/v1/responses"),
        ("task_quality", "/v1/task-metrics"),
        ("alerts", "/v1/alert-rules"),
        ("review", "/v1/review"),
        ("operations", "/v1/jobs"),
    ],
)
def test_a_failing_part_of_the_api_becomes_a_message_with_its_remedy(page: str, path: str, fake: FastAPI, opened: Opener) -> None:
    fake.state.failing = path
    app = opened(page)
    assert not app.exception
    assert "The store does not answer" in text_of(app)
    assert "Start the store again" in text_of(app)


# --- overview -----------------------------------------------------------------------------------------------------


def test_the_overview_shows_quality_latency_and_cost_with_n(opened: Opener) -> None:
    app = opened("overview", range="7d")
    text = text_of(app)
    for label in ("Flagged, of checked", "Checked", "Latency, p95", "Cost per response", "Unpriced", "Detection lag, p95"):
        assert label in text
    assert "n = " in text
    assert "not checked ·" in text
    assert len(app.get("plotly_chart")) == 1
    assert "quote_mismatch" in text


def test_filters_in_the_address_are_set_in_the_widgets_and_reach_the_numbers(fake: FastAPI, opened: Opener) -> None:
    app = opened("overview", range="7d", workflow="image-qa", cohort="device:ios")
    assert app.selectbox(key="filter_workflow").value == "image-qa"
    assert app.multiselect(key="filter_cohort").value == ["device:ios"]
    rows = [detail.row for detail in fake.state.desk.details if detail.row.workflow == "image-qa" and detail.row.cohort["device"] == "ios"]
    assert f"of {len(rows)} responses" in text_of(app)


def test_a_filter_chosen_by_hand_goes_into_the_address(opened: Opener) -> None:
    app = opened("overview", range="7d")
    app.selectbox(key="filter_workflow").select("meeting-summary").run()
    assert app.query_params["workflow"] == "meeting-summary"
    assert app.query_params["range"] == "7d"
    app.button(key="filter_clear").click().run()
    assert "workflow" not in app.query_params


def test_a_linked_value_that_the_window_does_not_hold_is_still_shown(opened: Opener) -> None:
    app = opened("overview", workflow="gone")
    assert app.selectbox(key="filter_workflow").value == "gone"
    assert "No responses in the last 24 hours match" in text_of(app)
    assert "Workflow: gone" in text_of(app)


def test_the_overview_splits_the_flagged_share_by_input_quality_and_leads_to_the_worst(opened: Opener) -> None:
    app = opened("overview", range="7d")
    text = text_of(app)
    assert [text.index(word) for word in ("● Good", "◐ Poor", "○ Unusable", "Not measured")] == sorted(
        text.index(word) for word in ("● Good", "◐ Poor", "○ Unusable", "Not measured")
    )
    (link,) = [one.proto for one in app.get("page_link") if one.proto.label == "Responses with unusable input"]
    assert "quality=unusable" in link.query_string


def test_only_grades_that_are_there_are_shown_and_nothing_where_none_is(fake: FastAPI, opened: Opener) -> None:
    assert "◐ Poor" not in text_of(opened("overview", range="7d", quality="good"))
    for number, detail in enumerate(fake.state.desk.details):
        fake.state.desk.details[number] = detail.model_copy(update={"row": detail.row.model_copy(update={"input_quality": None})})
    app = opened("overview", range="6h")
    assert "Worst input" not in text_of(app)
    assert not [header for header in app.header if header.value == "By input quality"]


def test_the_list_is_filtered_by_input_quality(fake: FastAPI, opened: Opener) -> None:
    app = opened("responses", range="7d", quality="unusable")
    assert app.selectbox(key="filter_quality").value == "unusable"
    grades = {detail.row.id: detail.row.input_quality for detail in fake.state.desk.details}
    assert {grades[identifier] for identifier in app.dataframe[0].value["Id"]} == {"unusable"}
    app.selectbox(key="filter_quality").select("poor").run()
    assert app.query_params["quality"] == "poor"


# --- task quality -------------------------------------------------------------------------------------------------


def test_task_quality_tells_the_two_kinds_of_truth_apart(opened: Opener) -> None:
    app = opened("task_quality", range="7d")
    assert not app.exception
    assert [one.value for one in app.subheader] == ["Truth by reference", "Truth by the detectors' verdict on checked responses"]
    assert len(app.get("plotly_chart")) == 4
    text = text_of(app)
    for word in (
        "Correct",
        "ROUGE-L",
        "Edit distance ↓",
        "pass@5",
        "Brier score",
        "Calibration error",
        "Abstained rightly",
        "unknown truth",
    ):
        assert word in text


def test_task_quality_is_grouped_and_one_group_is_chosen(opened: Opener) -> None:
    app = opened("task_quality", range="7d")
    app.selectbox(key="task_by").select("workflow").run()
    assert not app.exception
    groups = app.selectbox(key="task_group").options
    assert len(groups) > 1
    assert {"image-qa", "meeting-summary"} <= {name for name in groups if name in text_of(app)}
    app.selectbox(key="task_group").select(groups[1]).run()
    assert len(app.get("plotly_chart")) == 4


def test_a_response_named_at_the_root_is_opened(fake: FastAPI, opened: Opener) -> None:
    wanted = first_id(fake, "image-qa")
    assert wanted in text_of(opened("overview", id=wanted))


# --- responses ----------------------------------------------------------------------------------------------------


def test_the_list_shows_the_filtered_responses_and_turns_pages(fake: FastAPI, opened: Opener) -> None:
    app = opened("responses", range="7d")
    first = list(app.dataframe[0].value["Id"])
    assert len(first) == 50
    app.button[1].click().run()
    second = list(app.dataframe[0].value["Id"])
    assert not set(first) & set(second)
    assert any("Rows 51–100" in caption.value for caption in app.caption)
    flagged = opened("responses", range="7d", verdict="hallucinated").dataframe[0].value
    assert set(flagged["Verdict"]) == {"✕ Hallucinated"}


def test_what_nobody_looked_at_is_never_shown_as_supported(fake: FastAPI, opened: Opener) -> None:
    table = opened("responses", range="7d").dataframe[0].value
    states = {detail.row.id: detail.row.states for detail in fake.state.desk.details}
    for identifier, verdict in zip(table["Id"], table["Verdict"], strict=True):
        if "judged" not in states[identifier].values():
            assert verdict in ("○ Not checked", "… Waiting")


# --- alerts -------------------------------------------------------------------------------------------------------


def test_an_alert_is_acknowledged_in_its_row(fake: FastAPI, opened: Opener) -> None:
    app = opened("alerts")
    app.button(key="ack_a-1").click().run()
    assert fake.state.desk.alerts[0].acknowledged_by == "local"
    assert "owner local" in text_of(app)
    app.button(key="resolve_a-1").click().run()
    assert fake.state.desk.alerts[0].state == "resolved"
    assert "rose from 6.8%" not in text_of(app)


def test_an_opened_alert_shows_facts_deliveries_and_its_samples(opened: Opener) -> None:
    app = opened("alerts", id="a-1")
    text = text_of(app)
    assert "0.294" in text
    assert "connection refused" in text
    link = app.get("page_link")[0].proto
    assert link.label == "Show the responses"
    assert "workflow=receipt-extraction" in link.query_string
    assert "cohort=device%3Aios" in link.query_string


def test_a_rule_is_switched_off(fake: FastAPI, opened: Opener) -> None:
    app = opened("alerts")
    app.toggle[0].set_value(False).run()
    assert fake.state.desk.rules[0].enabled is False


# --- review -------------------------------------------------------------------------------------------------------


def take(opened: Opener) -> AppTest:
    app = opened("review")
    app.text_input[0].set_value("mara").run()
    app.button[0].click().run()
    return app


def press(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()


def test_the_reviewer_sees_nothing_of_the_detectors_before_judging(fake: FastAPI, opened: Opener) -> None:
    app = take(opened)
    body = text_of(app)
    for secret in ("object_hallucination", "score 0.", "secret", "✕ Hallucinated", "regions marked"):
        assert secret not in body
    assert "regions marked" not in picture_alts(app)[0]
    sent = " ".join(str(element.proto) for element in app.get("bidi_component"))
    assert "To judge" in sent
    assert "Hallucinated" not in sent
    assert "Object" not in sent


def test_every_claim_needs_a_verdict_before_sending(opened: Opener) -> None:
    app = take(opened)
    assert app.button(key="send").disabled
    press(app, "answer_verdict_T")
    assert app.button(key="send").disabled


def test_a_judged_item_is_sent_compared_and_followed_by_the_next(fake: FastAPI, opened: Opener) -> None:
    app = take(opened)
    press(app, "answer_verdict_H")
    press(app, "answer_error_1")
    press(app, "answer_cause_3")
    press(app, "answer_verdict_H")
    press(app, "answer_error_2")
    press(app, "answer_cause_1")
    press(app, "send")
    desk = fake.state.desk
    assert [(verdict.hallucinated, verdict.error, verdict.cause) for verdict in desk.verdicts["hostile-1"]] == [
        (True, "object", "reasoning"),
        (True, "value", "perception"),
    ]
    assert desk.items["q-0"].state == "judged"
    assert desk.items["q-1"].state == "claimed"
    assert "Detectors agreed on 1 of 2 claims they checked." in text_of(app)


def test_undo_takes_back_a_mark_and_then_the_item(fake: FastAPI, opened: Opener) -> None:
    app = take(opened)
    press(app, "answer_verdict_T")
    press(app, "mark_undo")
    assert app.title[0].value == "Review: 0 of 2 judged"
    press(app, "answer_verdict_T")
    press(app, "answer_verdict_T")
    press(app, "send")
    press(app, "undo_last")
    desk = fake.state.desk
    assert (desk.items["q-0"].state, desk.items["q-1"].state) == ("claimed", "queued")
    assert app.query_params["item"] == "q-0"
    assert app.title[0].value == "Review: 2 of 2 judged"
    assert "hostile-1" not in desk.verdicts


def test_a_skipped_item_is_left_for_the_next(fake: FastAPI, opened: Opener) -> None:
    app = take(opened)
    press(app, "skip")
    assert fake.state.desk.items["q-0"].state == "skipped"
    assert app.query_params["item"] == "q-1"


def test_a_lost_lease_is_said_and_nothing_is_lost_silently(fake: FastAPI, opened: Opener) -> None:
    app = take(opened)
    press(app, "answer_verdict_T")
    press(app, "answer_verdict_T")
    fake.state.desk.move("q-0", claimed_by="other")
    press(app, "send")
    assert "Lease lost" in text_of(app)
    assert app.title[0].value == "Review: 2 of 2 judged"


def test_a_reload_keeps_the_item_and_the_reviewer(fake: FastAPI, opened: Opener) -> None:
    fake.state.desk.lease("q-3", "mara")
    app = opened("review", item="q-3", reviewer="mara")
    assert "judged" in app.title[0].value
    assert app.session_state["reviewer"] == "mara"


def test_the_end_of_the_queue_is_said(fake: FastAPI, opened: Opener) -> None:
    for item in list(fake.state.desk.items):
        fake.state.desk.move(item, state="judged")
    assert "Nothing waits for review" in text_of(opened("review"))


# --- operations ---------------------------------------------------------------------------------------------------


def test_operations_say_which_detector_cannot_run_and_why(opened: Opener) -> None:
    text = text_of(opened("operations"))
    assert "3 of 4" in text
    assert "No open_clip weights: set GROUNDWATCH_CLIP_MODEL" in text
    assert "StoreUnavailable: connection refused" in text


def test_operations_go_on_telling_while_the_store_is_away(fake: FastAPI, opened: Opener) -> None:
    fake.state.desk.store_problem = "ClickHouse does not answer (ping): connection refused"
    text = text_of(opened("operations"))
    assert "The store is away" in text
    assert "ClickHouse does not answer (ping): connection refused. What is sent is kept on disk" in text


def test_operations_name_the_parts_of_the_store_that_were_set_aside(fake: FastAPI, opened: Opener) -> None:
    fake.state.desk.damaged_parts = ["/data/clickhouse/store/a/b/detached/broken_2"]
    text = text_of(opened("operations"))
    assert "Rows of the store are missing" in text
    assert "1 folder could not be read" in text
    assert "/data/clickhouse/store/a/b/detached/broken_2" in text


def test_a_job_is_started_by_hand(fake: FastAPI, opened: Opener) -> None:
    app = opened("operations")
    app.button(key="run_drift").click().run()
    assert fake.state.desk.started == ["drift"]
    assert "Job started" in text_of(app)
