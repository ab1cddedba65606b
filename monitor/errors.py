"""Everything groundwatch raises on purpose.

GroundwatchError
├── RecordInvalid          this record is bad: field, problem, remedy → refused item, dead letter
├── SlowDown               too much at once: retry after N seconds → 429
├── StorageUnavailable     the disk refused the write → 507
│   └── StorageDamaged     what is on the disk cannot be read
├── BodyTooLarge           a request or an upload is over its limit → 413
├── BodyUnsupported        a content type or encoding nobody here reads → 415
├── KeyRefused             no key, an unknown key, or one whose role does not reach → 401, 403
├── EvidenceRefused        a blob or a reference may not be used → 4xx naming why
│   ├── EvidenceAltered    its bytes are not those the record names by hash
│   └── EvidenceUnusable   its sealed bytes do not open
├── EvidenceMissing        no blob under that sha256
│   └── EvidenceDeleted    there was one, and it was deleted on purpose
├── NotFound               no such response, alert, review item …
├── Conflict               the thing is in another state than the request needs
├── SealBroken             sealed content was changed, or is not what it stands for
│   └── SealKeyMissing     its key is not among the keys
├── SettingsInvalid        a setting cannot be used: the start stops and names it
├── StoreUnavailable       ClickHouse did not answer → retried with backoff
├── StoreRefused           ClickHouse understood and said no: a row or a statement is wrong → dead letter
├── MetadataUnavailable    the metadata database did not answer → 503
├── MigrationRequired      the schema is older or newer than the code
└── AlreadyRunning         another process owns this data folder

Constructors take facts and build the message. ``permanent`` says whether doing the same again can help.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path


class GroundwatchError(Exception):
    """Root of the tree; ``permanent`` is False where a retry makes sense."""

    permanent = True


class RecordInvalid(GroundwatchError):
    """A response record breaks the contract; names the field and what to do about it."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        self.field = field
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{field}: {problem}. {remedy}")


class SlowDown(GroundwatchError):
    """The spool is at its limit; nothing was taken, the caller should come again."""

    permanent = False

    def __init__(self, resource: str, limit: str, retry_after_s: int) -> None:
        self.resource = resource
        self.limit = limit
        self.retry_after_s = retry_after_s
        super().__init__(f"{resource} is at its limit ({limit}); try again in {retry_after_s} s")


class StorageUnavailable(GroundwatchError):
    """The disk is full, read-only or broken; nothing was acknowledged."""

    permanent = False

    def __init__(self, path: Path | str, cause: str) -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(f"cannot write to {path}: {cause}. Free space or make it writable, then send again")


class StorageDamaged(StorageUnavailable):
    """A file of the data folder is not what was written; ``without`` says what is given up by starting without it."""

    permanent = True

    def __init__(self, path: Path | str, cause: str, without: str) -> None:
        super().__init__(path, cause)
        remedy = "Stop groundwatch and restore the data folder from a backup"
        self.args = (f"{path} is damaged: {cause}. {remedy}, or move this file and its -wal and -shm away: {without}",)


class BodyTooLarge(GroundwatchError):
    """A request body is over its limit; nothing of it was kept."""

    def __init__(self, what: str, limit: int, remedy: str) -> None:
        self.what = what
        self.limit = limit
        self.remedy = remedy
        super().__init__(f"{what} is larger than {limit} bytes. {remedy}")


class BodyUnsupported(GroundwatchError):
    """The request names a content type or encoding that is not read here."""

    def __init__(self, header: str, found: str, remedy: str) -> None:
        self.header = header
        self.found = found
        self.remedy = remedy
        super().__init__(f"{header} {found[:80]!r} is not read here. {remedy}")


class KeyRefused(GroundwatchError):
    """Who is asking is not known (``known`` False), or may not do this."""

    def __init__(self, problem: str, remedy: str, *, known: bool) -> None:
        self.problem = problem
        self.remedy = remedy
        self.known = known
        super().__init__(f"{problem}. {remedy}")


class EvidenceRefused(GroundwatchError):
    """A piece of evidence may not be stored or read."""

    def __init__(self, evidence: str, problem: str, remedy: str) -> None:
        self.evidence = evidence
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"evidence {evidence}: {problem}. {remedy}")


class EvidenceTooSlow(EvidenceRefused):
    """A referenced piece of evidence did not arrive in time."""


class EvidenceAltered(EvidenceRefused):
    """The bytes of a piece of evidence are not those its record names by their hash."""

    def __init__(self, evidence: str, found: str, recorded: str) -> None:
        problem = f"its content has SHA-256 {found[:12]}…, the record says {recorded[:12]}…"
        super().__init__(evidence, problem, "Send it again")


class EvidenceUnusable(EvidenceRefused):
    """The sealed bytes of a piece of evidence do not open: damaged, replaced, or their key is missing."""

    def __init__(self, evidence: str, problem: str) -> None:
        super().__init__(evidence, f"cannot be opened: it {problem}", "Take it from a backup, put its key back, or upload it again")


class EvidenceMissing(GroundwatchError):
    """No blob is stored under this hash."""

    def __init__(self, sha256: str) -> None:
        self.sha256 = sha256
        super().__init__(f"no evidence is stored under sha256:{sha256}; upload it with PUT /v1/evidence/{sha256}")


class EvidenceDeleted(EvidenceMissing):
    """The blob was deleted on purpose; ``reason`` is what deleted it."""

    def __init__(self, sha256: str, reason: str, at: datetime) -> None:
        self.reason = reason
        self.at = at
        super().__init__(sha256)
        self.args = (f"the evidence sha256:{sha256} was deleted by {reason} on {at:%Y-%m-%d}; upload it again to look at it",)


class NotFound(GroundwatchError):
    """Nothing of that kind has that id in this project."""

    def __init__(self, kind: str, identifier: str) -> None:
        self.kind = kind
        self.identifier = identifier
        super().__init__(f"no {kind} {identifier!r} in this project")


class Conflict(GroundwatchError):
    """The thing exists but its state does not allow the request."""

    def __init__(self, kind: str, identifier: str, state: str, wanted: str) -> None:
        self.kind = kind
        self.identifier = identifier
        self.state = state
        super().__init__(f"{kind} {identifier!r} is {state}; {wanted}")


class SealBroken(GroundwatchError):
    """Sealed content does not open; nothing of it is used."""

    def __init__(self, what: str, problem: str, remedy: str) -> None:
        self.what = what
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{what} {problem}. {remedy}")


class SealKeyMissing(SealBroken):
    """The key that content was sealed with is not among the keys."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__("the content", f"is sealed with the key {key_id}, which is not among the keys", "Put that key back into the file")


class SettingsInvalid(GroundwatchError):
    """A setting has a value the service cannot start with."""

    def __init__(self, setting: str, value: object, problem: str, remedy: str) -> None:
        self.setting = setting
        super().__init__(f"{setting}={value!r}: {problem}. {remedy}")


class StoreUnavailable(GroundwatchError):
    """ClickHouse did not take or answer the request; the work stays where it was."""

    permanent = False

    def __init__(self, operation: str, cause: str) -> None:
        self.operation = operation
        super().__init__(f"ClickHouse did not complete {operation}: {cause}")


class StoreRefused(GroundwatchError):
    """ClickHouse refused the request itself; the same request fails again. ``code`` is ClickHouse's error number."""

    def __init__(self, operation: str, code: int | None, cause: str) -> None:
        self.operation = operation
        self.code = code
        super().__init__(f"ClickHouse refused {operation} (code {code if code is not None else 'unknown'}): {cause}")


class MetadataUnavailable(GroundwatchError):
    """The metadata database did not complete a transaction; nothing of it was kept."""

    permanent = False

    def __init__(self, cause: str) -> None:
        super().__init__(f"the metadata database did not complete the request: {cause}")


class MigrationRequired(GroundwatchError):
    """The schema on disk is not the one this version was written for."""

    def __init__(self, tree: str, found: str | None, wanted: str) -> None:
        super().__init__(f"the {tree} schema is at {found or 'nothing'}, this version needs {wanted}: run `groundwatch migrate`")


class AlreadyRunning(GroundwatchError):
    """The embedded store belongs to one process; another one holds it."""

    def __init__(self, data_dir: Path | str, pid: str) -> None:
        super().__init__(f"{data_dir} is in use by process {pid}: stop it, or start with another --data folder")
