from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import MovableClock
from monitor.errors import BodyTooLarge, BodyUnsupported, RecordInvalid
from monitor.evidence import EvidenceStore
from monitor.ingest import Ingest, decompress, split
from monitor.records import parse_response
from monitor.settings import Settings
from tests.conftest import NOON


class ListSpool:
    """Keeps what it is given and refuses ids it has, as the real one does."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()

    def append(self, project: str, items: Sequence[tuple[str, bytes]], *, again: bool = False) -> list[bool]:
        with self._lock:
            fresh = [again or (project, identifier) not in self.taken for identifier, _ in items]
            self.taken.update({(project, identifier): raw for (identifier, raw), new in zip(items, fresh, strict=True) if new})
            return fresh


class Taking:
    """An Ingest over a list and a real evidence folder."""

    def __init__(self, settings: Settings) -> None:
        self.spool = ListSpool()
        self.evidence = EvidenceStore(settings.blob_url, settings.max_evidence_bytes, settings.cache_dir)
        self.ingest = Ingest(settings, self.spool, self.evidence, MovableClock(NOON))

    def __call__(self, body: object, kind: str = "application/json", encoding: str = "") -> list[tuple[str | None, str]]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return [(fate.id, fate.status) for fate in self.ingest.take("default", raw, kind, encoding)]

    def refusal(self, record: dict[str, Any]) -> tuple[str | None, str | None]:
        fate = self.ingest.take("default", json.dumps(record).encode())[0]
        assert fate.status == "refused"
        assert fate.remedy
        return fate.field, fate.problem


@pytest.fixture
def taking(tmp_path: Path) -> Taking:
    prefixes = ("https://files.example.com/answers/", "s3://bucket")
    return Taking(Settings(data=tmp_path, max_body_bytes=20_000, max_evidence_bytes=5_000, retention_days=30, evidence_prefixes=prefixes))


def record(identifier: str = "r-1", **fields: Any) -> dict[str, Any]:
    return {"id": identifier, "time": NOON.isoformat(), "workflow": "qa", "answer": {"text": "A dog."}, **fields}


def with_evidence(**fields: Any) -> dict[str, Any]:
    return record(evidence=[{"id": "e", "media_type": "image/png", **fields}])


def test_one_bad_item_costs_no_neighbour(taking: Taking) -> None:
    items = [record("a"), {"id": "b", "workflow": "qa"}, 7, record("c", surprise=1), record("d")]
    assert taking(items) == [("a", "accepted"), ("b", "refused"), (None, "refused"), ("c", "refused"), ("d", "accepted")]
    assert [identifier for _, identifier in taking.spool.taken] == ["a", "d"]


@pytest.mark.parametrize("body", [record("a"), [record("a")], {"responses": [record("a")]}], ids=["one object", "an array", "an envelope"])
def test_every_shape_of_body_is_taken(taking: Taking, body: object) -> None:
    assert taking(body) == [("a", "accepted")]


def test_json_lines_are_taken_line_by_line(taking: Taking) -> None:
    body = b"\n".join([json.dumps(record("a")).encode(), b"", b"{broken", json.dumps(record("b")).encode()])
    assert taking(body, "application/x-ndjson") == [("a", "accepted"), (None, "refused"), ("b", "accepted")]


def test_items_are_spooled_as_their_own_bytes(taking: Taking) -> None:
    first, second = json.dumps(record("a"), indent=1), json.dumps(record("b"))
    taking(f"[{first} , {second}]".encode())
    assert parse_response(taking.spool.taken["default", "a"]) == parse_response(first)
    assert taking.spool.taken["default", "b"] == second.encode()


def test_the_same_id_twice_is_a_duplicate_within_and_across_requests(taking: Taking) -> None:
    assert taking([record("a"), record("a", workflow="other")]) == [("a", "accepted"), ("a", "duplicate")]
    assert taking(record("a")) == [("a", "duplicate")]


def test_a_refused_item_does_not_block_its_corrected_twin(taking: Taking) -> None:
    assert taking([record("a", risk="none"), record("a")]) == [("a", "refused"), ("a", "accepted")]


def test_an_empty_list_is_taken_as_nothing(taking: Taking) -> None:
    assert taking([]) == []


def test_gzip_is_taken_in_one_or_several_members(taking: Taking) -> None:
    lines = [json.dumps(record(name)).encode() + b"\n" for name in ("a", "b")]
    body = b"".join(gzip.compress(line) for line in lines)
    assert taking(body, "application/x-ndjson", "gzip") == [("a", "accepted"), ("b", "accepted")]


def test_a_gzip_bomb_is_refused_at_the_limit() -> None:
    bomb = gzip.compress(b"[" + b" " * 200_000_000)
    assert len(bomb) < 300_000
    with pytest.raises(BodyTooLarge):
        decompress(bomb, "gzip", 1_000_000)


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"[]")[:-4], b""[:0] + b"\x1f\x8b"])
def test_a_broken_gzip_names_the_remedy(taking: Taking, body: bytes) -> None:
    with pytest.raises(RecordInvalid, match="gzip"):
        taking(body, encoding="gzip")


def test_a_body_over_the_limit_is_refused_whole(taking: Taking) -> None:
    with pytest.raises(BodyTooLarge):
        taking([record(str(number), attributes={"x": "y" * 1000}) for number in range(30)])
    assert taking.spool.taken == {}


@pytest.mark.parametrize(("kind", "encoding"), [("text/plain", ""), ("application/json", "br"), ("multipart/form-data", "")])
def test_unknown_types_and_encodings_are_refused(taking: Taking, kind: str, encoding: str) -> None:
    with pytest.raises(BodyUnsupported):
        taking(record(), kind, encoding)


@pytest.mark.parametrize("body", [b"", b"{", b"[{]", b'"text"', b"[" * 19_000, b'{"responses": 3}', b"\xff\xfe"])
def test_a_body_that_is_not_json_is_refused_whole(taking: Taking, body: bytes) -> None:
    with pytest.raises(RecordInvalid):
        taking(body)


def test_fields_beside_the_envelope_are_refused(taking: Taking) -> None:
    with pytest.raises(RecordInvalid) as caught:
        taking({"responses": [], "project": "x"})
    assert caught.value.field == "project"


def test_times_outside_retention_and_tolerance_name_the_field(taking: Taking) -> None:
    for moved in (-timedelta(days=30, seconds=1), timedelta(seconds=3601)):
        assert taking.refusal(record(time=(NOON + moved).isoformat()))[0] == "time"
    for moved in (-timedelta(days=29, hours=23), timedelta(seconds=3599)):
        assert taking(record(str(moved.days), time=(NOON + moved).isoformat()))[0][1] == "accepted"


def test_labels_are_for_corpora(taking: Taking) -> None:
    assert taking.refusal(record(labels=[{"span": [0, 1], "hallucinated": True}]))[0] == "labels"


@pytest.mark.parametrize(
    "uri",
    [
        "file:/etc/passwd",
        "file:page.png",
        "https://files.example.com/other/page.png",
        "https://files.example.com/answers/../secret",
        "https://files.example.com/answers/%2e%2E/secret",
        "https://files.example.com.evil.org/answers/page.png",
        "s3://bucket-of-others/page.png",
        "gs://bucket/page.png",
    ],
)
def test_references_outside_the_allowed_prefixes_are_refused(taking: Taking, uri: str) -> None:
    assert taking.refusal(with_evidence(uri=uri))[0] == "evidence[0].uri"


def test_references_that_are_to_be_kept_are_taken_but_no_file_of_this_machine(taking: Taking) -> None:
    sent = [with_evidence(uri="https://files.example.com/other/page.png"), {**with_evidence(uri="file:/etc/passwd"), "id": "r-2"}]
    fates = taking.ingest.take("default", json.dumps(sent).encode(), keep_references=True)
    assert [fate.status for fate in fates] == ["accepted", "refused"]


@pytest.mark.parametrize("uri", ["https://files.example.com/answers/a.png", "s3://bucket/a.png", f"sha256:{'0' * 64}"])
def test_allowed_and_uploaded_references_are_taken(taking: Taking, uri: str) -> None:
    assert taking(with_evidence(uri=uri)) == [("r-1", "accepted")]


def test_inline_evidence_moves_to_the_evidence_store(taking: Taking) -> None:
    assert taking(with_evidence(content="aGVsbG8=")) == [("r-1", "accepted")]
    spooled = parse_response(taking.spool.taken["default", "r-1"])
    uri = spooled.evidence[0].uri
    assert uri is not None
    assert spooled.evidence[0].content is None
    assert taking.evidence.local_path(uri.removeprefix("sha256:")).read_bytes() == b"hello"


def test_inline_evidence_that_contradicts_its_hash_or_is_too_large_is_refused(taking: Taking) -> None:
    assert taking.refusal(with_evidence(content="aGVsbG8=", sha256="0" * 64))[0] == "evidence[0].sha256"
    assert taking.refusal(with_evidence(content="aGVsbG8h" * 900))[0] == "evidence[0].content"


def test_an_item_nested_too_deeply_is_refused_alone(taking: Taking) -> None:
    deep = json.dumps(record("a"))[:-1] + ', "attributes": {"x": ' + "[" * 5000 + "]" * 5000 + "}}"
    body = f"{deep}\n{json.dumps(record('b'))}".encode()
    assert taking(body, "application/x-ndjson") == [(None, "refused"), ("b", "accepted")]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=4), max_size=8))
def test_splitting_keeps_every_item_and_its_order(items: list[dict[str, object]]) -> None:
    found = [json.loads(raw) for raw in split(json.dumps(items).encode(), "application/json")]
    assert found == items
