"""The object detector on scikit-image's photographs, on likenesses of answers, and on broken evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detectors.claims.objects import find
from detectors.contract import Case, Claim, DetectorOptions, DetectorUnavailable, EvidenceFile, EvidenceUnreadable, Finding, Place
from detectors.object_hallucination import ObjectHallucination
from detectors.pictures import open_picture
from detectors.seeing.clip import tiles
from detectors.seeing.coco import CLUTTER_SHARE, CocoDetector, evidence_of, iou
from detectors.seeing.vocabulary import COCO_CLASSES, COCO_IDS, MEANINGS, NOT_THINGS, THINGS, meaning_of

Judge = Callable[..., list[Finding]]


def picture(path: Path, identifier: str = "picture", media_type: str = "image/png") -> EvidenceFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "0" * 64
    return EvidenceFile(identifier, media_type, path, digest)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EvidenceFile]:
    """Photographs that scikit-image carries inside its wheel."""
    from skimage import data

    folder = tmp_path_factory.mktemp("photographs")
    shots = {"cat": data.chelsea(), "coffee": data.coffee(), "astronaut": data.astronaut(), "rocket": data.rocket()}
    for name, pixels in shots.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return {name: picture(folder / f"{name}.png", name) for name in shots}


@pytest.fixture(scope="module")
def detector() -> ObjectHallucination:
    loaded = ObjectHallucination(DetectorOptions(threads=1))
    loaded.load()
    return loaded


def case_of(answer: str, *evidence: EvidenceFile, claims: tuple[Claim, ...] | None = None) -> Case:
    found = tuple(replace(claim, id=f"c{number}") for number, claim in enumerate(find(answer), start=1))
    return Case("case", answer, found if claims is None else claims, evidence)


@pytest.fixture
def judge(detector: ObjectHallucination) -> Judge:
    def run(answer: str, *evidence: EvidenceFile) -> list[Finding]:
        return list(detector.detect([case_of(answer, *evidence)])[0].findings)

    return run


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {finding.claim.text: finding.verdict for finding in findings}


@pytest.mark.models
def test_a_shown_thing_is_supported_and_an_absent_one_hallucinated(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    answers = {
        "cat": (
            "There is a cat, a refrigerator and a truck.",
            {"cat": "supported", "refrigerator": "hallucinated", "truck": "hallucinated"},
        ),
        "coffee": ("There is a cup and an elephant.", {"cup": "supported", "elephant": "hallucinated"}),
        "astronaut": ("There is a woman and a zebra.", {"woman": "supported", "zebra": "hallucinated"}),
    }
    for name, (answer, expected) in answers.items():
        assert verdicts(judge(answer, photographs[name])) == expected, name


@pytest.mark.models
def test_a_rocket_picture_shows_no_dog(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (finding,) = judge("A dog can be seen.", photographs["rocket"])
    assert finding.verdict == "hallucinated"
    assert finding.error == "object"
    assert finding.score is not None
    assert finding.score > 0.9
    assert finding.explanation.startswith("No dog was found in the picture: the best match scores 0.0")


@pytest.mark.models
def test_a_supported_thing_comes_with_its_region_and_a_sentence(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (finding,) = judge("This is a kitten.", photographs["cat"])
    assert finding.verdict == "supported"
    assert finding.explanation.startswith("A cat was found for 'kitten' in the picture")
    assert finding.place is not None
    assert finding.place.region is not None
    x, y, width, height = finding.place.region
    assert x >= 0
    assert y >= 0
    assert x + width <= 1.0001
    assert y + height <= 1.0001
    assert width * height > 0.3, "the cat fills the picture"


@pytest.mark.models
def test_a_colour_the_thing_has_no_trace_of_is_a_wrong_value(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (orange,) = judge("The cat is orange.", photographs["cat"])
    (purple,) = judge("There is a purple cat.", photographs["cat"])
    (black,) = judge("There is a black cat.", photographs["cat"])
    assert (orange.verdict, purple.verdict, purple.error, black.verdict) == ("supported", "hallucinated", "value", "supported")
    assert "Orange may be said of" in orange.explanation
    assert "was not checked" in black.explanation


@pytest.mark.models
def test_a_narrowed_denial_is_not_contradicted_by_another_one(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (finding,) = judge("There is no cat on the roof.", photographs["cat"])[:1]
    assert finding.verdict == "not_checked"
    assert finding.reason is not None
    assert "another one is seen" in finding.reason


@pytest.mark.models
def test_a_denial_is_wrong_only_where_the_thing_clearly_is(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    assert verdicts(judge("There is no cat and no dog in the picture.", photographs["cat"])) == {"cat": "hallucinated", "dog": "supported"}


@pytest.mark.models
def test_a_picture_gives_the_same_sight_whatever_was_looked_at_before(photographs: dict[str, EvidenceFile]) -> None:
    """OpenCV keeps buffers of the last input size: one network for both sizes gave shifted boxes from the second picture on."""
    network = CocoDetector.open("", "object_hallucination", 1)
    cat = open_picture(photographs["cat"])
    first = network.look(cat)
    network.look(open_picture(photographs["coffee"]))
    again = network.look(cat)
    assert again.evidence == pytest.approx(first.evidence, abs=1e-4)
    assert [box.name for box in again.boxes] == [box.name for box in first.boxes]
    assert iou(again.boxes[0].region, first.boxes[0].region) > 0.999


@pytest.mark.models
def test_a_likeness_that_is_not_seen_stays_unchecked(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (finding,) = [
        finding for finding in judge("A painting of an elephant hangs there.", photographs["cat"]) if finding.claim.text == "elephant"
    ]
    assert finding.verdict == "not_checked"
    assert finding.reason is not None
    assert "likeness" in finding.reason


@pytest.mark.models
def test_a_guess_scores_lower_than_an_assertion(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (guess,) = judge("There might be a truck.", photographs["cat"])
    (assertion,) = judge("There is a truck.", photographs["cat"])
    assert guess.score is not None
    assert assertion.score is not None
    assert guess.score < assertion.score


@pytest.mark.models
def test_two_cats_are_a_wrong_value_where_one_is_seen(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (two,) = judge("There are two cats.", photographs["cat"])
    (one,) = judge("There is one cat.", photographs["cat"])
    assert (two.verdict, two.error) == ("hallucinated", "value")
    assert one.verdict == "supported"


@pytest.mark.models
def test_two_cups_apart_are_more_than_one(judge: Judge, photographs: dict[str, EvidenceFile], tmp_path: Path) -> None:
    cup = Image.open(photographs["coffee"].path).resize((300, 200))
    both = Image.new("RGB", (660, 500), (90, 110, 90))
    both.paste(cup, (10, 30))
    both.paste(cup, (340, 270))
    both.save(tmp_path / "both.png")
    (one,) = judge("There is only one cup in the picture.", picture(tmp_path / "both.png"))
    (two,) = judge("There are two cups.", picture(tmp_path / "both.png"))
    assert (one.verdict, one.error) == ("hallucinated", "value")
    assert two.verdict == "supported"


@pytest.mark.models
def test_a_thing_outside_coco_is_not_checked_without_open_vocabulary(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (finding,) = judge("There is a guitar.", photographs["cat"])
    assert (finding.verdict, finding.score) == ("not_checked", None)
    assert finding.reason == "no open-vocabulary weights are configured"


@pytest.mark.models
def test_a_word_wider_than_its_class_is_never_refuted_by_the_class(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (finding,) = judge("There is a table.", photographs["rocket"])
    assert finding.verdict == "not_checked"


@pytest.mark.models
def test_any_of_several_pictures_supports_a_claim(judge: Judge, photographs: dict[str, EvidenceFile]) -> None:
    (finding,) = judge("There is a cat.", photographs["rocket"], photographs["cat"])
    assert finding.verdict == "supported"
    assert finding.place is not None
    assert finding.place.evidence == "cat"


@pytest.mark.models
def test_a_cited_picture_is_the_only_one_that_counts(detector: ObjectHallucination, photographs: dict[str, EvidenceFile]) -> None:
    claim = Claim("c1", "cat", (11, 14), "object", citations=(Place("rocket"),), given=True)
    case = case_of("There is a cat.", photographs["rocket"], photographs["cat"], claims=(claim,))
    assert detector.detect([case])[0].findings[0].verdict == "hallucinated"


@pytest.mark.models
def test_a_claim_without_facts_is_looked_up_by_its_text(detector: ObjectHallucination, photographs: dict[str, EvidenceFile]) -> None:
    claim = Claim("mine", "kitten", None, "object", given=True)
    assert detector.detect([case_of("", photographs["cat"], claims=(claim,))])[0].findings[0].verdict == "supported"


@pytest.mark.models
@pytest.mark.parametrize(("content", "cause"), [(b"", "empty"), (b"not a picture", "known format"), (None, "missing")])
def test_unreadable_evidence_makes_the_detector_abstain(
    detector: ObjectHallucination, tmp_path: Path, content: bytes | None, cause: str
) -> None:
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    outcome = detector.detect([case_of("There is a cat.", picture(path))])[0]
    assert outcome.state == "abstained"
    assert outcome.reason is not None
    assert cause in outcome.reason


@pytest.mark.models
def test_an_absent_thing_may_be_in_the_picture_that_cannot_be_read(
    judge: Judge, photographs: dict[str, EvidenceFile], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"broken")
    broken = picture(tmp_path / "broken.png", "broken")
    assert verdicts(judge("There is a truck.", photographs["cat"], broken)) == {"truck": "not_checked"}
    assert verdicts(judge("There is a cat.", photographs["cat"], broken)) == {"cat": "supported"}


@pytest.mark.models
@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 2)])
def test_degenerate_sizes_are_looked_at_without_failing(detector: ObjectHallucination, tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "grey").save(tmp_path / "thin.png")
    assert detector.detect([case_of("There is a cat.", picture(tmp_path / "thin.png"))])[0].state == "judged"


@pytest.mark.models
def test_the_same_picture_is_looked_at_once(detector: ObjectHallucination, photographs: dict[str, EvidenceFile]) -> None:
    assert detector._sight(photographs["cat"]) is detector._sight(photographs["cat"])


def test_an_answer_without_picture_or_thing_is_not_applicable(tmp_path: Path) -> None:
    idle = ObjectHallucination(DetectorOptions())
    (tmp_path / "page.txt").write_text("text")
    text = EvidenceFile("page", "text/plain", tmp_path / "page.txt", "0" * 64)
    assert idle.detect([case_of("There is a cat.", text)])[0].state == "not_applicable"
    Image.new("RGB", (8, 8)).save(tmp_path / "grey.png")
    assert idle.detect([case_of("Yes.", picture(tmp_path / "grey.png"))])[0].state == "not_applicable"


def test_a_wrong_object_model_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "model.pb").write_bytes(b"no graph")
    for model in (str(tmp_path / "none.pb"), str(tmp_path / "model.pb")):
        with pytest.raises(DetectorUnavailable, match="object model") as refusal:
            CocoDetector.open(model, "object_hallucination")
        assert ".pbtxt" in refusal.value.remedy


def test_a_graph_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pb").write_bytes(b"no graph")
    (tmp_path / "model.pbtxt").write_text("node { broken")
    with pytest.raises(DetectorUnavailable, match="readable object model"):
        CocoDetector.open(str(tmp_path / "model.pb"), "object_hallucination")


def test_a_picture_is_turned_upright_and_put_on_white(tmp_path: Path) -> None:
    sideways = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "turned.jpg", exif=exif)
    assert open_picture(picture(tmp_path / "turned.jpg")).size == (20, 40)
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert open_picture(picture(tmp_path / "clear.png")).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_greys_keep_their_range(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    assert open_picture(picture(tmp_path / "ramp.png")).convert("L").getextrema() == (0, 255)


def test_a_truncated_picture_is_unreadable(tmp_path: Path) -> None:
    Image.effect_noise((200, 200), 50).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    with pytest.raises(EvidenceUnreadable, match="damaged or cut short"):
        open_picture(picture(tmp_path / "cut.jpg"))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (10_000, 8_001)).save(tmp_path / "huge.png")
    with pytest.raises(EvidenceUnreadable, match="more than 80 megapixels"):
        open_picture(picture(tmp_path / "huge.png"))


def test_evidence_for_a_class_is_less_where_others_answer_loudly() -> None:
    quiet, loud = np.full(91, -6.0, np.float32), np.full(91, -6.0, np.float32)
    cat, loudest = 17, [1, 18, 44, 47, 62]
    quiet[cat] = loud[cat] = 0.0
    loud[loudest] = 2.0
    assert evidence_of(quiet)[cat] == pytest.approx(0.0 + CLUTTER_SHARE * 6.0)
    assert evidence_of(loud)[cat] == pytest.approx(0.0 - CLUTTER_SHARE * 2.0)
    # A class is no clutter to itself.
    assert evidence_of(loud)[1] == pytest.approx(2.0 - CLUTTER_SHARE * (4 * 2.0 + 0.0) / 5)


def test_tiles_cover_the_picture_and_overlap() -> None:
    four = tiles(2, 0.25)
    assert four[0][:2] == (0.0, 0.0)
    assert four[3][0] + four[3][2] == pytest.approx(1.0)
    assert 0 < iou(four[0], four[1]) < 0.5


def test_every_word_verifies_to_known_classes_and_no_list_contradicts_another() -> None:
    assert len(COCO_IDS) == len(set(COCO_CLASSES)) == 80
    assert all(set(meaning.classes) <= set(COCO_CLASSES) for meaning in MEANINGS.values())
    assert all(MEANINGS[name].match == "exact" for name in COCO_CLASSES)
    assert not NOT_THINGS & (THINGS | set(MEANINGS))
    assert meaning_of("big golden retriever") == MEANINGS["golden retriever"]
    assert meaning_of("unicorn") is None
