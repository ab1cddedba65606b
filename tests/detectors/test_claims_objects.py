"""Object claims: what counts as one, what it verifies to, how firmly it is said."""

from __future__ import annotations

import pytest

from detectors.claims.objects import find
from detectors.contract import Claim


def named(text: str) -> list[str]:
    return [claim.text for claim in find(text)]


def only(text: str, noun: str) -> Claim:
    (claim,) = [claim for claim in find(text) if claim.facts["noun"] == noun]
    return claim


@pytest.mark.parametrize(
    ("answer", "things"),
    [
        ("There are bowls, ties, some broccoli and a refrigerator.", ["bowls", "ties", "broccoli", "refrigerator"]),
        ("The picture shows kites, some cars and a bottle.", ["kites", "cars", "bottle"]),
        ("I can make out a traffic light and two wine glasses.", ["traffic light", "wine glasses"]),
        ("Objects: dog, cat, traffic light", ["dog", "cat", "traffic light"]),
        ("- a dog\n- two red cars\n- broccoli", ["dog", "cars", "broccoli"]),
        ("a person riding a skateboard", ["person", "skateboard"]),
        ("Yes, there is a dog.", ["dog"]),
        ("A woman walks her dog down the street.", ["woman", "dog"]),
        ("A slice of cake and a group of people.", ["cake", "people"]),
        ("A pair of scissors lies on the floor.", ["pair of scissors"]),
        ("This appears to be a photo with an umbrella, along with cups.", ["umbrella", "cups"]),
        ("The person's dog is brown.", ["person", "dog"]),
        ("From 0:00 to 0:03 a woman stands in an empty white room.", ["woman"]),
        ("🐶 A dog 🦮 and a cat 🐈.", ["dog", "cat"]),
        ("A couple of dogs and a herd of sheep.", ["dogs", "sheep"]),
        ("The cat, which is black, sleeps.", ["cat"]),
    ],
)
def test_things_in_depicting_sentences_are_claims(answer: str, things: list[str]) -> None:
    assert named(answer) == things


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   \n ",
        "Yes.",
        "What is the dog doing?",
        "The customer paid RM 9.00 in total. The receipt is dated 25 December 2018.",
        "Company: BOOK TA .K (TAMAN DAYA) SDN BHD\nDate: 25/12/2016\nTotal: RM 9.00",
        "The vendor is HOME MASTER HARDWARE; the document is dated 22 December 2017.",
        "The bar chart shows that 45% of women own a dog.",
        "The chart shows how many people own a car.",
        "Dogs are mammals.",
        "If there were a dog, it would bark.",
        "You could eat an apple every day.",
        "Place the cup on the table.",
        "The boy kicked the ball yesterday.",
        "I am unable to see the image.",
        "The sky is blue and the atmosphere is calm.",
        "The background on the left side of the scene is dark.",
    ],
)
def test_documents_questions_advice_and_scene_words_make_no_object_claim(answer: str) -> None:
    assert named(answer) == []


def test_a_span_covers_the_noun_with_its_compound_in_code_points() -> None:
    answer = "Ünder 🎈 there is a red traffic light."
    claim = only(answer, "traffic light")
    assert claim.span is not None
    assert answer[slice(*claim.span)] == claim.text == "traffic light"
    assert claim.kind == "object"


@pytest.mark.parametrize(
    ("word", "coco", "match"),
    [
        ("dog", "dog", "exact"),
        ("dining table", "dining table", "exact"),
        ("bicycle", "bicycle", "exact"),
        ("bike", "bicycle", "synonym"),
        ("people", "person", "synonym"),
        ("sofa", "couch", "synonym"),
        ("television", "tv", "synonym"),
        ("smartphone", "cell phone", "synonym"),
        ("computer mouse", "mouse", "synonym"),
        ("remote control", "remote", "synonym"),
        ("man", "person", "hyponym"),
        ("girls", "person", "hyponym"),
        ("puppy", "dog", "hyponym"),
        ("taxi", "car", "hyponym"),
        ("table", "dining table", "near"),
        ("monitor", None, "near"),
        ("vehicle", None, "hypernym"),
        ("animal", None, "hypernym"),
        ("guitar", None, None),
        ("tripod", None, None),
    ],
)
def test_a_word_verifies_to_its_coco_class(word: str, coco: str | None, match: str | None) -> None:
    (claim,) = find(f"There is a {word} in the picture.")
    assert (claim.facts["coco"], claim.facts["match"]) == (coco, match)
    assert bool(claim.facts["classes"]) == (match is not None)


def test_a_hypernym_is_supported_by_any_of_its_classes() -> None:
    assert set(only("I see a vehicle.", "vehicle").facts["classes"]) >= {"car", "bus", "train", "airplane"}


@pytest.mark.parametrize(
    ("answer", "noun"),
    [
        ("There is no refrigerator in the kitchen.", "refrigerator"),
        ("I don't see any people or cars.", "people"),
        ("I don't see any people or cars.", "car"),
        ("The picture shows neither a dog nor a cat.", "cat"),
        ("No, there isn't a cat in this image.", "cat"),
        ("There aren't any dogs.", "dog"),
        ("There is not a single person in the photo.", "person"),
        ("A dog is not visible.", "dog"),
        ("A man without an umbrella is walking.", "umbrella"),
        ("The scene lacks a bicycle.", "bicycle"),
        ("There is a man in a suit, not a woman.", "woman"),
        ("The kitchen has a stove and a fridge, but no sink.", "sink"),
        ("The image does not show a dog; it shows a cat.", "dog"),
        ("There is no one.", "person"),
        ("Nobody is in the room.", "person"),
        ("Neither the man nor the woman wears a hat.", "hat"),
        ("Nobody wears a hat.", "hat"),
    ],
)
def test_what_is_said_to_be_absent_is_negated(answer: str, noun: str) -> None:
    assert only(answer, noun).facts["negated"] is True


@pytest.mark.parametrize(
    ("answer", "noun"),
    [
        ("The dog is not running.", "dog"),
        ("The picture shows neither a dog nor a cat, only a man.", "man"),
        ("The image does not show a dog; it shows a cat.", "cat"),
        ("The kitchen has a stove and a fridge, but no sink.", "fridge"),
        ("There are no other animals besides the horse.", "horse"),
        ("No, there is a dog.", "dog"),
        ("Neither the man nor the woman wears a hat.", "man"),
        ("Neither the man nor the woman wears a hat.", "woman"),
    ],
)
def test_a_negation_elsewhere_does_not_negate_the_thing(answer: str, noun: str) -> None:
    assert only(answer, noun).facts["negated"] is False


@pytest.mark.parametrize(
    ("answer", "noun", "narrowed"),
    [
        ("There is no dog.", "dog", False),
        ("There is no dog in the picture.", "dog", False),
        ("There is no dog in the kitchen.", "dog", False),
        ("No dogs are visible.", "dog", False),
        ("There is not a single dog.", "dog", False),
        ("There are no traffic lights.", "traffic light", False),
        ("The kitchen has a stove but no sink.", "sink", False),
        ("There is no brown dog.", "dog", True),
        ("There is no dog on the couch.", "dog", True),
        ("I can't see any dogs or cats on the couch.", "cat", True),
        ("No person is wearing a hat.", "person", True),
        ("There is no dog wearing a collar.", "dog", True),
        ("A man without an umbrella is walking.", "umbrella", True),
        ("A man with no tie.", "tie", True),
        ("The table has no cups.", "cup", True),
        ("There is a dog on the couch.", "dog", False),
    ],
)
def test_a_denial_of_a_kind_a_place_or_a_doing_is_narrowed(answer: str, noun: str, narrowed: bool) -> None:
    assert only(answer, noun).facts["narrowed"] is narrowed


@pytest.mark.parametrize(
    "answer",
    [
        "There might be a dog on the couch.",
        "It looks like a dog.",
        "Possibly a dog.",
        "A cat or a dog is sleeping.",
        "What appears to be a dog is next to the bowl.",
        "It could be a dog.",
        "It is unclear whether there is a dog.",
        "I'm not sure there is a dog.",
        "It is hard to tell if there is a dog.",
    ],
)
def test_a_guess_is_hedged(answer: str) -> None:
    assert only(answer, "dog").facts["hedged"] is True


@pytest.mark.parametrize(
    "answer", ["There is a dog.", "A dog appears in the doorway.", "I don't see a cat or a dog.", "A dog can be seen."]
)
def test_an_assertion_is_not_hedged(answer: str) -> None:
    assert only(answer, "dog").facts["hedged"] is False


@pytest.mark.parametrize(
    "answer",
    [
        "A painting of a dog hangs on the wall.",
        "There is a picture of a dog on the wall.",
        "A toy dog sits on the bed.",
        "I see a statue of a dog.",
        "Her t-shirt shows a dog.",
        "The TV screen displays a film with a dog.",
    ],
)
def test_a_likeness_is_depicted(answer: str) -> None:
    assert only(answer, "dog").facts["depicted"] is True


@pytest.mark.parametrize(
    "answer",
    ["This is a picture of a dog.", "A photo of a dog in a field.", "The image shows a dog.", "This appears to be a photo with a dog."],
)
def test_the_evidence_itself_is_no_likeness(answer: str) -> None:
    assert only(answer, "dog").facts["depicted"] is False


@pytest.mark.parametrize(
    ("answer", "noun", "count"),
    [
        ("There are two dogs.", "dog", 2),
        ("I see 3 cars.", "car", 3),
        ("There is only one dog.", "dog", 1),
        ("There is a dog.", "dog", None),
        ("There are several dogs.", "dog", None),
        ("At least two zebras are standing there.", "zebra", None),
        ("There are about ten people.", "people", None),
        ("There are two pairs of skis.", "skis", None),
        ("There are twenty-one birds.", "bird", 21),
        ("There are one hundred and twenty sheep.", "sheep", 120),
        ("There are half a dozen cars.", "car", 6),
        ("A pair of dogs is running.", "dog", 2),
        ("A trio of giraffes.", "giraffe", 3),
        ("A lone surfer rides a wave.", "surfer", 1),
        ("Both dogs are asleep.", "dog", 2),
        ("There are two or three dogs.", "dog", None),
        ("There are 2-3 dogs.", "dog", None),
        ("There are between two and four people.", "people", None),
        ("There are two dogs and three cats.", "cat", 3),
        ("A couple of dogs are running.", "dog", None),
    ],
)
def test_a_plain_number_is_the_count(answer: str, noun: str, count: int | None) -> None:
    claims = [claim for claim in find(answer) if noun in claim.facts["noun"] or noun in claim.facts["classes"]]
    assert [claim.facts["count"] for claim in claims] == [count]


@pytest.mark.parametrize(
    ("answer", "exhaustive"),
    [
        ("There are two dogs.", True),
        ("There are two dogs in the picture.", True),
        ("There are two dogs on the couch.", False),
        ("Two dogs are playing.", False),
        ("There are two brown dogs.", False),
    ],
)
def test_only_an_unnarrowed_number_counts_all_of_them(answer: str, exhaustive: bool) -> None:
    assert only(answer, "dog").facts["exhaustive"] is exhaustive


def test_colours_go_with_their_own_noun() -> None:
    answer = "A red and white bus is parked next to a black motorcycle."
    assert only(answer, "bus").facts["attributes"] == ("red", "white")
    assert only(answer, "motorcycle").facts["attributes"] == ("black",)


@pytest.mark.parametrize(
    ("answer", "noun", "colours"),
    [
        ("The car is red.", "car", ("red",)),
        ("The bus behind the two women is yellow and white.", "bus", ("yellow", "white")),
        ("The cat, which is black, looks out.", "cat", ("black",)),
        ("There is a light blue car.", "car", ("blue",)),
        ("The umbrella is not red.", "umbrella", ()),
        ("A Golden Retriever is running.", "golden retriever", ()),
        ("There is a glass of orange juice.", "juice", ()),
        ("A man in a red shirt rides a black horse.", "man", ()),
    ],
)
def test_a_colour_said_of_the_thing_is_an_attribute(answer: str, noun: str, colours: tuple[str, ...]) -> None:
    assert only(answer, noun).facts["attributes"] == colours


def test_spans_are_code_points_whatever_stands_before() -> None:
    answer = "👩‍👩‍👧‍👦 Un cafe\u0301: 🐶 a nai\u0308ve dog and a 🛋️ couch."
    found = find(answer)
    assert [answer[slice(*claim.span)] for claim in found if claim.span] == [claim.text for claim in found]
    assert "dog" in [claim.text for claim in found]


def test_a_colour_is_not_the_fruit() -> None:
    assert named("An orange cat is lying on an orange.") == ["cat", "orange"]


def test_worn_glasses_are_no_drinking_glasses() -> None:
    assert only("A man wearing glasses is reading.", "eyeglasses").facts["classes"] == ()
    assert only("There are two glasses on the table.", "glass").facts["classes"] == ("wine glass", "cup")


def test_a_modifier_is_no_thing_of_its_own() -> None:
    assert "train" not in [claim.facts["noun"] for claim in find("There is a train station.")]
