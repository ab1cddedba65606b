"""Finding and deleting whole responses in ClickHouse, for erasures.

Deletion is a mutation that is waited for: afterwards the rows are in no part of a table, not only hidden from reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import msgspec

from monitor.records import Evidence
from monitor.store.asking import chunks
from monitor.store.client import Store
from monitor.store.fragments import Query, query
from monitor.store.unfolding import stamp

# Needles of one search: ClickHouse takes 255 at once.
_HASHES = 200

OF_COHORT = query(
    "of_cohort",
    "Ids of the responses of one cohort value, for an erasure.",
    """SELECT DISTINCT id FROM responses
WHERE project = {project:String} AND time <= {until:DateTime64(3, 'UTC')} AND mapContains(cohort, {key:String})
  AND cohort[{key:String}] = {value:String}
ORDER BY id""",
)
OF_SESSION = query(
    "of_session",
    "Ids of the responses of one session, for an erasure.",
    """SELECT DISTINCT id FROM records
WHERE project = {project:String} AND time <= {until:DateTime64(3, 'UTC')} AND session_id = {session:String}
ORDER BY id""",
)
PRESENT = query(
    "present",
    "Which of these responses any table holds, for an erasure.",
    """SELECT DISTINCT id FROM (
  SELECT id FROM records WHERE project = {project:String} AND id IN {ids:Array(String)}
  UNION ALL
  SELECT id FROM responses WHERE project = {project:String} AND id IN {ids:Array(String)}
)
ORDER BY id""",
)
EVIDENCE_OF = query(
    "evidence_of",
    "The evidence that these responses were logged with, for an erasure.",
    """SELECT DISTINCT JSONExtractRaw(record, 'evidence') AS evidence
FROM records
WHERE project = {project:String} AND id IN {ids:Array(String)}""",
)
REFERRED_TO = query(
    "referred_to",
    "Which of these hashes records of a project name, for an erasure: their blobs stay.",
    """SELECT DISTINCT hash
FROM (SELECT record FROM records WHERE project = {project:String} AND multiSearchAny(record, {hashes:Array(String)}))
ARRAY JOIN {hashes:Array(String)} AS hash
WHERE position(record, hash) > 0""",
)
# Hashes of younger uses are compared by 64 bits: two that collide keep a blob, they never lose one.
LAST_USED = query(
    "last_used",
    "Blobs of one class of evidence that were named in a window and by nothing after it, for the retention of evidence.",
    """SELECT DISTINCT sha256
FROM (
  SELECT JSONExtractString(piece, 'uri') AS uri, substring(uri, 8) AS sha256, lower(JSONExtractString(piece, 'media_type')) AS kind
  FROM (
    SELECT arrayJoin(JSONExtractArrayRaw(record, 'evidence')) AS piece FROM records
    WHERE project = {project:String} AND time >= {since:DateTime64(3, 'UTC')} AND time < {until:DateTime64(3, 'UTC')}
  )
  WHERE startsWith(uri, 'sha256:')
    AND multiIf(startsWith(kind, 'image/'), 'image', startsWith(kind, 'audio/'), 'audio', startsWith(kind, 'video/'), 'video',
      match(kind, '^text/|^application/(json|xml)|[+](json|xml)'), 'text', 'document') = {class:String}
)
WHERE sipHash64(sha256) NOT IN (
  SELECT sipHash64(arrayJoin(extractAll(record, 'sha256:([0-9a-f]{64})'))) FROM records
  WHERE project = {project:String} AND time >= {until:DateTime64(3, 'UTC')}
)
ORDER BY sha256""",
)
QUERIES: tuple[Query, ...] = (OF_COHORT, OF_SESSION, PRESENT, EVIDENCE_OF, REFERRED_TO, LAST_USED)
# Table → the column that holds the response's id.
TABLES = {"outcomes": "response_id", "evidence_quality": "response_id", "responses": "id", "records": "id"}
_evidence = msgspec.json.Decoder(list[Evidence])


class Eraser:
    """Deletes responses from one store. Every method raises StoreUnavailable when ClickHouse does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_cohort(self, project: str, key: str, value: str, until: datetime) -> set[str]:
        """Ids of the responses of a cohort value that were produced until then."""
        rows = self._store.rows(OF_COHORT, {"project": project, "key": key, "value": value, "until": stamp(until)})
        return {identifier for (identifier,) in rows}

    def of_session(self, project: str, session_id: str, until: datetime) -> set[str]:
        """Ids of the responses of a session that were produced until then."""
        rows = self._store.rows(OF_SESSION, {"project": project, "session": session_id, "until": stamp(until)})
        return {identifier for (identifier,) in rows}

    def present(self, project: str, ids: Collection[str]) -> set[str]:
        """Which of these ids are stored."""
        found: set[str] = set()
        for chunk in chunks(sorted(ids)):
            found.update(identifier for (identifier,) in self._store.rows(PRESENT, {"project": project, "ids": chunk}))
        return found

    def evidence_of(self, project: str, ids: Collection[str]) -> Iterator[Evidence]:
        """What these responses were logged with; a piece may come twice."""
        for chunk in chunks(sorted(ids)):
            for (raw,) in self._store.rows(EVIDENCE_OF, {"project": project, "ids": chunk}):
                yield from _evidence.decode(raw) if raw else []

    def referred_to(self, project: str, hashes: Sequence[str]) -> set[str]:
        """Which of these hashes records still name."""
        found: set[str] = set()
        for start in range(0, len(hashes), _HASHES):
            parameters = {"project": project, "hashes": list(hashes[start : start + _HASHES])}
            found.update(one for (one,) in self._store.rows(REFERRED_TO, parameters))
        return found

    def last_used_before(self, project: str, kind: str, since: datetime, until: datetime) -> set[str]:
        """Hashes of blobs of a class (image, audio, video, document, text) that were last named in a window."""
        parameters = {"project": project, "class": kind, "since": stamp(since), "until": stamp(until)}
        return {sha256 for (sha256,) in self._store.rows(LAST_USED, parameters)}

    def delete(self, project: str, ids: Collection[str]) -> None:
        """Delete everything about these responses; records last, by which they are found. Doing it again changes nothing."""
        for chunk in chunks(sorted(ids)):
            for table, column in TABLES.items():
                self._store.delete(
                    table, f"project = {{project:String}} AND {column} IN {{ids:Array(String)}}", {"project": project, "ids": chunk}
                )
