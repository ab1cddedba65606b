"""Alerts: what broke, for whom, since when, who has it – and the offending responses, already filtered."""

from __future__ import annotations

import streamlit as st

from dashboards import api, frame, markup, wording
from dashboards.bodies import AlertRuleView, AlertView
from dashboards.filters import from_samples, parse_time
from dashboards.wording import UNKNOWN

WIDTHS = [1.0, 4.3, 1.6, 1.3, 1.3, 0.7, 1.5, 3.5]
HEADS = ["Severity", "Alert", "Workflow", "First seen", "Last seen", "Times", "State", ""]
VIEWS = {"active": "Open and acknowledged", "open": "Open", "acknowledged": "Acknowledged", "resolved": "Resolved", "all": "All"}


def render() -> None:
    """List with actions; one alert opened by the address."""
    st.title("Alerts")
    tab_alerts, tab_rules = st.tabs(["Alerts", "Rules"])
    with tab_alerts:
        show_alerts()
    with tab_rules:
        show_rules()


def show_alerts() -> None:
    """One row an alert."""
    opened = st.query_params.get("id")
    view = st.query_params.get("state", "active")
    view = view if view in VIEWS else "active"
    st.session_state["alert_view"] = view
    st.segmented_control(
        "State",
        list(VIEWS),
        key="alert_view",
        format_func=VIEWS.__getitem__,
        label_visibility="collapsed",
        required=True,
        on_change=_view_changed,
    )
    page = api.alerts(None if view in ("active", "all") else view)
    items = [alert for alert in page.items if view != "active" or alert.state != "resolved"]
    if opened and opened not in {alert.id for alert in items}:
        items.insert(0, api.alert(opened))
    if not items:
        frame.say(
            "No alert is open" if view in ("active", "open") else f"No alert is in the state “{VIEWS[view].lower()}”",
            "Rules run in the background; the tab Rules shows which are on, and Operations when their jobs last ran.",
            "good" if view in ("active", "open") else "info",
        )
        return
    with st.container(key="alert_heads"):
        for cell, head in zip(st.columns(WIDTHS), HEADS, strict=True):
            with cell:
                frame.put(markup.el("div", head, cls="gw-label"))
    for alert in items:
        row(alert, alert.id == opened)
    if page.next:
        st.caption("Older alerts are not shown here; choose a state to narrow the list.")


def _view_changed() -> None:
    st.query_params.from_dict({"state": st.session_state["alert_view"]})


def row(alert: AlertView, opened: bool) -> None:
    """One alert with its actions inline."""
    zone, now = frame.zone(), frame.now()
    with st.container(border=True, key=f"alert_{alert.id}"):
        cells = st.columns(WIDTHS, vertical_alignment="top")
        icon, word = wording.SEVERITIES.get(alert.severity, ("", alert.severity))
        contents: list[list[str | None]] = [
            [markup.chip(f"{icon} {word}", alert.severity)],
            [markup.el("div", alert.title, cls="gw-alert-title"), markup.el("div", alert.summary, cls="gw-note")],
            [alert.labels.get("workflow", UNKNOWN), *(_label(alert))],
            _when(wording.short_moment(alert.opened_at, zone), wording.ago(alert.opened_at, now)),
            _when(wording.short_moment(alert.last_seen_at, zone), wording.ago(alert.last_seen_at, now)),
            [f"{alert.occurrences:,}"],
            _state(alert),
        ]
        for cell, parts in zip(cells[:-1], contents, strict=True):
            with cell:
                frame.put(*parts)
        with cells[-1], st.container(horizontal=True, gap="small", horizontal_alignment="right"):
            buttons(alert, opened)
        if opened:
            details(alert)


def _label(alert: AlertView) -> list[markup.Safe]:
    others = [f"{name}: {value}" for name, value in alert.labels.items() if name not in ("workflow", "severity", "alertname")]
    return [markup.el("div", text, cls="gw-note") for text in others]


def _when(time: str, ago: str) -> list[str | None]:
    return [markup.el("div", time, cls="gw-nowrap"), markup.el("div", ago, cls="gw-note")]


def _state(alert: AlertView) -> list[str | None]:
    if alert.state == "resolved":
        return [markup.chip("✓ Resolved", "good"), markup.el("div", f"by {alert.resolved_by or UNKNOWN}", cls="gw-note")]
    if alert.state == "acknowledged":
        return [markup.chip("◐ Acknowledged", "info"), markup.el("div", f"owner {alert.acknowledged_by or UNKNOWN}", cls="gw-note")]
    return [markup.chip("● Open", "hallucinated"), markup.el("div", "no owner", cls="gw-note")]


def buttons(alert: AlertView, opened: bool) -> None:
    """Acknowledge, resolve, open."""
    who = frame.actor()
    if alert.state == "open" and st.button("Acknowledge", key=f"ack_{alert.id}"):
        frame.act("Acknowledged", lambda: api.acknowledge(alert.id, who))
        st.rerun()
    if alert.state != "resolved" and st.button("Resolve", key=f"resolve_{alert.id}"):
        frame.act("Resolved", lambda: api.resolve(alert.id, who))
        st.rerun()
    label, icon = ("Close", ":material/expand_less:") if opened else ("Open", ":material/expand_more:")
    if st.button(label, key=f"open_{alert.id}", icon=icon, type="tertiary"):
        if opened:
            st.query_params.pop("id", None)
        else:
            st.query_params["id"] = alert.id
        st.rerun()


def details(alert: AlertView) -> None:
    """Facts, samples, deliveries."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Facts")
        history = [
            ("Rule", f"{wording.plain(alert.kind)} ({alert.rule_id})"),
            ("Acknowledged", _by(alert.acknowledged_by, wording.moment(alert.acknowledged_at, frame.zone()))),
            ("Resolved", _by(alert.resolved_by, wording.moment(alert.resolved_at, frame.zone()))),
        ]
        frame.put(markup.facts([*((wording.plain(name), wording.fact(value)) for name, value in alert.facts.items()), *history]))
    with right:
        st.subheader("Offending responses")
        if alert.samples:
            frame.put(markup.el("div", *(markup.chip(f"{name}: {_sample(value)}") for name, value in alert.samples.items())))
            filters = from_samples(alert.samples)
            with st.container(horizontal=True):
                frame.link("Show the responses", "responses", filters.address())
                frame.link("Trends of the same window", "overview", filters.address(), ":material/monitoring:")
        else:
            frame.say("This alert is not about responses", "The facts at left say what it is about.")
        st.subheader("Deliveries")
        if alert.deliveries:
            rows = [
                [
                    item.channel,
                    item.event,
                    markup.chip(wording.plain(item.state), {"delivered": "good", "failed": "hallucinated"}.get(item.state, "pending")),
                    f"{item.attempts:,}",
                    item.last_error or UNKNOWN,
                ]
                for item in alert.deliveries
            ]
            frame.put(markup.table(["Channel", "Event", "State", "Attempts", "Last error"], rows, (3,)))
        else:
            frame.say("Nobody was told", "Set GROUNDWATCH_WEBHOOK_URL to send alerts to Alertmanager or a chat.", "warn")


def _sample(value: str) -> str:
    when = parse_time(value) if value[:4].isdigit() and "T" in value else None
    return value if when is None else wording.moment(when, frame.zone())


def _by(who: str | None, when: str) -> str:
    return UNKNOWN if who is None else f"{when} by {who}"


def show_rules() -> None:
    """What is watched; each rule can be switched off."""
    rules = api.alert_rules()
    if not rules:
        frame.say("No rules", "Without rules no alert is raised. Add one with POST /v1/alert-rules.", "warn")
        return
    widths = [2, 2, 1.2, 6, 1.6, 1]
    for cell, head in zip(st.columns(widths), ["Kind", "Workflow", "Severity", "Parameters", "Changed", "On"], strict=True):
        with cell:
            frame.put(markup.el("div", head, cls="gw-label"))
    for rule in rules:
        rule_row(rule, widths)


def rule_row(rule: AlertRuleView, widths: list[float]) -> None:
    """One rule with its switch."""
    cells = st.columns(widths, vertical_alignment="center")
    parameters = ", ".join(f"{wording.plain(name).lower()} {wording.fact(value)}" for name, value in rule.params.items())
    icon, word = wording.SEVERITIES.get(rule.severity, ("", rule.severity))
    contents = [
        wording.plain(rule.kind),
        rule.workflow or "every workflow",
        markup.chip(f"{icon} {word}", rule.severity),
        parameters or UNKNOWN,
        wording.short_moment(rule.updated_at, frame.zone()),
    ]
    for cell, text in zip(cells[:-1], contents, strict=True):
        with cell:
            frame.put(text)
    with cells[-1]:
        wanted = st.toggle("Rule is on", rule.enabled, key=f"rule_{rule.id}_{rule.enabled}", label_visibility="collapsed")
        if wanted != rule.enabled:
            frame.act("Rule is on" if wanted else "Rule is off", lambda: api.enable_rule(rule, wanted))
            st.rerun()


if __name__ == "__main__":
    render()
