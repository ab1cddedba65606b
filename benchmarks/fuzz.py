"""Ten thousand hostile requests to a real sidecar: no 5xx but 503 and 507, no traceback in its log, no lost neighbour.

    pip install schemathesis
    python -m benchmarks.fuzz --requests 12000 --seed 1

Surfaces: native bodies, OTLP JSON, OTLP protobuf, queries, small bodies, raw headers, and every operation of the OpenAPI
document by schemathesis (valid and invalid data; status, content type and body are held against the document). Good records
travel in the same requests as the spoiled ones and are read back at the end: each once. Prints JSON; exits with 1 where
anything of that fails. The same seed makes the same requests, except that times are now.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.fuzz_surfaces import JSON, PROTOBUF, Events, Headers, Native, Otlp, Queries, Shot, Small, full_record, neighbour
from tests.serving import Sidecar

ALLOWED_5XX = (503, 507)
# Share of the requests by surface; the rest is schemathesis.
SHARES = {
    "native": 0.2,
    "otlp_json": 0.15,
    "otlp_protobuf": 0.15,
    "otlp_events": 0.08,
    "queries": 0.12,
    "small_bodies": 0.1,
    "headers": 0.05,
}
NO_LIMITS = {"actor": "fuzz", "responses_per_minute": None, "responses_per_day": None, "evidence_bytes_per_day": None}
_SHOWN = 12
# Strange records that were taken are read one by one, up to so many.
READ_BACK = 1_000


class Ledger:
    """What was answered, what was promised, and what went wrong."""

    def __init__(self) -> None:
        self.statuses: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.letters: Counter[str] = Counter()
        self.promised: set[str] = set()
        self.wrong: defaultdict[str, list[str]] = defaultdict(list)

    def note(self, surface: str, status: int | str, what: str, text: str = "") -> None:
        """Count one answer."""
        self.statuses[surface][str(status)] += 1
        if isinstance(status, int) and status >= 500 and status not in ALLOWED_5XX:
            self.wrong["server_errors"].append(f"{surface}: {status} {what[:600]} -> {text[:200]}")

    def reconcile(self, shot: Shot, reply: httpx.Response) -> None:
        """Take down which neighbours were acknowledged; a neighbour that had to be and was not is wrong."""
        if shot.path == "/v1/responses":
            items = reply.json().get("items", []) if reply.status_code in (200, 202, 400) else []
            taken = {item["id"] for item in items if item["status"] in ("accepted", "duplicate")}
            self.promised |= taken & {*shot.surely, *shot.perhaps}
            refused = set(shot.surely) - taken
        else:
            taken_whole = reply.status_code == 200
            self.promised |= {*shot.surely, *shot.perhaps} if taken_whole else set()
            refused = set() if taken_whole else set(shot.surely)
        for identifier in refused:
            self.wrong["neighbours_refused"].append(f"{identifier}: {reply.status_code} {reply.text[:300]}")

    def report(self) -> dict[str, Any]:
        """Counts, and the first of each kind of wrong."""
        total: Counter[str] = Counter()
        for counts in self.statuses.values():
            total += counts
        wrong = {kind: {"count": len(cases), "first": cases[:_SHOWN]} for kind, cases in self.wrong.items()}
        return {
            "requests": sum(total.values()),
            "by_status": dict(sorted(total.items())),
            "by_surface": {surface: dict(sorted(counts.items())) for surface, counts in self.statuses.items()},
            "dead_letters_by_stage": dict(self.letters),
            "neighbours_acknowledged": len(self.promised),
            "wrong": wrong,
        }


def shoot(client: httpx.Client, surface: str, shots: Callable[[], Shot], count: int, ledger: Ledger) -> None:
    """Send so many requests of one surface."""
    for _ in range(count):
        shot = shots()
        what = f"{shot.method} {shot.path} {shot.headers} {shot.body!r}"
        try:
            reply = client.request(shot.method, shot.path, content=shot.body, headers=shot.headers)
        except httpx.InvalidURL:
            ledger.note(surface, "not sendable", what)
            continue
        except httpx.TransportError as error:
            ledger.note(surface, "no answer", what)
            ledger.wrong["no_answer"].append(f"{surface}: {error!r} {what[:600]}")
            continue
        ledger.note(surface, reply.status_code, what, reply.text)
        if shot.surely or shot.perhaps:
            ledger.reconcile(shot, reply)
        if shot.path == "/v1/limits":
            client.put("/v1/limits", json=NO_LIMITS).raise_for_status()


def shoot_raw(port: int, headers: Headers, count: int, ledger: Ledger) -> None:
    """Send raw requests. One that promises more than it sends is kept open, which is no fault; so is closing on nonsense."""
    for number in range(count):
        request, identifier = headers.raw(port)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
            wire.settimeout(0.5)
            try:
                wire.sendall(request)
                if number % 5 == 0:  # a client that goes away
                    wire.shutdown(socket.SHUT_WR)
                answer = b"".join(_read(wire))
            except TimeoutError:
                ledger.note("headers", "kept open", repr(request))
                continue
            except OSError:
                ledger.note("headers", "closed", repr(request))
                continue
        status: int | str = int(answer[9:12]) if answer[:5] == b"HTTP/" and answer[9:12].isdigit() else "closed"
        ledger.note("headers", status, repr(request), answer[:300].decode("latin-1"))
        if identifier is not None and status == 202 and b'"accepted":1' in answer:
            ledger.promised.add(identifier)


def _read(wire: socket.socket) -> Iterator[bytes]:
    while piece := wire.recv(65536):
        yield piece


def by_schema(url: str, client: httpx.Client, count: int, seed: int, known: dict[str, list[str]], ledger: Ledger) -> None:
    """Valid and invalid data for every operation of the OpenAPI document, and good records in between."""
    import hypothesis
    import schemathesis
    from hypothesis import HealthCheck, Phase
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    held = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    operations = [found.ok() for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()]
    # Narrow limits of the project would end the rest of the run.
    operations.sort(key=lambda operation: operation.path == "/v1/limits")
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    each = max(1, count // (len(operations) * 3))
    for number, operation in enumerate(operations):
        given = {name: values[0] for name, values in known.items() if values and "{" + name + "}" in operation.path}
        for turn, (mode, path) in enumerate((*((mode, None) for mode in modes), (modes[0], given or None))):
            strategy = operation.as_strategy(generation_mode=mode, **({"path_parameters": path} if path else {}))

            def one(case: Any) -> None:
                what = f"{case.method} {case.formatted_path} {case.query} {case.body!r}"
                reply = case.call(base_url=url, timeout=30)
                ledger.note("openapi", reply.status_code, what, reply.text)
                try:
                    case.validate_response(reply, checks=held)
                except (AssertionError, BaseExceptionGroup) as failure:
                    ledger.wrong["schema"].append(f"{what[:300]} -> {reply.status_code} {failure}"[:1500])

            settings = hypothesis.settings(
                max_examples=each, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
            )
            with suppress(hypothesis.errors.Unsatisfiable):  # nothing is invalid for an operation that takes nothing
                hypothesis.seed(f"{seed}-{number}-{turn}")(settings(hypothesis.given(case=strategy)(one)))()
            if operation.path == "/v1/limits":
                client.put("/v1/limits", json=NO_LIMITS).raise_for_status()
            identifier = f"nb-s-{number}-{turn}"
            if client.post("/v1/responses", json=neighbour(identifier)).json()["accepted"] == 1:
                ledger.promised.add(identifier)


def things(client: httpx.Client) -> dict[str, list[str]]:
    """Things that exist, by the name of the path parameter that names them."""
    picture = client.post("/v1/evidence", files={"file": ("a.txt", b"plain text")}).raise_for_status().json()[0]["sha256"]
    client.post("/v1/responses", json=[full_record(f"thing-{number}") for number in range(5)]).raise_for_status()
    limit = time.monotonic() + 60
    while client.get("/v1/responses/thing-4").status_code != 200:
        if time.monotonic() > limit:
            raise TimeoutError("the first records never became readable")
        time.sleep(0.2)
    items = [client.post(f"/v1/responses/thing-{number}/review", json={}).raise_for_status().json()["id"] for number in range(5)]
    rules = client.get("/v1/alert-rules").raise_for_status().json()
    check = client.post("/v1/checks", json={"response": {"answer": {"text": "x"}}}).raise_for_status().json()["id"]
    return {
        "response_id": [f"thing-{number}" for number in range(5)],
        "sha256": [picture],
        "item_id": items,
        "rule_id": [rule["id"] for rule in rules],
        "check_id": [check],
        "alert_id": [],
        "letter_id": [],
        "name": ["drift"],
    }


@contextmanager
def running(folder: Path) -> Iterator[Sidecar]:
    """A sidecar with one light detector for checks on demand and none in the background."""
    sidecar = Sidecar(folder / "data", GROUNDWATCH_TRACE_WAIT_S="1", GROUNDWATCH_DETECTORS='["missing_evidence"]')
    try:
        sidecar.wait_ready()
        yield sidecar
    finally:
        sidecar.end()


def run(requests: int, seed: int, only: str | None = None) -> dict[str, Any]:
    """The report of one run."""
    began = time.monotonic()
    ledger = Ledger()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as sidecar:
        with httpx.Client(base_url=sidecar.url, timeout=60) as client:
            document = client.get("/openapi.json").raise_for_status().json()
            known = things(client)
            surfaces: dict[str, Callable[[], Shot]] = {
                "native": Native(seed).shot,
                "otlp_json": Otlp(seed, JSON).shot,
                "otlp_protobuf": Otlp(seed, PROTOBUF).shot,
                "otlp_events": Events(seed).shot,
                "queries": Queries(seed, document, known).shot,
                "small_bodies": Small(seed, known).shot,
            }
            plan = [name for name in SHARES for _ in range(20) if only in (None, name)]
            random.Random(seed).shuffle(plan)
            headers = Headers(seed, known)
            for name in plan:
                count = round(requests * SHARES[name] / 20)
                if name == "headers":
                    shoot_raw(sidecar.port, headers, count, ledger)
                else:
                    shoot(client, name, surfaces[name], count, ledger)
                print(f"{sum(sum(c.values()) for c in ledger.statuses.values())} requests, {name}", file=sys.stderr)
            if only in (None, "openapi"):
                by_schema(sidecar.url, client, round(requests * (1 - sum(SHARES.values()))), seed, known, ledger)
            _settle(sidecar, client, ledger)
        log = sidecar.log.read_text(errors="replace")
    tracebacks = [part.strip()[-600:] for part in log.split("Traceback (most recent call last)")[1:]]
    if tracebacks:
        ledger.wrong["tracebacks"] = tracebacks
    return {**ledger.report(), "seed": seed, "seconds": round(time.monotonic() - began)}


def _settle(sidecar: Sidecar, client: httpx.Client, ledger: Ledger) -> None:
    """Hold what was acknowledged against what can be read."""
    if sidecar.process.poll() is not None:
        ledger.wrong["dead"].append(f"the sidecar ended with {sidecar.process.returncode}")
        return
    time.sleep(4)
    sidecar.wait_drained()
    readable = Counter(sidecar.everything())
    for identifier in sorted(ledger.promised - set(readable)):
        ledger.wrong["neighbours_lost"].append(identifier)
    for identifier, times in readable.items():
        if times > 1:
            ledger.wrong["doubled"].append(identifier)
    strange = [identifier for identifier in readable if not identifier.startswith("nb-")]
    for identifier in strange[:READ_BACK]:
        reply = client.get(f"/v1/responses/{identifier}")
        ledger.note("read_back", reply.status_code, identifier, reply.text)
    for letter in client.get("/v1/dead-letters?limit=500").raise_for_status().json()["items"]:
        ledger.letters[letter["stage"]] += 1
        if letter["stage"] == "store":
            ledger.wrong["store_refused"].append(f"{letter['response_id']}: {letter['reason'][:300]}")
    code, _ = sidecar.stop()
    if code != 0:
        ledger.wrong["dead"].append(f"the sidecar stopped with {code}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--requests", type=int, default=12_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", choices=[*SHARES, "openapi"], help="One surface alone.")
    given = arguments.parse_args()
    found = run(given.requests, given.seed, given.only)
    print(json.dumps(found, indent=1, ensure_ascii=False))
    sys.exit(1 if found["wrong"] else 0)
