"""Settings: where a value comes from, and what happens to one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import SettingsInvalid
from monitor.settings import CONFIG_FILE, load_settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "DATA", "HOST", "REVIEW_FLOOR"):
        monkeypatch.delenv(f"GROUNDWATCH_{name}", raising=False)


def test_defaults_are_loopback_embedded_and_in_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    assert (settings.host, settings.port, settings.dashboard_port, settings.single_user) == ("127.0.0.1", 4318, 8501, True)
    assert settings.sqlalchemy_url == f"sqlite:///{tmp_path / 'metadata.sqlite3'}"
    assert settings.blob_url == (tmp_path / "evidence").as_uri()


def test_command_line_wins_over_environment_and_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / CONFIG_FILE).write_text("port = 1111\nbatch_size = 3\nreview_floor = 0.5\n")
    monkeypatch.setenv("GROUNDWATCH_PORT", "2222")
    monkeypatch.setenv("GROUNDWATCH_REVIEW_FLOOR", "0.25")
    settings = load_settings(data=tmp_path, port=3333)
    assert (settings.port, settings.review_floor, settings.batch_size) == (3333, 0.25, 3)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("port = 99999\n", "GROUNDWATCH_PORT"),
        ("prot = 1\n", "GROUNDWATCH_PROT"),
        ("port = \n", CONFIG_FILE),
        ('device = "tpu"\n', "GROUNDWATCH_DEVICE"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_and_is_named(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / CONFIG_FILE).write_text(content)
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings(data=tmp_path)
    assert refusal.value.setting == named


def test_an_unreadable_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDWATCH_PORT", "many")
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_PORT='many'"):
        load_settings(data=tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_only_loopback_is_single_user(tmp_path: Path, host: str) -> None:
    assert load_settings(data=tmp_path, host=host).single_user
    assert not load_settings(data=tmp_path, host=host, require_keys=True).single_user
    assert not load_settings(data=tmp_path, host="0.0.0.0").single_user  # noqa: S104 - never bound, only asked about
