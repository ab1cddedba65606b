"""Dead letters given another chance: as they are, or with what was wrong in them mended by hand."""

from __future__ import annotations

from typing import Protocol

import msgspec

from monitor.clock import Clock
from monitor.errors import Conflict, GroundwatchError, RecordInvalid
from monitor.ingest import Ingest
from monitor.metadata.database import Database
from monitor.metadata.letters import DeadLetters, LetterRecord
from monitor.otlp.assembly import Trace
from monitor.otlp.spans import Span
from monitor.records import ResponseRecord, parse_response

_span = msgspec.json.Decoder(Span)


class Detection(Protocol):
    """Looks at a response once more; :class:`monitor.detect.driver.Driver` does."""

    def check_runs(self, detector: str) -> None:
        """Raises Conflict where that detector does not run here."""
        ...

    def again(self, project: str, record: ResponseRecord, detector: str) -> None:
        """Have a stored response judged by a detector again; the outcome replaces the earlier one and ends the replay."""
        ...


class Replay:
    """Sends waiting letters through the stage that gave them up."""

    def __init__(self, ingest: Ingest, detection: Detection, database: Database, clock: Clock) -> None:
        self._ingest = ingest
        self._detection = detection
        self._letters = DeadLetters(database, clock)

    def replay(self, project: str, letter_id: str, actor: str, payload: str | None = None) -> LetterRecord:
        """Replay one letter, with ``payload`` instead of its own where that is given.

        ``store`` and ``ingest`` letters hold a record or a span and go through the spool; what fails again comes back as
        a new letter. ``detect`` letters are judged once more and are ``replaying`` until then, across restarts.

        Raises:
            NotFound: this project has no such letter.
            Conflict: it does not wait any more, or nothing is known of what it held.
            RecordInvalid: the payload is neither a record nor a span, or breaks the contract; the letter waits on.
            SlowDown, StorageUnavailable: the letter waits on.
        """
        letter = self._letters.get(project, letter_id)
        if letter.state != "waiting":
            raise Conflict("dead letter", letter_id, letter.state, "only a waiting one can be replayed")
        raw = payload if payload is not None else letter.payload
        if raw is None:
            raise Conflict("dead letter", letter_id, "without what it held", "discard it, or send the record as `payload`")
        if letter.stage == "detect" and letter.detector is not None:
            if payload is not None:
                raise RecordInvalid("payload", "cannot change a response that is stored", "Replay it as it is")
            self._detection.check_runs(letter.detector)
            record = parse_response(raw)
            # Closed first: what is asked for again lives in memory only, and the letter is what a restart finds.
            closed = self._letters.close(project, letter_id, "replaying", actor)
            self._detection.again(project, record, letter.detector)
            return closed
        self._take(project, letter, raw)
        # Closed last: a kill before this line leaves the letter, and the same record twice is one record in the store.
        return self._letters.close(project, letter_id, "replayed", actor)

    def discard(self, project: str, letter_id: str, actor: str) -> LetterRecord:
        """Give one up for good; its row stays. Raises NotFound, Conflict."""
        return self._letters.close(project, letter_id, "discarded", actor)

    def _take(self, project: str, letter: LetterRecord, raw: str) -> None:
        record = _record_of(raw)
        if record.id != letter.response_id:
            raise RecordInvalid("id", f"is {record.id!r}, the letter is about {letter.response_id!r}", "Keep the id")
        (fate,) = self._ingest.take_records(project, [record], again=True)
        if fate.status == "refused":
            raise RecordInvalid(fate.field or "$", fate.problem or "was refused", fate.remedy or "Correct it")


def _record_of(raw: str) -> ResponseRecord:
    try:
        span = _span.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return parse_response(raw)
    try:
        trace = Trace([span])
        if not trace.answers:
            raise RecordInvalid("payload", "is a span without an answer", "Send the response record instead")
        return trace.record(0)
    except GroundwatchError:
        raise
    except Exception as error:
        # What made it a letter may stop it again; the letters beside it must not be stopped with it.
        raise RecordInvalid("payload", f"cannot be made into a record ({type(error).__name__}: {error})", "Correct the span") from error
