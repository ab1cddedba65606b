"""Evidence over HTTP: upload by hash, fetch with ranges, previews.

What comes back was sent by strangers: it goes out with a type read from its own bytes, never sniffed again by the
browser, in a sandbox that runs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from monitor.api.access import GuardedRoute, Who
from monitor.api.context import Context, Running
from monitor.api.models import EvidenceStored
from monitor.api.ranges import ranged
from monitor.api.rendering import MAX_PAGE, MAX_WIDTH
from monitor.errors import BodyTooLarge, EvidenceRefused, RecordInvalid
from monitor.evidence import EvidenceStore, Incoming, StoredBlob
from monitor.evidence.blobs import HEAD_BYTES
from monitor.media_types import media_type_by
from monitor.records import is_text_type

router = APIRouter(route_class=GuardedRoute, tags=["evidence"])

# What a browser may show in place; everything else is shown as text or downloaded.
_INLINE = ("image/", "audio/", "video/", "application/pdf")
_WRITE_AT = 1 << 20
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "Cross-Origin-Resource-Policy": "same-site",
    # The name is the hash of the content, so it never changes.
    "Cache-Control": "private, max-age=31536000, immutable",
}
_BLOB = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
# What comes back has the type of its own bytes.
_ANY = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}


@router.put(
    "/v1/evidence/{sha256}",
    status_code=201,
    response_model=EvidenceStored,
    responses={200: {"model": EvidenceStored, "description": "It was stored before"}},
    openapi_extra={"requestBody": {"required": True, **_BLOB}},
)
async def put_evidence(sha256: str, request: Request, response: Response, running: Running, who: Who) -> EvidenceStored:
    """Store the body under its SHA-256; a body with another hash is refused. Doing it again changes nothing."""
    _check_hash(sha256)
    await run_in_threadpool(running.limits.check, who.project, evidence=True)
    store = await run_in_threadpool(running.evidence.of, who.project)
    incoming = await run_in_threadpool(store.receive)
    try:
        await _receive(request.stream(), incoming)
        await run_in_threadpool(_refuse_unmasked_text, running, incoming)
        blob = await run_in_threadpool(store.keep, incoming, sha256)
    finally:
        await run_in_threadpool(incoming.discard)
    response.status_code = 201 if blob.created else 200
    return await run_in_threadpool(_stored, running, who.project, blob, request.headers.get("content-type", ""))


async def _receive(stream: AsyncIterator[bytes], incoming: Incoming) -> None:
    waiting = bytearray()
    async for piece in stream:
        waiting += piece
        if len(waiting) >= _WRITE_AT:
            await run_in_threadpool(incoming.write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(incoming.write, bytes(waiting))


@router.post("/v1/evidence", status_code=201, response_model=list[EvidenceStored])
def post_evidence(
    file: Annotated[list[UploadFile], File(description="One or more files.")], running: Running, who: Who
) -> list[EvidenceStored]:
    """Store uploaded files under the hashes of their bytes."""
    running.limits.check(who.project, evidence=True)
    limit = running.settings.max_evidence_bytes
    for upload in file:
        if upload.size is not None and upload.size > limit:
            raise BodyTooLarge(f"the file {upload.filename!r}", limit, "Send a smaller file, or raise GROUNDWATCH_MAX_EVIDENCE_BYTES")
    store = running.evidence.of(who.project)
    return [_stored(running, who.project, _put(running, store, upload), upload.content_type or "") for upload in file]


def _put(running: Context, store: EvidenceStore, upload: UploadFile) -> StoredBlob:
    with store.receive() as incoming:
        while chunk := upload.file.read(_WRITE_AT):
            incoming.write(chunk)
        _refuse_unmasked_text(running, incoming)
        return store.keep(incoming)


def _refuse_unmasked_text(running: Context, incoming: Incoming) -> None:
    """Masking an upload would change the hash that names it, so text has to come inside its record."""
    if not running.ingest.redactor.active:
        return
    if is_text_type(media_type_by(incoming.head)):
        problem = "is text, which is masked here before it is stored, and an upload keeps its hash"
        raise EvidenceRefused("upload", problem, "Send it as `content` of the evidence in the response record")


def _stored(running: Context, project: str, blob: StoredBlob, media_type: str) -> EvidenceStored:
    if blob.created:
        running.metrics.evidence_bytes.inc(blob.size)
        running.limits.charge(project, evidence_bytes=blob.size)
    named = media_type.split(";")[0].strip().lower() or "application/octet-stream"
    uri = f"sha256:{blob.sha256}"
    return EvidenceStored(sha256=blob.sha256, bytes=blob.size, media_type=named, uri=uri, created=blob.created)


@router.get(
    "/v1/evidence/{sha256}",
    response_class=Response,
    responses={200: {"description": "The bytes, or a preview", **_ANY}, 206: {"description": "A range of the bytes", **_ANY}},
)
def get_evidence(
    sha256: str,
    request: Request,
    running: Running,
    who: Who,
    width: Annotated[int | None, Query(ge=16, le=MAX_WIDTH, description="A thumbnail of a picture, or the width of a page.")] = None,
    page: Annotated[int | None, Query(ge=1, le=MAX_PAGE, description="A page of a PDF or frame of a TIFF as PNG, counted from 1.")] = None,
) -> Response:
    """The bytes as stored (ranges are served), a WebP thumbnail (``width``), or a page as PNG (``page``)."""
    _check_hash(sha256)
    store = running.evidence.of(who.project)
    path = store.plain_path(sha256)
    if running.views is not None:
        running.views.note(who.project, who.actor("local"), f"evidence:{sha256}")
    tag = f'"{sha256[:32]}-{width or 0}-{page or 0}"'
    headers = {**_SAFE, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if page is not None or width is not None:
        with store.lent(sha256) as lent:
            shown = running.renderer.render(lent, sha256, page=page, width=width)
        return Response(shown, headers=headers, media_type="image/webp" if page is None else "image/png")
    content = store.open(sha256)
    found = media_type_by(content.read(HEAD_BYTES))
    if not found.startswith((*_INLINE, "text/plain")):
        headers["Content-Disposition"] = f'attachment; filename="{sha256[:16]}"'
    media_type = "text/plain; charset=utf-8" if found == "text/plain" else found
    if path is None:
        return ranged(content, store.size(sha256), request.headers, headers, media_type)
    content.close()
    return FileResponse(path, headers=headers, media_type=media_type)


def _check_hash(sha256: str) -> None:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise RecordInvalid("sha256", "is not 64 lower-case hex digits", "Use the SHA-256 of the content")
