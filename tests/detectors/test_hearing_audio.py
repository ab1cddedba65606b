"""Decoding recordings: what is read, and what is refused with its reason."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from detectors.contract import EvidenceFile, EvidenceUnreadable
from detectors.hearing.audio import decode
from detectors.hearing.regions import grown

CALL = Path(__file__).resolve().parents[2] / "monitor" / "demo" / "call.flac"


def evidence(path: Path, media_type: str = "audio/wav") -> EvidenceFile:
    return EvidenceFile("a1", media_type, path, "0" * 64)


def tone(path: Path, seconds: float = 1.0, rate: int = 44_100, channels: int = 2) -> Path:
    times = np.arange(int(seconds * rate)) / rate
    samples = (np.sin(2 * np.pi * 440 * times) * 16_000).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(samples[:, None], channels, axis=1).tobytes())
    return path


def test_stereo_of_another_rate_becomes_16_khz_mono(tmp_path: Path) -> None:
    samples = decode(evidence(tone(tmp_path / "a.wav", seconds=1.5)))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(24_000, abs=200)
    assert 0.3 < float(np.abs(samples).max()) <= 1.0


def test_flac_is_read_whole() -> None:
    assert len(decode(evidence(CALL, "audio/flac"))) / 16_000 == pytest.approx(11.72, abs=0.05)


def test_the_sound_track_of_a_video_is_read(tmp_path: Path) -> None:
    import av

    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number * 20, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        for number in range(16):
            block = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1, np.float32), format="fltp", layout="mono")
            block.sample_rate, block.pts = 16_000, number * 1024
            container.mux(sound.encode(block))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    assert len(decode(evidence(path, "video/mp4"))) == pytest.approx(16_384, abs=2_100)


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    import av

    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(picture.encode(None))
    with pytest.raises(EvidenceUnreadable, match="no sound track"):
        decode(evidence(path, "video/mp4"))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.touch()
    with pytest.raises(EvidenceUnreadable, match="empty"):
        decode(evidence(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceUnreadable, match="missing"):
        decode(evidence(tmp_path / "none.wav"))


def test_bytes_that_are_no_recording_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(b"this is not sound" * 200)
    with pytest.raises(EvidenceUnreadable, match=r"damaged|no sound can be decoded"):
        decode(evidence(path, "audio/flac"))


def test_a_recording_cut_short_is_read_to_the_cut_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    path.write_bytes(CALL.read_bytes()[:60_000])
    with pytest.raises(EvidenceUnreadable, match="damaged"):
        decode(evidence(path, "audio/flac"))


def test_a_recording_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceUnreadable):
        decode(evidence(tone(tmp_path / "a.wav", seconds=0.01)))


def test_a_recording_over_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceUnreadable, match="longer than"):
        decode(evidence(tone(tmp_path / "a.wav", seconds=2.0)), limit_s=1.0)


def test_a_playlist_cannot_make_the_decoder_open_other_files(tmp_path: Path) -> None:
    tone(tmp_path / "secret.wav")
    for name, text in (
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.wav\n#EXT-X-ENDLIST\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile secret.wav\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(EvidenceUnreadable):
            decode(evidence(path, "audio/mpegurl"))


def loud(*parts: tuple[float, float]) -> np.ndarray:
    """Noise of the given lengths (s) and loudness, one after the other."""
    generator = np.random.default_rng(3)
    return np.concatenate([generator.normal(0, level, int(seconds * 16_000)) for seconds, level in parts]).astype(np.float32)


def test_speech_the_detector_woke_up_late_on_is_taken_from_its_start() -> None:
    samples = loud((1.0, 0.0002), (3.0, 0.1), (1.0, 0.0002), (1.0, 0.1), (1.0, 0.0002))
    ((start, end),) = grown(samples, [(2.5, 4.0)])
    assert start == pytest.approx(1.0, abs=0.05)
    assert end == pytest.approx(4.0, abs=0.05)


def test_speech_in_steady_noise_does_not_grow() -> None:
    assert grown(loud((2.0, 0.05), (1.0, 0.1), (2.0, 0.05)), [(2.0, 3.0)]) == [(pytest.approx(2.0), pytest.approx(3.0))]


def test_regions_that_meet_become_one() -> None:
    assert len(grown(loud((1.0, 0.0002), (3.0, 0.1), (1.0, 0.0002)), [(1.2, 1.8), (3.0, 3.5)])) == 1


def test_silence_has_no_regions() -> None:
    assert grown(np.zeros(16_000, np.float32), []) == []
