"""Verdicts already made, kept so that an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from monitor.detect.cases import content_hash
from monitor.findings import OutcomeRecord
from monitor.records import ResponseRecord

_NAME_LENGTH = 150


class _Line(msgspec.Struct, frozen=True):
    key: str
    outcome: OutcomeRecord


class ResultCache:
    """JSON lines of one detector version on one corpus. What failed is not kept: it is tried again.

    ``digest`` stands for the detectors' code and options; verdicts kept under another one are not read.
    """

    def __init__(self, folder: Path, corpus: str, detector: str, version: str, weights: str, digest: str) -> None:
        name = _slug(f"{detector}-{version}-{weights}")
        self.path = folder / "evaluate" / _slug(corpus) / f"{name}.jsonl"
        self._digest = digest
        self._known = self._read()

    def _read(self) -> dict[str, OutcomeRecord]:
        known = {}
        if self.path.is_file():
            for line in self.path.read_bytes().splitlines():
                try:
                    entry = msgspec.json.decode(line, type=_Line)
                except msgspec.MsgspecError:
                    continue  # a line cut short by a kill, or written by an older version: judged again
                known[entry.key] = entry.outcome
        return known

    def _key(self, record: ResponseRecord) -> str:
        return hashlib.sha256(f"{content_hash(record)}:{self._digest}".encode()).hexdigest()

    def get(self, record: ResponseRecord) -> OutcomeRecord | None:
        """The verdict on this very content, where there is one."""
        return self._known.get(self._key(record))

    def add(self, record: ResponseRecord, outcome: OutcomeRecord) -> None:
        """Keep a verdict."""
        if outcome.state == "failed":
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            # The line break comes first: a line cut short by a kill must not swallow this one.
            stream.write(b"\n" + msgspec.json.encode(_Line(self._key(record), outcome)))


def _slug(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", text) or "_"
    if len(plain) <= _NAME_LENGTH:
        return plain
    return f"{plain[:_NAME_LENGTH]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
