"""HTML built from parts that are escaped by construction: text from the outside cannot become markup.

Streamlit's markdown would read answers, file names and cohorts as links, pictures, LaTeX or emoji codes, so such text
reaches the page only through :func:`el` (and ``st.html``), the claim viewer (``textContent``), data frames and select boxes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from dashboards import wording
from dashboards.bodies import Share


class Safe(str):
    """Markup made by :func:`el`; every other string is text and gets escaped."""

    __slots__ = ()


def el(name: str, *children: str | None, cls: str = "", **attributes: str | None) -> Safe:
    """An element. Children that are not :class:`Safe` are escaped; attributes always are (``aria_label`` → ``aria-label``)."""
    shown = {"class": cls or None, **{key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}}
    written = "".join(f' {key}="{html.escape(value, quote=True)}"' for key, value in shown.items() if value is not None)
    return Safe(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[str | None]) -> Safe:
    """Several parts one after the other."""
    return Safe("".join(part if isinstance(part, Safe) else html.escape(part, quote=True) for part in parts if part is not None))


def chart_text(text: str) -> str:
    """Text for a plotly label or hover, where tags would be read."""
    return html.escape(text, quote=False)


def chip(text: str, tone: str = "", title: str | None = None) -> Safe:
    """A small label. ``tone``: hallucinated, supported, not_checked, pending, page, ticket, info, good or nothing."""
    return el("span", text, cls=f"gw-chip gw-{tone}" if tone else "gw-chip", title=title)


def verdict_chip(name: str) -> Safe:
    """A verdict with icon and word."""
    return chip(wording.verdict(name), name)


def tile(label: str, value: str, detail: str, note: str = "", title: str | None = None) -> Safe:
    """A key figure: label, number, interval and n, and how it was before."""
    return el(
        "div",
        el("div", label, cls="gw-label"),
        el("div", value, cls="gw-value"),
        el("div", detail, cls="gw-detail"),
        el("div", note, cls="gw-note") if note else None,
        cls="gw-tile",
        title=title,
    )


def tiles(items: Iterable[Safe]) -> Safe:
    """Key figures side by side."""
    return el("div", *items, cls="gw-tiles")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: Iterable[int] = (), note: str | None = None) -> Safe:
    """A table; the columns in ``numeric`` are right-aligned."""
    right = set(numeric)

    def cells(name: str, row: Sequence[str]) -> list[Safe]:
        return [el(name, cell, cls="gw-num" if index in right else "") for index, cell in enumerate(row)]

    body = [el("tr", *cells("td", row)) for row in rows]
    grid = el("table", el("thead", el("tr", *cells("th", heads))), el("tbody", *body), cls="gw-table")
    return el("div", grid, el("div", note, cls="gw-note") if note else None, cls="gw-scroll")


def facts(pairs: Iterable[tuple[str, str]]) -> Safe:
    """Names and values in two columns."""
    return el("dl", *(part for name, value in pairs for part in (el("dt", name), el("dd", value))), cls="gw-facts")


def notice(title: str, detail: str, tone: str = "info", code: str | None = None) -> Safe:
    """A message: what happened and what to do next; ``code`` is a command to copy."""
    return el(
        "div",
        el("div", title, cls="gw-notice-title"),
        el("div", detail, cls="gw-notice-detail"),
        el("pre", code, cls="gw-code") if code else None,
        cls=f"gw-notice gw-{tone}",
        role="alert" if tone == "hallucinated" else "status",
    )


def share_bar(share: Share) -> Safe:
    """A share with its 95% interval on a scale from 0 to 100%; empty where n is 0."""
    if share.value is None or share.low is None or share.high is None:
        return el("div", cls="gw-bar")
    band = el("span", cls="gw-band", style=f"left:{100 * share.low:.2f}%;width:{max(0.5, 100 * (share.high - share.low)):.2f}%")
    point = el("span", cls="gw-point", style=f"left:{100 * share.value:.2f}%")
    return el("div", band, point, cls="gw-bar gw-share", role="img", aria_label=wording.share(share))


def states_bar(states: dict[str, int]) -> Safe:
    """How a detector's responses ended, as a bar in proportion."""
    total = sum(states.values())
    if not total:
        return el("div", cls="gw-bar")
    parts = [
        el("span", cls=f"gw-part gw-state-{name}", style=f"width:{100 * number / total:.2f}%", title=f"{wording.STATES[name]}: {number:,}")
        for name, number in ((name, states.get(name, 0)) for name in wording.STATES)
        if number
    ]
    label = ", ".join(f"{wording.STATES.get(name, name)} {number:,}" for name, number in states.items() if number)
    return el("div", *parts, cls="gw-bar", role="img", aria_label=label)


def marked(text: str, span: tuple[int, int] | None, before: int = 400, after: int = 1500) -> Safe:
    """Text with ``span`` (code points) marked, cut before and after it so that the mark is in view without scrolling."""
    start, end = span if span and 0 <= span[0] < span[1] <= len(text) else (0, 0)
    low, high = (max(0, start - before), min(len(text), end + after)) if end else (0, len(text))
    if low:
        # Begin with a whole word where there is a blank before the mark.
        low = min(start, text.find(" ", low, start) + 1 or low)
    return el(
        "div",
        "… " if low else None,
        text[low:start],
        el("mark", text[start:end], cls="gw-mark") if end else None,
        text[end:high],
        " …" if high < len(text) else None,
        cls="gw-text",
    )


def timeline(length_s: float, found: Sequence[tuple[float, float, str, str]], chosen: tuple[float, float] | None) -> Safe:
    """Places found in a recording on a strip of ``length_s`` seconds: (start, end, verdict, title)."""
    marks = []
    for start, end, verdict, title in found:
        width = max(0.8, 100 * (end - start) / length_s)
        left = min(100 - width, 100 * start / length_s)
        bold = " gw-chosen" if chosen == (start, end) else ""
        marks.append(el("span", cls=f"gw-found gw-{verdict}{bold}", style=f"left:{left:.2f}%;width:{width:.2f}%", title=title))
    ticks = [el("span", wording.media_time(length_s * part / 4), cls="gw-tick", style=f"left:{25 * part}%") for part in range(5)]
    label = "Found places: " + (", ".join(title for *_, title in found) or "none")
    return el("div", el("div", *marks, cls="gw-strip", role="img", aria_label=label), el("div", *ticks, cls="gw-ticks"), cls="gw-timeline")
