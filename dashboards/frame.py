"""What every page shares: the reader's zone, safe output, failures as messages, actions with an answer, filter widgets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from dashboards import api, markup, wording
from dashboards.bodies import Facets, Status
from dashboards.filters import RANGES, Filters, from_address

PAGES = {
    "overview": "views/overview.py",
    "responses": "views/responses.py",
    "response": "views/response.py",
    "task_quality": "views/task_quality.py",
    "alerts": "views/alerts.py",
    "review": "views/review.py",
    "operations": "views/operations.py",
}
EVERYTHING = "All"
LAST = "last_filters"
FLASH = "flash"
SEND_ONE = """curl -X POST http://127.0.0.1:4318/v1/responses -H 'Content-Type: application/json' \\
  -d '{"id": "first-1", "time": "%NOW%", "workflow": "image-qa", "answer": {"text": "A cat sits on a red chair."}}'"""

LET_TELL = """OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=span_only
OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental"""


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def zone() -> tzinfo:
    """The reader's time zone as the browser reports it; UTC where it reports none."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def put(*parts: str | None, narrow: bool = False) -> None:
    """Write markup, if there is any; plain strings among the parts are escaped. ``narrow`` takes no more width than needed."""
    if written := markup.join(parts):
        st.html(written, width="content" if narrow else "stretch")


def say(title: str, detail: str = "", tone: str = "info", code: str | None = None) -> None:
    """Write a message."""
    put(markup.notice(title, detail, tone, code))


def show_failure(error: api.ApiFailed) -> None:
    """An API failure as a message with its remedy."""
    command = error.remedy if isinstance(error, api.ApiUnreachable) else None
    detail = error.detail if command or not error.remedy else f"{error.detail}\n{error.remedy}"
    say(error.title, detail, "hallucinated", command)
    st.button("Try again", key="try_again", icon=":material/refresh:")


def act(done: str, action: Callable[[], object]) -> bool:
    """Do something through the API; afterwards the page says ``done`` or why not. True when it worked."""
    try:
        action()
    except api.ApiFailed as error:
        st.session_state[FLASH] = ("hallucinated", error.title, error.detail if not error.remedy else f"{error.detail}\n{error.remedy}")
        return False
    st.session_state[FLASH] = ("good", done, "")
    return True


def show_flash() -> None:
    """The message of the last action, once."""
    if (message := st.session_state.pop(FLASH, None)) is not None:
        tone, title, detail = message
        say(title, detail, tone)


def actor() -> str:
    """Who acts: who is signed in, else the name given on the review page, else ``local``. The sidecar goes by the key or token."""
    if api.sign_in_needed():
        return str(st.user.get("email") or st.user.get("preferred_username") or st.user.get("sub") or "local")
    return str(st.session_state.get("reviewer") or st.query_params.get("reviewer") or "local")


def open_page(name: str, params: dict[str, str | list[str]] | None = None) -> None:
    """Go to a page with the given address."""
    st.switch_page(PAGES[name], query_params=params or {})


def link(label: str, name: str, params: dict[str, str | list[str]], icon: str = ":material/arrow_forward:") -> None:
    """A link to a page. ``label`` is the dashboard's own words, never text from outside."""
    st.page_link(PAGES[name], label=label, icon=icon, query_params=params)


# --- filters ------------------------------------------------------------------------------------------------------


def current_filters() -> Filters:
    """The filters of this page: the address bar; on an empty one, what the reader looked at last."""
    given = st.query_params.to_dict()
    if not given and (last := st.session_state.get(LAST)):
        st.query_params.from_dict(last)
        given = st.query_params.to_dict()
    filters = from_address(given, st.query_params.get_all("cohort"))
    st.session_state[LAST] = filters.address()
    return filters


def _keep(filters: Filters) -> None:
    st.query_params.from_dict(filters.address())
    st.session_state[LAST] = filters.address()


def _changed(name: str) -> None:
    filters = from_address(st.query_params.to_dict(), st.query_params.get_all("cohort"))
    values = {field: getattr(filters, field) for field in Filters.__slots__}
    chosen = st.session_state[f"filter_{name}"]
    if name == "range":
        values.update(since=None, until=None, range=chosen if chosen in RANGES else filters.range)
    elif name == "cohort":
        values["cohort"] = tuple(chosen)
    elif name == "min_score":
        values["min_score"] = None if not chosen else f"{chosen:g}"
    else:
        values[name] = None if chosen in (EVERYTHING, "", None) else chosen
    _keep(Filters(**values))


def _clear() -> None:
    _keep(Filters())


def filter_bar(filters: Filters, offered: Facets, detailed: bool) -> None:
    """Widgets for the filters; ``detailed`` adds verdict, detector, text and score. The address bar is the only state."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _range(filters)
        _choice("Workflow", "workflow", offered.workflows, filters.workflow)
        _choice("Model", "model", offered.models, filters.model)
        _choice("Release", "release", offered.releases, filters.release)
        if detailed:
            _choice("Verdict", "verdict", ["hallucinated", "supported", "not_checked"], filters.verdict, wording.verdict)
            _choice("Detector", "detector", offered.detectors, filters.detector)
        _more(filters, offered, detailed)
        if filters.narrowed or filters.since:
            st.button("Clear", key="filter_clear", on_click=_clear, icon=":material/filter_alt_off:", help="Remove all filters")


def _range(filters: Filters) -> None:
    custom = filters.since is not None
    options = [*RANGES, *(["custom"] if custom else [])]
    st.session_state["filter_range"] = "custom" if custom else filters.range
    words = {"custom": "From the link", **{name: label for name, (label, _) in RANGES.items()}}
    st.selectbox("Range", options, key="filter_range", format_func=words.__getitem__, on_change=_changed, args=("range",), width=150)


def _choice(label: str, name: str, offered: list[str], chosen: str | None, say_as: Callable[[str], str] = str) -> None:
    # A linked value that the window no longer holds stays choosable: the filter must say what it does.
    options = [EVERYTHING, *offered, *([chosen] if chosen and chosen not in offered else [])]
    st.session_state[f"filter_{name}"] = chosen or EVERYTHING
    shown = {value: value if value == EVERYTHING else say_as(value) for value in options}
    st.selectbox(label, options, key=f"filter_{name}", format_func=shown.__getitem__, on_change=_changed, args=(name,), width=168)


def _more(filters: Filters, offered: Facets, detailed: bool) -> None:
    inside = [name for name in ("cohort", "risk", "modality", "quality", "text", "min_score") if name in filters.narrowed]
    with st.popover(f"More ({len(inside)})" if inside else "More", icon=":material/tune:", key="filter_more"):
        pairs = [f"{key}:{value}" for key, values in offered.cohorts.items() for value in values]
        st.session_state["filter_cohort"] = list(filters.cohort)
        options = list(dict.fromkeys([*pairs, *filters.cohort]))
        st.multiselect("Cohort", options, key="filter_cohort", on_change=_changed, args=("cohort",), placeholder="Any cohort")
        _choice("Risk", "risk", list(wording.RISKS), filters.risk, lambda name: wording.RISKS.get(name, name))
        _choice("Modality", "modality", ["image", "pdf", "audio", "video", "text", "other"], filters.modality, wording.plain)
        _choice("Input quality", "quality", list(wording.GRADES), filters.quality, wording.grade)
        if detailed:
            st.session_state["filter_text"] = filters.text or ""
            st.text_input("Answer contains", key="filter_text", on_change=_changed, args=("text",))
            st.session_state["filter_min_score"] = _number(filters.min_score)
            st.slider("Score at least", 0.0, 1.0, step=0.05, key="filter_min_score", on_change=_changed, args=("min_score",))


def _number(text: str | None) -> float:
    try:
        return min(1.0, max(0.0, float(text or 0)))
    except ValueError:
        return 0.0


def silent_calls(status: Status) -> None:
    """What to do about model calls whose spans do not tell what was said; nothing where there are none."""
    if status.silent_calls:
        say(
            f"{wording.many(status.silent_calls, 'model call')} came without what was said",
            "Their spans hold no messages, so nothing of them can be checked. Let the instrumentation record contents; "
            "those that do not know the second setting take true for span_only.",
            "warn",
            LET_TELL,
        )


def nothing_found(filters: Filters, now: datetime) -> None:
    """What to do when the window holds nothing."""
    if filters.narrowed:
        chosen = "; ".join(f"{wording.plain(name)}: {value}" for name, value in filters.narrowed.items())
        say(f"No responses in the {filters.describe(now)} match", f"{chosen}. Clear the filters, or choose a longer range.")
        return
    address = api.base_url()
    say(
        f"No responses in the {filters.describe(now)}",
        "Send one:",
        code=SEND_ONE.replace(api.DEFAULT_URL, address).replace("%NOW%", now.strftime("%Y-%m-%dT%H:%M:%SZ")),
    )
    silent_calls(api.status())
