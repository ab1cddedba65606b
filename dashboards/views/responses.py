"""Responses: the list behind every number, with the filters in the address bar."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import api, frame, wording
from dashboards.bodies import ResponseRow
from dashboards.filters import Filters

PAGE_ROWS = 50
TRAIL = "list_trail"


def render() -> None:
    """Filters, table, pages; a chosen row opens the response."""
    now = frame.now()
    filters = frame.current_filters()
    params = filters.api(now)
    st.title("Responses")
    frame.filter_bar(filters, api.facets(params), detailed=True)
    trail = cursors(filters)
    page = api.responses(params, PAGE_ROWS, trail[-1])
    if not page.items:
        frame.nothing_found(filters, now)
        return
    zone = frame.zone()
    event: Any = st.dataframe(
        columns_of(page.items),
        key=f"list_{len(trail)}",
        hide_index=True,
        height=37 + 35 * min(len(page.items), 18),
        row_height=35,
        placeholder=wording.UNKNOWN,
        on_select="rerun",
        selection_mode="single-row",
        column_config=layout(str(zone)),
        alt="Responses, newest first; choose a row to open it",
    )
    turn_pages(filters, trail, page.next, len(page.items))
    rows = event["selection"]["rows"]
    if rows and rows[0] < len(page.items):
        frame.open_page("response", {"id": page.items[rows[0]].id})


def cursors(filters: Filters) -> list[str | None]:
    """Cursors of the pages turned so far; the first page has none. Other filters start again."""
    kept: tuple[Filters, list[str | None]] | None = st.session_state.get(TRAIL)
    if kept is None or kept[0] != filters:
        kept = (filters, [None])
        st.session_state[TRAIL] = kept
    return kept[1]


def columns_of(rows: list[ResponseRow]) -> dict[str, list[Any]]:
    """The table. Numbers stay numbers so that a column can be sorted; what is unknown stays empty."""
    zone = frame.zone()
    return {
        "Time": [row.time.astimezone(zone).replace(tzinfo=None) for row in rows],
        "Verdict": [wording.verdict("pending" if not row.states else row.verdict) for row in rows],
        "Score": [row.max_score for row in rows],
        "Flagged by": [", ".join(row.flagged_detectors) or wording.UNKNOWN for row in rows],
        "Workflow": [row.workflow for row in rows],
        "Answer": [" ".join(row.answer_excerpt.split()) for row in rows],
        "Latency": [row.duration_ms for row in rows],
        "Cost": [_cost(row) for row in rows],
        "Evidence": [", ".join(row.modalities) or wording.UNKNOWN for row in rows],
        "Model": [row.model or wording.UNKNOWN for row in rows],
        "Release": [row.release or wording.UNKNOWN for row in rows],
        "Risk": [wording.RISKS.get(row.risk, row.risk) for row in rows],
        "Id": [row.id for row in rows],
    }


def _cost(row: ResponseRow) -> str:
    text = wording.money(row.cost, row.currency)
    return f"{text} + {row.unpriced_items} unpriced" if row.unpriced_items and row.cost is not None else text


def layout(zone: str) -> dict[str, Any]:
    """Widths and number formats."""
    config = st.column_config
    return {
        "Time": config.DatetimeColumn("Time", format="D MMM HH:mm:ss", width=118, help=f"Time zone: {zone}"),
        "Verdict": config.TextColumn(width=120, help="Worst verdict of all detectors"),
        "Score": config.NumberColumn(format="%.2f", width=58, help="Highest score of any claim, 0–1"),
        "Workflow": config.TextColumn(width=125),
        "Answer": config.TextColumn(width=310),
        "Flagged by": config.TextColumn(width=140),
        "Evidence": config.TextColumn(width=80),
        "Model": config.TextColumn(width=110),
        "Release": config.TextColumn(width=80),
        "Latency": config.NumberColumn("Latency, ms", format="%.0f", width=90),
        "Cost": config.TextColumn(width=85),
        "Risk": config.TextColumn(width=110),
        "Id": config.TextColumn(width=130),
    }


def turn_pages(filters: Filters, trail: list[str | None], following: str | None, shown: int) -> None:
    """Newer and older, by the sidecar's cursor."""
    first = (len(trail) - 1) * PAGE_ROWS + 1
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Newer", icon=":material/chevron_left:", disabled=len(trail) == 1):
            st.session_state[TRAIL] = (filters, trail[:-1])
            st.rerun()
        if st.button("Older", icon=":material/chevron_right:", disabled=following is None):
            st.session_state[TRAIL] = (filters, [*trail, following])
            st.rerun()
        tail = "" if following else ", the last"
        st.caption(f"Rows {first:,}–{first + shown - 1:,}{tail}. Newest first; choose a row to open it.")


if __name__ == "__main__":
    render()
