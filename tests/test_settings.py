"""Settings: where a value comes from, and what happens to one that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_origin

import pytest

from monitor.errors import SettingsInvalid
from monitor.settings import CONFIG_FILE, Settings, load_settings


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


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("GROUNDWATCH_PROT", "GROUNDWATCH_PORT"),
        ("GROUNDWATCH_DETECTOR", "GROUNDWATCH_DETECTORS"),
        ("GROUNDWATCH_DASHBORD_PORT", "GROUNDWATCH_DASHBOARD_PORT"),
    ],
)
def test_a_misspelt_variable_stops_the_start_and_the_right_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "9000")
    with pytest.raises(SettingsInvalid, match=f"{meant}\\?") as refusal:
        load_settings(data=tmp_path)
    assert refusal.value.setting == variable


def test_a_misspelt_secret_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDWATCH_OIDC_CLIENT_SECRETS", "hush")
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings(data=tmp_path)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    "variable", ["GROUNDWATCH_API_URL", "GROUNDWATCH_API_KEY", "GROUNDWATCH_SERVICE_HOST", "GROUNDWATCH_PORT_4318_TCP"]
)
def test_variables_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "tcp://10.0.0.1:4318")
    assert load_settings(data=tmp_path).port == 4318


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook_url", "ftp://alerts"),
        ("own_traces_url", "collector:4318"),
        ("judge_url", "https://"),
        ("dashboard_url", "http://[bad"),
        ("evidence_prefixes", '["ftp://files"]'),
        ("evidence_prefixes", '["http://files"]'),
        ("callback_prefixes", '["file:///"]'),
    ],
)
def test_an_address_that_nothing_can_reach_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"GROUNDWATCH_{name.upper()}", value)
    with pytest.raises(SettingsInvalid, match="https://") as refusal:
        load_settings(data=tmp_path)
    assert refusal.value.setting == f"GROUNDWATCH_{name.upper()}"


def unreadable(name: str) -> tuple[str, str]:
    """What the environment and the file may hold that a setting of this type cannot be."""
    field = Settings.model_fields[name]
    if "float" in str(field.annotation):  # also where it may be left empty
        return "many", '"many"'
    kind = get_origin(field.annotation) or field.annotation
    if kind is int:
        return "many", '"many"'
    if kind is bool:
        return "perhaps", '"perhaps"'
    if kind in (tuple, dict):
        return "not json", "5"
    return ("no such choice", '"no such choice"') if kind is Literal else ("", "5")


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if unreadable(name)[0]])
def test_every_variable_that_cannot_be_read_is_named_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"GROUNDWATCH_{name.upper()}", unreadable(name)[0])
    with pytest.raises(SettingsInvalid, match="See the settings table") as refusal:
        load_settings(data=tmp_path)
    assert refusal.value.setting == f"GROUNDWATCH_{name.upper()}"


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name != "data"])
def test_every_value_in_the_file_that_cannot_be_read_is_named_with_a_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / CONFIG_FILE).write_text(f"{name} = {unreadable(name)[1]}\n")
    with pytest.raises(SettingsInvalid, match="See the settings table") as refusal:
        load_settings(data=tmp_path)
    assert refusal.value.setting == f"GROUNDWATCH_{name.upper()}"


@pytest.mark.parametrize("value", ["", "[", '["a", 5]', '{"a": 1}', "missing_evidence", '"missing_evidence"'])
def test_a_list_that_is_none_shows_how_one_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GROUNDWATCH_DETECTORS", value)
    with pytest.raises(SettingsInvalid, match="Send a JSON list such as") as refusal:
        load_settings(data=tmp_path)
    assert refusal.value.setting == "GROUNDWATCH_DETECTORS"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_a_number_is_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GROUNDWATCH_TRACE_WAIT_S", value)
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_TRACE_WAIT_S"):
        load_settings(data=tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"port = [[[", b"port = 1\nport = 2\n", "port = 1".encode("utf-16")])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(content)
    with pytest.raises(SettingsInvalid, match="is not TOML") as refusal:
        load_settings(data=tmp_path)
    assert refusal.value.setting == CONFIG_FILE


def test_a_home_of_nobody_is_no_data_folder() -> None:
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_DATA"):
        load_settings(data=Path("~nobody-has-this-name/data"))


def test_a_secret_is_not_repeated_by_its_error(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("oidc_client_secret = 12345678\n")
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings(data=tmp_path)
    assert "12345678" not in str(refusal.value)


def test_a_webhook_secret_that_is_none_stops_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text('webhook_secrets = ["hunter2hunter2"]\n')
    with pytest.raises(SettingsInvalid, match=r"GROUNDWATCH_WEBHOOK_SECRETS.*base64 of 24 to 64 bytes.*openssl rand") as refusal:
        load_settings(data=tmp_path)
    assert "hunter2" not in str(refusal.value)


def test_a_misspelt_setting_is_told_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("detektors = []\n")
    with pytest.raises(SettingsInvalid, match="Did you mean detectors"):
        load_settings(data=tmp_path)


def test_an_unreadable_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDWATCH_PORT", "many")
    with pytest.raises(SettingsInvalid, match="GROUNDWATCH_PORT='many'"):
        load_settings(data=tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_only_loopback_is_single_user(tmp_path: Path, host: str) -> None:
    assert load_settings(data=tmp_path, host=host).single_user
    assert not load_settings(data=tmp_path, host=host, require_keys=True).single_user
    assert not load_settings(data=tmp_path, host="0.0.0.0").single_user  # noqa: S104 - never bound, only asked about
