"""groundwatch's own spans, where an OTLP address is set: requests, batches into the store, detection batches, jobs.

Without one every call here costs a comparison. Spans carry counts and names of ours, never what a sender wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import monitor
from monitor.errors import SettingsInvalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

_tracer: Tracer | None = None


def configure_tracing(url: str, exporter: SpanExporter | None = None) -> Any:
    """Send spans to an OTLP/HTTP address such as ``http://127.0.0.1:4317/v1/traces``; empty = none.

    Returns what :func:`end_tracing` takes.

    Raises:
        SettingsInvalid: the packages for it are not installed.
    """
    global _tracer
    if not url:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        remedy = "pip install 'groundwatch[tracing]'"
        raise SettingsInvalid("GROUNDWATCH_OWN_TRACES_URL", url, f"needs the Python package {error.name}", remedy) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "groundwatch", "service.version": monitor.__version__}))
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(url)))
    _tracer = provider.get_tracer("groundwatch", monitor.__version__)
    return provider


def end_tracing(provider: Any) -> None:
    """Send what is left and stop."""
    global _tracer
    _tracer = None
    if provider is not None:
        provider.shutdown()


@contextmanager
def span(name: str, attributes: Mapping[str, Any] | None = None, parent: Mapping[str, str] | None = None) -> Iterator[Any]:
    """A span around the block, marked as failed where it raises; ``parent`` are headers with a ``traceparent``.

    Yields an object with ``set_attribute``; None where nobody listens.
    """
    if _tracer is None:
        yield None
        return
    from opentelemetry.propagate import extract

    with _tracer.start_as_current_span(name, context=extract(parent) if parent else None, attributes=dict(attributes or {})) as made:
        yield made
