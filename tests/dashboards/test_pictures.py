import io

import pytest
from PIL import Image

from dashboards.pictures import HUES, Box, PictureUnreadable, closer, open_picture, pixels, with_boxes

VERMILION = tuple(int(HUES["hallucinated"][at : at + 2], 16) for at in (1, 3, 5))
GREEN = tuple(int(HUES["supported"][at : at + 2], 16) for at in (1, 3, 5))


def blank(width: int = 600, height: int = 400) -> Image.Image:
    return Image.new("RGB", (width, height), "white")


def test_fractions_become_pixels_of_the_picture_shown() -> None:
    assert pixels((0.25, 0.5, 0.5, 0.25), 800, 400) == (200, 200, 600, 300)


def test_a_region_never_leaves_the_picture_and_never_vanishes() -> None:
    left, top, right, bottom = pixels((0.99, 0.99, 0.5, 0.0), 100, 100)
    assert 0 <= left < right <= 99
    assert 0 <= top < bottom <= 99


def test_the_chosen_box_is_bold_and_the_others_thin() -> None:
    drawn = with_boxes(blank(), [Box((0.1, 0.4, 0.2, 0.3), "supported", "a"), Box((0.5, 0.4, 0.3, 0.3), "hallucinated", "b", chosen=True)])
    row = [drawn.getpixel((x, 240)) for x in range(600)]
    assert row.count(GREEN) == 2
    assert row.count(VERMILION) >= 6
    assert drawn.getpixel((300, 240)) == VERMILION
    assert drawn.getpixel((60, 240)) == GREEN


def test_a_picture_without_boxes_stays_as_it_was() -> None:
    assert with_boxes(blank(), []).tobytes() == blank().tobytes()


def test_a_small_region_is_enlarged_and_a_large_one_is_not() -> None:
    near = closer(blank(), (0.4, 0.4, 0.1, 0.1))
    assert near is not None
    assert near.width > 0.1 * 600
    assert closer(blank(), (0.1, 0.1, 0.8, 0.8)) is None


def test_bytes_that_are_no_picture_are_refused_with_a_reason() -> None:
    with pytest.raises(PictureUnreadable):
        open_picture(b"%PDF-1.4 not a picture")


def test_a_picture_with_transparency_is_read() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(out, "PNG")
    assert open_picture(out.getvalue()).mode == "RGB"
