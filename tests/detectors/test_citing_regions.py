"""Which box a cited region points at, and when a thing is said to stand elsewhere."""

from __future__ import annotations

import pytest

from detectors.citing.regions import in_region, points_at, widened
from detectors.contract import Region
from detectors.seeing.coco import Box

DOG: Region = (0.1, 0.1, 0.3, 0.3)


@pytest.mark.parametrize(
    ("cited", "right"),
    [
        (DOG, True),
        ((0.2, 0.15, 0.3, 0.3), True),
        ((0.0, 0.0, 0.9, 0.9), True),
        ((0.2, 0.2, 0.1, 0.1), True),
        ((0.35, 0.1, 0.3, 0.3), False),
        ((0.6, 0.6, 0.3, 0.3), False),
    ],
)
def test_a_region_points_at_a_box_it_overlaps_encloses_or_lies_in(cited: Region, right: bool) -> None:
    assert points_at(cited, DOG) is right


def test_a_thing_seen_surely_and_only_apart_stands_elsewhere() -> None:
    check = in_region((Box("dog", 0.9, DOG),), (0.6, 0.6, 0.3, 0.3))
    assert check.here is None
    assert check.elsewhere is not None
    assert check.shared == 0.0


@pytest.mark.parametrize(
    "boxes",
    [
        (),
        (Box("dog", 0.4, DOG),),
        (Box("dog", 0.9, DOG), Box("dog", 0.2, (0.6, 0.6, 0.3, 0.3))),
        (Box("dog", 0.9, (0.35, 0.6, 0.3, 0.3)),),
    ],
    ids=["nothing is seen", "seen faintly", "a trace in the region", "the box reaches into the region"],
)
def test_where_it_is_unclear_it_is_neither_here_nor_elsewhere(boxes: tuple[Box, ...]) -> None:
    check = in_region(boxes, (0.6, 0.6, 0.3, 0.3))
    assert (check.here, check.elsewhere) == (None, None)


def test_of_several_things_the_one_pointed_at_counts() -> None:
    near: Region = (0.6, 0.6, 0.2, 0.3)
    check = in_region((Box("dog", 0.9, DOG), Box("dog", 0.5, near)), (0.6, 0.6, 0.3, 0.3))
    assert check.here is not None
    assert check.here.region == near
    assert check.shared == pytest.approx(2 / 3, abs=0.01)


def test_the_margin_of_a_second_look_stays_within_the_picture() -> None:
    assert widened((0.5, 0.5, 0.2, 0.2)) == pytest.approx((0.47, 0.47, 0.26, 0.26))
    assert widened((0.0, 0.0, 1.0, 1.0)) == (0.0, 0.0, 1.0, 1.0)
