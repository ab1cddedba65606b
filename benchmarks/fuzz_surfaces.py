"""Hostile requests by surface, each with good neighbours: native bodies, OTLP in both encodings, headers, queries, small bodies.

A surface makes one :class:`Shot` a call. ``surely`` are ids that must be taken whatever stands beside them; ``perhaps`` are
ids whose fate the reply tells.
"""

from __future__ import annotations

import gzip
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.mutations import STRANGE_TEXT, as_text, bent, forged_cursor, nested, spoiled, strange_value
from monitor.otlp.events import DETAILS
from tests.otlp import logs
from tests.otlp.spans import as_json, chat, protobuf, span

JSON, LINES, PROTOBUF = "application/json", "application/x-ndjson", "application/x-protobuf"
# A 1 x 1 picture, inline.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@dataclass(frozen=True)
class Shot:
    """One request, and what must hold afterwards."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    surely: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def neighbour(identifier: str) -> dict[str, Any]:
    """A plain good record."""
    return {"id": identifier, "time": now(), "workflow": "fuzz", "answer": {"text": f"This is {identifier}."}}


def full_record(identifier: str) -> dict[str, Any]:
    """A good record with everything in it that a record can hold."""
    return {
        **neighbour(identifier),
        "risk": "authoritative",
        "cohort": {"device": "phone", "language": "de"},
        "release": {"version": "1.2", "stage": "canary"},
        "model": {"name": "m", "provider": "p", "version": "1"},
        "prompt_version": "3",
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "session_id": "s",
        "question": {"text": "What is the total?"},
        "evidence": [
            {"id": "page", "media_type": "image/png", "content": PIXEL, "title": "a page", "metadata": {"n": 1}},
            {"id": "text", "media_type": "text/plain", "content": "The total is 12.", "role": "transcript"},
            {"id": "far", "media_type": "image/png", "uri": "sha256:" + "0" * 64, "sha256": "0" * 64},
        ],
        "claims": [
            {
                "id": "c", "text": "This", "span": [0, 4], "kind": "quantity", "confidence": 0.5,
                "citations": [{"evidence": "page", "region": [0, 0, 0.5, 0.5], "time": [0, 1], "page": 1, "span": [0, 3], "quote": "x"}],
            }
        ],
        "stages": [{"name": "infer", "duration_ms": 12.5, "budget_ms": 20, "status": "ok"}],
        "usage": [{"item": "tokens", "quantity": 3, "unit": "token", "unit_price": 0.1, "amount": 0.3, "currency": "EUR"}],
        "route": {"tier": "a", "fallback": "b", "fallback_reason": "c", "attempt": 1},
        "reference": {"text": "12"},
        "attributes": {"x": {"y": [1, 2, None]}, "z": "text"},
    }  # fmt: skip


class Native:
    """``POST /v1/responses``: spoiled records among good ones, in the three shapes of a body, plain and gzip."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"native-{seed}")
        self._count = 0

    def shot(self) -> Shot:
        """The next request."""
        self._count += 1
        first, last = f"nb-n-{self._count}-a", f"nb-n-{self._count}-b"
        bad = bent(full_record(f"odd-{self._count}"), self._chance)
        way = self._chance.randrange(6)
        if way < 3:
            return self._among(bad, first, last)
        if way == 3:
            return self._lines(bad, first, last)
        return self._whole(bad, first)

    def _among(self, bad: Any, first: str, last: str) -> Shot:
        """Beside each other in an array or envelope. Items are well-formed JSON, so the good ones are surely taken."""
        text = json.dumps([neighbour(first), bad, neighbour(last)], allow_nan=False, default=str) if _is_json(bad) else None
        if text is None:
            return self._lines(bad, first, last)
        body = (f'{{"responses": {text}}}' if self._chance.random() < 0.3 else text).encode()
        return self._packed(body, JSON, surely=(first, last))

    def _lines(self, bad: Any, first: str, last: str) -> Shot:
        line = as_text(bad, self._chance)
        if self._chance.random() < 0.6:
            line = spoiled(line, self._chance)
        good = [json.dumps(neighbour(one)).encode() for one in (first, last)]
        return self._packed(b"\n".join((good[0], line, good[1])), LINES, surely=(first, last))

    def _whole(self, bad: Any, first: str) -> Shot:
        """The whole body spoiled, the neighbour with it: only what is acknowledged must be there."""
        body = as_text([neighbour(first), bad], self._chance)
        if self._chance.random() < 0.5:
            body = gzip.compress(body, 1)
            if self._chance.random() < 0.8:
                body = spoiled(body, self._chance)
            return Shot("POST", "/v1/responses", body, {"Content-Type": JSON, "Content-Encoding": "gzip"}, perhaps=(first,))
        return Shot("POST", "/v1/responses", spoiled(body, self._chance), {"Content-Type": JSON}, perhaps=(first,))

    def _packed(self, body: bytes, kind: str, surely: tuple[str, ...]) -> Shot:
        headers = {"Content-Type": kind}
        if self._chance.random() < 0.3:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        return Shot("POST", "/v1/responses", body, headers, surely=surely)


def _is_json(value: Any) -> bool:
    """Whether a value can be written as JSON by the book: no NaN, no lone surrogate, no number past a double."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, UnicodeEncodeError):
        return False
    return True


_STRANGE_ATTRIBUTES = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion", "gen_ai.prompt.0.content",
    "gen_ai.prompt.0.content.²", "gen_ai.completion.0.content.0.text", "gen_ai.completion.0.content." + "9" * 5000,
    "llm.input_messages.0.message.contents.0.message_content.image.image.url", "llm.output_messages.0.message.content",
    "llm.output_messages.0.message.contents.0.message_content.text" + ".a" * 3000, "llm.output_messages.²",
    "gen_ai.retrieval.documents", "retrieval.documents.0.document.content", "retrieval.documents.0.document.metadata",
    "reranker.output_documents.0.document.score", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "llm.cost.total",
    "llm.cost.prompt", "llm.cost.completion", "llm.token_count.prompt", "gen_ai.usage.image.input_tokens", "groundwatch.confidence",
    "groundwatch.evidence", "groundwatch.risk", "groundwatch.workflow", "groundwatch.cohort.device", "groundwatch.cohort.",
    "groundwatch.route.attempt", "groundwatch.route.tier", "gen_ai.response.finish_reasons", "gen_ai.response.model", "service.version",
    "session.id", "input.value", "input.mime_type", "output.value", "openinference.span.kind", "gen_ai.operation.name",
)  # fmt: skip
_MESSAGES = (
    {"role": "user", "parts": [{"type": "blob", "mime_type": "image/png", "content": "é"}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,é"}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAA", "format": "wav"}}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "response": {"a": [1, 2]}}]},
    {"role": "assistant", "parts": [{"type": "text", "content": "Yes."}], "finish_reason": "stop"},
    {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}]},
)
_EVENT_NAMES = ("gen_ai.user.message", "gen_ai.choice", "gen_ai.tool.message", DETAILS, "gen_ai..message", "app.started", "\x00")


class Otlp:
    """``POST /v1/traces`` in one of the encodings: a strange span among good traces, or bytes spoiled after good ones."""

    def __init__(self, seed: int, encoding: str) -> None:
        self._chance = random.Random(f"otlp-{encoding}-{seed}")
        self._encoding = encoding
        self._salt = 1 if encoding == JSON else 2
        self._count = 0

    def shot(self) -> Shot:
        """The next request."""
        self._count += 1
        trace = f"{self._salt:04x}{self._count:028x}"
        # Larger requests are read by another process.
        good = chat(1, f"Answer {self._count}. " * self._chance.choice((1, 1_500)), trace_id=trace)
        odd = chat(2, "Odd.", trace_id=f"{self._salt + 8:04x}{self._count:028x}", attributes=self._attributes())
        kept = (f"{trace}-{good.span_id}",)
        return self._json(good, odd, kept) if self._encoding == JSON else self._protobuf(good, odd, kept)

    def _attributes(self) -> dict[str, Any]:
        chance = self._chance
        made: dict[str, Any] = {}
        for _ in range(chance.randint(1, 4)):
            name = chance.choice(_STRANGE_ATTRIBUTES)
            way = chance.randrange(4)
            if way == 0:
                messages: Any = [chance.choice(_MESSAGES) for _ in range(chance.randint(1, 3))]
                messages = bent(messages, chance) if chance.random() < 0.7 else messages
                made[name] = json.dumps(messages) if chance.random() < 0.6 else messages
            elif way == 1:
                made[name] = json.dumps(strange_value(chance))
            else:
                made[name] = strange_value(chance) if chance.random() < 0.9 else nested(chance)
        return {name: value for name, value in made.items() if self._encoding == JSON or _is_protobuf(name, value)}

    def _json(self, good: Any, odd: Any, kept: tuple[str, ...]) -> Shot:
        stamp = time.time_ns()
        times = {"startTimeUnixNano": str(stamp - 10**9), "endTimeUnixNano": str(stamp)}
        request = as_json([good, odd, *self._half_trace()], **times)
        spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
        headers = {"Content-Type": JSON}
        way = self._chance.randrange(5)
        if way < 2:
            spans[1] = bent(spans[1], self._chance)
        elif way == 2:
            request["resourceSpans"].append({"resource": {"attributes": []}, "scopeSpans": [{"spans": [bent(spans[1], self._chance)]}]})
        elif way == 3:
            return Shot("POST", "/v1/traces", spoiled(as_text(request, self._chance), self._chance), headers, perhaps=())
        if not _is_json(request):
            return Shot("POST", "/v1/traces", as_text(request, self._chance), headers)
        body = json.dumps(request).encode()
        if self._chance.random() < 0.3:
            return Shot("POST", "/v1/traces", gzip.compress(body, 1), {**headers, "Content-Encoding": "gzip"}, surely=kept)
        return Shot("POST", "/v1/traces", body, headers, surely=kept)

    def _half_trace(self) -> list[Any]:
        """Sometimes a span whose root never comes, so that it is written to disk as a span first."""
        if self._chance.random() < 0.5:
            return []
        return [chat(3, "Half.", parent=9, trace_id=f"{self._salt + 16:04x}{self._count:028x}", attributes=self._attributes())]

    def _protobuf(self, good: Any, odd: Any, kept: tuple[str, ...]) -> Shot:
        headers = {"Content-Type": PROTOBUF}
        first = _stamped([good])
        strange = _stamped([odd, *self._half_trace()])
        if self._chance.random() < 0.5:
            # Joined messages are one message with both lists; what came first is what it was, whatever follows.
            return Shot("POST", "/v1/traces", first + spoiled(strange, self._chance), headers, perhaps=kept)
        body = first + strange
        if self._chance.random() < 0.3:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
            if self._chance.random() < 0.3:
                return Shot("POST", "/v1/traces", spoiled(body, self._chance), headers)
        return Shot("POST", "/v1/traces", body, headers, surely=kept)


def _is_protobuf(name: str, value: Any) -> bool:
    """Whether protobuf can say it: 64-bit integers, UTF-8 text, messages not too deep in one another."""
    try:
        # Read back, for it refuses what lies too deep only then.
        ExportTraceServiceRequest.FromString(protobuf([span(1, attributes={name: value})]))
    except (ValueError, DecodeError):
        return False
    return True


def _stamped(spans: list[Any]) -> bytes:
    stamp = time.time_ns()
    return protobuf([msgspec.structs.replace(one, start_ns=stamp - 10**9, end_ns=stamp) for one in spans])


class Events:
    """``POST /v1/logs`` in both encodings: a strange event among good ones, whose spans never come, or spoiled bytes."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"events-{seed}")
        self._count = 0

    def shot(self) -> Shot:
        """The next request."""
        chance = self._chance
        self._count += 1
        trace, stamp = f"{40:04x}{self._count:028x}", time.time_ns()
        good = {**logs.CHOICE, "trace_id": trace, "time": stamp}
        body = bent(logs.QUESTION["body"], chance) if chance.random() < 0.6 else strange_value(chance)
        odd = {**logs.record(chance.choice(_EVENT_NAMES), body), "trace_id": f"{41:04x}{self._count:028x}", "time": stamp}
        kept = (f"{trace}-{good['span_id']}",)
        headers = {"Content-Type": JSON}
        if chance.random() < 0.4 and _is_protobuf("body", body):
            return Shot("POST", "/v1/logs", logs.protobuf([good, odd]), {"Content-Type": PROTOBUF}, surely=kept)
        request = json.loads(logs.as_json([good]))
        records = request["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        records.append(bent(records[0], chance) | {"traceId": odd["trace_id"]})
        if chance.random() < 0.2:
            return Shot("POST", "/v1/logs", spoiled(as_text(request, chance), chance), headers)
        if not _is_json(request):
            return Shot("POST", "/v1/logs", as_text(request, chance), headers)
        return Shot("POST", "/v1/logs", json.dumps(request).encode(), headers, surely=kept)


class Queries:
    """Every GET of the OpenAPI document with strange parameters, cursors and ids."""

    def __init__(self, seed: int, document: dict[str, Any], known: dict[str, list[str]]) -> None:
        self._chance = random.Random(f"queries-{seed}")
        self._known = known
        self._reads = [
            (path, [p for p in methods["get"].get("parameters", []) if p["in"] == "query"])
            for path, methods in document["paths"].items()
            if "get" in methods
        ]

    def shot(self) -> Shot:
        """The next request."""
        path, parameters = self._chance.choice(self._reads)
        pairs: list[tuple[str, str]] = []
        for parameter in self._chance.sample(parameters, min(len(parameters), self._chance.randint(1, 3))):
            name = parameter["name"]
            pairs += [(name, self._value(name, parameter["schema"])) for _ in range(self._chance.choice((1, 1, 1, 2, 40)))]
        made = urlencode(pairs, errors="surrogatepass")
        return Shot("GET", filled(path, self._known, self._chance) + ("?" + made if made else ""))

    def _value(self, name: str, schema: dict[str, Any]) -> str:
        chance = self._chance
        if name == "cursor" and chance.random() < 0.6:
            return forged_cursor(chance)
        if name in ("since", "until") and chance.random() < 0.7:
            return chance.choice(
                (
                    "0001-01-01T00:00:00Z",
                    "0001-01-01T00:00:00+14:00",
                    "9999-12-31T23:59:59Z",
                    "9999-12-31T23:59:59-12:00",
                    "1969-12-31T00:00:00Z",
                    "1900-01-01T00:00:00Z",
                    "2299-12-31T00:00:00Z",
                    "2500-01-01T00:00:00Z",
                    "1e18",
                    "0",
                    "-1",
                    "253402300799",
                    "2026-11-26T00:00:00Z",
                )
            )
        if name == "cohort":
            return f"{chance.choice(STRANGE_TEXT)[:300]}:{chance.choice(STRANGE_TEXT)[:300]}"
        choices = schema.get("enum") or next((one["enum"] for one in schema.get("anyOf", []) if "enum" in one), None)
        if choices and chance.random() < 0.5:
            return str(chance.choice(choices))
        if chance.random() < 0.3:
            return str(chance.choice((0, 1, -1, 16, 500, 2**31, 2**63, 10**30, "nan", "inf", 0.5)))
        return chance.choice(STRANGE_TEXT)[:3000]


def filled(path: str, known: dict[str, list[str]], chance: random.Random) -> str:
    """A path with its parameters filled in: what exists half of the time, else something strange."""
    for name, values in known.items():
        if "{" + name + "}" in path:
            strange = chance.choice(STRANGE_TEXT)[:500] or "%"
            value = chance.choice(values) if values and chance.random() < 0.6 else quote(strange, safe="", errors="surrogatepass")
            path = path.replace("{" + name + "}", value)
    return path


# Good small bodies by method and path.
_SMALL: dict[tuple[str, str], Any] = {
    ("POST", "/v1/alert-rules"): {"kind": "drift", "workflow": "fuzz", "severity": "info", "enabled": False, "params": {"min_effect": 0.2}},
    ("PUT", "/v1/alert-rules/{rule_id}"): {
        "kind": "latency_threshold",
        "workflow": None,
        "params": {"p95_ms": {"total": 10}, "window_s": 60},
    },
    ("POST", "/v1/alerts/{alert_id}/acknowledge"): {"actor": "a", "note": "n"},
    ("POST", "/v1/review/next"): {"reviewer": "r", "workflow": "fuzz"},
    ("POST", "/v1/review/{item_id}/verdicts"): {
        "reviewer": "r",
        "verdicts": [{"claim_text": "This", "span": [0, 4], "hallucinated": True, "error": "value", "cause": "reasoning", "note": "n"}],
    },
    ("POST", "/v1/review/{item_id}/skip"): {"actor": "r", "note": "n"},
    ("POST", "/v1/review/{item_id}/undo"): {"actor": "r"},
    ("POST", "/v1/review/{item_id}/release"): {"actor": "r"},
    ("POST", "/v1/responses/{response_id}/review"): {"actor": "r", "note": "n"},
    ("POST", "/v1/check"): {
        "response": {"answer": {"text": "x"}, "attributes": {"a": 1}},
        "detectors": ["missing_evidence"],
        "deadline_ms": 1,
    },
    ("POST", "/v1/checks"): {"response": {"answer": {"text": "x"}}, "callback_url": "https://example.org/x"},
    ("POST", "/v1/dead-letters/replay"): {"actor": "a", "stage": "ingest", "limit": 3},
    ("POST", "/v1/dead-letters/{letter_id}/replay"): {"actor": "a", "payload": "{}"},
    ("POST", "/v1/dead-letters/{letter_id}/discard"): {"actor": "a"},
}


class Small:
    """The small JSON bodies of every other route, bent and badly written."""

    def __init__(self, seed: int, known: dict[str, list[str]]) -> None:
        self._chance = random.Random(f"small-{seed}")
        self._known = known

    def shot(self) -> Shot:
        """The next request."""
        chance = self._chance
        (method, path), good = chance.choice(list(_SMALL.items()))
        body = as_text(bent(good, chance), chance)
        if chance.random() < 0.2:
            body = spoiled(body, chance)
        if chance.random() < 0.03:
            method, path, body = "PUT", "/v1/limits", as_text(bent({"actor": "a", "responses_per_day": 10**15}, chance), chance)
        return Shot(method, filled(path, self._known, chance), body, {"Content-Type": JSON})


_HEADER_VALUES = (
    "",
    "a",
    "application/json; charset=utf-16",
    "application/json;;;",
    "APPLICATION/JSON",
    "text/html",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'application/x-protobuf; x="',
    "gzip",
    "deflate",
    "br",
    "gzip, gzip",
    "identity",
    "x-gzip",
    "null",
    "http://[",
    "http://[::1",
    "[",
    "[::1]:4318",
    "]",
    "evil.example",
    "127.0.0.1:4318@evil.example",
    "127.0.0.1.evil.example",
    "localhost:99999999",
    "http://localhost",
    "https://evil.example",
    "bytes=0-",
    "bytes=-1",
    "bytes=9999999999999-",
    "bytes=a-b",
    "bytes=1-0,2-1",
    "Bearer",
    "Bearer \x80",
    "Basic x",
    "Bearer gw_x",
    "-1",
    "1e9",
    "9" * 40,
    "\xff\xfe",
    "00-" + "0" * 32,
    "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    "²",
    "x" * 6000,
)
_HEADER_NAMES = (
    "Content-Type",
    "Content-Encoding",
    "Host",
    "Origin",
    "Range",
    "If-None-Match",
    "If-Range",
    "Authorization",
    "traceparent",
    "Accept",
    "Accept-Encoding",
    "Transfer-Encoding",
    "Expect",
    "X-Forwarded-For",
    "Content-Length",
    "Connection",
    "Upgrade",
)


class Headers:
    """Raw requests with strange headers to a few routes. What is sent is bytes on a socket, as no polite library would."""

    def __init__(self, seed: int, known: dict[str, list[str]]) -> None:
        self._chance = random.Random(f"headers-{seed}")
        self._known = known
        self._count = 0

    def raw(self, port: int) -> tuple[bytes, str | None]:
        """The bytes of a request, and the id of the record in it where it sends one."""
        chance = self._chance
        self._count += 1
        identifier = f"nb-h-{self._count}"
        routes = (
            "POST /v1/responses",
            "POST /v1/traces",
            "PUT /v1/evidence/" + "0" * 64,
            "POST /v1/evidence",
            "GET /v1/responses",
            f"GET /v1/evidence/{(self._known['sha256'] or ['x'])[0]}",
            "GET /healthz",
            "POST /v1/check",
            "OPTIONS /v1/responses",
            "HEAD /v1/status",
        )
        route = chance.choice(routes)
        body = json.dumps(neighbour(identifier)).encode() if route.startswith("P") else b""
        headers = {"Host": f"127.0.0.1:{port}", "Content-Type": JSON, "Content-Length": str(len(body)), "Connection": "close"}
        for _ in range(chance.randint(1, 3)):
            headers[chance.choice(_HEADER_NAMES)] = chance.choice(_HEADER_VALUES)
        head = f"{route} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        return head.encode("latin-1", "replace") + body, identifier if route == "POST /v1/responses" else None
