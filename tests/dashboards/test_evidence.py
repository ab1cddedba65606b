import io
import wave

import pytest

from dashboards.bodies import FindingView
from dashboards.evidence import Place, header_seconds, worst_first
from tests.dashboards.fake_scenes import SPEECH


def test_a_flac_header_states_the_length() -> None:
    assert header_seconds(SPEECH.read_bytes()) == pytest.approx(11.46, abs=0.01)


def test_a_wav_header_states_the_length() -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 4000))
    assert header_seconds(out.getvalue()) == 0.5


@pytest.mark.parametrize("content", [b"", b"ID3\x04mp3", b"fLaC", b"fLaC" + bytes(30), b"RIFF\x00\x00\x00\x00WAVE"])
def test_a_header_that_says_nothing_gives_no_length(content: bytes) -> None:
    assert header_seconds(content) is None


def found(verdict: str, score: float | None, evidence_id: str) -> Place:
    finding = FindingView(
        detector="d",
        verdict=verdict,
        score=score,
        explanation="",
        error=None,
        reason=None,
        evidence_id=evidence_id,
        region=None,
        time=None,
        page=None,
        evidence_span=None,
        quote=None,
        duration_ms=1.0,
    )
    return Place(finding, "claim", chosen=True)


def test_the_surest_objection_decides_which_source_is_shown() -> None:
    places = [
        found("supported", 0.1, "a"),
        found("hallucinated", 0.6, "b"),
        found("not_checked", None, "c"),
        found("hallucinated", 0.9, "d"),
    ]
    assert [place.finding.evidence_id for place in worst_first(places)] == ["d", "b", "a", "c"]
