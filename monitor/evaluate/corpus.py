"""A labelled corpus on disk: ``corpus.json``, ``responses.jsonl`` with one response record a line, ``evidence/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from monitor.errors import GroundwatchError, RecordInvalid
from monitor.records import ResponseRecord, parse_response

SERIES_TASKS = ("anomaly", "changepoint")
DESCRIPTION = "corpus.json"
RESPONSES = "responses.jsonl"


class CorpusRefused(GroundwatchError):
    """This folder cannot be scored."""

    def __init__(self, folder: Path, problem: str, remedy: str) -> None:
        self.folder = folder
        super().__init__(f"{folder}: {problem}. {remedy}")


class _Description(msgspec.Struct, frozen=True):
    name: str
    task: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """The labelled responses of one folder, labels included: only the scorer may see them."""

    name: str
    task: str
    folder: Path
    records: tuple[ResponseRecord, ...]

    @property
    def labels(self) -> int:
        """Labelled spans in all."""
        return sum(len(record.labels) for record in self.records)


def read_corpus(folder: Path, limit: int | None = None) -> Corpus:
    """The corpus in a folder, or its first ``limit`` responses.

    Raises:
        CorpusRefused: not a corpus, a series corpus, or a line that is not a response record; names the line.
    """
    description = _describe(folder)
    if description.task in SERIES_TASKS:
        problem = f"{description.name} is a series corpus (task {description.task}), which has no answers to check"
        raise CorpusRefused(folder, problem, "Choose a corpus of responses")
    path = folder / RESPONSES
    records: list[ResponseRecord] = []
    seen: set[str] = set()
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if limit is not None and len(records) >= limit:
                    break
                if line.strip():
                    records.append(_record(folder, number, line, seen))
    except OSError as error:
        raise CorpusRefused(folder, f"{RESPONSES} cannot be read ({error.strerror})", "A corpus has one response a line there") from error
    return Corpus(description.name, description.task, folder.resolve(), tuple(records))


def _describe(folder: Path) -> _Description:
    try:
        return msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=_Description)
    except OSError as error:
        raise CorpusRefused(folder, f"{DESCRIPTION} cannot be read ({error.strerror})", "Name a folder that holds a corpus") from error
    except msgspec.MsgspecError as error:
        raise CorpusRefused(folder, f"{DESCRIPTION} is not a description ({error})", "Give it name and task") from error


def _record(folder: Path, number: int, line: bytes, seen: set[str]) -> ResponseRecord:
    try:
        record = parse_response(line)
    except RecordInvalid as error:
        raise CorpusRefused(folder, f"{RESPONSES} line {number}, {error.field}: {error.problem}", error.remedy) from error
    if record.id in seen:
        raise CorpusRefused(folder, f"{RESPONSES} line {number}: the id {record.id!r} is used twice", "Give every response its own id")
    seen.add(record.id)
    return record


def slices_of(record: ResponseRecord) -> list[str]:
    """The cohort slices a response belongs to, as ``key=value``."""
    return [f"{key}={value}" for key, value in record.cohort.items()]


def source_of(record: ResponseRecord) -> str:
    """What makes responses dependent: the SHA-256 of the first source they share, or what stands for it."""
    evidence: list[Any] = [piece for piece in record.evidence if piece.role != "reference_voice"]
    if not evidence:
        return record.id
    first = evidence[0]
    return str(first.sha256 or first.uri or first.content)
