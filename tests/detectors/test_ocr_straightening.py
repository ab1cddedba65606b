"""Tilted, slanting, turned, soft and dark pages: the geometry by itself, then real readers on drawn pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageDraw, ImageFilter, ImageFont

from detectors.contract import DetectorOptions, EvidenceFile
from detectors.quality.degrade import degrade
from detectors.reading import readers
from detectors.reading.lines import Line, rows_of
from detectors.reading.readers import FastReader
from detectors.reading.restoring import blur_of, refocused, relit
from detectors.reading.spotting import Pixels, Quads, text_spotter
from detectors.reading.straightening import level_regions
from detectors.reading.transcribing import Transcriber

ROWS = [
    ("ORCHARD LANE GROCERS", ""),
    ("Invoice", "INV 20481"),
    ("Apples", "4.15"),
    ("Bread", "3.20"),
    ("Olive oil", "13.80"),
    ("Total", "21.15"),
    ("Cash", "30.00"),
    ("Change", "8.85"),
]
OPTIONS = DetectorOptions(device="cpu", threads=1)


def grid(move: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Quads:
    """Ten rows of two lines of 300 × 20 px on a page of 800 × 800 px, every point moved."""
    quads = []
    for row in range(10):
        for left in (60, 440):
            top = 60 + 70 * row
            corners = np.array([(left, top), (left + 300, top), (left + 300, top + 20), (left, top + 20)], np.float64)
            quads.append([move(corner) for corner in corners])
    return np.array(quads, np.float32)


def tilted(degrees: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return lambda point: matrix @ (point - 400) + 400


def slanted(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """As seen with the right edge further away."""
    depth = 1 + 0.12 * point[0] / 800
    return (point - 400) / depth + 400


def rows(quads: Quads) -> list[list[int]]:
    level = level_regions(quads, 800, 800)
    lines = []
    for number, quad in enumerate(quads / 800):
        low, high = quad.min(axis=0), quad.max(axis=0)
        region = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
        lines.append(Line(str(number), 0.9, region, straight=None if level is None else level[number]))
    return [[int(line.text) for line in row] for row in rows_of(lines)]


@pytest.mark.parametrize("move", [tilted(8), tilted(-8), tilted(3), slanted], ids=["right", "left", "a little", "slant"])
def test_lines_of_a_tilted_or_slanting_page_stand_in_their_rows(move: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
    assert rows(grid(move)) == [[2 * row, 2 * row + 1] for row in range(10)]


def test_a_level_page_is_left_as_it_is() -> None:
    assert level_regions(grid(lambda point: point), 800, 800) is None
    assert level_regions(np.zeros((0, 4, 2), np.float32), 800, 800) is None


def test_one_crooked_stamp_does_not_bend_the_page() -> None:
    stamp = np.array(
        [[tilted(35)(np.array(corner, np.float64)) for corner in ((200, 300), (500, 300), (500, 330), (200, 330))]], np.float32
    )
    level = level_regions(np.concatenate([grid(tilted(4)), stamp]), 800, 800)
    assert level is not None
    heights = [region[1] + region[3] / 2 for region in level[:-1]]
    assert max(abs(heights[2 * row] - heights[2 * row + 1]) for row in range(10)) < 0.005


class Spotter:
    """Finds the given boxes in upright pages and reads a line surely only where its first sign stands at its left."""

    def __init__(self, quads: Quads) -> None:
        self.quads = quads
        self.read: list[int] = []

    def find(self, pixels: Pixels) -> Quads:
        return self.quads

    def recognise(self, pieces: Sequence[Pixels]) -> list[tuple[str, float]]:
        self.read.append(len(pieces))
        return [
            ("words", 0.95 if piece[:, : piece.shape[1] // 2].mean() < piece[:, piece.shape[1] // 2 :].mean() else 0.4) for piece in pieces
        ]


def dark_at(left: bool) -> Pixels:
    page = np.full((800, 800, 3), 255, np.uint8)
    for start in (60, 440):
        page[:, (start if left else start + 200) : (start + 100 if left else start + 300)] = 0
    return page


def test_lines_of_several_pages_are_recognised_together_and_once() -> None:
    spotter = Spotter(grid(lambda point: point))
    pages = Transcriber(spotter).transcribe([(1, dark_at(left=True)), (2, dark_at(left=True))])  # type: ignore[arg-type]
    assert spotter.read == [40]
    assert [len(lines) for lines in pages] == [20, 20]
    assert pages[1][0].page == 2


def test_a_page_on_its_head_is_turned_and_its_places_are_those_of_the_picture() -> None:
    spotter = Spotter(grid(lambda point: point))
    (lines,) = Transcriber(spotter).transcribe([(1, dark_at(left=False))])  # type: ignore[arg-type]
    assert spotter.read == [20, 8, 20]
    first = rows_of(lines)[0][0]
    assert first.confidence == 0.95
    # What is read first stands at the bottom right of the picture.
    assert first.region[0] > 0.5
    assert first.region[1] > 0.8
    assert first.corners is not None
    assert first.corners[0][0] > first.corners[1][0]


def sharp_page() -> Image.Image:
    page = Image.new("RGB", (640, 760), "white")
    font = ImageFont.load_default(30)
    for number, (label, value) in enumerate(ROWS):
        ImageDraw.Draw(page).text((40, 40 + number * 80), label, fill="black", font=font)
        ImageDraw.Draw(page).text((440, 40 + number * 80), value, fill="black", font=font)
    return page


@pytest.mark.parametrize("sigma", [1.5, 2.5, 4.0])
def test_the_blur_of_print_is_measured_within_the_widths_that_are_tried(sigma: float) -> None:
    soft = np.asarray(sharp_page().filter(ImageFilter.GaussianBlur(sigma)).convert("L"))
    assert blur_of(soft) == pytest.approx(sigma, rel=0.4)


def test_a_sharp_light_page_is_not_touched_and_a_soft_one_comes_back_closer() -> None:
    sharp = np.asarray(sharp_page())
    assert refocused(sharp) is None
    assert relit(sharp) is None
    assert refocused(np.full_like(sharp, 255)) is None
    soft = np.asarray(sharp_page().filter(ImageFilter.GaussianBlur(2.0)))
    back = refocused(soft)
    assert back is not None
    off, was_off = (float(np.square(page.astype(int) - sharp).mean()) for page in (back, soft))
    assert off < 0.75 * was_off


def test_a_dark_page_is_lit_and_its_noise_does_not_grow_with_the_light() -> None:
    random = np.random.default_rng(5)
    dark = np.clip(np.asarray(sharp_page(), np.float32) * 0.25 + random.normal(0, 12, (760, 640, 3)), 0, 255).astype(np.uint8)
    lit = relit(dark)
    assert lit is not None
    assert np.median(lit) > 180
    empty = lit[700:]
    assert empty.std() < 25
    assert relit(np.zeros_like(dark)) is None


# --- the real reader ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader() -> FastReader:
    made = FastReader(OPTIONS)
    made.load()
    return made


def saved(path: Path, page: Image.Image, **how: object) -> EvidenceFile:
    page.save(path, **how)  # type: ignore[arg-type]
    return EvidenceFile("page", "image/jpeg" if path.suffix == ".jpg" else "image/png", path, hashlib.sha256(path.read_bytes()).hexdigest())


def read_rows(reader: FastReader, evidence: EvidenceFile) -> list[str]:
    return [" ".join(line.text for line in row) for row in reader.read(evidence).rows]


@pytest.mark.models
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_turned_by_quarters_is_read_upright_and_found_where_it_is(reader: FastReader, tmp_path: Path, degrees: int) -> None:
    turned = saved(tmp_path / "turned.png", sharp_page().rotate(degrees, expand=True))
    assert read_rows(reader, turned)[5] == "Total 21.15"
    (total,) = [line for line in reader.read(turned).lines if line.text == "21.15"]
    centre = (total.region[0] + total.region[2] / 2, total.region[1] + total.region[3] / 2)
    upright = (480 / 640, 457 / 760)
    there = {90: (upright[1], 1 - upright[0]), 180: (1 - upright[0], 1 - upright[1]), 270: (1 - upright[1], upright[0])}[degrees]
    assert centre == pytest.approx(there, abs=0.04)


@pytest.mark.models
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_page_turned_by_its_camera_is_read_upright(reader: FastReader, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = sharp_page().rotate({3: 180, 6: 90, 8: 270}[orientation], expand=True)
    assert read_rows(reader, saved(tmp_path / "photo.jpg", stored, exif=exif))[5] == "Total 21.15"


@pytest.mark.models
@pytest.mark.parametrize("kind", ["rotate5", "perspective", "blur", "dark_noise", "jpeg15"])
def test_a_degraded_page_keeps_its_rows(reader: FastReader, tmp_path: Path, kind: str) -> None:
    made = degrade(saved(tmp_path / "page.png", sharp_page()), kind, 3)
    copy = tmp_path / "copy.png"
    copy.write_bytes(made.content)
    found = read_rows(reader, EvidenceFile("page", made.media_type, copy, hashlib.sha256(made.content).hexdigest()))
    assert {"Total 21.15", "Cash 30.00", "Change 8.85", "Olive oil 13.80"} <= set(found)


@pytest.mark.models
def test_readers_share_one_engine_and_what_one_read_ahead_the_other_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert text_spotter(OPTIONS) is text_spotter(DetectorOptions(device="cpu", threads=1, second_reader=False))
    first, second = FastReader(OPTIONS), FastReader(OPTIONS)
    first.load()
    page = saved(tmp_path / "page.png", sharp_page())
    broken = EvidenceFile("broken", "image/png", tmp_path / "nothing.png", "nothing")
    first.read_ahead([page, broken, page])
    monkeypatch.setattr(readers, "open_pages", None)
    assert len(second.read(page).lines) == len(ROWS) * 2 - 1


def test_a_reader_that_was_not_loaded_says_so() -> None:
    with pytest.raises(RuntimeError, match="before load"):
        FastReader(OPTIONS).lines_of(sharp_page())
