"""Which attribute means what: OpenTelemetry GenAI (new and old names), OpenInference, Vercel AI SDK, and our own ``groundwatch.*``.

Tables, so that a renamed attribute is one more entry. Names were checked against
https://github.com/open-telemetry/semantic-conventions-genai and the OpenInference semantic conventions 0.1.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from monitor.errors import RecordInvalid
from monitor.media_types import media_type_in
from monitor.messages import Media
from monitor.otlp.shapes import shape_of
from monitor.otlp.spans import Span, first, number_of, text_of

KIND = "openinference.span.kind"
OPERATION = "gen_ai.operation.name"
# What OpenInference leaves of contents it may not tell, and of pictures larger than it tells by default (32,000 characters).
HIDDEN = "__REDACTED__"
_INFERENCE = {"chat", "generate_content", "text_completion", "completion", "responses"}
_VERCEL_INFERENCE = {"ai.generateText.doGenerate", "ai.streamText.doStream", "ai.generateObject.doGenerate", "ai.streamObject.doStream"}
_EMBEDDING = {"embeddings", "ai.embed.doEmbed", "ai.embedMany.doEmbed"}
# Names of the latency chain; a span that is none of these is a stage under its own name.
_STAGES = {
    "LLM": "infer", "RETRIEVER": "retrieve", "EMBEDDING": "encode", "RERANKER": "rerank", "chat": "infer", "generate_content": "infer",
    "text_completion": "infer", "embeddings": "encode", "retrieval": "retrieve", "vector_db_retrieve": "retrieve",
    **dict.fromkeys(_VERCEL_INFERENCE, "infer"), **dict.fromkeys(_EMBEDDING, "encode"),
}  # fmt: skip
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")
_ANSWERING_MODEL = (
    "gen_ai.response.model", "llm.response.model_name", "gen_ai.request.model", "llm.model_name", "llm.request.model_name",
    "ai.response.model", "ai.model.id",
)  # fmt: skip
_SESSION = ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id", "ai.telemetry.metadata.sessionId")
_PROMPT_VERSION = ("groundwatch.prompt_version", "gen_ai.prompt.version", "llm.prompt_template.version")
_WORKFLOW = (
    "groundwatch.workflow",
    "gen_ai.workflow.name",
    "gen_ai.prompt.name",
    "gen_ai.agent.name",
    "agent.name",
    "ai.telemetry.functionId",
)
_SERVICE = ("service.name", "openinference.project.name")
_STAGE_OF_RELEASE = ("groundwatch.release_stage", "deployment.environment.name", "deployment.environment")
_INPUT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
_OUTPUT = (
    "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
    "ai.usage.outputTokens", "ai.usage.completionTokens",
)  # fmt: skip
# Parts of the input and output tokens that have a price of their own: item, modality, names.
_PARTS_OF_INPUT: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    (
        "cache_read_input_tokens",
        None,
        ("gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read", "ai.usage.cachedInputTokens"),
    ),
    (
        "cache_write_input_tokens",
        None,
        (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "llm.token_count.prompt_details.cache_write",
        ),
    ),
    ("input_tokens", "image", ("gen_ai.usage.image.input_tokens",)),
    ("input_tokens", "audio", ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio")),
    ("input_tokens", "video", ("gen_ai.usage.video.input_tokens",)),
)
_PARTS_OF_OUTPUT: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    (
        "reasoning_output_tokens",
        None,
        ("gen_ai.usage.reasoning.output_tokens", "llm.token_count.completion_details.reasoning", "ai.usage.reasoningTokens"),
    ),
    ("output_tokens", "audio", ("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio")),
)
_MEDIA_FALLBACK = {"image": "image/jpeg", "audio": "audio/wav", "video": "video/mp4"}
_RISKS = ("assistive", "decision_support", "authoritative")
_EVIDENCE_REMEDY = "Send a JSON list of pieces as `evidence` of the response record has them"
_CONTROL = re.compile(r"[\x00-\x1f]+")


def is_inference(span: Span) -> bool:
    """Whether the span is one call of a model that may give an answer."""
    # As text: a sender may put a list there, which no set can be asked for.
    return (
        span.attributes.get(KIND) == "LLM"
        or str(span.attributes.get(OPERATION)) in _INFERENCE
        or _is_openllmetry(span)
        or _vercel_operation(span) in _VERCEL_INFERENCE
    )


def _vercel_operation(span: Span) -> str | None:
    operation = span.attributes.get("ai.operationId")
    return None if operation is None else str(operation)


def _is_openllmetry(span: Span) -> bool:
    return span.attributes.get("llm.request.type") in ("chat", "completion")


def is_model_call(span: Span) -> bool:
    """Whether the span used a model at all."""
    if is_inference(span) or span.attributes.get(KIND) == "EMBEDDING":
        return True
    return str(span.attributes.get(OPERATION)) in _EMBEDDING or _vercel_operation(span) in _EMBEDDING


def is_reranker(span: Span) -> bool:
    """Whether the span chose among retrieved documents."""
    return span.attributes.get(KIND) == "RERANKER"


def tells_nothing(span: Span) -> bool:
    """Whether a span that has no output messages does not tell of any output at all."""
    return text_of(span.attributes, "output.value") in (None, HIDDEN)


def is_one_call(one: Span, other: Span) -> bool | None:
    """Whether what two spans say of the response agrees: its id, or else its tokens; None where neither is on both."""
    ids = [span.attributes.get("gen_ai.response.id") for span in (one, other)]
    if all(ids):
        return bool(ids[0] == ids[1])
    used = [(number_of(span.attributes, *_INPUT), number_of(span.attributes, *_OUTPUT)) for span in (one, other)]
    return None if None in used[0] + used[1] else used[0] == used[1]


def tool_result(span: Span) -> str | None:
    """What a tool gave back, if the span is a call of one."""
    if span.attributes.get(KIND) == "TOOL":
        return text_of(span.attributes, "output.value")
    return text_of(span.attributes, "gen_ai.tool.call.result", "ai.toolCall.result")


def stage_name(span: Span) -> str:
    """What the span is called in the latency chain."""
    for key in (KIND, OPERATION, "ai.operationId"):
        if (value := span.attributes.get(key)) is not None and (named := _STAGES.get(str(value))) is not None:
            return named
    if _is_openllmetry(span):
        return "infer"
    tool = text_of(span.attributes, "gen_ai.tool.name", "tool.name", "ai.toolCall.name")
    return f"tool {tool}" if tool else span.name


def named_fields(span: Span, root: Span, twins: Sequence[Span]) -> dict[str, Any]:
    """The fields of the record that single attributes give.

    Where the span does not speak, its ``twins`` (the same call, as another instrumentation tells it), root and resource do.
    """
    everything = {**span.resource, **root.attributes}
    for one in (*twins, span):
        everything |= one.attributes
    own = shape_of(everything).own
    workflow = text_of(everything, *_WORKFLOW) or text_of(span.resource, *_SERVICE) or "default"
    risk = text_of(everything, "groundwatch.risk")
    version = text_of(everything, "groundwatch.release", "service.version")
    model = text_of(span.attributes, *_ANSWERING_MODEL)
    return {
        "workflow": _clean(workflow),
        "risk": risk.lower() if risk is not None and risk.lower() in _RISKS else "assistive",
        "cohort": _cohort(everything) if own else {},
        "release": None if version is None else {"version": _clean(version), "stage": text_of(everything, *_STAGE_OF_RELEASE)},
        "model": None if model is None else {"name": _clean(model), "provider": text_of(span.attributes, *_PROVIDER)},
        "prompt_version": text_of(everything, *_PROMPT_VERSION),
        "session_id": text_of(everything, *_SESSION),
        "route": _route(everything) if own else None,
    }


def _clean(name: str) -> str:
    return _CONTROL.sub(" ", name)[:256] or "default"


def _cohort(attributes: Mapping[str, Any]) -> dict[str, str]:
    prefix = "groundwatch.cohort."
    given = {name.removeprefix(prefix): str(value) for name, value in attributes.items() if name.startswith(prefix)}
    return dict(list(given.items())[:32])


def _route(attributes: dict[str, Any]) -> dict[str, Any] | None:
    route: dict[str, Any] = {}
    for field in ("tier", "fallback", "fallback_reason"):
        if (value := text_of(attributes, f"groundwatch.route.{field}")) is not None:
            route[field] = value
    if (attempt := number_of(attributes, "groundwatch.route.attempt")) is not None:
        route["attempt"] = int(attempt)
    return route or None


def usage_of(span: Span) -> list[dict[str, Any]]:
    """Tokens as usage items that do not overlap, with the costs the span itself states (US dollars in OpenInference).

    OpenTelemetry has no attribute for cost; without one the items carry no price and the service's price table decides.
    """
    attributes = span.attributes
    shape = shape_of(attributes)
    whole_input, whole_output = number_of(attributes, *_INPUT), number_of(attributes, *_OUTPUT)
    if shape.costs:
        cost_in, cost_out = number_of(attributes, "llm.cost.prompt"), number_of(attributes, "llm.cost.completion")
        if cost_in is not None and cost_out is not None:
            sides = (("input_tokens", whole_input, cost_in), ("output_tokens", whole_output, cost_out))
            return [_item(name, count or 0, amount=amount) for name, count, amount in sides]
        if (total := number_of(attributes, "llm.cost.total")) is not None:
            return [_item("total_tokens", (whole_input or 0) + (whole_output or 0), amount=total)]
    return [
        *_split("input_tokens", whole_input, _PARTS_OF_INPUT if shape.token_parts else (), attributes),
        *_split("output_tokens", whole_output, _PARTS_OF_OUTPUT if shape.token_parts else (), attributes),
    ]


def _split(
    item: str, whole: float | None, parts: tuple[tuple[str, str | None, tuple[str, ...]], ...], attributes: dict[str, Any]
) -> list[dict[str, Any]]:
    found = [(name, modality, number_of(attributes, *names)) for name, modality, names in parts]
    told = [_item(name, count, modality=modality) for name, modality, count in found if count]
    rest = (whole or 0) - sum(entry["quantity"] for entry in told)
    # Some providers count cached tokens beside the input tokens instead of among them.
    plain = rest if rest >= 0 else whole or 0
    return [*([_item(item, plain)] if plain or (whole is not None and not told) else []), *told]


def _item(name: str, quantity: float, *, modality: str | None = None, amount: float | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"item": name, "quantity": quantity, "unit": "tokens"}
    if modality is not None:
        item["modality"] = modality
    return item if amount is None else {**item, "amount": amount, "currency": "USD"}


def media_type_of(medium: Media, head: bytes) -> str:
    """The media type of a message's medium: by its first bytes, as stated, by the name in its URI, by its modality."""
    stated = medium.media_type.lower()
    by_name = mimetypes.guess_type((medium.uri or "").split("?")[0])[0]
    found = media_type_in(head[:4096]) or (stated if not stated.endswith("/*") else None) or by_name
    return found or _MEDIA_FALLBACK.get(stated.split("/")[0], "application/octet-stream")


def explicit_evidence(span: Span) -> list[dict[str, Any]]:
    """Evidence that the application itself named in ``groundwatch.evidence``: the record's own form, as JSON.

    Raises:
        RecordInvalid: it is something else. An answer checked without the evidence it names would be judged by chance.
    """
    raw = first(span.attributes, "groundwatch.evidence")
    if raw is None:
        return []
    try:
        found = msgspec.json.decode(raw) if isinstance(raw, str) else raw
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordInvalid("groundwatch.evidence", f"is not JSON ({error})", _EVIDENCE_REMEDY) from None
    if not isinstance(found, list) or not all(isinstance(piece, Mapping) for piece in found):
        raise RecordInvalid("groundwatch.evidence", "is not a list of objects", _EVIDENCE_REMEDY)
    return [dict(piece) for piece in found]
