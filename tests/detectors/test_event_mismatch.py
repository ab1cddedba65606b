"""Event claims against small videos: by a colour-reading seer and describer, and by the real COCO detector and OCR."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from detectors.calibration import Calibration
from detectors.claims import extract
from detectors.contract import Case, Claim, DetectorOptions, DetectorUnavailable, EvidenceFile, Finding, Place
from detectors.event_mismatch import NO_OPEN_VOCABULARY, EventMismatch
from detectors.reading.lines import Line
from detectors.seeing.coco import Box, Sight
from detectors.seeing.vocabulary import COCO_CLASSES
from detectors.watching.facets import described, facets_of
from detectors.watching.looks import Watcher
from detectors.watching.verdict import judge, window_of
from tests.detectors.videos import BLUE, GREEN, GREY, RED, WHITE, evidence, video

Judge = Callable[..., list[Finding]]

SHOWN = {RED: "cat", GREEN: "cup", BLUE: "airplane", WHITE: "person"}
SAID = {RED: "a cat", GREEN: "a cup", BLUE: "a plane", WHITE: "somebody"}
# Compressed stillness is worth no second look: what a scene shows is written in its colour.
PRESENT, ABSENT = 4.0, -3.0


def nearest(image: Image.Image) -> tuple[int, ...]:
    mean = np.asarray(image).reshape(-1, 3).mean(axis=0)
    return min((*SHOWN, GREY), key=lambda colour: float(np.abs(mean - colour).sum()))


class ColourSeer:
    """Sees the object its colour stands for."""

    version = "colour-seer"

    def __init__(self) -> None:
        self.looks = 0

    def look(self, image: Image.Image) -> Sight:
        self.looks += 1
        shown = SHOWN.get(nearest(image))
        evidence = {name: PRESENT if name == shown else ABSENT for name in COCO_CLASSES}
        boxes = (Box(shown, 0.95, (0.2, 0.2, 0.5, 0.5)),) if shown else ()
        return Sight(evidence, {name: 0.95 if name == shown else 0.01 for name in COCO_CLASSES}, boxes)


class ColourDescriber:
    """Gives nearly all its trust to the sentence that names the colour."""

    version = "colour-describer"

    def embed(self, image: Image.Image) -> tuple[int, ...]:
        return nearest(image)

    def chances(self, picture: tuple[int, ...], sentences: Sequence[str]) -> tuple[float, ...]:
        names = {RED: "red", GREEN: "green", BLUE: "blue", WHITE: "white", GREY: "grey"}
        weights = [math.exp(6.0 * (names[picture] in sentence.lower().split())) for sentence in sentences]
        return tuple(weight / sum(weights) for weight in weights)


def watching(seer: ColourSeer | None, describer: ColourDescriber | None = None) -> EventMismatch:
    detector = EventMismatch(DetectorOptions())
    detector._coco, detector._describer, detector._watcher = seer, describer, Watcher(seer, describer)
    return detector


def findings(detector: EventMismatch, answer: str, *videos: EvidenceFile, claims: tuple[Claim, ...] | None = None) -> list[Finding]:
    case = Case("case", answer, extract(answer, ("video",)) if claims is None else claims, videos)
    return list(detector.detect([case])[0].findings)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> EvidenceFile:
    """A cat for three seconds, a cup for three, then three of a plane."""
    return video(tmp_path_factory.mktemp("events") / "film.mp4", [(RED, 3), (GREEN, 3), (BLUE, 3)])


@pytest.fixture(scope="module")
def detector() -> EventMismatch:
    return watching(ColourSeer())


@pytest.fixture
def judged(detector: EventMismatch, film: EvidenceFile) -> Judge:
    return lambda answer, **more: findings(detector, answer, film, **more)


def test_an_event_in_its_window_is_supported(judged: Judge) -> None:
    (finding,) = judged("A cat sleeps from 0:00 to 0:03.")
    assert finding.verdict == "supported"
    assert finding.score is not None
    assert finding.score < 0.2
    assert finding.place is not None
    assert finding.place.time == pytest.approx((0.0, 3.0), abs=0.2)


def test_a_wrong_window_is_a_time_error_with_the_right_place(judged: Judge) -> None:
    (finding,) = judged("A cat sleeps from 0:06 to 0:09.")
    assert (finding.verdict, finding.error) == ("hallucinated", "time")
    assert finding.place is not None
    assert finding.place.time == pytest.approx((0.0, 3.0), abs=0.2)
    assert finding.explanation == "A cat is seen at 0:00–0:03, not in 0:06–0:09."


@pytest.mark.parametrize("time", ["At 0:07,", "In the last 2 seconds,", "From 0:06 onwards,", "Around 0:08,"])
def test_every_form_of_a_wrong_time_is_caught(judged: Judge, time: str) -> None:
    (finding,) = judged(f"{time} a cup stands on the shelf.")
    assert finding.error == "time"
    assert finding.place is not None
    assert finding.place.time == pytest.approx((3.0, 6.0), abs=0.2)


@pytest.mark.parametrize("time", ["At 0:04,", "Between 3 and 6 seconds,", "In the middle of the video,", ""])
def test_every_form_of_a_right_time_is_supported(judged: Judge, time: str) -> None:
    (finding,) = judged(f"{time} a cup stands on the shelf.")
    assert finding.verdict == "supported"


def test_a_thing_that_is_nowhere_is_an_event_error(judged: Judge) -> None:
    (finding,) = judged("A horse jumps from 0:03 to 0:06.")
    assert (finding.verdict, finding.error) == ("hallucinated", "event")
    assert finding.explanation == "No horse was seen in 0:03–0:06."
    (finding,) = judged("A horse jumps.")
    assert finding.explanation == "No horse was seen in the video."


def test_a_time_beyond_the_end_is_wrong_whatever_happens_then(judged: Judge) -> None:
    (finding,) = judged("At 0:40, a guitar solo begins.")
    assert (finding.verdict, finding.error) == ("hallucinated", "time")
    assert finding.explanation == "The video ends at 0:09, before the stated 0:40."


def test_an_action_that_names_nothing_to_see_is_not_checked(judged: Judge) -> None:
    (finding,) = judged("At 0:04, a diver leaps from a springboard into deep water.")
    assert finding.score is None
    assert finding.reason is not None
    assert "person" in finding.reason or NO_OPEN_VOCABULARY in finding.reason
    (finding,) = judged("At 0:04, the music swells.")
    assert finding.reason == NO_OPEN_VOCABULARY


def test_a_denial_is_not_checked(judged: Judge) -> None:
    (finding,) = judged("No dog appears in the video.")
    assert finding.score is None
    assert "denies" in str(finding.reason)


def test_what_is_wider_than_its_class_is_not_called_absent(judged: Judge) -> None:
    (finding,) = judged("At 0:01, a bag lies on the floor.")
    assert finding.score is None


def test_a_likeness_seen_elsewhere_has_a_wrong_time_but_a_missing_one_proves_nothing(judged: Judge) -> None:
    assert judged("A cartoon cat sings (0:06-0:09).")[0].error == "time"
    assert judged("A cartoon horse sings (0:06-0:09).")[0].score is None


def test_people_alone_speak_for_no_action(tmp_path: Path) -> None:
    people = video(tmp_path / "people.mp4", [(WHITE, 3), (RED, 3)])
    (finding,) = findings(watching(ColourSeer()), "A woman knits from 0:00 to 0:03.", people)
    assert finding.score is None
    assert finding.reason == "only a woman was seen, which speaks for no particular event"
    (finding,) = findings(watching(ColourSeer()), "A woman knits from 0:03 to 0:06.", people)
    assert finding.error == "time"


def test_two_events_that_are_exchanged_are_both_wrong(tmp_path: Path) -> None:
    scenes = video(tmp_path / "two.mp4", [(WHITE, 3), (RED, 3)])
    answer = "A cat sleeps from 0:00 to 0:03. From 0:03 to 0:06 a woman knits."
    cat, woman = findings(watching(ColourSeer()), answer, scenes)
    assert (cat.error, woman.error) == ("time", "time")
    assert cat.place is not None
    assert cat.place.time == pytest.approx((3.0, 6.0), abs=0.2)
    assert woman.place is not None
    assert woman.place.time == pytest.approx((0.0, 3.0), abs=0.2)


def test_an_event_nothing_is_known_of_is_exchanged_with_one_that_belongs_in_its_window(judged: Judge) -> None:
    plane, music = judged("A plane flies from 0:00 to 0:03. From 0:06 to 0:09 the music swells.")
    assert (plane.error, music.error) == ("time", "time")
    assert "exchanged" in music.explanation
    assert music.score is not None
    assert plane.score is not None
    assert music.score <= plane.score


def test_an_event_of_another_window_is_left_alone_when_a_false_one_is_found(judged: Judge) -> None:
    horse, music = judged("A horse jumps from 0:00 to 0:03. From 0:06 to 0:09 the music swells.")
    assert horse.error == "event"
    assert music.score is None


def test_black_and_white_is_seen_and_its_place_found(tmp_path: Path) -> None:
    grey = video(tmp_path / "grey.mp4", [(RED, 3), (GREY, 3)])
    right, wrong = (
        findings(watching(ColourSeer()), f"At 0:0{at}, the picture turns into an old black-and-white film.", grey)[0] for at in (4, 1)
    )
    assert right.verdict == "supported"
    assert wrong.error == "time"
    assert wrong.place is not None
    assert wrong.place.time == pytest.approx((3.0, 6.0), abs=0.2)


def test_a_caller_gives_the_time_as_a_citation(judged: Judge) -> None:
    claim = Claim("c1", "A cat sleeps", None, "event", citations=(Place("video", time=(6.0, 9.0)),), given=True)
    (finding,) = judged("A cat sleeps", claims=(claim,))
    assert finding.error == "time"
    assert finding.claim == claim


def test_an_event_may_be_in_any_of_the_videos_unless_one_is_cited(film: EvidenceFile, tmp_path: Path) -> None:
    other = video(tmp_path / "other.mp4", [(WHITE, 3)], identifier="other")
    detector = watching(ColourSeer())
    assert findings(detector, "A cat sleeps at 0:01.", other, film)[0].verdict == "supported"
    assert findings(detector, "A horse jumps at 0:01.", other, film)[0].verdict == "hallucinated"
    (claim,) = extract("A cat sleeps at 0:01.", ("video",))
    cited = replace(claim, citations=(Place("other"),))
    assert findings(detector, "A cat sleeps at 0:01.", other, film, claims=(cited,))[0].verdict == "hallucinated"


def test_an_unreadable_video_leaves_a_missing_event_open(film: EvidenceFile, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    detector = watching(ColourSeer())
    assert findings(detector, "A cat sleeps at 0:01.", film, evidence(broken, "broken"))[0].verdict == "supported"
    assert findings(detector, "A horse jumps at 0:01.", film, evidence(broken, "broken"))[0].score is None


@pytest.mark.parametrize("content", [b"", b"no video", bytes(4000)])
def test_a_broken_video_makes_the_detector_abstain(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    answer = "A cat sleeps at 0:01."
    outcome = watching(ColourSeer()).detect([Case("case", answer, extract(answer, ("video",)), (evidence(path),))])[0]
    assert outcome.state == "abstained"
    assert "cannot be read" in str(outcome.reason)


def test_without_a_video_it_is_not_applicable(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "picture.png")
    picture = evidence(tmp_path / "picture.png", media_type="image/png")
    outcome = watching(ColourSeer()).detect([Case("case", "A cat.", (), (picture,))])[0]
    assert outcome.state == "not_applicable"


def test_many_answers_about_one_video_look_at_it_once(film: EvidenceFile) -> None:
    seer = ColourSeer()
    detector = watching(seer)
    findings(detector, "A cat sleeps from 0:00 to 0:03.", film)
    first = seer.looks
    findings(detector, "A cat sleeps from 0:03 to 0:06.", film)
    assert 0 < seer.looks == first


def test_a_verdict_does_not_depend_on_what_was_asked_before(film: EvidenceFile) -> None:
    asked, fresh = watching(ColourSeer()), watching(ColourSeer())
    findings(asked, "At 0:01, a cat sleeps. At 0:02, a cup falls. Between 0:07 and 0:08, a plane lands.", film)
    answer = "A cat sleeps from 0:03 to 0:06."
    assert [f.score for f in findings(asked, answer, film)] == [f.score for f in findings(fresh, answer, film)]


def test_absence_in_a_long_window_with_few_looks_is_not_judged(film: EvidenceFile) -> None:
    detector = watching(ColourSeer())
    viewing = detector._watcher.watch(film, [])
    facts = extract("A horse jumps.", ("video",))[0].facts
    facets = facets_of(facts, Calibration.load("object_hallucination"), has_coco=True)
    long = replace(viewing, duration_s=60.0, segments=(replace(viewing.segments[0], end_s=60.0),))
    assert judge(long, facets, (0.0, 60.0)).state == "unclear"
    assert judge(viewing, facets, (0.0, 9.0)).state == "nowhere"


def test_windows_are_clipped_to_the_video_and_moments_are_widened() -> None:
    assert window_of({"start_s": 4.0, "end_s": None}, 10.0) == (3.0, 5.0)
    assert window_of({"start_s": 4.0, "end_s": None, "approximate": True}, 10.0) == (2.0, 6.0)
    assert window_of({"start_s": 4.0, "end_s": 99.0}, 10.0) == (4.0, 10.0)
    assert window_of({"start_s": 4.0, "end_s": None, "open": True}, 10.0) == (4.0, 10.0)
    assert window_of({"last_s": 3.0}, 10.0) == (7.0, 10.0)
    assert window_of({"share": (0.5, 1.0)}, 10.0) == (5.0, 10.0)
    assert window_of({"start_s": None}, 10.0) is None


def test_a_described_scene_is_placed_where_it_fits_best(film: EvidenceFile) -> None:
    detector = watching(None, ColourDescriber())
    right, wrong = findings(detector, "From 0:00 to 0:03 everything glows red. A green fog rolls in (0:06-0:09).", film)
    assert right.verdict == "supported"
    assert wrong.error == "time"
    assert wrong.place is not None
    assert wrong.place.time == pytest.approx((3.0, 6.0), abs=0.2)


def test_a_described_scene_that_fits_nowhere_is_not_checked(film: EvidenceFile) -> None:
    (finding,) = findings(watching(None, ColourDescriber()), "From 0:00 to 0:03 a white fog rolls in.", film)
    assert finding.score is None
    assert "proves nothing" in str(finding.reason)


def test_a_description_competes_with_the_other_events_of_the_answer(film: EvidenceFile) -> None:
    describer = ColourDescriber()
    looks = watching(None, describer)._watcher.watch(film, []).within(0.0, 2.8)
    alone = described(describer, "a red glow", []).chance(looks)
    contested = described(describer, "a red glow", ["a red lamp"]).chance(looks)
    assert contested < 0.6 < alone


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> EvidenceFile:
    """A cat, a cup of coffee, then a slide with words, three seconds each."""
    from skimage import data

    slide = Image.new("RGB", (640, 480), (250, 250, 250))
    ImageDraw.Draw(slide).text((60, 200), "QUARTERLY REVIEW", fill=(10, 10, 10), font_size=52)
    scenes = [(np.asarray(data.chelsea()), 3.0), (np.asarray(data.coffee()), 3.0), (np.asarray(slide), 3.0)]
    return video(tmp_path_factory.mktemp("photographs") / "film.mp4", scenes, size=(640, 480))


@pytest.fixture(scope="module")
def real() -> EventMismatch:
    loaded = EventMismatch(DetectorOptions(threads=1))
    loaded.load()
    return loaded


@pytest.mark.models
@pytest.mark.parametrize(
    ("answer", "verdict", "error", "place"),
    [
        ("A cat looks into the camera from 0:00 to 0:03.", "supported", None, (0.0, 3.0)),
        ("At 0:04, a cup of coffee steams.", "supported", None, (3.0, 5.0)),
        ("A cat looks into the camera from 0:03 to 0:06.", "hallucinated", "time", (0.0, 3.0)),
        ("From 0:00 to 0:03 a cup stands on a saucer.", "hallucinated", "time", (3.0, 6.0)),
        ("An elephant walks by (0:03-0:06).", "hallucinated", "event", (3.0, 6.0)),
        ("From 0:03 to 0:06 someone plays the violin.", "not_checked", None, (3.0, 6.0)),
        ('At 0:07 the caption reads "Quarterly Review".', "supported", None, (6.0, 8.0)),
        ('At 0:01 the caption reads "Quarterly Review".', "hallucinated", "time", (6.0, 9.0)),
        ('At 0:01 the caption reads "Annual Report".', "not_checked", None, (0.0, 2.0)),
    ],
)
def test_real_frames(
    real: EventMismatch, photographs: EvidenceFile, answer: str, verdict: str, error: str | None, place: tuple[float, float]
) -> None:
    (finding,) = findings(real, answer, photographs)
    assert (finding.verdict, finding.error) == (verdict, error)
    assert finding.place is not None
    assert finding.place.time == pytest.approx(place, abs=0.25)


@pytest.mark.models
class BrightnessReader:
    """Reads what a scene of that brightness has written on it."""

    def __init__(self, written: dict[int, str]) -> None:
        self.written = written

    def lines_of(self, image: Image.Image, page: int = 1) -> list[Line]:
        mean = float(np.asarray(image).mean())
        return [Line(self.written[min(self.written, key=lambda level: abs(level - mean))], 0.99, (0.1, 0.1, 0.5, 0.1))]


@pytest.fixture
def captioned(tmp_path: Path) -> Judge:
    scenes = {60: "WELCOME HOME", 120: "SCORE 3 - 1", 200: "THE END"}
    shown = video(tmp_path / "captions.mp4", [((level,) * 3, 4) for level in scenes])
    detector = watching(None)
    detector._captions._reader = BrightnessReader(scenes)  # type: ignore[assignment]
    return lambda answer: findings(detector, answer, shown)


@pytest.mark.parametrize(
    ("answer", "verdict", "error"),
    [
        ("At 0:01 the screen shows the text 'WELCOME HOME'.", "supported", None),
        ("At 0:01 the screen shows the text 'WELC0ME HOME'.", "not_checked", None),
        ("At 0:09 the screen shows the text 'WELCOME HOME'.", "hallucinated", "time"),
        ("From 0:04 to 0:08 a caption reads 'SCORE 3 - 1'.", "supported", None),
        ("From 0:04 to 0:08 a caption reads 'SCORE 2 - 1'.", "hallucinated", "event"),
        ("The words 'GOOD MORNING' are on the screen at 0:05.", "not_checked", None),
    ],
)
def test_text_on_the_screen_is_looked_for_inside_and_outside(captioned: Judge, answer: str, verdict: str, error: str | None) -> None:
    (finding,) = captioned(answer)
    assert (finding.verdict, finding.error) == (verdict, error)


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(DetectorUnavailable):
        EventMismatch(DetectorOptions(object_model=str(tmp_path / "none.pb"))).load()
    with pytest.raises(DetectorUnavailable, match="CLIP"):
        EventMismatch(DetectorOptions(clip_model="ViT-B-32")).load()


@pytest.mark.models
def test_the_weights_version_names_the_detector(real: EventMismatch) -> None:
    assert "ssd-mobilenet" in real.weights_version
