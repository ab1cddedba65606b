"""The page of one response against the fake API: evidence, claims, findings and what could not be read."""

from __future__ import annotations

import html
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from dashboards import api
from monitor.api.problems import PROBLEM_TYPE, problem_of
from monitor.errors import BodyUnsupported, EvidenceRefused, GroundwatchError
from tests.dashboards.conftest import Opener, first_id, picture_alts, text_of
from tests.dashboards.fake_content import HOSTILE


def test_a_picture_is_shown_with_the_regions_of_its_findings(fake: FastAPI, opened: Opener) -> None:
    app = opened("response", id=first_id(fake, "receipt-extraction"))
    text = text_of(app)
    assert "score 0.93" in text
    assert "error: value" in text
    assert "Evidence says: “10.70”" in text
    assert picture_alts(app)[0] == "Evidence receipt.jpeg: 3 regions marked, 1 of the chosen claim"


def test_evidence_shows_how_good_it_is_with_its_problems(fake: FastAPI, opened: Opener) -> None:
    dark = next(detail.row.id for detail in fake.state.desk.details if detail.row.input_quality == "unusable")
    text = text_of(opened("response", id=dark))
    assert "Input quality: ○ Unusable" in text
    assert "the picture is very dark (mean level 9 of 255)" in text
    waiting = next(detail.row.id for detail in fake.state.desk.details if detail.row.input_quality is None)
    assert "Input quality not measured" in text_of(opened("response", id=waiting))


def test_choosing_another_claim_shows_its_findings(fake: FastAPI, opened: Opener) -> None:
    app = opened("response", id=first_id(fake, "receipt-extraction"), claim="c1")
    assert "“Harbour Street Bakery” was found" in text_of(app)
    assert "not borne out" not in text_of(app)


def test_a_claim_that_no_detector_spoke_about_leaves_the_page_whole(fake: FastAPI, opened: Opener) -> None:
    name = first_id(fake, "receipt-extraction")
    details = fake.state.desk.details
    place = next(index for index, detail in enumerate(details) if detail.row.id == name)
    silent = details[place].claims[0].model_copy(update={"findings": [], "verdict": "not_checked", "score": None})
    details[place] = details[place].model_copy(update={"claims": [silent]})
    app = opened("response", id=name)
    assert "No detector spoke about this claim" in text_of(app)
    assert picture_alts(app)


def test_a_recording_starts_where_the_finding_points(fake: FastAPI, opened: Opener) -> None:
    app = opened("response", id=first_id(fake, "meeting-summary"))
    assert app.get("audio")[0].proto.start_time == 4
    assert "0:04.1–0:06.5" in text_of(app)
    assert 'class="gw-found gw-hallucinated gw-chosen" style="left:35.60%' in text_of(app)


def test_a_document_opens_on_the_page_of_the_finding(fake: FastAPI, opened: Opener) -> None:
    app = opened("response", id=first_id(fake, "invoice-extraction"))
    assert app.number_input[0].value == 2
    assert "1 region marked, 1 of the chosen claim" in picture_alts(app)[0]


def test_what_was_not_checked_says_why(fake: FastAPI, opened: Opener) -> None:
    abstained = next(detail.row.id for detail in fake.state.desk.details if "abstained" in detail.row.states.values())
    text = text_of(opened("response", id=abstained))
    assert "Picture too small to read" in text
    assert "No claims were found in this answer" in text


def test_an_unpriced_item_is_said_and_not_counted_as_nothing(fake: FastAPI, opened: Opener) -> None:
    unpriced = next(detail.row.id for detail in fake.state.desk.details if detail.row.unpriced_items)
    assert "unpriced" in text_of(opened("response", id=unpriced))


def test_sending_to_review_puts_the_response_into_the_queue(fake: FastAPI, opened: Opener) -> None:
    wanted = fake.state.desk.details[-1].row.id
    app = opened("response", id=wanted)
    app.button[1].click().run()
    assert f"asked-{wanted}" in fake.state.desk.items
    assert "Sent to review" in text_of(app)
    assert app.button[1].disabled


def test_an_unknown_response_is_said_plainly(opened: Opener) -> None:
    assert "There is no such response" in text_of(opened("response", id="nope"))


def test_lost_evidence_leaves_the_rest_of_the_page(fake: FastAPI, opened: Opener) -> None:
    details = fake.state.desk.details
    wanted = first_id(fake, "image-qa")
    index = next(index for index, detail in enumerate(details) if detail.row.id == wanted)
    lost = details[index].evidence[0].model_copy(update={"url": "/v1/evidence/" + "0" * 64})
    details[index] = details[index].model_copy(update={"evidence": [lost]})
    text = text_of(opened("response", id=wanted))
    assert "Evidence missing" in text
    assert "not borne out" in text


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (BodyUnsupported("evidence", "application/zip", "Leave width and page out"), "The file is not what it was logged as (image/png)."),
        (
            EvidenceRefused("%SHA%", "is a broken picture (cut off. Early)", "Fetch it without width"),
            "The file is a broken picture (cut off. Early).",
        ),
    ],
)
def test_evidence_that_cannot_be_drawn_is_told_in_a_readers_words(
    fake: FastAPI, opened: Opener, monkeypatch: pytest.MonkeyPatch, error: GroundwatchError, shown: str
) -> None:
    wanted = first_id(fake, "image-qa")
    sha256 = next(detail for detail in fake.state.desk.details if detail.row.id == wanted).evidence[0].sha256
    answer = problem_of(error)
    body = bytes(answer.body).replace(b"%SHA%", sha256.encode())

    def refuse(*_: object, **__: object) -> bytes:
        raise api._failure(httpx.Response(answer.status_code, content=body, headers={"Content-Type": PROBLEM_TYPE}))

    monkeypatch.setattr(api, "picture", refuse)
    text = text_of(opened("response", id=wanted))
    assert "This evidence cannot be shown" in text
    assert html.escape(shown) in text
    assert "width" not in text.partition("This evidence cannot be shown")[2][:200]


def test_evidence_that_lies_elsewhere_is_shown_with_its_address(fake: FastAPI, opened: Opener) -> None:
    details = fake.state.desk.details
    wanted = first_id(fake, "image-qa")
    index = next(index for index, detail in enumerate(details) if detail.row.id == wanted)
    away = details[index].evidence[0].model_copy(update={"url": None, "sha256": None, "reference": "s3://bucket/<b>.png"})
    details[index] = details[index].model_copy(update={"evidence": [away]})
    text = text_of(opened("response", id=wanted))
    assert "This evidence lies elsewhere" in text
    assert html.escape("s3://bucket/<b>.png") in text


def test_evidence_that_retention_deleted_is_said_so_and_not_called_missing(fake: FastAPI, opened: Opener) -> None:
    details = fake.state.desk.details
    wanted = first_id(fake, "image-qa")
    index = next(index for index, detail in enumerate(details) if detail.row.id == wanted)
    gone = details[index].evidence[0].model_copy(update={"url": None, "deleted_at": datetime(2026, 3, 2, tzinfo=UTC)})
    details[index] = details[index].model_copy(update={"evidence": [gone]})
    text = text_of(opened("response", id=wanted))
    assert "Deleted by retention on 2026-03-02" in text
    assert "not stored" not in text
    assert "not borne out" in text


def test_markup_in_what_was_logged_stays_text(opened: Opener) -> None:
    for page, params in (("response", {"id": "hostile-1"}), ("alerts", {"state": "all"}), ("operations", {})):
        app = opened(page, **params)
        body = text_of(app)
        assert "<script" not in body
        assert "<img" not in body
        assert html.escape(HOSTILE) in body
        # Nothing from outside goes through Streamlit's markdown, which would read links, LaTeX and emoji codes.
        assert not any("smile" in element.value or "script" in element.value for element in (*app.markdown, *app.caption, *app.title))
        assert not any("smile" in button.label for button in app.button)
