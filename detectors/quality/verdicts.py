"""From numbers to named problems: every threshold with where it comes from.

"Corpus" is the public half of the labelled corpora: 126 photographs (COCO), 100 receipts (SROIE), 298 charts, 151 recordings. "Degraded"
are the copies that :mod:`detectors.quality.degrade` makes of them. Thresholds lie between the two where they are apart;
``tests/detectors/test_quality_corpus.py`` states how far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from detectors.quality.grades import Grade, Problem

# 95th percentile. Corpus: 111 at the 1st percentile of photographs (one night scene has 56), 211 and more on pages; darkened to a
# quarter: at most 76.
DARK_LIGHT_LEVEL = 100.0
# One part in ten of the range: what is left of a letter is lost in the steps of an 8-bit picture.
BLACK_LIGHT_LEVEL = 25.0
# The darkest thousandth of a page is ink; on the corpus it is at most 162. Above this, print and shadows are burnt out.
BURNT_DARKEST_LEVEL = 170.0
# Levels between the darkest and the lightest thousandth; the corpus has at least 65 (faded receipts).
FLAT_RANGE = 60.0
EMPTY_RANGE = 12.0
# See pictures._sharpness. Corpus: 0.45 and more on pages, 0.52 at the 1st percentile of photographs; blurred with
# sigma 2 px: at most 0.13.
BLURRED_SHARPNESS = 0.2
LOST_SHARPNESS = 0.004
# Noise over deviation. Corpus: 0.35 at the 99th percentile (fine textures pass as noise); a quarter of the light with noise: median
# 0.34 on receipts, 0.46 on photographs, 0.53 on charts. The dark ones are named by their light anyway.
NOISY_SHARE = 0.35
NOISY_LEVELS = 5.0
# libjpeg quality. Below 30 the table cuts what small print is made of; the corpus has 85. Quality 15 reads as 17.
COARSE_JPEG = 30.0
# Corpus: 1.6 at the 99th percentile of photographs; quality 15 has a median of 2.3 there. Only for pictures that were compressed before.
BLOCKY = 1.7
# The object detector's own input is 300 px wide; below this it enlarges.
SMALL_SIDE = 256.0
# Clips of the corpus have 240 lines and more, and what happens shows in fewer than what things are.
SMALL_VIDEO_SIDE = 144.0
TINY_SIDE = 32.0
# Median over all glyphs, lower case included. Tesseract's manual: an x-height below 8 px is read as noise; the neural readers used
# here hold to about 6 on the corpus's charts, whose own print has 6–17.
SMALL_PRINT = 6.0
# Pages of the corpus lie within 2°, and their halves within 1.5° of each other at the 99th percentile.
TILTED_DEGREES = 3.0
FANNED_DEGREES = 2.0

# Share of samples at the peak. Corpus: at most 0.00015; clipped at the 98th percentile: 0.02.
CLIPPED_SHARE = 0.002
CRUSHED_SHARE = 0.2
# Level of the loud parts (95th percentile of 25 ms frames). Corpus: -37 dBFS and more; 30 dB lower: at most -51.
QUIET_DBFS = -45.0
SILENT_DBFS = -70.0
# Loud against quiet frames. Corpus: 24 dB at the 10th percentile (one meeting has 7); with noise 5 dB below the speech:
# at most 14.2.
NOISY_DB = 15.0
DROWNED_DB = 4.0
# Speech keeps its consonants above 4 kHz, which 8 kHz sampling cuts off (ITU-T G.711 against G.722).
NARROW_RATE_HZ = 12_000.0
SHORT_S = 0.1
# A header may round, encoders pad; half a second more or less is no cut.
MISSING_SHARE = 0.05
MISSING_S = 0.5

UNDECODABLE_POOR = 0.01
UNDECODABLE_LOST = 0.2
EMPTY_PAGES_POOR = 0.5


def _grade(lost: bool) -> Grade:
    return "unusable" if lost else "poor"


def picture_problems(m: Mapping[str, float], small_side: float = SMALL_SIDE) -> Iterator[Problem]:
    """Problems of a picture's measures; ``small_side`` is the shorter side that is enough."""
    side = min(m["width_px"], m["height_px"])
    size = f"{m['width_px']:.0f}×{m['height_px']:.0f} px"
    if side < small_side:
        yield Problem("low_resolution", _grade(side < TINY_SIDE), f"the picture is small ({size})")
    # Next to nothing in the dark is the dark's doing.
    if m["range_levels"] < EMPTY_RANGE and m["light_level"] >= DARK_LIGHT_LEVEL:
        yield Problem("empty", "unusable", f"the picture shows next to nothing (its levels span {m['range_levels']:.0f} of 255)")
        return
    yield from _exposure(m)
    sharpness = m.get("sharpness")
    if sharpness is not None and sharpness < BLURRED_SHARPNESS:
        grade = _grade(sharpness < LOST_SHARPNESS)
        yield Problem(
            "blurred", grade, f"the picture is blurred (sharpness {sharpness:.2g}, sharp ones have {BLURRED_SHARPNESS:g} and more)"
        )
    if m["noise_levels"] > NOISY_LEVELS and m["noise_levels"] > NOISY_SHARE * m["deviation_levels"]:
        yield Problem("noisy", "poor", f"the picture is noisy (noise of {m['noise_levels']:.0f} levels)")
    yield from _compression(m)
    yield from _print(m)


def _exposure(m: Mapping[str, float]) -> Iterator[Problem]:
    mean = f"mean level {m['mean_level']:.0f} of 255"
    if m["light_level"] < DARK_LIGHT_LEVEL:
        yield Problem("dark", _grade(m["light_level"] < BLACK_LIGHT_LEVEL), f"the picture is very dark ({mean})")
    elif m["darkest_level"] > BURNT_DARKEST_LEVEL:
        yield Problem("overexposed", "poor", f"the picture is overexposed ({mean}, nothing darker than {m['darkest_level']:.0f})")
    elif m["range_levels"] < FLAT_RANGE:
        yield Problem("low_contrast", "poor", f"the picture has little contrast (its levels span {m['range_levels']:.0f} of 255)")


def _compression(m: Mapping[str, float]) -> Iterator[Problem]:
    if m.get("jpeg_quality", 100.0) < COARSE_JPEG:
        yield Problem("compressed", "poor", f"the picture is heavily compressed (JPEG quality {m['jpeg_quality']:.0f})")
    elif m.get("blockiness", 0.0) > BLOCKY:
        yield Problem(
            "compressed", "poor", f"the picture shows the blocks of heavy compression (steps {m['blockiness']:.1f} times as high)"
        )


def _print(m: Mapping[str, float]) -> Iterator[Problem]:
    if (height := m.get("glyph_height_px", SMALL_PRINT)) < SMALL_PRINT:
        yield Problem("small_print", "poor", f"the print is small (letters of about {height:.0f} px)")
    if abs(tilt := m.get("tilt_degrees", 0.0)) >= TILTED_DEGREES:
        yield Problem("tilted", "poor", f"the page is tilted by {abs(tilt):.0f}°")
    if (fan := m.get("fan_degrees", 0.0)) >= FANNED_DEGREES:
        yield Problem("perspective", "poor", f"the page was taken at a slant (its lines differ by {fan:.0f}°)")


def sound_problems(m: Mapping[str, float]) -> Iterator[Problem]:
    """Problems of a recording's measures."""
    if m["duration_s"] < SHORT_S:
        yield Problem("short", "unusable", f"the recording is only {m['duration_s']:.2f} s long")
        return
    missing = m.get("stated_duration_s", 0.0) - m["duration_s"]
    if missing > max(MISSING_S, MISSING_SHARE * m["duration_s"]):
        yield Problem("truncated", "poor", f"the recording is cut short ({missing:.1f} s of {m['stated_duration_s']:.1f} s are missing)")
    if m["level_dbfs"] < QUIET_DBFS:
        grade = _grade(m["level_dbfs"] < SILENT_DBFS)
        yield Problem("quiet", grade, f"the recording is very quiet (its loud parts have {m['level_dbfs']:.0f} dBFS)")
    if m["clipped_share"] > CLIPPED_SHARE:
        grade = _grade(m["clipped_share"] > CRUSHED_SHARE)
        yield Problem("clipped", grade, f"the recording is clipped ({m['clipped_share']:.1%} of its samples)")
    if m["snr_db"] < NOISY_DB:
        grade = _grade(m["snr_db"] < DROWNED_DB)
        yield Problem("noisy", grade, f"the recording is noisy (loud and quiet parts are {m['snr_db']:.0f} dB apart)")
    if m["sample_rate_hz"] < NARROW_RATE_HZ:
        yield Problem("narrowband", "poor", f"the recording has telephone bandwidth (sampled at {m['sample_rate_hz'] / 1000:g} kHz)")


def text_problems(m: Mapping[str, float]) -> Iterator[Problem]:
    """Problems of a text's measures."""
    if not m["characters"]:
        yield Problem("empty", "unusable", "the text is empty")
    elif (share := m["undecodable_share"]) > UNDECODABLE_POOR:
        grade = _grade(share > UNDECODABLE_LOST)
        yield Problem("undecodable", grade, f"{share:.0%} of the text cannot be decoded as UTF-8")


def document_problems(m: Mapping[str, float]) -> Iterator[Problem]:
    """Problems of a PDF's measures; those of a scanned page come from the page's picture."""
    empty = m["empty_pages"] / m["looked_at_pages"]
    if empty == 1.0:
        yield Problem("empty", "unusable", "every page looked at is empty")
    elif empty > EMPTY_PAGES_POOR:
        yield Problem("empty_pages", "poor", f"{m['empty_pages']:.0f} of {m['looked_at_pages']:.0f} pages looked at are empty")
