"""Cursors of the newest-first lists: where the last page ended, opaque to the caller."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from monitor.errors import RecordInvalid


def encode_cursor(time: datetime, identifier: str) -> str:
    """The position after the row of this time and id, as one URL-safe word."""
    return base64.urlsafe_b64encode(f"{time.isoformat()}|{identifier}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """What :func:`encode_cursor` was given; raises RecordInvalid for anything else."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        stamp, identifier = text.split("|", 1)
        time = datetime.fromisoformat(stamp)
        if time.tzinfo is None or "\x00" in identifier:
            raise ValueError(text)
        return time.astimezone(UTC), identifier
    except (ValueError, OverflowError):
        raise RecordInvalid("cursor", "is not a cursor of this list", "Send the `next` of the page before, unchanged") from None
