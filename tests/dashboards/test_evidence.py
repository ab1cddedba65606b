import io
import wave

import pytest

from dashboards.evidence import header_seconds
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
