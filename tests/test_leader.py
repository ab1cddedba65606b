"""One process a data folder, whatever state its disk is in."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from monitor.errors import AlreadyRunning
from monitor.leader import LOCK_FILE, Leadership


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with Leadership(tmp_path), pytest.raises(AlreadyRunning, match=str(os.getpid())):
        Leadership(tmp_path)


def test_a_folder_on_a_disk_that_became_read_only_is_given_up_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Leadership(tmp_path)

    def refused(*_: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as read_only:
        read_only.setattr(os, "ftruncate", refused)
        held.release()
    assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"
    with Leadership(tmp_path):
        pass


def test_a_full_disk_has_no_room_for_the_number_and_is_held_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refused)
        held = Leadership(tmp_path)
    with held, pytest.raises(AlreadyRunning):
        Leadership(tmp_path)
