"""What groundwatch says about itself: Prometheus metrics and logs.

Every metric starts with ``groundwatch_``, uses base units, and has labels with a bounded set of values (route
templates, statuses, detector names), never ids or names that a sender chooses.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LAG_BUCKETS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One metric read at a scrape: ``values`` by label values, which follow ``labels`` in order."""

    name: str
    documentation: str
    values: dict[tuple[str, ...], float]
    labels: tuple[str, ...] = ()
    counts: bool = False


class _AtScrape:
    """Metrics that are read when Prometheus asks, so that they are never stale."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for reading in self._read():
            kind = CounterMetricFamily if reading.counts else GaugeMetricFamily
            family = kind(f"groundwatch_{reading.name}", reading.documentation, labels=reading.labels)
            for labels, value in reading.values.items():
                family.add_metric(labels, value)
            yield family


class Metrics:
    """The metrics of one sidecar, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ingested = Counter(
            "groundwatch_ingest_responses_total", "Items of ingest requests, by what happened to them.", ["status"], registry=self.registry
        )
        for status in ("accepted", "duplicate", "refused"):
            self.ingested.labels(status)  # a rate needs the zero before the first event
        self.otlp_spans = Counter(
            "groundwatch_otlp_spans_total", "Spans of OTLP requests, by what happened.", ["status"], registry=self.registry
        )
        self.otlp_events = Counter(
            "groundwatch_otlp_log_records_total", "Log records of OTLP requests, by what happened.", ["status"], registry=self.registry
        )
        self.refused_requests = Counter(
            "groundwatch_ingest_requests_refused_total",
            "Ingest requests of which nothing was taken, by HTTP status.",
            ["status"],
            registry=self.registry,
        )
        self.evidence_bytes = Counter("groundwatch_evidence_stored_bytes_total", "Bytes of new evidence stored.", registry=self.registry)
        self.detection_lag = Histogram(
            "groundwatch_detection_lag_seconds",
            "From taking a response in to the outcome of a detector.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self.requests = Histogram(
            "groundwatch_request_duration_seconds",
            "Time to answer a request, by method, route template and status.",
            ["method", "route", "status"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )

    def at_scrape(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Add metrics that are read at every scrape; ``read`` is called from any thread."""
        self.registry.register(_AtScrape(read))

    def exposition(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)


def _without_colours(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """uvicorn sends each message a second time, with the codes of a terminal in it."""
    event.pop("color_message", None)
    return event


def configure_logs(*, as_json: bool | None = None, level: int = logging.INFO) -> None:
    """Send every log line, ours and the libraries', to stderr: JSON lines, or readable text on a terminal."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _without_colours,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    plain = as_json is False or (as_json is None and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if plain else structlog.processors.JSONRenderer()
    )
    if plain:
        shared.remove(structlog.processors.format_exc_info)  # the console renderer draws tracebacks itself
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "apscheduler", "alembic", "uvicorn.access", "clickhouse_connect"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
