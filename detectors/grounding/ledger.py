"""What asking the judge has cost today, and the verdicts it gave: one SQLite file that all workers of a machine share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS calls (day TEXT PRIMARY KEY, asked INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (question TEXT PRIMARY KEY, probability REAL NOT NULL, given TEXT NOT NULL);
"""
_KEPT_DAYS = 30


def today() -> str:
    """The current day in UTC, as YYYY-MM-DD."""
    return datetime.now(UTC).date().isoformat()


class Ledger:
    """Counts calls a day against a limit and keeps verdicts; safe between processes. ``folder`` None: in memory only."""

    def __init__(self, folder: Path | None, limit: int, day: Callable[[], str] = today) -> None:
        self._limit = limit
        self._day = day
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(":memory:" if folder is None else folder / "judge.sqlite3", timeout=10, isolation_level=None)
        self._file.executescript(_TABLES)

    def take(self) -> bool:
        """Take one call from today's budget before it is made; False when the budget is spent."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            row = self._file.execute("SELECT asked FROM calls WHERE day = ?", (self._day(),)).fetchone()
            asked = row[0] if row else 0
            if asked < self._limit:
                self._file.execute("INSERT OR REPLACE INTO calls VALUES (?, ?)", (self._day(), asked + 1))
            return bool(asked < self._limit)
        finally:
            self._file.execute("COMMIT")

    def verdict(self, question: str) -> float | None:
        """The probability given before for this question, if any."""
        row = self._file.execute("SELECT probability FROM verdicts WHERE question = ?", (question,)).fetchone()
        return None if row is None else float(row[0])

    def keep(self, question: str, probability: float) -> None:
        """Keep a verdict; verdicts older than a month go."""
        self._file.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", (question, probability, self._day()))
        self._file.execute("DELETE FROM verdicts WHERE given < date(?, ?)", (self._day(), f"-{_KEPT_DAYS} days"))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
