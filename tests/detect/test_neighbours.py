"""Sources of a customer's other responses: remembered within the project only, and handed to the detectors."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from monitor.clock import MovableClock
from monitor.detect.bench import Bench
from monitor.detect.driver import Driver
from monitor.detect.neighbours import MOST_SOURCES, Neighbourhood
from monitor.detect.wire import WorkerConfig
from monitor.evidence import EvidenceStore
from monitor.metadata.database import Database
from monitor.records import Claim, Evidence, ResponseRecord
from monitor.settings import Settings
from tests.detect.conftest import record
from tests.detect.memory_store import MemoryStore
from tests.detect.test_driver import InstantEngine

HARBOUR = "The harbour of Lindvik was closed on Tuesday after a crane fell on the quay. Two dock workers were taken to hospital."
BAKERY = "A bakery in Osterby has sold 4,200 loaves to hikers since May. Its owner, Marit Halvorsen, plans to open a second shop."


def response(name: str, text: str, *, session: str | None = "s", customer: str = "acme", answer: str = "yes") -> ResponseRecord:
    source = Evidence(id="doc", media_type="text/plain", content=text)
    return msgspec.structs.replace(record(name, answer, evidence=(source,)), session_id=session, cohort={"customer": customer})


def ids(found: tuple[Evidence, ...]) -> list[str]:
    return [piece.id for piece in found]


def test_earlier_sources_of_the_same_session_are_found() -> None:
    near = Neighbourhood("session_id")
    assert near.meet("p", response("r1", "one")) == ()
    assert ids(near.meet("p", response("r2", "two"))) == ["r1/doc"]
    assert near.meet("p", response("r3", "three", session="other")) == ()
    assert near.meet("p", response("r4", "four", session=None)) == ()


def test_no_project_sees_the_sources_of_another() -> None:
    near = Neighbourhood("session_id")
    near.meet("p", response("r1", "one"))
    assert near.meet("q", response("r2", "two")) == ()


def test_a_cohort_key_may_name_the_customer() -> None:
    near = Neighbourhood("customer")
    near.meet("p", response("r1", "one", session=None))
    assert ids(near.meet("p", response("r2", "two", session=None))) == ["r1/doc"]
    assert near.meet("p", response("r3", "three", customer="other")) == ()


def test_nothing_is_remembered_unless_a_key_is_set() -> None:
    near = Neighbourhood("")
    near.meet("p", response("r1", "one"))
    assert near.meet("p", response("r2", "two")) == ()


def test_a_source_the_response_was_given_itself_is_no_neighbour() -> None:
    near = Neighbourhood("session_id")
    near.meet("p", response("r1", "one"))
    assert near.meet("p", response("r2", "one")) == ()


def test_only_the_last_few_short_texts_are_kept() -> None:
    near = Neighbourhood("session_id")
    near.meet("p", response("long", "x" * 60_000))
    picture = Evidence(id="doc", media_type="image/png", uri="sha256:" + "0" * 64)
    near.meet("p", msgspec.structs.replace(response("picture", "-"), evidence=(picture,)))
    for number in range(MOST_SOURCES + 3):
        near.meet("p", response(f"r{number}", f"text {number}"))
    assert ids(near.meet("p", response("last", "last"))) == [f"r{number}/doc" for number in range(3, MOST_SOURCES + 3)]


def test_the_driver_hands_neighbours_to_the_workers(tmp_path: Path, database: Database, clock: MovableClock) -> None:
    store, engine = MemoryStore(), InstantEngine()
    store.add(response("r1", HARBOUR), response("r2", BAKERY))
    seen: dict[str, list[str]] = {}
    submit = engine.submit
    engine.submit = lambda detector, items, folder=None: (  # type: ignore[method-assign]
        seen.update({item.record.id: ids(item.neighbours) for item in items}),
        submit(detector, items, folder),
    )[1]
    settings = Settings(data=tmp_path, workers=1, detectors=("source_confusion",), neighbour_key="session_id")
    evidence = EvidenceStore((tmp_path / "evidence").as_uri(), 1_000_000, tmp_path / "cache")
    driver = Driver(settings, store, store, database, evidence, clock, engine=engine)
    driver.turn()
    assert seen == {"r1": [], "r2": ["r1/doc"]}


@pytest.mark.parametrize(
    ("near", "verdict"), [((), None), ((Evidence(id="r0/doc", media_type="text/plain", content=BAKERY),), "hallucinated")]
)
def test_content_of_another_response_is_flagged(tmp_path: Path, near: tuple[Evidence, ...], verdict: str | None) -> None:
    answer = "Marit Halvorsen plans to open a second shop."
    given = msgspec.structs.replace(response("r1", HARBOUR, answer=answer), claims=(Claim(text=answer, kind="statement"),))
    config = WorkerConfig(cache_dir=str(tmp_path / "cache"), max_evidence_bytes=1_000_000)
    (judged,) = Bench(config).judge("source_confusion", [given], neighbours=[near])
    assert [finding.verdict for finding in judged.findings] == ([verdict] if verdict else [])
    if verdict:
        assert judged.findings[0].evidence_id == "r0/doc"
        assert "of another request of the same customer" in judged.findings[0].explanation


def test_a_neighbour_that_is_not_stored_is_left_out(tmp_path: Path) -> None:
    gone = Evidence(id="r0/doc", media_type="text/plain", uri="sha256:" + "0" * 64)
    config = WorkerConfig(cache_dir=str(tmp_path / "cache"), max_evidence_bytes=1_000_000)
    (judged,) = Bench(config).judge("source_confusion", [response("r1", HARBOUR)], neighbours=[(gone,)])
    assert judged.state == "not_applicable"
