"""What queries are put together from: the question itself, its fixed fragments and its optional filters.

No value is ever written into a text: values travel as typed server-side parameters (``{name:Type}``). ``$name`` in a
text stands for a fixed fragment, ``$filters`` for the optional conditions that a caller names.

``responses`` is read with FINAL: rows of one key are folded at read time wherever a merge has not done so, and numbers
are exact at any moment. A key without a ``workflow`` has outcomes but no response (yet) and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Template

_PARAMETER = re.compile(r"\{(\w+):([^{}]+)\}")


@dataclass(frozen=True)
class Query:
    """One named question. ``purpose`` says who asks it and what a row means; ``text`` still has its ``$filters``."""

    name: str
    purpose: str
    text: str

    @property
    def parameters(self) -> dict[str, str]:
        """Parameter name → ClickHouse type, as the text without filters declares them."""
        return dict(_PARAMETER.findall(self.render()))

    @property
    def takes_filters(self) -> bool:
        """Whether the text has a place for optional conditions."""
        return "$filters" in self.text

    def render(self, filters: Iterable[str] = ()) -> str:
        """The SQL with the named fragments of FILTERS in place. Raises KeyError for a fragment that does not exist."""
        conditions = "".join(f"\n  AND {FILTERS[name]}" for name in filters)
        return Template(self.text).substitute(filters=conditions)


def query(name: str, purpose: str, text: str) -> Query:
    """A query with its fixed fragments in place. Raises KeyError for a fragment that does not exist."""
    return Query(name, purpose, _expand(text, filters="$filters"))


def parameters_of(sql: str) -> dict[str, str]:
    """Parameter name → ClickHouse type of a rendered text."""
    return dict(_PARAMETER.findall(sql))


def _expand(text: str, **more: str) -> str:
    while (expanded := Template(text).substitute(_FRAGMENTS, **more)) != text:
        text = expanded
    return text


_FRAGMENTS: Mapping[str, str] = {
    "window": "project = {project:String} AND time >= {since:DateTime64(3, 'UTC')} AND time < {until:DateTime64(3, 'UTC')}",
    "responses": "FROM responses FINAL\nWHERE $window AND workflow != '' $filters",
    # One detector of a row, where {detector:String} names one; '' means all.
    "wanted": "({detector:String} = '' OR d = {detector:String})",
    "checked": "arrayExists((d, o) -> o.state = 'judged' AND $wanted, mapKeys(outcomes), mapValues(outcomes))",
    "flagged": "arrayExists((d, o) -> o.flagged = 1 AND $wanted, mapKeys(outcomes), mapValues(outcomes))",
    "scores": "arrayMap((d, o) -> if($wanted, o.score, -1.), mapKeys(outcomes), mapValues(outcomes))",
    # NULL where nothing was checked; -1 is put in front because the greatest of nothing would be 0.
    "max_score": "nullIf(arrayMax(arrayConcat([-1.], $scores)), -1.)",
    # Which group a response belongs to; a group without a name is ''.
    "slice": """multiIf(
    {by:String} = 'workflow', toString(workflow), {by:String} = 'model', toString(model), {by:String} = 'release', toString(release),
    {by:String} = 'risk', toString(risk), {by:String} = 'cohort', cohort[{cohort_key:String}], 'all')""",
    # A sum over several currencies is no number.
    "cost_total": "if(uniqExactIf(currency, isNotNull(cost)) > 1, NULL, sum(cost))",
    "cost_mean": "if(uniqExactIf(currency, isNotNull(cost)) > 1, NULL, avg(cost))",
    "listed": """id, time, workflow, risk, model, release, cohort, modalities, duration_ms, cost, currency, unpriced_items, fallback,
  mapKeys(outcomes) AS detectors, mapValues(outcomes).state AS states, mapValues(outcomes).flagged AS flags,
  $max_score AS max_score, toString(input_quality) AS quality""",
}

FILTERS: Mapping[str, str] = {
    name: _expand(text)
    for name, text in {
        "workflow": "workflow = {workflow:String}",
        "risk": "risk = {risk:String}",
        "model": "model = {model:String}",
        "release": "release = {release:String}",
        "quality": "input_quality = {quality:String}",
        "modality": "has(modalities, {modality:String})",
        "cohort": (
            "arrayAll((k, v) -> mapContains(cohort, k) AND cohort[k] = v, {cohort_keys:Array(String)}, {cohort_values:Array(String)})"
        ),
        "detector": "mapContains(outcomes, {detector:String})",
        "hallucinated": "$flagged",
        "supported": "$checked AND NOT $flagged",
        "not_checked": "NOT $checked",
        "min_score": "ifNull($max_score >= {min_score:Float64}, 0)",
        "text": (
            "(id = {text:String} OR (time, id) IN "
            "(SELECT time, id FROM records FINAL WHERE $window AND positionCaseInsensitiveUTF8(answer, {text:String}) > 0))"
        ),
        "before": ("time <= {cursor_time:DateTime64(3, 'UTC')} AND (time < {cursor_time:DateTime64(3, 'UTC')} OR id < {cursor_id:String})"),
    }.items()
}
