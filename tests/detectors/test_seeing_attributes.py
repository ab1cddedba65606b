"""Counts and colours that an answer states of things a detector has seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from detectors.contract import Claim
from detectors.seeing.attributes import MISCOLOURED, Objection, count_apart, is_alone, miscoloured, miscounted
from detectors.seeing.coco import Box
from detectors.seeing.colours import colour_share

PAINTS = {
    "red": (200, 25, 30),
    "orange": (245, 140, 20),
    "yellow": (250, 220, 40),
    "green": (40, 150, 60),
    "blue": (30, 80, 200),
    "purple": (130, 50, 170),
    "pink": (250, 130, 190),
}
# Neighbours that people themselves confuse, so that neither refutes the other.
NEIGHBOURS = {
    "red": {"orange", "pink"},
    "orange": {"yellow", "red", "pink"},
    "yellow": {"orange"},
    "green": set(),
    "blue": set(),
    "purple": {"pink", "blue"},
    "pink": {"purple", "red"},
}
WHOLE = (0.0, 0.0, 1.0, 1.0)
LEFT = (0.0, 0.0, 0.5, 1.0)


def street(left: tuple[int, int, int], right: tuple[int, int, int] = (120, 125, 122)) -> Image.Image:
    """Two painted halves with the speckle a camera adds; the third part of each is dark, as tyres and shadows are."""
    picture = Image.new("RGB", (200, 120), right)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, 99, 119), fill=left)
    pen.rectangle((0, 80, 199, 119), fill=(25, 25, 27))
    noise = np.random.default_rng(0).normal(0, 6, (120, 200, 3))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def stated(*colours: str, count: int | None = None, exhaustive: bool = False) -> Claim:
    return Claim("c1", "car", (0, 3), "object", facts={"attributes": colours, "count": count, "exhaustive": exhaustive})


def car(region: tuple[float, float, float, float] = LEFT, score: float = 0.9, name: str = "car") -> Box:
    return Box(name, score, region)


@pytest.mark.parametrize("paint", PAINTS)
def test_a_painted_thing_has_its_colour_and_none_that_nobody_would_call_it(paint: str) -> None:
    picture = street(PAINTS[paint])
    shares = {colour: colour_share(picture, LEFT, colour).share for colour in PAINTS}
    assert shares[paint] is not None
    assert shares[paint] > 0.5
    for colour in set(PAINTS) - {paint} - NEIGHBOURS[paint]:
        found = shares[colour]
        assert found is not None
        assert found < 0.02, colour


def test_a_colour_elsewhere_in_the_picture_does_not_help() -> None:
    picture = street(PAINTS["red"], PAINTS["blue"])
    objection = miscoloured(stated("blue"), "car", picture, [car(LEFT)])
    assert isinstance(objection, Objection)
    assert (objection.score, objection.region) == (MISCOLOURED, LEFT)
    assert "no blue" in objection.explanation


def test_any_sighting_of_the_kind_may_be_the_one_that_is_meant() -> None:
    picture = street(PAINTS["red"], PAINTS["blue"])
    assert isinstance(miscoloured(stated("blue"), "car", picture, [car(LEFT), car((0.5, 0.0, 0.5, 1.0), 0.2)]), str)


def test_one_of_two_colours_that_is_not_there_is_enough() -> None:
    assert isinstance(miscoloured(stated("red", "green"), "car", street(PAINTS["red"]), [car()]), Objection)
    assert miscoloured(stated("red"), "car", street(PAINTS["red"]), [car()]) == "Red may be said of 67% of it"


@pytest.mark.parametrize(
    ("picture", "colour", "boxes", "why"),
    [
        (street(PAINTS["red"]), "white", [car()], "depends on the light"),
        (street(PAINTS["red"]).convert("L").convert("RGB"), "green", [car()], "the picture has no colours"),
        (
            Image.fromarray(np.asarray(street(PAINTS["red"])) // 8 + np.asarray((0, 0, 9), np.uint8)),
            "green",
            [car()],
            "no colours|in the dark",
        ),
        (street(PAINTS["red"]), "green", [car(score=0.1)], "no box surrounds it"),
        (street(PAINTS["red"]), "green", [car(name="person")], "not checked on people"),
    ],
    ids=["light", "grey", "dark", "faint", "person"],
)
def test_a_colour_that_cannot_be_told_is_not_checked(picture: Image.Image, colour: str, boxes: list[Box], why: str) -> None:
    remark = miscoloured(stated(colour), "car", picture, boxes)
    assert isinstance(remark, str)
    assert any(part in remark for part in why.split("|")), remark


def test_nothing_is_said_where_no_colour_is_stated() -> None:
    assert miscoloured(stated(), "car", street(PAINTS["red"]), [car()]) == ""


def box(x: float, score: float) -> Box:
    return Box("dog", score, (x, 0.0, 0.2, 0.5))


def test_only_sure_separate_boxes_are_counted() -> None:
    boxes = [box(0.0, 0.9), box(0.02, 0.8), box(0.5, 0.7), box(0.7, 0.3)]
    assert [one.region[0] for one in count_apart(boxes)] == [0.0, 0.5]


def test_a_faint_second_box_forbids_calling_a_thing_alone() -> None:
    assert is_alone([box(0.0, 0.9)])
    assert not is_alone([box(0.0, 0.7)])
    assert not is_alone([box(0.0, 0.9), box(0.5, 0.12)])
    assert is_alone([box(0.0, 0.9), Box("dog", 0.6, (0.05, 0.1, 0.05, 0.1))])
    assert not is_alone([])


def test_a_count_is_contradicted_by_one_alone_or_by_more_apart() -> None:
    one, two = [box(0.0, 0.9)], [box(0.0, 0.9), box(0.5, 0.8)]
    assert miscounted(stated(count=3), "dog", "exact", one) is not None
    assert miscounted(stated(count=1, exhaustive=True), "dog", "exact", two) is not None
    assert miscounted(stated(count=1), "dog", "exact", two) is None, "one of them may be meant"
    assert miscounted(stated(count=2, exhaustive=True), "dog", "exact", two) is None
    assert miscounted(stated(), "dog", "exact", one) is None
