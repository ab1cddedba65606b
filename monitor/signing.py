"""Signatures of what is posted to others, as Standard Webhooks has them.

A receiver that knows the secret can tell our posts from anybody else's, and an old one from a new one; any library for
https://www.standardwebhooks.com checks them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

SECRET_PREFIX = "whsec_"  # noqa: S105 - marks a secret, is none
# What the specification allows, in bytes.
SECRET_BYTES = (24, 64)


def key_of(secret: str) -> bytes:
    """The bytes of a secret ``whsec_…``. Raises ValueError with what is wrong with it."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    shortest, longest = SECRET_BYTES
    if not secret.startswith(SECRET_PREFIX) or not shortest <= len(key) <= longest:
        raise ValueError(f"is not {SECRET_PREFIX} and the base64 of {shortest} to {longest} bytes")
    return key


def signed(body: Any, identifier: str, at: datetime, secrets: Sequence[str]) -> tuple[bytes, dict[str, str]]:
    """The JSON to post and its headers.

    Args:
        body: what to post.
        identifier: the same at every try of the same message.
        at: aware time of this try.
        secrets: each signs, so that a receiver may know the old or the new one; without any nothing is signed.
    """
    content = msgspec.json.encode(body)
    headers = {"content-type": "application/json"}
    if secrets:
        stamp = str(int(at.timestamp()))
        signatures = (_signature(secret, f"{identifier}.{stamp}.".encode() + content) for secret in secrets)
        headers |= {"webhook-id": identifier, "webhook-timestamp": stamp, "webhook-signature": " ".join(signatures)}
    return content, headers


def _signature(secret: str, message: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key_of(secret), message, hashlib.sha256).digest()).decode()
