"""Input quality: clean input is good, each fault is named, and what cannot be measured is never good."""

from __future__ import annotations

import io
import math
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from detectors.contract import EvidenceFile
from detectors.quality import Problem, Quality, measure
from detectors.quality.grades import quality, unusable

WIDTH, HEIGHT = 700, 900


def evidence(path: Path, media_type: str) -> EvidenceFile:
    return EvidenceFile("e", media_type, path, "0" * 64)


def page(letters: int = 22) -> Image.Image:
    """A printed page with lines of text of this height."""
    made = Image.new("RGB", (WIDTH, HEIGHT), (248, 247, 242))
    pen = ImageDraw.Draw(made)
    for row in range(60, HEIGHT - 60, 2 * letters):
        pen.text((50, row), f"Item {row} of the order, 3 pieces at 4.20", (30, 30, 30), ImageFont.load_default(letters))
    return made


def photograph(seed: int = 3) -> Image.Image:
    """Coloured shapes with sharp edges and fine texture before a soft background."""
    random = np.random.default_rng(seed)
    across = np.linspace(40, 200, 640)
    soft = np.repeat(across[None, :], 480, axis=0)
    made = Image.fromarray(np.stack([soft, soft[:, ::-1], soft * 0.6], axis=2).astype(np.uint8))
    pen = ImageDraw.Draw(made)
    for _ in range(60):
        x, y = random.integers(0, 600), random.integers(0, 440)
        pen.rectangle((x, y, x + int(random.integers(10, 90)), y + int(random.integers(10, 90))), tuple(random.integers(0, 255, 3)))
    return made


def picture(tmp_path: Path, made: Image.Image, kind: str = "PNG", **options: object) -> Quality:
    path = tmp_path / f"picture.{kind.lower()}"
    made.save(path, kind, **options)
    found = measure(evidence(path, f"image/{kind.lower()}"))
    assert found is not None
    return found


def names(found: Quality) -> list[str]:
    return [problem.name for problem in found.problems]


# --- pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [page(), photograph()], ids=["page", "photograph"])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 90})])
def test_a_clean_picture_is_good(tmp_path: Path, made: Image.Image, kind: str, options: dict[str, int]) -> None:
    found = picture(tmp_path, made, kind, **options)
    assert (found.grade, found.problems) == ("good", ())
    assert found.measures["width_px"] == made.width
    assert all(math.isfinite(value) for value in found.measures.values())


def test_a_dark_picture_is_poor_and_a_black_one_unusable_with_the_level_in_words(tmp_path: Path) -> None:
    dark = photograph().point(lambda level: level * 0.25)
    found = picture(tmp_path, dark)
    assert (found.grade, names(found)) == ("poor", ["dark"])
    black = photograph().point(lambda level: level * 0.08)
    found = picture(tmp_path, black)
    assert found.grade == "unusable"
    assert found.problems[0].text == f"the picture is very dark (mean level {found.measures['mean_level']:.0f} of 255)"
    found = picture(tmp_path, page().point(lambda level: level * 0.04))
    assert (found.grade, names(found)[0]) == ("unusable", "dark")


def test_a_blurred_picture_is_poor(tmp_path: Path) -> None:
    for made in (page(), photograph()):
        assert names(picture(tmp_path, made.filter(ImageFilter.GaussianBlur(2.5)))) == ["blurred"]


def test_a_sharp_subject_before_a_soft_background_is_not_blurred(tmp_path: Path) -> None:
    made = photograph().filter(ImageFilter.GaussianBlur(3))
    made.paste(photograph().crop((150, 80, 470, 400)), (150, 80))
    assert picture(tmp_path, made).grade == "good"


def test_a_washed_out_page_is_overexposed_or_without_contrast(tmp_path: Path) -> None:
    burnt = page().point(lambda level: 200 + level * 55 // 255)
    assert names(picture(tmp_path, burnt)) == ["overexposed"]
    grey = page().point(lambda level: 110 + level * 40 // 255)
    assert names(picture(tmp_path, grey))[0] == "low_contrast"


def test_a_page_without_anything_on_it_is_unusable(tmp_path: Path) -> None:
    found = picture(tmp_path, Image.new("RGB", (WIDTH, HEIGHT), (250, 250, 250)))
    assert (found.grade, names(found)) == ("unusable", ["empty"])


def test_noise_is_named(tmp_path: Path) -> None:
    levels = np.asarray(photograph(), np.float32) * 0.3 + 90
    noisy = Image.fromarray((levels + np.random.default_rng(0).normal(0, 25, levels.shape)).clip(0, 255).astype(np.uint8))
    assert "noisy" in names(picture(tmp_path, noisy))


def test_coarse_compression_is_named_by_its_table_and_after_saving_again_by_its_blocks(tmp_path: Path) -> None:
    found = picture(tmp_path, photograph(), "JPEG", quality=15)
    assert names(found) == ["compressed"]
    assert found.measures["jpeg_quality"] == pytest.approx(15, abs=3)  # entries end at 255
    again = Image.open(tmp_path / "picture.jpeg").convert("RGB")
    found = picture(tmp_path, again, "PNG")
    assert "jpeg_quality" not in found.measures
    assert found.measures["blockiness"] > 1.3


def test_a_thumbnail_and_small_print_are_named(tmp_path: Path) -> None:
    assert "low_resolution" in names(picture(tmp_path, photograph().resize((200, 150))))
    small = page().resize((WIDTH // 4, HEIGHT // 4), Image.Resampling.LANCZOS).resize((WIDTH // 4, HEIGHT // 4))
    assert "low_resolution" in names(picture(tmp_path, small))
    found = picture(tmp_path, page(letters=8))
    assert found.measures["glyph_height_px"] < 8


@pytest.mark.parametrize("angle", [-7, -4, 4, 7])
def test_a_tilted_page_is_named_with_its_angle_and_a_photograph_has_none(tmp_path: Path, angle: int) -> None:
    tilted = page().rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(248, 247, 242))
    found = picture(tmp_path, tilted)
    assert "tilted" in names(found)
    assert found.measures["tilt_degrees"] == pytest.approx(-angle, abs=1)
    assert "tilt_degrees" not in picture(tmp_path, photograph().rotate(angle)).measures


def test_a_picture_that_is_cut_short_damaged_or_no_picture_is_unusable(tmp_path: Path) -> None:
    out = io.BytesIO()
    photograph().save(out, "JPEG")
    path = tmp_path / "cut.jpg"
    for content, name in ((out.getvalue()[:-4000], "truncated"), (b"no picture", "unreadable"), (b"", "empty")):
        path.write_bytes(content)
        found = measure(evidence(path, "image/jpeg"))
        assert found is not None
        assert (found.grade, names(found)) == ("unusable", [name])
    found = measure(evidence(tmp_path / "gone.jpg", "image/jpeg"))
    assert found is not None
    assert names(found) == ["missing"]


def test_a_large_photograph_is_measured_at_working_size(tmp_path: Path) -> None:
    large = page().resize((WIDTH * 4, HEIGHT * 4), Image.Resampling.LANCZOS)
    found = picture(tmp_path, large, "JPEG", quality=90)
    assert (found.measures["width_px"], found.measures["height_px"]) == (WIDTH * 4, HEIGHT * 4)
    own = picture(tmp_path, page(), "JPEG", quality=90)
    assert found.measures["glyph_height_px"] == pytest.approx(4 * own.measures["glyph_height_px"], rel=0.2)


def test_a_picture_that_lies_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    turned = page().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = picture(tmp_path, turned, "JPEG", quality=90, exif=exif)
    assert (found.measures["width_px"], found.measures["height_px"]) == (WIDTH, HEIGHT)
    assert found.grade == "good"


# --- recordings ---------------------------------------------------------------------------------------------------


def speech_like(seconds: float = 4.0, rate: int = 16_000) -> np.ndarray:
    """Bursts of harmonics with pauses of near silence between them."""
    random = np.random.default_rng(5)
    time = np.arange(int(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * 140 * k * time + k) / k for k in range(1, 30))
    envelope = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, None) ** 0.5
    return 0.2 * voice / np.abs(voice).max() * envelope + random.normal(0, 1e-4, time.size)


def recording(tmp_path: Path, samples: np.ndarray, rate: int = 16_000) -> Quality:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    found = measure(evidence(path, "audio/wav"))
    assert found is not None
    return found


def test_a_clean_recording_is_good(tmp_path: Path) -> None:
    found = recording(tmp_path, speech_like())
    assert (found.grade, found.problems) == ("good", ())
    assert found.measures["duration_s"] == pytest.approx(4.0)
    assert found.measures["sample_rate_hz"] == 16_000
    assert 0.2 < found.measures["silent_share"] < 0.8


def test_each_fault_of_a_recording_is_named(tmp_path: Path) -> None:
    clean = speech_like()
    noise = np.random.default_rng(1).normal(0, 1, clean.size)
    assert names(recording(tmp_path, clean * 0.02)) == ["quiet"]
    assert names(recording(tmp_path, np.clip(clean * 12, -0.9, 0.9))) == ["clipped"]
    assert names(recording(tmp_path, clean + 0.03 * noise)) == ["noisy"]
    assert names(recording(tmp_path, clean[::2], 8_000)) == ["narrowband"]


def test_silence_and_a_snippet_are_unusable(tmp_path: Path) -> None:
    assert recording(tmp_path, np.zeros(32_000)).grade == "unusable"
    found = recording(tmp_path, speech_like(0.05))
    assert (found.grade, names(found)) == ("unusable", ["short"])


def test_a_recording_that_is_cut_short_or_none_is_named(tmp_path: Path) -> None:
    recording(tmp_path, speech_like())
    path = tmp_path / "sound.wav"
    path.write_bytes(path.read_bytes()[:40_000])
    found = measure(evidence(path, "audio/wav"))
    assert found is not None
    assert found.measures["duration_s"] < 1.5
    path.write_bytes(b"no sound")
    found = measure(evidence(path, "audio/wav"))
    assert found is not None
    assert (found.grade, names(found)) == ("unusable", ["unreadable"])


# --- text and documents -------------------------------------------------------------------------------------------


def text(tmp_path: Path, content: bytes) -> Quality:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    found = measure(evidence(path, "text/plain; charset=utf-8"))
    assert found is not None
    return found


def test_a_text_is_good_unless_it_is_empty_or_cannot_be_decoded(tmp_path: Path) -> None:
    found = text(tmp_path, "Zwei Hunde 🐕 bellen.\n".encode())
    assert (found.grade, found.measures["words"], found.measures["characters"]) == ("good", 4.0, 17.0)
    assert names(text(tmp_path, b" \n\t ")) == ["empty"]
    assert text(tmp_path, "für ".encode("latin-1") * 10).grade == "unusable"
    assert text(tmp_path, b"a" * 97 + b"\xff" * 3).problems == (
        Problem("undecodable", "poor", "3% of the text cannot be decoded as UTF-8"),
    )


def document(tmp_path: Path, *pages: Image.Image) -> Quality:
    path = tmp_path / "document.pdf"
    pages[0].save(path, "PDF", save_all=True, append_images=list(pages[1:]), resolution=100)
    found = measure(evidence(path, "application/pdf"))
    assert found is not None
    return found


def test_a_scanned_document_is_as_good_as_its_pages(tmp_path: Path) -> None:
    blank = Image.new("RGB", (WIDTH, HEIGHT), "white")
    found = document(tmp_path, page(), page())
    assert (found.grade, found.measures["pages"], found.measures["text_pages"], found.measures["empty_pages"]) == ("good", 2, 0, 0)
    assert names(document(tmp_path, page(), blank, blank)) == ["empty_pages"]
    assert document(tmp_path, blank).problems == (Problem("empty", "unusable", "every page looked at is empty"),)
    (fault,) = document(tmp_path, page(), page().filter(ImageFilter.GaussianBlur(4))).problems
    assert (fault.name, fault.grade, fault.text[:7]) == ("blurred", "poor", "page 2:")


def test_a_broken_document_is_unusable(tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    for content in (b"%PDF-1.7 nothing more", b""):
        path.write_bytes(content)
        found = measure(evidence(path, "application/pdf"))
        assert found is not None
        assert found.grade == "unusable"


# --- grades -------------------------------------------------------------------------------------------------------


def test_other_evidence_is_not_measured_and_so_not_good(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"\x00")
    assert measure(evidence(path, "application/octet-stream")) is None


def test_a_missing_package_means_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = tmp_path / "page.png"
    page().save(path)
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert measure(evidence(path, "image/png")) is None


def test_the_worst_problem_is_the_grade_and_stands_first() -> None:
    found = quality({"a": 1.0, "b": float("nan")}, [Problem("x", "poor", "x"), Problem("y", "unusable", "y")])
    assert (found.grade, names(found), dict(found.measures)) == ("unusable", ["y", "x"], {"a": 1.0})
    assert unusable("z", "why").problems == (Problem("z", "unusable", "why"),)
    assert quality({}).grade == "good"
