"""Who says what, on the demo's two synthetic voices joined into conversations with known turns."""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import numpy as np
import pytest

from detectors.claims import complete, extract
from detectors.contract import Case, Claim, DetectorOptions, DetectorUnavailable, EvidenceFile, Finding, Place
from detectors.hearing.audio import RATE, Samples, decode
from detectors.speaker_confusion import SpeakerConfusion
from detectors.voices.encoder import VoiceEncoder
from detectors.weights import VOICE_ENCODER, verified_files

DEMO = Path(__file__).resolve().parents[2] / "monitor" / "demo"
# Sentences of the two recordings (seconds): Laura is the voice of one, Daniel that of the other.
LAURA = [(0.6, 3.65), (4.65, 7.23), (8.23, 10.72)]
DANIEL = [(0.6, 3.08), (4.08, 6.55), (7.55, 10.46)]


@pytest.fixture(scope="module")
def detector() -> SpeakerConfusion:
    loaded = SpeakerConfusion(DetectorOptions(threads=1))
    loaded.load()
    return loaded


def sound(name: str) -> Samples:
    path = DEMO / name
    return decode(EvidenceFile(name, "audio/flac", path, name))


def saved(path: Path, samples: Samples) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((np.clip(samples, -1, 1) * 32000).astype("<i2").tobytes())
    return path


def evidence(path: Path, identifier: str = "talk", role: str = "source", **metadata: str) -> EvidenceFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return EvidenceFile(identifier, "audio/wav", path, digest, role, None, metadata)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> tuple[EvidenceFile, list[tuple[float, float]]]:
    """Laura and Daniel by turns, half a second of silence between; with the turns' times."""
    call, meeting = sound("call.flac"), sound("meeting.flac")
    pieces, times, at = [], [], 0.0
    for laura, daniel in zip(LAURA, DANIEL, strict=True):
        for samples, (start, end) in ((call, laura), (meeting, daniel)):
            pieces += [samples[int(start * RATE) : int(end * RATE)], np.zeros(RATE // 2, np.float32)]
            times.append((at, at + end - start))
            at += end - start + 0.5
    path = saved(tmp_path_factory.mktemp("talk") / "talk.wav", np.concatenate(pieces))
    return evidence(path), times


def minutes(names: list[str], times: list[tuple[float, float]]) -> str:
    return "\n".join(f"{name} (0:{start:04.1f}–0:{end:04.1f}): something is said." for name, (start, end) in zip(names, times, strict=True))


def judged(detector: SpeakerConfusion, answer: str, *files: EvidenceFile) -> list[Finding]:
    claims = tuple(claim for claim in extract(answer, {"audio"}) if claim.kind == "speaker")
    (outcome,) = detector.detect([Case("r1", answer, claims, files)])
    return list(outcome.findings)


@pytest.mark.models
def test_every_turn_with_its_own_speaker_is_supported(
    detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]]
) -> None:
    findings = judged(detector, minutes(["Laura", "Daniel"] * 3, talk[1]), talk[0])
    assert [finding.verdict for finding in findings] == ["supported"] * 6
    assert "the closest other speaker is Daniel" in findings[0].explanation


@pytest.mark.models
def test_the_turn_given_to_the_other_speaker_is_flagged_and_the_right_one_named(
    detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]]
) -> None:
    findings = judged(detector, minutes(["Laura", "Daniel", "Laura", "Laura", "Laura", "Daniel"], talk[1]), talk[0])
    assert [finding.verdict for finding in findings] == ["supported"] * 3 + ["hallucinated"] + ["supported"] * 2
    wrong = findings[3]
    assert wrong.error == "speaker"
    assert "the voice is that of Daniel, as at 0:" in wrong.explanation
    assert wrong.place is not None
    assert wrong.place.time == pytest.approx(talk[1][3], abs=0.1)


@pytest.mark.models
def test_a_callers_claim_with_cited_times_needs_no_time_in_its_words(
    detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]]
) -> None:
    file, times = talk
    names = ["Laura", "Daniel", "Laura", "Daniel", "Daniel", "Daniel"]
    given = [Claim(f"g{n}", f"Turn {n}", None, "speaker", (Place("talk", time=time),), names[n]) for n, time in enumerate(times)]
    claims = complete(given, "Six turns.", ["audio"])
    (outcome,) = detector.detect([Case("r1", "Six turns.", claims, (file,))])
    assert [finding.claim.id for finding in outcome.findings if finding.verdict == "hallucinated"] == ["g4"]


@pytest.mark.models
def test_reference_voices_catch_names_that_are_exchanged_throughout(
    detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]], tmp_path: Path
) -> None:
    file, times = talk
    voices = [
        evidence(saved(tmp_path / "laura.wav", sound("call.flac")[: 4 * RATE]), "v1", "reference_voice", speaker="Laura"),
        evidence(saved(tmp_path / "daniel.wav", sound("meeting.flac")[: 4 * RATE]), "v2", "reference_voice", speaker="Daniel"),
    ]
    answer = minutes(["Daniel", "Laura"] * 2, times[2:])
    assert {finding.verdict for finding in judged(detector, answer, file)} == {"supported"}
    findings = judged(detector, answer, file, *voices)
    assert {finding.verdict for finding in findings} == {"hallucinated"}
    assert "by the reference voice" in findings[0].explanation


@pytest.mark.models
def test_a_reference_voice_that_cannot_be_read_leaves_the_turns_to_be_compared_with_each_other(
    detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]], tmp_path: Path
) -> None:
    (tmp_path / "laura.wav").write_bytes(b"not a recording")
    broken = evidence(tmp_path / "laura.wav", "v1", "reference_voice", speaker="Laura")
    findings = judged(detector, minutes(["Laura", "Daniel"] * 3, talk[1]), talk[0], broken)
    assert [finding.verdict for finding in findings] == ["supported"] * 6


@pytest.mark.models
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Laura speaks from 0:00 to 0:03. Daniel speaks from 0:04.0 to 0:04.6.", "too little to tell a voice"),
        ("Laura speaks from 0:00 to 0:03. Daniel speaks from 0:40 to 0:45.", "the recording is only 0:"),
        ("Laura speaks from 0:00 to 0:03.", "the voice does not settle"),
    ],
)
def test_short_late_or_single_turns_are_not_checked_and_say_why(
    detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]], answer: str, reason: str
) -> None:
    findings = judged(detector, answer, talk[0])
    assert any(finding.score is None and reason in (finding.reason or "") for finding in findings)
    assert not any(finding.verdict == "hallucinated" for finding in findings)


@pytest.mark.models
def test_a_turn_with_two_voices_is_not_checked(detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]]) -> None:
    file, times = talk
    both = (times[0][0] + 0.5, times[1][1] - 0.5)
    findings = judged(detector, minutes(["Laura", "Laura", "Daniel", "Laura", "Daniel"], [both, *times[2:]]), file)
    assert [finding.reason for finding in findings if finding.score is None] == ["more than one voice is heard there"]


@pytest.mark.models
def test_silence_is_no_turn(detector: SpeakerConfusion, tmp_path: Path) -> None:
    quiet = evidence(saved(tmp_path / "quiet.wav", np.zeros(8 * RATE, np.float32)))
    (finding,) = judged(detector, "Laura speaks from 0:01 to 0:05.", quiet)
    assert finding.reason == "no speech is heard there"


@pytest.mark.models
def test_a_recording_that_cannot_be_read_leaves_its_claims_not_checked(detector: SpeakerConfusion, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(b"not a recording")
    (finding,) = judged(detector, "Laura speaks from 0:01 to 0:05.", evidence(tmp_path / "talk.wav"))
    assert finding.verdict == "not_checked"
    assert "cannot be read" in (finding.reason or "")


@pytest.mark.models
def test_two_recordings_and_no_citation_leave_open_which_is_meant(
    detector: SpeakerConfusion, talk: tuple[EvidenceFile, list[tuple[float, float]]], tmp_path: Path
) -> None:
    other = evidence(saved(tmp_path / "other.wav", sound("call.flac")), "other")
    (finding,) = judged(detector, "Laura speaks from 0:01 to 0:03.", talk[0], other)
    assert finding.reason == "the answer does not say which recording is meant"


@pytest.mark.models
def test_one_voice_is_nearer_to_itself_than_to_another() -> None:
    encoder = VoiceEncoder(verified_files(VOICE_ENCODER)[0], 1)
    call, meeting = sound("call.flac"), sound("meeting.flac")
    laura, daniel = (encoder.windows(samples).mean(axis=0) for samples in (call[: 4 * RATE], meeting[: 4 * RATE]))
    later = encoder.windows(call[4 * RATE : 8 * RATE]).mean(axis=0)
    assert laura @ later > laura @ daniel + 0.1


@pytest.mark.models
def test_windows_embedded_together_equal_windows_embedded_alone() -> None:
    encoder = VoiceEncoder(verified_files(VOICE_ENCODER)[0], 1)
    together = encoder.windows(sound("call.flac")[: 4 * RATE])
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(together)), abs=1e-4)
    mels = np.abs(np.random.default_rng(2).normal(size=(5, 160, 40))).astype(np.float32)
    assert encoder.embed(mels) == pytest.approx(np.concatenate([encoder.embed(one[None]) for one in mels]), abs=1e-4)
    assert len(encoder.windows(np.zeros(RATE // 4, np.float32))) == 0


def test_an_altered_weight_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.weights.sha256_of", lambda path: "0" * 64)
    verified_files.cache_clear()
    with pytest.raises(DetectorUnavailable, match="trusted resemblyzer-voice-encoder weights"):
        SpeakerConfusion(DetectorOptions()).load()
    verified_files.cache_clear()
