"""Seeded ways to spoil a request: values no field expects, JSON bent in its structure, bytes flipped and cut.

Every function takes the random generator to use, so a seed names a run.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

HUGE = 10**400
STRANGE_TEXT = (
    "",
    "\x00",
    "a\x00b",
    "\ud800",
    "x\udfffy",
    "²",
    "٣",
    "é" * 3,
    "\u202e\u200b\ufeff",
    "<script>alert(1)</script>",
    "'; DROP TABLE responses; --",
    "{x:String}",
    "%s%n%(x)s",
    "../../etc/passwd",
    "file:///etc/passwd",
    "https://169.254.169.254/latest/",
    "sha256:" + "0" * 64,
    "data:text/plain;base64,é",
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 400,
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30T00:00:00Z",
    "😀" * 40,
    "a" * 70_000,
)
STRANGE_NUMBERS = (
    0,
    -1,
    1,
    255,
    256,
    65_536,
    2**31,
    2**32,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    10**19 * 9,
    10**30,
    HUGE,
    1e308,
    -1e308,
    5e-324,
    -0.0,
    0.1,
    float("nan"),
    float("inf"),
)
STRANGE_KEYS = ("", "²", "0", "-1", "é", "\x00", "$ref", "__class__", "a.b", "x" * 5000)


def strange_value(chance: random.Random, depth: int = 0) -> Any:
    """A value of any JSON type, mostly one that breaks something somewhere."""
    kind = chance.randrange(8)
    if kind < 3:
        return chance.choice(STRANGE_TEXT)
    if kind < 5:
        return chance.choice(STRANGE_NUMBERS)
    if kind == 5 or depth > 3:
        return chance.choice((None, True, False, [], {}))
    if kind == 6:
        return [strange_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(STRANGE_KEYS): strange_value(chance, depth + 1) for _ in range(chance.randrange(4))}


def nested(chance: random.Random) -> Any:
    """Lists or maps in one another, deep enough to cross every limit of our own."""
    value: Any = "deep"
    for _ in range(chance.choice((20, 40, 90))):
        value = [value] if chance.random() < 0.5 else {"a": value}
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key))
            waiting.append(node[key])
    return found


def bent(value: Any, chance: random.Random) -> Any:
    """A copy of a JSON value with one to three places changed: replaced, removed, renamed, doubled, retyped."""
    made = json.loads(json.dumps(value))  # copies deeper ones than copy.deepcopy can
    for _ in range(chance.randint(1, 3)):
        places = _places(made)
        if not places:
            return strange_value(chance)
        container, key = chance.choice(places)
        way = chance.randrange(7)
        if way < 3:
            container[key] = strange_value(chance)
        elif way == 3:
            del container[key]
        elif way == 4 and isinstance(container, dict):
            container[chance.choice(STRANGE_KEYS)] = container.pop(key)
        elif way == 5 and isinstance(container, list):
            container.extend([container[key]] * chance.choice((1, 2, 40)))
        elif way == 6:
            container[key] = nested(chance)
        else:
            container[key] = str(container[key])[:5000]
    return made


def as_text(value: Any, chance: random.Random) -> bytes:
    """JSON as careless senders write it: bare NaN, lone surrogates (escaped or as bytes), doubled keys, other encodings."""
    text = json.dumps(value, ensure_ascii=chance.random() < 0.6)
    way = chance.randrange(12)
    if way == 0 and text.startswith("{"):
        text = text[:-1] + (", " if len(text) > 2 else "") + '"id": "twice", "id": 3}'
    if way == 1:
        return text.encode("utf-16", "surrogatepass")
    if way == 2:
        return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
    if way == 3:
        return text.encode("latin-1", "replace")
    return text.encode("utf-8", "surrogatepass")


def _flipped(body: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8)):
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def _inserted(body: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(body) + 1)
    body[at:at] = chance.choice((b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"[" * 3000, b"{" * 3, b'"', b"\\ud800", chance.randbytes(16)))


def _cut(body: bytearray, chance: random.Random) -> None:
    del body[chance.randrange(len(body)) :]


def _hole(body: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(body))
    del body[at : at + chance.randint(1, 50)]


def _doubled(body: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(body))
    body[at:at] = body[at : at + chance.randint(1, 200)]


_SPOILS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flipped, _inserted, _cut, _hole, _doubled)


def spoiled(body: bytes, chance: random.Random) -> bytes:
    """A copy of some bytes, flipped, cut, holed, doubled or with something put in."""
    made = bytearray(body)
    for _ in range(chance.randint(1, 2)):
        if made:
            chance.choice(_SPOILS)(made, chance)
    return bytes(made)


def forged_cursor(chance: random.Random) -> str:
    """What looks like a page cursor of ours, with another time or id in it."""
    stamp = chance.choice(("2026-03-02T12:00:00+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-02", "x"))
    text = f"{stamp}|{chance.choice(STRANGE_TEXT)[:200]}"
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")
