from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from monitor.errors import SealKeyMissing, SettingsInvalid
from monitor.sealing import add_key, keys_for, note_keys, read_keys
from monitor.sealing.keys import key_id
from monitor.settings import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    add_key(path)
    return path


class Flipping:
    """A key service that flips every bit and insists on the context."""

    def seal(self, content: bytes, context: bytes) -> bytes:
        return context + bytes(255 - byte for byte in content)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        if not sealed.startswith(context):
            raise ValueError("not my context")
        return bytes(255 - byte for byte in sealed[len(context) :])


def flipping() -> Flipping:
    return Flipping()


SERVICE = f"{__name__}:flipping"


def test_the_newest_key_is_the_first_and_all_are_known(file: Path) -> None:
    (first,) = read_keys(file).ids
    second = add_key(file)
    ring = read_keys(file)
    assert ring.ids == (second, first)
    assert ring.newest == second
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_id_is_of_the_key_and_an_unknown_one_is_named(file: Path) -> None:
    ring = read_keys(file)
    assert key_id(ring.key(ring.newest)) == ring.newest
    with pytest.raises(SealKeyMissing, match="00ff00ff00ff00ff"):
        ring.key("00ff00ff00ff00ff")


def test_a_ring_shows_no_key(file: Path) -> None:
    ring = read_keys(file)
    assert repr(ring) == f"KeyRing({ring.newest})"


def test_notes_and_empty_lines_are_skipped(file: Path) -> None:
    file.write_text("# made in March\n\n" + file.read_text())
    assert len(read_keys(file).ids) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no key"),
        (b"# nothing\n", "holds no key"),
        (b"not base64 at all!\n", "line 1 is not base64"),
        (base64.b64encode(bytes(16)) + b"\n", "line 1 is not a key of 32 bytes"),
        (base64.b64encode(bytes(32)) + b"\n" + base64.b64encode(bytes(32)) + b"\n", "a key twice"),
        (b"\xff\xfe\x00", "is not a list of base64 keys"),
    ],
)
def test_a_malformed_file_is_refused_by_what_is_wrong(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=f"GROUNDWATCH_ENCRYPTION_KEYS_FILE.*{problem}"):
        read_keys(file)


def test_a_file_that_is_missing_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"does not exist.*groundwatch seal --new-key"):
        read_keys(tmp_path / "none")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        read_keys(tmp_path)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o601])
def test_a_file_that_others_can_open_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(SettingsInvalid, match=f"mode {mode:04o}.*chmod 600"):
        read_keys(file)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can hand a file over")
def test_a_group_may_read_what_root_owns_only(file: Path) -> None:
    file.chmod(0o440)
    assert read_keys(file).ids
    os.chown(file, 12345, 0)
    with pytest.raises(SettingsInvalid, match="open to others"):
        read_keys(file)


def test_a_key_service_holds_the_keys_shut(file: Path, tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    made = add_key(sealed, SERVICE)
    assert read_keys(sealed, SERVICE).ids == (made,)
    with pytest.raises(SettingsInvalid, match="line 1 is not a key of 32 bytes"):
        read_keys(sealed)
    with pytest.raises(SettingsInvalid, match=r"the key service cannot open line 1 .*not my context"):
        read_keys(file, SERVICE)


@pytest.mark.parametrize("service", ["nowhere.at.all:factory", f"{__name__}:absent", "os:getcwd", "no colon"])
def test_a_key_service_that_is_none_is_refused(file: Path, service: str) -> None:
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_ENCRYPTION_KEY_SERVICE"):
        read_keys(file, service)


def settings_of(tmp_path: Path, file: Path | None, **more: str) -> Settings:
    return Settings(data=tmp_path / "data", encryption_keys_file="" if file is None else str(file), **more)


def test_without_the_setting_there_are_no_keys(tmp_path: Path) -> None:
    assert keys_for(settings_of(tmp_path, None)) is None


def test_turning_it_off_over_sealed_content_stops_the_start_with_the_remedy(tmp_path: Path) -> None:
    note_keys(tmp_path / "data", ["aa" * 8])
    with pytest.raises(SettingsInvalid, match=f"{'aa' * 8}.*groundwatch seal --plain"):
        keys_for(settings_of(tmp_path, None))


def test_a_key_that_is_needed_and_missing_stops_the_start_by_its_id(tmp_path: Path, file: Path) -> None:
    note_keys(tmp_path / "data", ["aa" * 8, read_keys(file).newest])
    with pytest.raises(SettingsInvalid, match=f"lacks the key {'aa' * 8}"):
        keys_for(settings_of(tmp_path, file))


def test_keys_do_not_lie_beside_what_they_lock(tmp_path: Path) -> None:
    inside = tmp_path / "data" / "keys"
    add_key(inside)
    with pytest.raises(SettingsInvalid, match="lies in the data folder"):
        keys_for(settings_of(tmp_path, inside))


def test_a_key_service_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="is not set, and a key service is"):
        keys_for(settings_of(tmp_path, None, encryption_key_service=SERVICE))


def test_a_damaged_register_is_refused(tmp_path: Path, file: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sealed.json").write_text("{")
    with pytest.raises(SettingsInvalid, match="is damaged"):
        keys_for(settings_of(tmp_path, file))
