"""What of an answer about a video is an event, and which stretch of the video it speaks of."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.claims import complete, extract
from detectors.claims.events import find
from detectors.claims.moments import find_moments
from detectors.claims.quotes import find as find_quotes
from detectors.claims.quotes import find_in_video
from detectors.claims.windows import find_windows
from detectors.contract import Claim


def facts_of(text: str) -> dict[str, Any]:
    (claim,) = find(text)
    return dict(claim.facts)


def nouns(text: str) -> list[str]:
    return [thing["noun"] for thing in facts_of(text)["objects"]]


@pytest.mark.parametrize(
    ("text", "start", "end", "description"),
    [
        ("From 0:00 to 0:03 a dog runs.", 0.0, 3.0, "a dog runs"),
        ("Starting at 0:03, two men talk until 0:11.", 3.0, 11.0, "two men talk"),
        ("A dog runs (0:04-0:08).", 4.0, 8.0, "A dog runs"),
        ("[0:04–0:08] A dog runs.", 4.0, 8.0, "A dog runs"),
        ("In the first 4 seconds, a dog runs.", 0.0, 4.0, "a dog runs"),
        ("During the first minute a dog runs.", 0.0, 60.0, "a dog runs"),
        ("At 0:13, a dog runs.", 13.0, None, "a dog runs"),
        ("[0:10] A dog runs.", 10.0, None, "A dog runs"),
        ("A dog runs between 12 and 15 seconds.", 12.0, 15.0, "A dog runs"),
        ("Between one and two minutes, a dog runs.", 60.0, 120.0, "a dog runs"),
        ("12 seconds in, a dog runs.", 12.0, None, "a dog runs"),
        ("At the 12 second mark, a dog runs.", 12.0, None, "a dog runs"),
        ("At 1:02:03 the dog runs.", 3723.0, None, "the dog runs"),
        ("- 0:05–0:09: A dog runs.", 5.0, 9.0, "A dog runs"),
        ("A dog runs until 0:09.", 0.0, 9.0, "A dog runs"),
        ("The dog starts barking at 0:04 and stops at 0:09.", 4.0, 9.0, "The dog starts barking and stops"),
        ("A dog runs across the yard.", None, None, "A dog runs across the yard"),
    ],
)
def test_a_stated_stretch_is_read_and_taken_out_of_the_description(
    text: str, start: float | None, end: float | None, description: str
) -> None:
    facts = facts_of(text)
    assert (facts["start_s"], facts["end_s"], facts["description"]) == (start, end, description)


@pytest.mark.parametrize("text", ["After two minutes the dog runs.", "From 2:00 onwards the dog runs.", "From 2:00 on, the dog runs."])
def test_an_open_stretch_lasts_to_the_end(text: str) -> None:
    facts = facts_of(text)
    assert (facts["start_s"], facts["end_s"], facts["open"]) == (120.0, None, True)


def test_stretches_are_counted_from_the_end_or_as_parts_of_the_whole() -> None:
    assert facts_of("In the last 5 seconds, a red car drives away.")["last_s"] == 5.0
    assert facts_of("Towards the end, a bus arrives.")["share"] == (0.66, 1.0)
    assert facts_of("In the first half of the video, a bus arrives.")["share"] == (0.0, 0.5)
    assert facts_of("A bus arrives at the end of the street.")["share"] is None


def test_a_guessed_time_is_approximate() -> None:
    assert facts_of("Around 0:15 a dog runs.")["approximate"]
    assert not facts_of("At 0:15 a dog runs.")["approximate"]


def test_the_span_is_the_clause_with_its_time() -> None:
    text = "Look: at 0:02 a man enters, and at 0:08 he sits down. Then a dog barks (0:09), a cat sleeps (0:10-0:12)."
    found = find(text)
    assert [text[slice(*(claim.span or (0, 0)))] for claim in found] == [claim.text for claim in found]
    assert [claim.text for claim in found] == [
        "Look: at 0:02 a man enters",
        "at 0:08 he sits down",
        "Then a dog barks (0:09)",
        "a cat sleeps (0:10-0:12)",
    ]
    assert [claim.facts["start_s"] for claim in found] == [2.0, 8.0, 9.0, 10.0]


@pytest.mark.parametrize(
    "text",
    [
        "Does a dog appear at 0:05?",
        "I cannot tell what happens at 0:05.",
        "Let me know if you need more.",
        "This suggests that customers like it.",
        "The video is 15 seconds long.",
        'At 0:04 she says "hello there my friend".',
        "At 0:04 the speaker says that sales grew.",
        "[00:12] Ann: we will ship it on Monday",
        "",
    ],
)
def test_what_tells_of_nothing_to_see_is_no_event(text: str) -> None:
    assert find(text) == []


def test_a_bracketed_time_without_a_speaker_is_an_event_of_a_video_and_a_line_of_a_recording() -> None:
    line = "[0:10] A bird lands on a branch"
    assert find_in_video(line) == []
    assert [claim.kind for claim in find_quotes(line)] == ["quote"]


def test_words_on_the_screen_are_no_spoken_quote() -> None:
    text = 'At 0:04 a sign reads "NO ENTRY HERE".'
    assert find_quotes(text) == []
    assert facts_of(text)["texts"] == ("NO ENTRY HERE",)


def test_the_things_of_an_event_carry_their_coco_meaning() -> None:
    things = facts_of("At 0:02, a man in a bow tie talks in a moving car.")["objects"]
    assert [(thing["noun"], thing["classes"], thing["around"]) for thing in things] == [
        ("man", ("person",), False),
        ("bow tie", ("tie",), False),
        ("car", ("car",), True),
    ]


def test_riders_bring_what_they_ride_and_games_are_no_balls() -> None:
    assert nouns("A cyclist races down a track.") == ["cyclist", "bicycle", "track"]
    assert "basketball" not in nouns("Two children practise basketball in a gym.")
    assert "basketball" in nouns("A child throws the basketball.")


def test_someone_is_a_person_whose_absence_proves_nothing() -> None:
    thing = facts_of("Someone opens the door at 0:03.")["objects"][-1]
    assert (thing["classes"], thing["match"]) == (("person",), "near")


def test_the_look_of_the_picture_is_a_fact() -> None:
    assert facts_of("Two men talk in an old black-and-white film.")["monochrome"] is True
    assert facts_of("A red bus stops.")["monochrome"] is False
    assert facts_of("A bus stops.")["monochrome"] is None


def test_actions_are_the_verb_phrases() -> None:
    assert facts_of("A woman stands in a room and takes a drink.")["actions"] == ("stands", "takes a drink")


def test_denials_are_marked() -> None:
    assert facts_of("Nobody appears at 0:05.")["negated"]
    assert facts_of("The dog does not run.")["negated"]
    assert facts_of("No dog appears in the clip.")["objects"][0]["negated"]


def test_an_answer_about_a_video_makes_no_object_claims() -> None:
    kinds = [claim.kind for claim in extract("There is a dog. At 0:04 a cat sleeps.", ("video",))]
    assert kinds == ["event", "event"]


def test_a_quote_is_found_once_where_sound_and_video_are_given() -> None:
    kinds = [claim.kind for claim in extract('At 0:04 she says "hello there my friend".', ("audio", "video"))]
    assert kinds == ["quote", "statement"]


def test_a_callers_event_is_split_into_its_clauses() -> None:
    given = Claim("c1", "At 0:02 a man enters, and at 0:08 a dog barks", None, "event")
    parts = complete([given], "At 0:02 a man enters, and at 0:08 a dog barks.", ("video",))
    assert [(part.id, part.facts["start_s"], part.given) for part in parts] == [("c1.1", 2.0, True), ("c1.2", 8.0, True)]


def test_number_words_state_moments_only_where_the_sentence_makes_them_one() -> None:
    assert [moment.start_s for moment in find_moments("two minutes and thirty seconds in, a dog runs")] == [150.0]
    assert find_moments("It lasts two minutes") == []
    assert [(moment.start_s, moment.end_s) for moment in find_moments("0:05: he stands")] == [(5.0, None)]


def test_windows_hold_the_words_that_state_them() -> None:
    text = "Starting at 0:03, two men talk until 0:11."
    (window,) = find_windows(text)
    assert [text[slice(*span)] for span in window.spans] == ["Starting at 0:03, ", "until 0:11"]


@pytest.mark.parametrize(
    "sentence",
    [
        "At 0:10 a caption says 'WELCOME HOME'.",
        "The title card 'WELCOME HOME' appears at 0:02.",
        "From 0:04 to 0:08 the screen shows the text 'WELCOME HOME'.",
        "At 0:03, text on the screen says 'WELCOME HOME'.",
    ],
)
def test_words_on_the_screen_are_events_with_a_text_and_no_screen_to_look_for(sentence: str) -> None:
    (claim,) = find(sentence)
    assert claim.facts["texts"] == ("WELCOME HOME",)
    assert claim.facts["objects"] == ()
    assert find_in_video(sentence) == []


@pytest.mark.parametrize("sentence", ["At 0:10 a man says 'welcome home'.", "At 0:10 the narrator says 'welcome home'."])
def test_spoken_words_stay_quotes(sentence: str) -> None:
    assert [claim.kind for claim in find_in_video(sentence)] == ["quote"]
    assert find(sentence) == []


def test_a_quoted_text_states_no_time() -> None:
    (claim,) = find("The video ends with the text 'THE END'.")
    assert claim.facts["texts"] == ("THE END",)
    assert claim.facts["share"] is None
