"""Quotes and numbers checked against real speech: the demo's two synthetic recordings, whose words and times are known."""

from __future__ import annotations

import hashlib
import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.claims import extract
from detectors.contract import Case, Claim, DetectorOptions, DetectorUnavailable, EvidenceFile, Finding, Outcome, Place
from detectors.hearing.audio import decode
from detectors.hearing.ears import Ears
from detectors.hearing.recording import Recording
from detectors.quote_mismatch import QuoteMismatch

DEMO = Path(__file__).resolve().parents[2] / "monitor" / "demo"
SPEECH: dict[str, Any] = json.loads((DEMO / "speech.json").read_text(encoding="utf-8"))


def recording(path: Path, identifier: str = "call", media_type: str = "audio/flac") -> EvidenceFile:
    return EvidenceFile(identifier, media_type, path, hashlib.sha256(path.read_bytes()).hexdigest())


def case(answer: str, *evidence: EvidenceFile, claims: tuple[Claim, ...] | None = None) -> Case:
    return Case("r1", answer, extract(answer, {"audio"}) if claims is None else claims, evidence)


def start_of(file: str, words: str) -> float:
    return float(next(s["start_s"] for s in SPEECH[file]["sentences"] if words in s["text"]))


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> QuoteMismatch:
    loaded = QuoteMismatch(DetectorOptions(threads=2))
    loaded.load()
    return loaded


def found(detector: QuoteMismatch, answer: str, file: str = "call.flac") -> Finding:
    (outcome,) = detector.detect([case(answer, recording(DEMO / file))])
    assert outcome.state == "judged", outcome.reason
    (finding,) = outcome.findings
    return finding


@pytest.mark.models
@pytest.mark.parametrize(
    ("file", "words"),
    [(file, sentence["text"]) for file, entry in SPEECH.items() for sentence in entry["sentences"]],
)
def test_what_was_said_when_it_was_said_is_supported(detector: QuoteMismatch, file: str, words: str) -> None:
    start = start_of(file, words)
    finding = found(detector, f'At 0:{round(start):02d} the speaker says "{words}"', file)
    assert finding.verdict == "supported", finding.explanation
    assert finding.place is not None
    assert finding.place.time is not None
    assert finding.place.time[0] == pytest.approx(start, abs=0.6)


@pytest.mark.models
@pytest.mark.parametrize(
    ("file", "quote", "heard"),
    [
        ("call.flac", "We will refund fifty eight dollars by Friday", "85"),
        ("call.flac", "We will not refund eighty five dollars by Friday", "We will refund"),
        ("call.flac", "Your order number is four seven one nine three", "47192"),
        ("meeting.flac", "We do need a second server this year", "do not need"),
        ("meeting.flac", "Please send the invoice to Daniel before noon", "report"),
    ],
)
def test_a_changed_word_number_or_negation_is_flagged_with_what_was_heard(
    detector: QuoteMismatch, file: str, quote: str, heard: str
) -> None:
    finding = found(detector, f'The speaker says "{quote}".', file)
    assert finding.verdict == "hallucinated"
    assert finding.error == "quote"
    assert finding.place is not None
    assert heard in (finding.place.quote or "")
    assert heard in finding.explanation


@pytest.mark.models
def test_right_words_at_a_wrong_time_are_a_time_error_with_the_true_place(detector: QuoteMismatch) -> None:
    finding = found(detector, 'At 0:01 the agent says "We will refund eighty five dollars by Friday".')
    assert finding.verdict == "hallucinated"
    assert finding.error == "time"
    assert finding.place is not None
    assert finding.place.time is not None
    assert finding.place.time[0] == pytest.approx(start_of("call.flac", "refund"), abs=0.6)
    assert "0:08" in finding.explanation


@pytest.mark.models
def test_a_time_after_the_end_is_named_as_such(detector: QuoteMismatch) -> None:
    finding = found(detector, 'At 1:30 the agent says "We will refund eighty five dollars by Friday".')
    assert finding.error == "time"
    assert "only 0:11 long" in finding.explanation


@pytest.mark.models
def test_words_nobody_said_are_flagged(detector: QuoteMismatch) -> None:
    finding = found(detector, 'At 0:05 the caller says "I would like to cancel my insurance immediately".')
    assert finding.verdict == "hallucinated"
    assert finding.error == "quote"
    assert "Nothing like" in finding.explanation or "recording says" in finding.explanation


@pytest.mark.models
def test_a_number_read_back_rightly_is_supported_and_a_changed_swapped_or_dropped_digit_is_flagged(detector: QuoteMismatch) -> None:
    assert found(detector, "The order number given on the call is 4 7 1 9 2.").verdict == "supported"
    for number in ("4 7 1 9 5", "4 1 7 9 2", "4 7 9 2"):
        finding = found(detector, f"The order number given on the call is {number}.")
        assert finding.verdict == "hallucinated", number
        assert finding.error == "value"


@pytest.mark.models
def test_an_amount_that_nobody_mentions_is_not_checked(detector: QuoteMismatch) -> None:
    (outcome,) = detector.detect([case("The agent says 12 percent are owed.", recording(DEMO / "meeting.flac"))])
    assert outcome.state == "abstained"
    assert "worked out" in (outcome.reason or "")


def saved(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.clip(samples, -1, 1) * 32_000).astype("<i2").tobytes())
    return path


def without_voice(kind: str, seconds: float = 6.0) -> np.ndarray:
    times = np.arange(int(seconds * 16_000)) / 16_000
    if kind == "silence":
        return np.zeros_like(times)
    if kind == "tone":
        return 0.3 * np.sin(2 * np.pi * 440 * times)
    if kind == "music":
        notes = np.repeat([262.0, 330.0, 392.0, 523.0, 392.0, 330.0] * 20, 8_000)[: len(times)]
        fading = np.exp(-(np.arange(len(times)) % 8_000) / 4_000)
        return 0.1 * fading * sum(np.sin(2 * np.pi * notes * overtone * times) / overtone for overtone in (1, 2, 3))
    return np.random.default_rng(0).normal(0, 0.05 if kind == "noise" else 0.0003, len(times))


@pytest.mark.models
@pytest.mark.parametrize("kind", ["silence", "tone", "music", "noise", "hiss"])
def test_words_quoted_from_a_recording_without_a_voice_are_flagged(detector: QuoteMismatch, tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / f"{kind}.wav", without_voice(kind))
    (outcome,) = detector.detect([case('He says "we ship on Monday".', recording(path, media_type="audio/wav"))])
    assert [finding.verdict for finding in outcome.findings] == ["hallucinated"]
    assert "nobody speaks in the recording" in outcome.findings[0].explanation


@pytest.mark.models
def test_words_put_into_a_pause_are_flagged_and_the_pause_is_named(detector: QuoteMismatch, tmp_path: Path) -> None:
    speech = decode(recording(DEMO / "call.flac"))
    path = saved(tmp_path / "pause.wav", np.concatenate([speech, without_voice("noise", 8.0) * 0.02]))
    (outcome,) = detector.detect([case('At 0:16 she says "the cat sat on the mat".', recording(path, media_type="audio/wav"))])
    assert [finding.verdict for finding in outcome.findings] == ["hallucinated"]
    assert "at 0:16 nobody speaks" in outcome.findings[0].explanation


@pytest.mark.models
def test_recordings_heard_together_read_as_they_do_alone(detector: QuoteMismatch) -> None:
    files = [recording(DEMO / name, name) for name in SPEECH]
    together, alone = Ears(detector.options, "test"), Ears(detector.options, "test")
    together.hear_ahead([*files, recording(Path(__file__), "not-sound")])
    for file in files:
        one, other = together.hear(file), alone.hear(file)
        assert isinstance(one, Recording)
        assert isinstance(other, Recording)
        assert [word.text for word in one.words] == [word.text for word in other.words]
        assert one.language == "en"


@pytest.mark.models
def test_with_a_transcript_a_long_recording_is_heard_only_near_the_claim(
    detector: QuoteMismatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, meeting = decode(recording(DEMO / "call.flac")), decode(recording(DEMO / "meeting.flac"))
    long = saved(tmp_path / "long.wav", np.concatenate([np.tile(call, 11), meeting]))
    at = 11 * len(call) / 16_000 + start_of("meeting.flac", "second server")
    lines = "WEBVTT\n\n02:00.000 --> 02:04.000\nGood morning.\n\n"
    lines += f"{at // 60:02.0f}:{at % 60:06.3f} --> 02:16.000\nWe do not need a second server.\n"
    (tmp_path / "long.vtt").write_text(lines, encoding="utf-8")
    transcript = EvidenceFile("words", "text/vtt", tmp_path / "long.vtt", "f" * 64, "transcript")
    heard: list[int] = []
    first = detector._listeners().listeners[0]
    monkeypatch.setattr(first, "hear", lambda windows, hear=first.hear: heard.extend(map(len, windows)) or hear(windows))
    answer = 'Somebody says "we do not need a second server". Somebody says "we do need a second server".'
    (outcome,) = detector.detect([case(answer, recording(long, media_type="audio/wav"), transcript)])
    assert [finding.verdict for finding in outcome.findings] == ["supported", "hallucinated"]
    assert sum(heard) < 40 * 16_000


@pytest.mark.models
def test_damaged_evidence_costs_only_its_own_case(detector: QuoteMismatch, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.flac", tmp_path / "broken.flac"
    empty.touch()
    broken.write_bytes(b"fLaC" + b"\x00\x01\x02" * 500)
    answer = 'The agent says "We will refund eighty five dollars by Friday".'
    outcomes: list[Outcome] = detector.detect([case(answer, recording(path)) for path in (empty, broken, DEMO / "call.flac")])
    assert [outcome.state for outcome in outcomes] == ["abstained", "abstained", "judged"]
    assert "empty" in (outcomes[0].reason or "")
    assert "cannot be read" in (outcomes[1].reason or "")


@pytest.mark.models
def test_of_two_recordings_the_one_that_bears_the_quote_out_counts(detector: QuoteMismatch) -> None:
    sources = recording(DEMO / "meeting.flac", "meeting"), recording(DEMO / "call.flac", "call")
    answer = 'The agent says "We will refund eighty five dollars by Friday".'
    (outcome,) = detector.detect([case(answer, *sources)])
    assert outcome.findings[0].verdict == "supported"
    assert outcome.findings[0].place is not None
    assert outcome.findings[0].place.evidence == "call"
    quote = extract(answer, {"audio"})[0]
    cited = Claim(quote.id, quote.text, quote.span, quote.kind, (Place("meeting"),), facts=quote.facts)
    (outcome,) = detector.detect([case(answer, *sources, claims=(cited,))])
    assert outcome.findings[0].verdict == "hallucinated"


@pytest.mark.models
def test_a_quote_is_not_refuted_while_another_recording_cannot_be_read(detector: QuoteMismatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + b"\x00\x01\x02" * 500)
    sources = recording(DEMO / "meeting.flac", "meeting"), recording(broken, "broken")
    (outcome,) = detector.detect([case('The agent says "We will refund eighty five dollars by Friday".', *sources)])
    assert outcome.state == "abstained"


@pytest.mark.models
def test_a_recording_is_transcribed_once_for_all_its_quotes(detector: QuoteMismatch, monkeypatch: pytest.MonkeyPatch) -> None:
    source = recording(DEMO / "call.flac")
    detector.detect([case('The agent says "Good morning".', source)])

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("detectors.hearing.ears.decode", refuse)
    (outcome,) = detector.detect([case('The agent says "this is Laura Bennett from the service desk".', source)])
    assert outcome.findings[0].verdict == "supported"


@pytest.mark.models
def test_forced_scoring_prefers_what_was_said(detector: QuoteMismatch) -> None:
    ears = detector._ears
    assert ears is not None
    samples = decode(recording(DEMO / "meeting.flac"))[4 * 16_000 : 7 * 16_000]
    for listener in ears.listeners:
        encoded = listener.encode(samples)
        said, changed = listener.support(
            encoded, 3.0, ["We do not need a second server this year.", "We do not need a second doctor this year."]
        )
        assert said - changed > 5.0


def test_an_answer_without_quotes_or_numbers_is_not_applicable() -> None:
    (outcome,) = QuoteMismatch(DetectorOptions()).detect([case("She says that all is well.", recording(DEMO / "call.flac"))])
    assert outcome.state == "not_applicable"


def test_a_page_is_not_applicable(tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    path.write_bytes(b"png")
    (outcome,) = QuoteMismatch(DetectorOptions()).detect([case('He says "we ship on Monday".', recording(path, media_type="image/png"))])
    assert outcome.state == "not_applicable"


def test_quantities_that_were_not_spoken_are_left_to_others() -> None:
    amount = Claim("c1", "85 dollars", (0, 10), "quantity", facts={"value": 85.0})
    assert QuoteMismatch(DetectorOptions()).claims_for(case("85 dollars", claims=(amount,))) == []


def test_a_model_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    detector = QuoteMismatch(DetectorOptions(whisper_model=str(tmp_path / "none")))
    with pytest.raises(DetectorUnavailable, match="none"):
        detector.load()


@pytest.mark.models
def test_another_language_is_not_checked_and_named(tmp_path: Path) -> None:
    detector = QuoteMismatch(DetectorOptions(threads=2))
    file = recording(DEMO / "call.flac")
    ears = Ears(detector.options, "test")
    heard = ears.hear(file)
    assert isinstance(heard, Recording)
    ears._keep(file.sha256, replace(heard, language="de", certainty=0.97))
    detector._ears = ears
    (outcome,) = detector.detect([case('She says "your order number is lost".', file)])
    assert outcome.state == "abstained"
    assert outcome.reason == "the recording is in language 'de', only English is checked"
