from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from monitor.errors import StorageUnavailable
from monitor.sealing import PlainFolder


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


def everything(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_copies_lie_in_memory_for_nobody_else_and_are_gone_afterwards(tmp_path: Path, memory: Path) -> None:
    plain = PlainFolder(tmp_path / "data", memory)
    path = plain.write([b"con", b"tent"], 7, "abc")
    assert path.is_relative_to(memory)
    assert path.read_bytes() == b"content"
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    plain.clear()
    assert everything(memory) == []
    plain.close()
    assert list(memory.iterdir()) == []
    assert not (tmp_path / "data").exists()


def test_a_name_is_written_once(tmp_path: Path, memory: Path) -> None:
    plain = PlainFolder(tmp_path / "data", memory)
    assert plain.write([b"one"], 3, "abc") == plain.write([b"two"], 3, "abc") == plain.find("abc")
    assert plain.find("other") is None
    assert plain.write([b"x"], 1) != plain.write([b"x"], 1)


def test_what_memory_has_no_room_for_lies_in_the_data_folder(tmp_path: Path, memory: Path) -> None:
    plain = PlainFolder(tmp_path / "data", memory)
    path = plain.write([b"content"], 2**60)
    assert path.is_relative_to(tmp_path / "data")
    plain.close()
    assert everything(tmp_path / "data") == []


def test_without_shared_memory_the_data_folder_is_used(tmp_path: Path) -> None:
    plain = PlainFolder(tmp_path / "data", tmp_path / "no-such-folder")
    assert not plain.in_memory
    assert plain.write([b"x"], 1).is_relative_to(tmp_path / "data")
    plain.close()


def test_a_folder_that_somebody_else_put_there_is_not_used(tmp_path: Path, memory: Path) -> None:
    first = PlainFolder(tmp_path / "data", memory)
    root = first.path.parent
    first.close()
    trap = tmp_path / "trap"
    trap.mkdir()
    root.symlink_to(trap)
    plain = PlainFolder(tmp_path / "data", memory)
    assert not plain.in_memory
    assert list(trap.iterdir()) == []


def test_nowhere_to_write_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="file"):
        PlainFolder(tmp_path / "file" / "below", tmp_path / "no-such-folder")


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path, memory: Path) -> None:
    plain = PlainFolder(tmp_path / "data", memory)

    def broken() -> object:
        yield b"half"
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        plain.write(broken(), 10, "abc")  # type: ignore[arg-type]
    assert everything(memory) == []


_VICTIM = """
import os, pathlib, signal, sys
from monitor.sealing import PlainFolder
PlainFolder(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).write([b"secret"], 6, "abc")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_holds_stays(tmp_path: Path, memory: Path) -> None:
    living = PlainFolder(tmp_path / "data", memory)
    kept = living.write([b"mine"], 4, "mine")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", _VICTIM, str(tmp_path / "data"), str(memory)], env=environment, check=False)
    assert sorted(everything(memory)) == ["abc", "mine"]
    again = PlainFolder(tmp_path / "data", memory)
    assert everything(memory) == ["mine"]
    assert kept.read_bytes() == b"mine"
    living.close()
    again.close()
    assert list(memory.iterdir()) == []


def test_temporary_files_lie_there_too(tmp_path: Path, memory: Path) -> None:
    plain = PlainFolder(tmp_path / "data", memory)
    before = tempfile.gettempdir()
    with plain.for_temporary_files(), tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).is_relative_to(memory)
        assert os.environ["TMPDIR"] == tempfile.gettempdir()
    assert tempfile.gettempdir() == before
    plain.close()
