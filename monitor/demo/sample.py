"""Makes the demo's evidence files and response records: real bytes, known truth, made-up latency and prices."""

from __future__ import annotations

import hashlib
import importlib.resources
import importlib.util
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from monitor.demo.answers import ANSWERS, UNATTACHED, Answer
from monitor.demo.pages import RECEIPTS, draw_invoice, draw_receipt
from monitor.errors import SettingsInvalid
from monitor.records import Answer as AnswerText
from monitor.records import ErrorKind, Evidence, Model, Question, Release, ResponseRecord, Risk, Stage, Usage

# Names of the demo's files → scikit-image's own sample pictures (public domain or CC0).
PHOTOGRAPHS = {
    "cat.png": "chelsea.png",
    "coffee.png": "coffee.png",
    "astronaut.png": "astronaut.png",
    "motorcycle.png": "motorcycle_left.png",
    "cameraman.png": "camera.png",
    "rocket.jpg": "rocket.jpg",
}
SPEECH = ("call.flac", "meeting.flac")
MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".pdf": "application/pdf", ".flac": "audio/flac"}
SPREAD = timedelta(minutes=100)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement whose truth is known: span in code points of the answer; ``error`` None when it is true."""

    words: str
    span: tuple[int, int]
    error: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """A record to send, its evidence file where one is attached, and the truth about its statements."""

    record: ResponseRecord
    file: Path | None
    statements: tuple[Statement, ...]


def make_evidence(folder: Path) -> None:
    """Write every evidence file into ``folder``.

    Raises:
        SettingsInvalid: scikit-image, which carries the photographs, is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SettingsInvalid("extra demo", "", "scikit-image is not installed", "pip install 'groundwatch[demo]'")
    for name, source in PHOTOGRAPHS.items():
        shutil.copyfile(Path(spec.origin).parent / "data" / source, folder / name)
    for number, receipt in enumerate(RECEIPTS, start=1):
        draw_receipt(receipt, folder / f"receipt-{number}.jpg", seed=number)
    draw_invoice(folder / "invoice.pdf")
    for name in SPEECH:
        packaged = importlib.resources.files("monitor.demo").joinpath(name)
        (folder / name).write_bytes(packaged.read_bytes())


def samples(folder: Path, now: datetime, run: str) -> Iterator[Sample]:
    """Every demo response, oldest first, spread over the hundred minutes before ``now``; ids start with ``run``."""
    chance = random.Random(20260101)  # noqa: S311 - made-up latency and order, not secrets
    answers = [*chance.sample(ANSWERS, len(ANSWERS)), *UNATTACHED]
    for number, answer in enumerate(answers):
        at = now - SPREAD * (1 - (number + 1) / (len(answers) + 1))
        file = None if answer.evidence is None else folder / answer.evidence
        yield Sample(_record(answer, file, f"{run}-{number:02d}", at, chance), file, tuple(_statements(answer)))


def _record(answer: Answer, file: Path | None, identifier: str, at: datetime, chance: random.Random) -> ResponseRecord:
    risk: Risk = next(known for known in get_args(Risk) if known == answer.risk)
    return ResponseRecord(
        id=identifier,
        time=at,
        workflow=answer.workflow,
        risk=risk,
        cohort={"device": chance.choice(("phone", "desktop")), "region": chance.choice(("emea", "amer"))},
        release=Release(version=chance.choice(("2026.11.1", "2026.11.2")), stage="ga"),
        model=Model(provider="example", name=chance.choice(("vision-large", "vision-small"))),
        question=Question(text=answer.question),
        answer=AnswerText(text=answer.text, confidence=round(chance.uniform(0.6, 0.99), 2)),
        evidence=() if file is None else (_evidence(file),),
        stages=_stages(chance),
        usage=_usage(answer, chance),
    )


def _evidence(file: Path) -> Evidence:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Evidence(id=file.stem, media_type=MEDIA_TYPES[file.suffix], uri=f"sha256:{digest}", sha256=digest, title=file.name)


def _statements(answer: Answer) -> Iterator[Statement]:
    position = 0
    for words, error in answer.statements:
        start = answer.text.index(words, position)
        position = start + len(words)
        if error is not None and error not in get_args(ErrorKind):
            raise ValueError(f"{error!r} is not an error kind")
        yield Statement(words, (start, position), error)


def _stages(chance: random.Random) -> tuple[Stage, ...]:
    return (
        Stage(name="upload", duration_ms=round(chance.lognormvariate(4.5, 0.4), 1), budget_ms=250),
        Stage(name="preprocess", duration_ms=round(chance.lognormvariate(3.8, 0.3), 1), budget_ms=120),
        Stage(name="infer", duration_ms=round(chance.lognormvariate(7.0, 0.45), 1), budget_ms=2500),
        Stage(name="postprocess", duration_ms=round(chance.lognormvariate(3.0, 0.3), 1), budget_ms=80),
    )


def _usage(answer: Answer, chance: random.Random) -> tuple[Usage, ...]:
    prompt, completion = chance.randint(700, 1600), len(answer.text) // 4
    return (
        Usage(item="input_tokens", quantity=prompt, unit="token", modality="image", unit_price=2.5e-6, currency="USD"),
        Usage(item="output_tokens", quantity=completion, unit="token", modality="text", unit_price=1e-5, currency="USD"),
    )
