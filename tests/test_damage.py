"""A data folder whose ClickHouse files were damaged while it was stopped says which file, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.serving import Sidecar, command

pytestmark = pytest.mark.server


def test_a_part_that_cannot_be_read_is_named_at_the_start_and_the_rest_is_served(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path / "data")
    try:
        sidecar.wait_ready()
        for number in range(2):
            record = {"id": f"d-{number}", "time": datetime.now(UTC).isoformat(), "workflow": "qa", "answer": {"text": "One."}}
            httpx.post(f"{sidecar.url}/v1/responses", json=[record]).raise_for_status()
            sidecar.wait_drained()
        sidecar.kill()
        part = _largest_part(tmp_path / "data")
        (part / "data.bin").write_bytes(b"")
        sidecar.restart()
        told = [line for line in sidecar.log.read_text().splitlines() if "damaged and left out" in line]
        assert len(told) == 1
        assert part.name in told[0]
        assert "backup" in told[0]
        (folder,) = sidecar.get("/v1/status")["damaged_parts"]
        assert folder in told[0]
        assert part.name in folder
        assert httpx.get(f"{sidecar.url}/v1/responses").is_success
    finally:
        sidecar.end()


def test_a_table_that_cannot_be_read_stops_the_start_with_the_file_and_a_remedy(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert command("migrate", data=data).returncode == 0
    (table,) = (data / "clickhouse" / "store").rglob("records.sql")
    table.write_bytes(b"")
    done = command("migrate", data=data)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "records.sql" in done.stderr
    assert "restore the data folder from a backup" in done.stderr


def _largest_part(data: Path) -> Path:
    """Of the table with the widest rows, which is the log of records."""
    parts = [path.parent for path in (data / "clickhouse" / "store").glob("*/*/2*/data.bin")]
    return max(parts, key=lambda part: (part / "data.bin").stat().st_size)
