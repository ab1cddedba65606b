from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from monitor.api.rendering import Renderer
from monitor.errors import BodyUnsupported, EvidenceRefused


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.stop()


def picture(folder: Path) -> Path:
    path = folder / "red.png"
    Image.new("RGB", (300, 200), "red").save(path)
    return path


def bomb(folder: Path, width: int, height: int) -> Path:
    """A PNG of a few kilobytes that says it is enormous."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    path = folder / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


def test_a_picture_is_narrowed_and_a_page_is_drawn(renderer: Renderer, tmp_path: Path) -> None:
    made = Image.open(io.BytesIO(renderer.render(picture(tmp_path), "p", page=None, width=100)))
    assert (made.format, made.size) == ("WEBP", (100, 67))
    pages = tmp_path / "pages.tiff"
    Image.new("L", (20, 10)).save(pages, save_all=True, append_images=[Image.new("L", (30, 10))])
    assert Image.open(io.BytesIO(renderer.render(pages, "p", page=2, width=None))).size == (30, 10)


def test_what_cannot_be_shown_keeps_its_reason(renderer: Renderer, tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    sound.write_bytes(b"RIFF0000WAVEfmt ")
    with pytest.raises(BodyUnsupported, match="audio/wav"):
        renderer.render(sound, "s", page=None, width=100)
    with pytest.raises(EvidenceRefused, match="there is no page 9"):
        renderer.render(picture(tmp_path), "p", page=9, width=None)


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (1, 2_000_000_000)])
def test_a_bomb_is_refused_and_the_next_picture_is_shown(renderer: Renderer, tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(EvidenceRefused):
        renderer.render(bomb(tmp_path, width, height), "b", page=None, width=100)
    assert renderer.render(picture(tmp_path), "p", page=None, width=100)


def test_a_decoder_that_takes_too_long_is_ended_and_replaced(tmp_path: Path) -> None:
    renderer = Renderer()
    path = picture(tmp_path)
    try:
        renderer.render(path, "p", page=None, width=100)
        renderer._time_limit_s = 0.0
        with pytest.raises(EvidenceRefused, match="within the limits"):
            renderer.render(path, "p", page=None, width=100)
        renderer._time_limit_s = 20.0
        assert renderer.render(path, "p", page=None, width=100)
    finally:
        renderer.stop()


def test_memory_is_limited_in_the_process_itself(tmp_path: Path) -> None:
    renderer = Renderer(memory_bytes=300_000_000)
    big = tmp_path / "big.png"
    Image.new("RGB", (7_000, 8_000)).save(big)
    try:
        with pytest.raises(EvidenceRefused):
            renderer.render(big, "b", page=None, width=100)
    finally:
        renderer.stop()
