"""What is recovered of a chart: its texts, its values with their places and labels, its axes.

Places are fractions of the picture (:data:`~detectors.contract.Region`); values are in the chart's own unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from detectors.contract import Region
from detectors.reading.lines import Line

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together (a wrapped label, a heading) as one text. ``colour`` (CIE Lab) is that of its ink or swatch."""

    text: str
    region: Region
    lines: tuple[Line, ...]
    colour: Colour | None = None

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the block in fractions of the picture."""
        return (self.region[0] + self.region[2] / 2, self.region[1] + self.region[3] / 2)


@dataclass(frozen=True, slots=True)
class Context:
    """A label of a cell: the text, how strongly it belongs to the cell in [0, 1], and by which relation.

    ``how`` is ``row``, ``column``, ``colour``, ``own`` (same line), ``heading`` or ``year``.
    """

    text: str
    weight: float
    how: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of the chart with its labels.

    ``uncertainty`` is half the width of the interval the true value lies in: 0 for a printed value, the pixel and axis error for a
    ``measured`` one. ``year`` where a time axis gives it.
    """

    value: float
    region: Region
    unit: str | None = None
    text: str = ""
    contexts: tuple[Context, ...] = ()
    colour: Colour | None = None
    year: float | None = None
    uncertainty: float = 0.0
    measured: bool = False
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Axis:
    """A calibrated axis: ``value = scale * position + offset``, position along y (``vertical``) or x, in fractions of the picture.

    ``residual`` is the root mean square error of the ticks in axis units; ``ticks`` their (position, value); ``years`` for a time axis.
    On a ``log`` axis scale, offset and residual are those of the decimal logarithm.
    """

    vertical: bool
    scale: float
    offset: float
    residual: float
    ticks: tuple[tuple[float, float], ...]
    lines: tuple[Line, ...]
    years: bool = False
    log: bool = False

    def at(self, position: float) -> float:
        """The value at a position."""
        found = self.scale * position + self.offset
        return float(10.0 ** min(300.0, found)) if self.log else found

    def where(self, value: float) -> float:
        """The position of a value; NaN for what a logarithmic axis cannot show."""
        if self.log:
            value = math.log10(value) if value > 0 else math.nan
        return (value - self.offset) / self.scale

    def slack(self, value: float, shift: float) -> float:
        """How far a value may be off when its position may be off by ``shift``, the error of the axis included."""
        off = abs(self.scale) * shift + self.residual
        return abs(value) * (10.0**off - 1.0) if self.log else off

    def by_eye(self, value: float, share: float) -> float:
        """What this share of the length of the axis is worth at a value."""
        if not self.log:
            return share * self.span
        values = [tick for _, tick in self.ticks]
        return abs(value) * float((max(values) / min(values)) ** share - 1.0)

    @property
    def span(self) -> float:
        """Difference of the highest and lowest tick."""
        values = [value for _, value in self.ticks]
        return max(values) - min(values)


@dataclass(frozen=True)
class Chart:
    """Everything read of one chart picture. ``texts`` are all lines; ``unit_factor`` what printed values are counted in (*in millions*).

    ``ticks_alone`` where its only numbers are the ticks of an axis that could not be calibrated: nothing can be measured then.
    """

    title: tuple[Block, ...] = ()
    blocks: tuple[Block, ...] = ()
    notes: tuple[Line, ...] = ()
    cells: tuple[Cell, ...] = ()
    value_axis: Axis | None = None
    year_axis: Axis | None = None
    texts: tuple[Line, ...] = ()
    unit_factor: float = 1.0
    ticks_alone: bool = False
    confidence: float = 0.0
    rendered: float = 1.0
    marks: float = 0.0

    @property
    def printed(self) -> tuple[Cell, ...]:
        """The cells whose value is printed."""
        return tuple(cell for cell in self.cells if not cell.measured)

    @property
    def measured(self) -> tuple[Cell, ...]:
        """The cells whose value was measured off the picture."""
        return tuple(cell for cell in self.cells if cell.measured)
