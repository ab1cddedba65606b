from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from tests.api.conftest import Api


def picture(form: str = "PNG", size: tuple[int, int] = (400, 200), frames: int = 1) -> bytes:
    out = io.BytesIO()
    pages = [Image.new("RGB", size, (40 * number, 80, 120)) for number in range(frames)]
    extra = {"save_all": True, "append_images": pages[1:]} if frames > 1 else {}
    pages[0].save(out, form, **extra)
    return out.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def pdf(pages: int) -> bytes:
    out = io.BytesIO()
    sheets = [Image.new("RGB", (200, 300), "white") for _ in range(pages)]
    sheets[0].save(out, "PDF", save_all=True, append_images=sheets[1:])
    return out.getvalue()


def put(api: Api, content: bytes, kind: str = "image/png") -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    assert api.http.put(f"/v1/evidence/{sha256}", content=content, headers={"content-type": kind}).status_code in (200, 201)
    return sha256


def test_an_upload_is_stored_once_and_comes_back_whole(api: Api) -> None:
    content = picture()
    sha256 = hashlib.sha256(content).hexdigest()
    replies = [api.http.put(f"/v1/evidence/{sha256}", content=content, headers={"content-type": "image/png"}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 200]
    assert replies[0].json() == {
        "sha256": sha256,
        "bytes": len(content),
        "media_type": "image/png",
        "uri": f"sha256:{sha256}",
        "created": True,
    }
    assert api.http.get(f"/v1/evidence/{sha256}").content == content


def test_content_with_another_hash_is_refused_and_not_kept(api: Api) -> None:
    reply = api.http.put(f"/v1/evidence/{'0' * 64}", content=b"hello")
    assert reply.status_code == 422
    assert "has SHA-256" in reply.json()["detail"]
    assert api.http.get(f"/v1/evidence/{'0' * 64}").status_code == 404
    assert list((api.settings.data / "evidence").rglob("blob.*")) == []


@pytest.mark.parametrize("name", ["ABC", "0" * 63, "G" * 64, "..%2f..%2fsecret"])
def test_a_name_that_is_no_hash_is_refused(api: Api, name: str) -> None:
    assert api.http.get(f"/v1/evidence/{name}").status_code in (400, 404)
    assert api.http.put(f"/v1/evidence/{name}", content=b"x").status_code in (400, 404)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_an_upload_over_the_limit_answers_413_and_leaves_nothing(api: Api, chunked: bool) -> None:
    content = bytes(70_000)
    sha256 = hashlib.sha256(content).hexdigest()
    reply = api.http.put(f"/v1/evidence/{sha256}", content=iter([content[:50_000], content[50_000:]]) if chunked else content)
    assert reply.status_code == 413
    assert [path for path in (api.settings.data / "evidence").rglob("*") if path.is_file()] == []


def test_several_files_come_by_form(api: Api) -> None:
    files = [("file", ("a.png", picture(), "image/png")), ("file", ("b.txt", b"hello", "text/plain"))]
    reply = api.http.post("/v1/evidence", files=files)
    assert reply.status_code == 201
    assert [item["media_type"] for item in reply.json()] == ["image/png", "text/plain"]
    assert api.http.get(f"/v1/evidence/{reply.json()[1]['sha256']}").text == "hello"


def test_a_form_without_a_file_names_the_field(api: Api) -> None:
    reply = api.http.post("/v1/evidence", files=[("other", ("a", b"x", "text/plain"))])
    assert (reply.status_code, reply.json()["field"]) == (422, "file")


def test_one_file_of_a_form_over_the_limit_answers_413(api: Api) -> None:
    assert api.http.post("/v1/evidence", files=[("file", ("a", bytes(60_001), "text/plain"))]).status_code == 413


def test_ranges_are_served_for_seeking_in_recordings(api: Api) -> None:
    content = b"RIFF\x00\x00\x00\x00WAVE" + bytes(range(200))
    reply = api.http.get(f"/v1/evidence/{put(api, content, 'audio/wav')}", headers={"range": "bytes=10-19"})
    assert (reply.status_code, reply.content) == (206, content[10:20])
    assert reply.headers["content-range"] == f"bytes 10-19/{len(content)}"
    assert reply.headers["content-type"] == "audio/wav"


@pytest.mark.parametrize(
    ("content", "kind", "attached"),
    [
        (b"<html><script>alert(1)</script></html>", "text/plain; charset=utf-8", False),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain; charset=utf-8", False),
        (b"MZ\x00\x01binary", "application/octet-stream", True),
        (picture(), "image/png", False),
        (pdf(1), "application/pdf", False),
    ],
    ids=["html", "svg", "program", "picture", "pdf"],
)
def test_what_strangers_sent_runs_nothing_in_a_browser(api: Api, content: bytes, kind: str, attached: bool) -> None:
    reply = api.http.get(f"/v1/evidence/{put(api, content, 'text/html')}")
    assert reply.headers["content-type"] == kind
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"].startswith("sandbox")
    assert ("attachment" in reply.headers.get("content-disposition", "")) is attached


def test_a_thumbnail_is_small_and_never_enlarged(api: Api) -> None:
    sha256 = put(api, picture(size=(400, 200)))
    for width, wanted in ((100, (100, 50)), (1000, (400, 200))):
        reply = api.http.get(f"/v1/evidence/{sha256}?width={width}")
        assert reply.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(reply.content)).size == wanted


def test_a_thumbnail_stands_upright(api: Api) -> None:
    out = io.BytesIO()
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (300, 100)).save(out, "JPEG", exif=turned)
    reply = api.http.get(f"/v1/evidence/{put(api, out.getvalue())}?width=64")
    size = Image.open(io.BytesIO(reply.content)).size
    assert size[1] > size[0]


def test_a_seen_thumbnail_is_not_sent_again(api: Api) -> None:
    url = f"/v1/evidence/{put(api, picture())}?width=100"
    tag = api.http.get(url).headers["etag"]
    assert api.http.get(url, headers={"if-none-match": tag}).status_code == 304


def test_a_picture_that_promises_too_many_pixels_is_refused_before_decoding(api: Api) -> None:
    for width, height in ((9000, 9000), (60_000, 60_000)):
        reply = api.http.get(f"/v1/evidence/{put(api, png_that_claims(width, height))}?width=100")
        assert reply.status_code == 422
        assert reply.json()["remedy"] == "Fetch it without width to get the bytes"


def test_a_broken_picture_is_refused(api: Api) -> None:
    assert api.http.get(f"/v1/evidence/{put(api, picture()[:120])}?width=100").status_code == 422


@pytest.mark.parametrize("content", [b"just text", b"RIFF\x00\x00\x00\x00WAVE" + bytes(50)])
def test_what_is_no_picture_has_no_thumbnail(api: Api, content: bytes) -> None:
    assert api.http.get(f"/v1/evidence/{put(api, content)}?width=100").status_code == 415


def test_pages_of_documents_and_frames_come_as_png(api: Api) -> None:
    for content in (pdf(2), picture("TIFF", (120, 60), frames=2)):
        sha256 = put(api, content)
        reply = api.http.get(f"/v1/evidence/{sha256}?page=2&width=100")
        assert reply.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(reply.content)).width == 100
        missing = api.http.get(f"/v1/evidence/{sha256}?page=3")
        assert missing.status_code == 422
        assert "2 pages" in missing.json()["detail"]


def test_a_broken_pdf_is_refused(api: Api) -> None:
    assert api.http.get(f"/v1/evidence/{put(api, b'%PDF-1.7 nothing')}?page=1").status_code == 422


@pytest.mark.parametrize("query", ["width=0", "width=100000", "page=0", "width=x", f"page={10**30}", "page=2147483648"])
def test_sizes_out_of_bounds_name_the_field(api: Api, query: str) -> None:
    reply = api.http.get(f"/v1/evidence/{put(api, picture())}?{query}")
    assert (reply.status_code, reply.json()["field"]) == (422, query.split("=", maxsplit=1)[0])


def test_a_read_only_disk_answers_507(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    reply = api.http.put(f"/v1/evidence/{hashlib.sha256(b'x').hexdigest()}", content=b"x")
    assert (reply.status_code, reply.json()["title"]) == (507, "Insufficient Storage")
