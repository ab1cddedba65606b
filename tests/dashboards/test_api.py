import httpx
import pytest

from dashboards import api
from tests.dashboards.fake_api import create, running

WEEK = (("since", "2020-01-01T00:00:00+00:00"),)


def test_a_sidecar_that_does_not_answer_is_named_with_the_command_that_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDWATCH_API_URL", "http://127.0.0.1:9")
    with pytest.raises(api.ApiUnreachable, match=r"127\.0\.0\.1:9 does not answer") as caught:
        api.status()
    assert caught.value.remedy == "groundwatch up"


def test_a_problem_is_told_with_its_remedy(fake, address: str) -> None:
    fake.state.failing = "/v1/summary"
    with pytest.raises(api.ApiFailed) as caught:
        api.summary(WEEK)
    assert (caught.value.title, caught.value.remedy, caught.value.status) == ("The store does not answer", "Start the store again", 503)


def test_a_remedy_that_the_detail_ends_with_is_told_once() -> None:
    problem = {"title": "Forbidden", "status": 422, "detail": "it is closed. Open it", "remedy": "Open it"}
    failed = api._failure(httpx.Response(422, json=problem))
    assert (failed.detail, failed.remedy) == ("it is closed. Open it", None)


def test_answers_are_kept_for_a_few_seconds_and_forgotten_after_a_change(fake, address: str) -> None:
    assert api.alert("a-1").state == "open"
    fake.state.desk.alert("a-1", state="resolved")
    assert api.alert("a-1").state == "open"
    api.acknowledge("a-2", "mara")
    assert api.alert("a-1").state == "resolved"


def test_a_failure_is_not_kept(fake, address: str) -> None:
    fake.state.failing = "/v1/summary"
    with pytest.raises(api.ApiFailed):
        api.summary(WEEK)
    fake.state.failing = None
    assert api.summary(WEEK).responses > 300


def test_identifiers_cannot_leave_their_part_of_the_path(address: str) -> None:
    with pytest.raises(api.ApiFailed) as caught:
        api.response("../status")
    assert caught.value.status == 404


def test_an_answer_of_another_shape_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(api.ApiFailed, match="does not fit this dashboard"):
        api._get(api.bodies.Status, "/v1/jobs")


def test_a_recording_too_large_for_a_page_is_not_read(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_MEDIA_BYTES", 1000)
    rows = api.responses((*WEEK, ("workflow", "meeting-summary")), 1).items
    url = api.response(rows[0].id).evidence[0].url
    assert url is not None
    with pytest.raises(api.EvidenceTooLarge):
        api.media(url)


def test_the_key_is_sent_and_a_refused_key_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create(empty=True)

    @app.middleware("http")
    async def guard(request, follow):
        from starlette.responses import Response

        return await follow(request) if request.headers.get("authorization") == "Bearer right" else Response(status_code=401)

    with running(app) as url:
        monkeypatch.setenv("GROUNDWATCH_API_URL", url)
        monkeypatch.setenv("GROUNDWATCH_API_KEY", "wrong")
        with pytest.raises(api.ApiFailed, match="refused the key"):
            api.status()
        monkeypatch.setenv("GROUNDWATCH_API_KEY", "right")
        assert api.status().version == "0.1.0"


def test_proxies_of_the_environment_are_not_used(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert isinstance(api._client(address, "").get("/v1/status"), httpx.Response)
