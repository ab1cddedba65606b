"""Draws charts with Pillow, and writes the readings a reader would make of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from detectors.reading.lines import Line, Reading

SIZE = (800, 560)
BLUE, ORANGE, GREY = (31, 90, 150), (225, 135, 20), (120, 120, 120)
Written = tuple[str, float, float]


class Sketch:
    """A picture and what is written on it, so that a test can use either the real reader or a perfect one."""

    def __init__(self, title: str) -> None:
        self.image = Image.new("RGB", SIZE, "white")
        self.draw = ImageDraw.Draw(self.image)
        self.lines: list[Line] = []
        self.write(title, 20, 14, 26)

    def write(self, text: str, x: float, y: float, size: int = 20, colour: tuple[int, int, int] = (20, 20, 20)) -> None:
        """Text with its top left corner at (x, y) in pixels."""
        font = ImageFont.load_default(size)
        self.draw.text((x, y), text, fill=colour, font=font)
        left, top, right, bottom = self.draw.textbbox((x, y), text, font=font)
        region = (left / SIZE[0], top / SIZE[1], (right - left) / SIZE[0], (bottom - top) / SIZE[1])
        self.lines.append(Line(text, 0.99, region))

    def reading(self) -> Reading:
        """Every line as written."""
        return Reading(tuple(self.lines), "written")

    def save(self, path: Path) -> Path:
        """The picture as PNG."""
        self.image.save(path)
        return path


def bars_with_values(rows: Sequence[tuple[str, int, int]] = (("Women", 62, 31), ("Men", 48, 44), ("Retired", 71, 22))) -> Sketch:
    """Two stacked bars a category, their values printed on them, and headings in the colours of the series."""
    sketch = Sketch("Support for the new library")
    sketch.write("Favor", 260, 80, 20, BLUE)
    sketch.write("Oppose", 560, 80, 20, ORANGE)
    for number, (name, favor, oppose) in enumerate(rows):
        y = 130 + 80 * number
        sketch.write(name, 60, y + 8)
        sketch.draw.rectangle((200, y, 200 + 4.6 * favor, y + 40), fill=BLUE)
        sketch.draw.rectangle((200 + 4.6 * favor, y, 200 + 4.6 * (favor + oppose), y + 40), fill=ORANGE)
        sketch.write(str(favor), 200 + 2.3 * favor, y + 8, 20, (255, 255, 255))
        sketch.write(str(oppose), 200 + 4.6 * favor + 2.3 * oppose, y + 8, 20, (255, 255, 255))
    sketch.write("Source: Survey of adults, May 2020.", 20, 520, 16, GREY)
    return sketch


def bars_on_an_axis(values: Sequence[tuple[str, float]] = (("Apples", 40), ("Pears", 25), ("Plums", 75), ("Cherries", 60))) -> Sketch:
    """One column a category against an axis from 0 to 80; no value is printed."""
    sketch = Sketch("Fruit sold in tons")
    for tick in (0, 20, 40, 60, 80):
        y = 460 - 4.5 * tick
        sketch.write(str(tick), 40, y - 12)
        sketch.draw.line((90, y, 760, y), fill=(225, 225, 225))
    for number, (name, value) in enumerate(values):
        x = 140 + 160 * number
        sketch.draw.rectangle((x, 460 - 4.5 * value, x + 80, 460), fill=BLUE)
        sketch.write(name, x + 4, 475)
    return sketch


def line_over_years(values: Sequence[tuple[int, float]] = ((2000, 60), (2005, 48), (2010, 35), (2015, 22))) -> Sketch:
    """One falling line over four years against an axis from 0 to 80; no value is printed."""
    sketch = Sketch("Households with a landline (%)")
    for tick in (0, 20, 40, 60, 80):
        y = 460 - 4.5 * tick
        sketch.write(str(tick), 40, y - 12)
        sketch.draw.line((90, y, 760, y), fill=(225, 225, 225))
    points = [(120 + 38 * (year - 2000), 460 - 4.5 * value) for year, value in values]
    sketch.draw.line(points, fill=BLUE, width=5)
    for (year, _), (x, _) in zip(values, points, strict=True):
        sketch.write(str(year), x - 24, 475)
    return sketch


def photograph() -> Sketch:
    """A picture of many colours with a few words on it: no chart."""
    sketch = Sketch("LAKE 40%")
    base = Image.effect_noise(SIZE, 90).convert("RGB")
    gradient = Image.linear_gradient("L").resize(SIZE)
    sketch.image.paste(Image.merge("RGB", (base.getchannel(0), gradient, gradient.rotate(90).resize(SIZE))), (0, 60))
    sketch.write("OPEN 24 HOURS", 300, 300, 40, (255, 255, 255))
    sketch.write("SALE 30% OFF", 300, 400, 40, (255, 255, 255))
    return sketch


def receipt() -> Sketch:
    """Black print on white with amounts in a column: no marks, no chart."""
    sketch = Sketch("ORCHARD LANE GROCERS")
    for number, (name, amount) in enumerate((("APPLES", "12.40"), ("FLOUR", "8.75"), ("TOTAL", "21.15"), ("CASH", "30.00"))):
        sketch.write(name, 60, 100 + 60 * number)
        sketch.write(amount, 600, 100 + 60 * number)
    return sketch


def rows_on_an_axis(values: Sequence[tuple[str, float]] = (("Ash", 30), ("Birch", 70), ("Cedar", 55), ("Elm", 12))) -> Sketch:
    """One bar a row against an axis from 0 to 80 below; no value is printed."""
    sketch = Sketch("Trees planted")
    for tick in (0, 20, 40, 60, 80):
        x = 160 + 7 * tick
        sketch.write(str(tick), x - 10, 430)
        sketch.draw.line((x, 80, x, 420), fill=(225, 225, 225))
    sketch.draw.line((160, 80, 160, 420), fill=(130, 130, 130))
    for number, (name, value) in enumerate(values):
        y = 100 + 80 * number
        sketch.draw.rectangle((160, y, 160 + 7 * value, y + 44), fill=BLUE)
        sketch.write(name, 150 - 11 * len(name), y + 10)
    return sketch


def two_series(kind: str = "bars") -> Sketch:
    """Two series told apart by a legend on the right, as bars side by side for four towns or as lines over four years."""
    sketch = Sketch("Visitors in thousands")
    for tick in (0, 20, 40, 60, 80):
        y = 460 - 4.5 * tick
        sketch.write(str(tick), 40, y - 12)
        sketch.draw.line((90, y, 620, y), fill=(225, 225, 225))
    sketch.draw.line((90, 100, 90, 466), fill=(136, 136, 136))
    sketch.draw.line((90, 460, 620, 460), fill=(136, 136, 136))
    names, first, second = ("Oxford", "Leeds", "York", "Bath"), (30, 62, 44, 20), (52, 35, 50, 10)
    if kind == "lines":
        names = ("2001", "2004", "2007", "2010")
    places = [150 + 130 * number for number in range(4)]
    for name, x in zip(names, places, strict=True):
        sketch.write(name, x - 24, 475)
    for colour, series, side in ((BLUE, first, -1), (ORANGE, second, 0)):
        if kind == "lines":
            sketch.draw.line([(x, 460 - 4.5 * v) for x, v in zip(places, series, strict=True)], fill=colour, width=4)
        else:
            for x, value in zip(places, series, strict=True):
                sketch.draw.rectangle((x + 40 * side, 460 - 4.5 * value, x + 40 * side + 38, 460), fill=colour)
    for row, (name, colour) in enumerate((("Museum", BLUE), ("Castle", ORANGE))):
        sketch.draw.rectangle((650, 120 + 40 * row, 666, 136 + 40 * row), fill=colour)
        sketch.write(name, 676, 116 + 40 * row)
    return sketch


def pie(*, legend: bool, hole: bool = False) -> Sketch:
    """Coal 45, gas 25, wind 20 and solar 10 percent clockwise from the top, named by a legend or beside the slices; no value printed."""
    sketch = Sketch("Electricity by source")
    shares = (("Coal", 45, BLUE), ("Gas", 25, ORANGE), ("Wind", 20, (60, 150, 90)), ("Solar", 10, (190, 60, 70)))
    x, y, radius, start = 330, 310, 170, 0.0
    for number, (name, share, colour) in enumerate(shares):
        sketch.draw.pieslice((x - radius, y - radius, x + radius, y + radius), start - 90, start + 3.6 * share - 90, fill=colour)
        middle = math.radians(start + 1.8 * share)
        start += 3.6 * share
        if legend:
            sketch.draw.rectangle((600, 140 + 40 * number, 616, 156 + 40 * number), fill=colour)
            sketch.write(name, 628, 136 + 40 * number)
        else:
            sketch.write(name, x + 1.25 * radius * math.sin(middle) - 20, y - 1.25 * radius * math.cos(middle) - 12)
    if hole:
        sketch.draw.ellipse((x - 80, y - 80, x + 80, y + 80), fill="white")
    return sketch


def columns_in_decades(values: Sequence[tuple[str, float]] = (("Alpha", 20), ("Beta", 450), ("Gamma", 6000))) -> Sketch:
    """Columns against a logarithmic axis from 10 to 10,000; no value is printed."""
    sketch = Sketch("Cases by variant")
    for power in range(1, 5):
        y = 460 - 110 * (power - 1)
        sketch.write(f"{10**power:,}", 30, y - 12)
        sketch.draw.line((110, y, 760, y), fill=(225, 225, 225))
    for number, (name, value) in enumerate(values):
        x = 160 + 190 * number
        sketch.draw.rectangle((x, 460 - 110 * (math.log10(value) - 1), x + 90, 460), fill=BLUE)
        sketch.write(name, x + 4, 475)
    return sketch


def countries(ticks: Sequence[int] = tuple(range(0, 100, 10)), names: str = "upright", from_: int = 0) -> Sketch:
    """Five columns of millions of people against an axis from ``from_`` to 90; of its ticks only some are written down.

    ``names`` stand ``upright``, are ``turned`` by a quarter, hang up at a ``slant`` by their ends, or are set ``between`` the columns.
    """
    sketch = Sketch("Population in millions")
    per = 360 / (90 - from_)
    for tick in range(from_, 100, 10):
        y = 440 - per * (tick - from_)
        if tick in ticks:
            sketch.write(str(tick), 50, y - 12)
        sketch.draw.line((90, y, 770, y), fill=(225, 225, 225))
    values = (("Germany", 83), ("France", 67), ("Italy", 59), ("Spain", 47), ("Poland", 38))
    for number, (name, value) in enumerate(values):
        x = 110 + 132 * number
        sketch.draw.rectangle((x, 440 - per * (value - from_), x + 100, 440), fill=BLUE)
        middle = x + 50
        if names == "upright":
            sketch.write(name, middle - 5 * len(name), 450)
        elif names == "between":
            sketch.write(name, middle + 66 - 5 * len(name), 450)
        else:
            hang(sketch, name, middle, 452, 90 if names == "turned" else 45)
    return sketch


def hang(sketch: Sketch, text: str, x: float, y: float, degrees: int) -> None:
    """Text that rises by some degrees to its end at (x, y), as its own piece of the picture."""
    font = ImageFont.load_default(20)
    left, top, right, bottom = font.getbbox(text)
    long, high = round(right - left), round(bottom - top)
    piece = Image.new("RGB", (long, high), "white")
    ImageDraw.Draw(piece).text((-left, -top), text, fill=(20, 20, 20), font=font)
    piece = piece.rotate(degrees, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    place = (round(x - piece.width / 2), round(y)) if degrees == 90 else (round(x - piece.width + high / 2), round(y))
    sketch.image.paste(piece, place)
    turn = math.radians(degrees)
    centre = (place[0] + piece.width / 2, place[1] + piece.height / 2)
    corners = [
        (
            (centre[0] + side * long / 2 * math.cos(turn) + level * high / 2 * math.sin(turn)) / SIZE[0],
            (centre[1] - side * long / 2 * math.sin(turn) + level * high / 2 * math.cos(turn)) / SIZE[1],
        )
        for side, level in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    region = (place[0] / SIZE[0], place[1] / SIZE[1], piece.width / SIZE[0], piece.height / SIZE[1])
    sketch.lines.append(Line(text, 0.99, region, 1, (corners[0], corners[1], corners[2], corners[3])))
