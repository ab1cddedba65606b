"""Every setting of the service, declared once: name, type, default and what it does.

Values come from environment variables ``GROUNDWATCH_<NAME>``, then from ``groundwatch.toml`` in the data folder, then
from the defaults here. A value that cannot be used stops the start and names the setting.
"""

from __future__ import annotations

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from monitor.errors import SettingsInvalid
from monitor.signing import key_of

SPOOL_FILE = "spool.sqlite3"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
CONFIG_FILE = "groundwatch.toml"
PLAIN_FOLDER = "plain"
# Values that an error must not repeat.
_SECRET = ("oidc_client_secret", "judge_key", "clickhouse_url", "metadata_url", "evidence_url", "webhook_url", "webhook_secrets")
_SHAPES = {tuple: 'a JSON list such as ["a", "b"]', dict: 'a JSON map such as {"a": "b"}', bool: "true or false"}
_SEE = "See the settings table in README.md"
# Addresses that are called, and prefixes of them: another scheme would only show when nothing ever arrives.
_CALLED = ("webhook_url", "own_traces_url", "judge_url", "dashboard_url", "oidc_issuer", "oidc_redirect_url")
_PREFIXES = {"evidence_prefixes": ("https://", "s3://", "gs://"), "callback_prefixes": ("https://", "http://")}
# How much a variable resembles the setting that it misspells (difflib's ratio). What resembles none may be anybody's.
_MISSPELT = 0.75
# What Kubernetes hands every container where a service is called groundwatch or groundwatch-dashboard.
_OF_KUBERNETES = re.compile(r"(^|_)(service_(host|port)|port_\d+_(tcp|udp))", re.IGNORECASE)
Ratio = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseSettings):
    """One frozen object handed to every stage."""

    model_config = SettingsConfigDict(env_prefix="GROUNDWATCH_", extra="forbid", frozen=True, allow_inf_nan=False)

    # Where things are
    data: Path = Field(Path("groundwatch-data"), description="Folder of the spool, the embedded store, metadata and evidence.")
    host: str = Field("127.0.0.1", description="Address the sidecar listens on; any other than loopback needs API keys.")
    port: int = Field(4318, ge=1, le=65535, description="Port of the sidecar (the OTLP/HTTP port).")
    require_keys: bool = Field(False, description="Ask for API keys on loopback too, as behind a reverse proxy on the same machine.")
    oidc_issuer: str = Field("", description="OpenID Connect issuer that people sign in with on the dashboard; empty = no sign-in.")
    oidc_client_id: str = Field("", description="Client id that the issuer knows the dashboard by.")
    oidc_client_secret: str = Field("", repr=False, description="Its secret.")
    oidc_redirect_url: str = Field("", description="Where the issuer sends people back to; empty = the dashboard's /oauth2callback.")
    oidc_role_claim: str = Field("groups", description="Claim of the ID token that holds a person's groups.")
    oidc_roles: dict[str, str] = Field({}, description='Group → role, as JSON: {"gw-admins": "admin"}. The highest one counts.')
    oidc_default_role: str = Field("", description="Role of whoever signs in without a named group; empty = no access.")
    oidc_project: str = Field("default", description="Project that people who sign in see.")
    dashboard_port: int = Field(8501, ge=1, le=65535, description="Port of the dashboard.")
    clickhouse_url: str = Field("", description="ClickHouse server, clickhouse://user:password@host:8123/database; empty = embedded chDB.")
    metadata_url: str = Field("", description="SQLAlchemy URL of the metadata; empty = SQLite in the data folder.")
    evidence_url: str = Field("", description="fsspec URL for evidence blobs (s3://…, gs://…); empty = the data folder.")

    # Taking responses in
    max_body_bytes: int = Field(20 * 1024 * 1024, ge=1024, description="Largest request body after decompression.")
    max_evidence_bytes: int = Field(200 * 1024 * 1024, ge=1024, description="Largest single piece of evidence.")
    spool_max_bytes: int = Field(2 * 1024**3, ge=1024 * 1024, description="Size of the spool at which ingest answers 429.")
    spool_commit_ms: float = Field(5.0, ge=0, description="How long a group commit waits for company, in milliseconds.")
    trace_wait_s: float = Field(10.0, gt=0, description="Quiet time after which a trace whose root or calls never came is taken as it is.")
    retention_days: int = Field(365, ge=1, description="Age at which responses and findings leave the store.")
    future_tolerance_s: int = Field(3600, ge=0, description="How far ahead of the clock a response's time may be.")
    evidence_prefixes: tuple[str, ...] = Field((), description="Prefixes of s3:, gs:, https: references that may be fetched.")
    evidence_retention_days_image: int = Field(0, ge=0, description="Days after their last use at which pictures are deleted; 0 = kept.")
    evidence_retention_days_audio: int = Field(0, ge=0, description="The same for recordings, and so the voices in them.")
    evidence_retention_days_video: int = Field(0, ge=0, description="The same for films.")
    evidence_retention_days_document: int = Field(0, ge=0, description="The same for PDFs and every other kind of file.")
    evidence_retention_days_text: int = Field(0, ge=0, description="The same for texts over 4 KB; shorter ones lie in their record.")
    audit_views: bool = Field(False, description="Note in the audit log who opened which response and evidence, once a day each.")
    encryption_keys_file: str = Field(
        "", description="File of keys, newest first, that seal evidence, spool, dead letters and backups; empty = they lie plain."
    )
    encryption_key_service: str = Field(
        "", description="Your own key service, package.module:factory, that opens the keys in that file; empty = they are plain in it."
    )
    redact: tuple[str, ...] = Field((), description="Personal data masked in all text before anything is written; empty = nothing.")

    # Detecting
    detectors: tuple[str, ...] = Field(
        (
            "missing_evidence",
            "object_hallucination",
            "ocr_mismatch",
            "quote_mismatch",
            "speaker_confusion",
            "entity_mismatch",
            "event_mismatch",
            "chart_mismatch",
            "citation_mismatch",
            "ungrounded_statement",
            "source_confusion",
        ),
        description="Detectors to run, by name.",
    )
    citation_required_workflows: tuple[str, ...] = Field((), description="Workflows in which every statement must cite a source.")
    neighbour_key: str = Field(
        "",
        description="Where source_confusion also looks for an answer's origin: earlier responses with the same session_id, or with the same"
        " value of the cohort key named here; empty = nowhere.",
    )
    engine: Literal["local"] = Field("local", description="What runs the workers: local = spawned processes.")
    workers: int = Field(1, ge=0, le=64, description="Worker processes; 0 = detection off.")
    check_workers: int = Field(
        1,
        ge=0,
        le=64,
        description="Worker processes for checks on demand, started by the first; 0 = none. Of two or more, queued checks leave one free.",
    )
    callback_prefixes: tuple[str, ...] = Field((), description="Prefixes of http: and https: addresses that a queued check may call back.")
    batch_size: int = Field(8, ge=1, le=256, description="Responses in one micro-batch.")
    worker_memory_bytes: int = Field(8 * 1024**3, ge=0, description="Real memory at which a busy worker is replaced; 0 = no limit.")
    item_timeout_s: float = Field(120.0, gt=0, description="Seconds one response may take in a worker before it counts as poison.")
    detect_share: Ratio = Field(1.0, description="Share of assistive responses that are checked; higher risks are always checked.")
    detect_max_wait_s: int = Field(0, ge=0, description="Wait in the queue after which assistive responses are over budget; 0 = never.")
    detect_budget_s_per_hour: float = Field(
        0, ge=0, description="Seconds of worker time that detection may take in an hour, higher risks first; 0 = no limit."
    )
    verdict_cache_bytes: int = Field(
        256 * 1024**2, ge=0, description="Disk for verdicts on evidence and claims seen before, shared by the workers; 0 = off."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where models run.")
    precision: Literal["auto", "single", "half"] = Field("auto", description="auto = half on a GPU, single elsewhere.")
    threads: int = Field(0, ge=0, description="Threads a worker's models use; 0 = the libraries' choice.")
    allow_download: bool = Field(False, description="Let libraries fetch weights from their hubs.")
    clip_model: str = Field("", description="open_clip model name for the open-vocabulary verifier, e.g. ViT-B-32.")
    clip_pretrained: str = Field("", description="open_clip pretrained tag or a local weight file.")
    whisper_model: str = Field("", description="faster-whisper size or local folder; empty = the offline weights.")
    object_model: str = Field("", description="Local detector weights; empty = the offline COCO detector.")
    nli_model: str = Field("", description="Local transformers folder of an NLI or fact-checking model for hard statements; empty = off.")
    judge_url: str = Field("", description="OpenAI-compatible endpoint (http://host/v1) asked about hard statements; empty = off.")
    judge_model: str = Field("", description="Model the judge endpoint is asked for.")
    judge_key: str = Field("", repr=False, description="Bearer key of the judge endpoint.")
    judge_budget: int = Field(200, ge=0, description="Calls a day (UTC) the judge may get from this machine.")
    judge_timeout_s: float = Field(20.0, gt=0, description="Seconds to wait for the judge.")
    judge_input_price: float | None = Field(None, ge=0, description="Price of a million tokens sent to the judge; unset = unpriced.")
    judge_output_price: float | None = Field(None, ge=0, description="Price of a million tokens the judge writes; unset = unpriced.")
    judge_currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Currency of the judge's prices.")

    # Watching
    drift_interval_s: int = Field(3600, ge=1, description="Seconds between drift jobs.")
    cost_interval_s: int = Field(3600, ge=1, description="Seconds between cost-anomaly jobs.")
    latency_interval_s: int = Field(60, ge=1, description="Seconds between latency-threshold and missing-modality jobs.")
    review_interval_s: int = Field(60, ge=1, description="Seconds between fillings of the review queue.")
    review_floor: Ratio = Field(0.02, description="Share of all responses sent to review whatever the detectors say.")
    review_lease_s: int = Field(900, ge=10, description="Seconds a claimed review item stays with its reviewer.")
    own_traces_url: str = Field("", description="OTLP/HTTP address for groundwatch's own spans (…/v1/traces); empty = none.")
    webhook_url: str = Field("", description="Where alerts are posted (Alertmanager webhook version 4); empty = nowhere.")
    webhook_secrets: tuple[str, ...] = Field(
        (), repr=False, description="Secrets (whsec_…) that sign alerts and callbacks, as Standard Webhooks has it; each signs."
    )
    dashboard_url: str = Field("", description="Public address of the dashboard for links in alerts; empty = loopback.")

    @property
    def evidence_retention_days(self) -> dict[str, int]:
        """Class of evidence → days after the last use of a blob at which it is deleted, 0 = never."""
        return {name: getattr(self, f"evidence_retention_days_{name}") for name in ("image", "audio", "video", "document", "text")}

    @property
    def spool_path(self) -> Path:
        """SQLite file of the spool."""
        return self.data / SPOOL_FILE

    @property
    def traces_path(self) -> Path:
        """SQLite file in which spans wait for their trace."""
        return self.data / "traces.sqlite3"

    @property
    def chdb_path(self) -> Path:
        """Folder of the embedded store."""
        return self.data / "clickhouse"

    @property
    def sqlalchemy_url(self) -> str:
        """Metadata database, with the default filled in."""
        return self.metadata_url or f"sqlite:///{self.data / 'metadata.sqlite3'}"

    @property
    def blob_url(self) -> str:
        """fsspec URL of the evidence folder, with the default filled in."""
        return self.evidence_url or (self.data / "evidence").as_uri()

    @property
    def cache_dir(self) -> Path:
        """Where joined weights and evaluation results are kept."""
        return self.data / "cache"

    @property
    def plain_dir(self) -> Path:
        """Where sealed evidence lies open for as long as it is read, where shared memory has no room."""
        return self.cache_dir / PLAIN_FOLDER

    @property
    def calibration_dir(self) -> Path:
        """Where `groundwatch calibrate` writes and workers look first."""
        return self.data / "calibration"

    @property
    def public_dashboard_url(self) -> str:
        """Base of the links that alerts carry."""
        return self.dashboard_url or f"http://127.0.0.1:{self.dashboard_port}"

    @property
    def single_user(self) -> bool:
        """On loopback nobody needs a key, unless `require_keys` says so or people sign in."""
        return self.host in LOOPBACK and not self.require_keys and not self.oidc_issuer

    @property
    def oidc_callback(self) -> str:
        """Where the issuer sends people back to, with the default filled in."""
        return self.oidc_redirect_url or f"{self.public_dashboard_url.rstrip('/')}/oauth2callback"


def load_settings(**overrides: Any) -> Settings:
    """Settings from command line, environment and ``groundwatch.toml``, in that order of precedence.

    Raises:
        SettingsInvalid: a value cannot be used, a variable misspells a setting, or the file cannot be read or names a
            setting that does not exist.
    """
    _refuse_misspelt()
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        first = Settings(**given)
        from_file = _read_file(first.data)
        # What was set by command line or environment wins over the file.
        settings = Settings(**{**from_file, **{name: getattr(first, name) for name in first.model_fields_set}}) if from_file else first
    except SettingsError as error:
        # A list or map in the environment that is not JSON. The library names the field in its message alone.
        name = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "?")
        raise _invalid(name, os.environ.get(_variable(name)), "is not JSON") from error
    except ValidationError as error:
        detail = error.errors()[0]
        name, *place = (str(part) for part in detail["loc"])
        where = f"{'.'.join(place)}: " if place else ""
        raise _invalid(name, detail.get("input"), where + detail["msg"]) from error
    _check_addresses(settings)
    _check_secrets(settings)
    return settings.model_copy(update={"data": _absolute(settings.data)})


def _check_addresses(settings: Settings) -> None:
    for name in _CALLED:
        address = getattr(settings, name)
        if address and not _is_under(address, ("https://", "http://")):
            shown = "***" if name in _SECRET else address
            raise SettingsInvalid(_variable(name), shown, "is no address", "Write it whole, such as https://host/path")
    for name, schemes in _PREFIXES.items():
        for prefix in getattr(settings, name):
            if not _is_under(prefix, schemes):
                raise SettingsInvalid(
                    _variable(name), prefix, "is a prefix that nothing can lie under", f"Begin it with {' or '.join(schemes)}"
                )


def _check_secrets(settings: Settings) -> None:
    for secret in settings.webhook_secrets:
        try:
            key_of(secret)
        except ValueError as error:
            remedy = "Make one with: echo whsec_$(openssl rand -base64 32)"
            raise SettingsInvalid(_variable("webhook_secrets"), "***", str(error), remedy) from error


def _is_under(address: str, schemes: tuple[str, ...]) -> bool:
    try:
        return address.startswith(schemes) and bool(urlsplit(address).netloc)
    except ValueError:  # a bracket that is never closed
        return False


def _refuse_misspelt() -> None:
    """Raise SettingsInvalid for a variable that would be ignored though it was surely meant for a setting."""
    prefix = _variable("")
    for variable, value in os.environ.items():
        name = variable.removeprefix(prefix).lower()
        if not variable.startswith(prefix) or name in Settings.model_fields or _OF_KUBERNETES.search(name):
            continue
        if known := get_close_matches(name, Settings.model_fields, n=1, cutoff=_MISSPELT):
            shown = "***" if known[0] in _SECRET else value
            raise SettingsInvalid(variable, shown, "is no setting", f"Did you mean {_variable(known[0])}?")


def _read_file(data: Path) -> dict[str, Any]:
    """What ``groundwatch.toml`` in the data folder says; nothing where there is none."""
    path = _absolute(data) / CONFIG_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsInvalid(CONFIG_FILE, str(path), f"is not TOML ({error})", "Correct the file") from error
    except OSError as error:
        raise SettingsInvalid(CONFIG_FILE, str(path), f"cannot be read ({error.strerror})", "Let the service's user read it") from error


def _absolute(data: Path) -> Path:
    try:
        return data.expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:  # an unknown ~user, a loop of links, a NUL
        raise _invalid("data", str(data), f"is no folder ({error})") from error


def _variable(name: str) -> str:
    return f"GROUNDWATCH_{name.upper()}"


def _invalid(name: str, value: object, problem: str) -> SettingsInvalid:
    field = Settings.model_fields.get(name)
    if field is None:
        known = get_close_matches(name.lower(), Settings.model_fields, n=1)
        return SettingsInvalid(_variable(name), value, "is no setting", f"Did you mean {known[0]}?" if known else _SEE)
    kind: Any = get_origin(field.annotation) or field.annotation
    shape = _SHAPES.get(kind)
    return SettingsInvalid(_variable(name), "***" if name in _SECRET else value, problem, f"Send {shape}. {_SEE}" if shape else _SEE)
