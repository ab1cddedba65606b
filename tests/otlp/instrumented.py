"""A small application as users have it: the OpenAI client under an instrumentation, exporting where the environment says.

Run as ``python instrumented.py INSTRUMENTATION MODEL_URL``.
"""

from __future__ import annotations

import importlib
import os
import sys

# One red pixel.
PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"

INSTRUMENTATIONS = {
    "opentelemetry": "opentelemetry.instrumentation.genai.openai",
    "opentelemetry-events": "opentelemetry.instrumentation.genai.openai",
    "openinference": "openinference.instrumentation.openai",
}


def main(instrumentation: str, model_url: str) -> None:
    """Ask once about a picture."""
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    apart = instrumentation.endswith("-events")
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "EVENT_ONLY" if apart else "SPAN_ONLY"
    from openai import OpenAI
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    module = importlib.import_module(INSTRUMENTATIONS[instrumentation])
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    beside = {"logger_provider": logs} if apart else {}
    module.OpenAIInstrumentor().instrument(tracer_provider=provider, **beside)
    client = OpenAI(base_url=model_url, api_key="none")
    client.chat.completions.create(
        model="gpt-x",
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "What is shown?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]}
        ],
    )
    # As their schedules have it: log records leave a process seconds before its spans.
    logs.shutdown()
    provider.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
