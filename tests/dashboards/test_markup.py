import pytest

from dashboards import markup
from dashboards.viewer import Shown, parts_of
from tests.dashboards.fake_content import HOSTILE


@pytest.mark.parametrize(
    "made",
    [
        markup.el("p", HOSTILE, title=HOSTILE),
        markup.chip(HOSTILE, "info", HOSTILE),
        markup.tile(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        markup.table([HOSTILE], [[HOSTILE]], note=HOSTILE),
        markup.facts([(HOSTILE, HOSTILE)]),
        markup.notice(HOSTILE, HOSTILE, "info", HOSTILE),
        markup.marked(HOSTILE, (3, 9)),
        markup.timeline(10, [(1, 2, "supported", HOSTILE)], None),
    ],
)
def test_text_from_outside_never_becomes_an_element(made: str) -> None:
    assert "<script" not in made
    assert "<img" not in made
    assert "<b>" not in made
    assert "&lt;script&gt;" in made or "&lt;scr" in made or "&lt;s" in made


def test_a_quote_cannot_leave_its_attribute() -> None:
    made = markup.el("p", "x", title='" onclick="alert(1)')
    assert made == '<p title="&quot; onclick=&quot;alert(1)">x</p>'


def test_a_mark_shows_the_span_with_what_is_around_it() -> None:
    made = markup.marked("a" * 20 + "HERE" + "b" * 20, (20, 24), before=5, after=5)
    assert "… aaaaa<mark" in made
    assert ">HERE</mark>bbbbb …" in made


def test_a_text_without_a_mark_is_shown_whole() -> None:
    assert "x" * 5000 in markup.marked("x" * 5000, None)


def test_a_span_outside_the_text_marks_nothing() -> None:
    assert "<mark" not in markup.marked("short", (3, 90))


def test_the_states_bar_names_every_part() -> None:
    made = markup.states_bar({"judged": 3, "failed": 1})
    assert 'aria-label="Judged 3, Failed 1"' in made
    assert "width:75.00%" in made


def shown(identifier: str, span: tuple[int, int] | None) -> Shown:
    return Shown(identifier, "t", span, "supported", "✓", "Supported", "")


def test_the_answer_is_cut_at_its_claims_without_losing_a_character() -> None:
    answer = "A red mug and a laptop."
    parts = parts_of(answer, [shown("c1", (6, 9)), shown("c2", (16, 22))], None)
    assert "".join(part.text for part in parts) == answer
    assert [(part.text, part.claim) for part in parts if part.claim] == [("mug", "c1"), ("laptop", "c2")]


def test_where_claims_overlap_the_chosen_one_wins_and_then_the_shorter() -> None:
    claims = [shown("long", (0, 10)), shown("short", (2, 4))]
    assert [part.claim for part in parts_of("0123456789", claims, None)] == ["long", "short", "long"]
    assert [part.claim for part in parts_of("0123456789", claims, "long")] == ["long"]


def test_spans_that_do_not_lie_in_the_answer_are_left_out() -> None:
    assert [part.claim for part in parts_of("abc", [shown("c", (2, 9)), shown("d", None)], None)] == [None]
    assert parts_of("", [shown("c", (0, 1))], None) == []
