"""The open-vocabulary verifier on a tiny open_clip model that is trained here to tell coloured shapes apart.

The model goes through the real loading path: an open_clip config, a weight file, ``create_model_and_transforms``.
It is trained once (about 20 s of CPU) and kept in pytest's cache folder, under a name that changes with the recipe.
"""

from __future__ import annotations

import hashlib
import inspect
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from detectors.claims.objects import find
from detectors.contract import Case, DetectorOptions, DetectorUnavailable, EvidenceFile
from detectors.object_hallucination import ObjectHallucination
from detectors.seeing.clip import PROMPTS, ClipVerifier, Support, device_for
from detectors.weights import COCO_DETECTOR

pytestmark = pytest.mark.models

MODEL = "tiny-shapes"
CONFIG = Path(__file__).with_name(f"{MODEL}.json")
INKS = {"red": (220, 30, 30), "green": (30, 170, 60), "blue": (40, 70, 220)}
SHAPES = ("circle", "square", "cross")
PAIRS = [(colour, shape) for colour in INKS for shape in SHAPES]
ENOUGH_ACCURACY = 0.8
MOST_STEPS = 900


def drawing(colour: str, shape: str, rng: random.Random, side: int = 64) -> Image.Image:
    """One filled shape somewhere on a grey sheet."""
    sheet = Image.new("RGB", (side, side), (rng.randint(110, 255),) * 3)
    pen = ImageDraw.Draw(sheet)
    reach = rng.randint(side // 5, side // 3)
    x, y = rng.randint(reach, side - reach), rng.randint(reach, side - reach)
    if shape == "circle":
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=INKS[colour])
    elif shape == "square":
        pen.rectangle((x - reach, y - reach, x + reach, y + reach), fill=INKS[colour])
    else:
        arm = reach // 3
        pen.rectangle((x - reach, y - arm, x + reach, y + arm), fill=INKS[colour])
        pen.rectangle((x - arm, y - reach, x + arm, y + reach), fill=INKS[colour])
    return sheet


def build(pretrained: str | None) -> Any:
    import open_clip
    import torch

    open_clip.add_model_config(CONFIG)
    torch.manual_seed(0)
    return open_clip.create_model_and_transforms(MODEL, pretrained=pretrained)


def train(target: Path) -> None:
    """Contrastive training on rendered sheets until the loss stays small; the token embedding stays random and frozen."""
    import open_clip
    import torch
    from torch.nn.functional import cross_entropy, normalize

    model, _, transform = build(None)
    tokenizer = open_clip.get_tokenizer(MODEL)
    rng = random.Random(1)
    sheets = torch.stack([torch.stack([transform(drawing(*pair, rng)) for pair in PAIRS]) for _ in range(80)])
    texts = [tokenizer([prompt.format(" ".join(pair)) for pair in PAIRS]) for prompt in PROMPTS]
    model.token_embedding.weight.requires_grad_(False)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1.5e-3)
    count, smooth = len(PAIRS), 3.0
    truth = torch.arange(count).repeat_interleave(3)
    for step in range(MOST_STEPS):
        pictures = sheets[torch.randint(len(sheets), (count, 3)), torch.arange(count)[:, None]].flatten(0, 1)
        names = normalize(model.encode_text(texts[step % len(texts)]), dim=-1)
        loss = cross_entropy(model.logit_scale.exp() * normalize(model.encode_image(pictures), dim=-1) @ names.T, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smooth = 0.95 * smooth + 0.05 * loss.item()
        if smooth < 0.05:
            break
    torch.save(model.state_dict(), target)


@pytest.fixture(scope="module", autouse=True)
def quiet_one_thread() -> Iterator[None]:
    import logging

    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # open_clip says on the root logger that a model without weights is random: here that is the intention.
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def weights(request: pytest.FixtureRequest) -> Path:
    cache = request.config.cache
    assert cache is not None
    recipe = hashlib.sha256((inspect.getsource(train) + inspect.getsource(drawing) + CONFIG.read_text()).encode()).hexdigest()[:12]
    path = cache.mkdir("groundwatch-clip") / f"{MODEL}-{recipe}.pt"
    if not path.is_file():
        half = path.with_suffix(".part")
        train(half)
        half.replace(path)
    return path


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    path = tmp_path_factory.mktemp("random") / "random.pt"
    torch.save(build(None)[0].state_dict(), path)
    return path


def verifier_of(path: Path) -> ClipVerifier:
    build(None)
    return ClipVerifier.open(DetectorOptions(clip_model=MODEL, clip_pretrained=str(path), device="cpu", threads=1), "object_hallucination")


@pytest.fixture(scope="module")
def verifier(weights: Path) -> ClipVerifier:
    return verifier_of(weights)


def picks(verifier: ClipVerifier) -> float:
    """How often the name of what is drawn gets more support than each other shape and colour: chance is 1 in 9."""
    rng = random.Random(7)
    right = total = 0
    for round_number in range(4):
        for colour, shape in PAIRS:
            sheet = drawing(colour, shape, rng)
            key = f"{round_number}-{colour}-{shape}"
            support = {pair: verifier.verify(sheet, key, pair[1], (pair[0],)).probability for pair in PAIRS}
            right += max(support, key=lambda pair: support[pair]) == (colour, shape)
            total += 1
    return right / total


def test_a_trained_model_tells_shapes_and_colours_apart(verifier: ClipVerifier) -> None:
    assert picks(verifier) >= ENOUGH_ACCURACY


def test_random_weights_do_not(random_weights: Path) -> None:
    assert picks(verifier_of(random_weights)) < ENOUGH_ACCURACY / 2


def test_the_supporting_region_is_where_the_thing_is(verifier: ClipVerifier) -> None:
    rng = random.Random(3)
    scene = Image.new("RGB", (256, 256), (190, 190, 190))
    scene.paste(drawing("red", "circle", rng, 112), (0, 0))
    scene.paste(drawing("blue", "cross", rng, 112), (144, 144))
    corner = (144 / 256, 144 / 256, 112 / 256, 112 / 256)
    support = verifier.verify(scene, "scene", "cross", ("blue",), [(0.0, 0.0, 112 / 256, 112 / 256), corner])
    x, y, width, height = support.region
    assert x + width > 0.9
    assert y + height > 0.9
    assert support.probability > verifier.verify(scene, "scene", "circle", ("green",)).probability


def test_a_batch_that_does_not_fit_is_halved_until_it_does(weights: Path) -> None:
    import torch

    whole, limited = verifier_of(weights), verifier_of(weights)
    encode = limited._model.encode_image
    sizes: list[int] = []

    def small_memory(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("no room")
        result: torch.Tensor = encode(batch)
        return result

    limited._model.encode_image = small_memory
    sheet = drawing("red", "square", random.Random(5))
    first = whole.verify(sheet, "sheet", "square", ("red",))
    assert limited.verify(sheet, "sheet", "square", ("red",)).probability == pytest.approx(first.probability, rel=1e-3)
    assert limited.batch == 2
    assert sizes[0] > 2
    assert max(sizes[2:]) <= 2


def test_a_model_too_large_even_for_one_picture_says_so(weights: Path) -> None:
    import torch

    limited = verifier_of(weights)

    def no_memory(_: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("no room")

    limited._model.encode_image = no_memory
    with pytest.raises(torch.OutOfMemoryError):
        limited.verify(drawing("red", "square", random.Random(5)), "sheet", "square")
    assert limited.batch == 1


def test_pictures_of_a_batch_are_encoded_together_and_give_the_same_support(weights: Path) -> None:
    import torch

    alone, together = verifier_of(weights), verifier_of(weights)
    together.batch = 16
    encode = together._model.encode_image
    sizes: list[int] = []

    def counted(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        result: torch.Tensor = encode(batch)
        return result

    together._model.encode_image = counted
    rng = random.Random(9)
    sheets = {f"sheet-{number}": drawing(*PAIRS[number], rng) for number in range(6)}
    together.prepare((key, sheet, ()) for key, sheet in sheets.items())
    assert len(sizes) < len(sheets), "regions of several pictures share a batch"
    assert sum(sizes) == 5 * len(sheets)
    assert max(sizes) <= 16
    for (key, sheet), (colour, shape) in zip(sheets.items(), PAIRS, strict=False):
        expected = alone.verify(sheet, key, shape, (colour,))
        found = together.verify(sheet, key, shape, (colour,))
        assert found.probability == pytest.approx(expected.probability, rel=1e-3)
        assert found.region == expected.region
    assert sum(sizes) == 5 * len(sheets), "what was prepared is not encoded again"


def test_half_precision_tells_the_same_things_apart(weights: Path) -> None:
    build(None)
    options = DetectorOptions(clip_model=MODEL, clip_pretrained=str(weights), device="cpu", precision="half", threads=1)
    halved = ClipVerifier.open(options, "object_hallucination")
    assert picks(halved) >= ENOUGH_ACCURACY


@pytest.mark.parametrize(
    ("wanted", "has_cuda", "device"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda"), ("cuda:1", True, "cuda:1")],
)
def test_a_gpu_is_used_where_there_is_one_and_it_is_not_declined(wanted: str, has_cuda: bool, device: str) -> None:
    assert device_for(wanted, "object_hallucination", has_cuda=has_cuda) == device


def test_a_gpu_that_is_asked_for_and_not_there_is_refused_with_the_remedy() -> None:
    with pytest.raises(DetectorUnavailable, match="device cuda") as refusal:
        device_for("cuda", "object_hallucination", has_cuda=False)
    assert "auto" in refusal.value.remedy


def test_a_thing_outside_coco_is_judged_once_clip_is_configured(weights: Path, tmp_path: Path) -> None:
    build(None)
    detector = ObjectHallucination(DetectorOptions(clip_model=MODEL, clip_pretrained=str(weights), device="cpu", threads=1))
    detector.load()
    drawing("red", "cross", random.Random(2), 256).save(tmp_path / "cross.png")
    evidence = EvidenceFile("sheet", "image/png", tmp_path / "cross.png", "f" * 64)
    answer = "There is a red cross in the picture."
    (finding,) = detector.detect([Case("case", answer, tuple(find(answer)), (evidence,))])[0].findings
    assert finding.score is not None
    assert finding.place is not None
    assert finding.place.region is not None
    assert "'red cross'" in finding.explanation
    assert COCO_DETECTOR.version in detector.weights_version
    assert MODEL in detector.weights_version


@pytest.mark.parametrize(
    ("model", "pretrained", "download"),
    [
        (MODEL, "", False),
        (MODEL, "openai", False),
        (MODEL, "/nowhere/clip.pt", False),
        ("no-such-model", "WEIGHTS", False),
        ("RN50", "WEIGHTS", False),
    ],
)
def test_clip_that_cannot_be_loaded_is_refused_with_the_remedy(weights: Path, model: str, pretrained: str, download: bool) -> None:
    build(None)
    chosen = str(weights) if pretrained == "WEIGHTS" else pretrained
    options = DetectorOptions(clip_model=model, clip_pretrained=chosen, allow_download=download, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # open_clip warns about what it is about to refuse
        with pytest.raises(DetectorUnavailable) as refusal:
            ClipVerifier.open(options, "object_hallucination")
    assert "clip_pretrained" in refusal.value.remedy


def test_support_is_a_probability(verifier: ClipVerifier) -> None:
    support = verifier.verify(drawing("green", "circle", random.Random(4)), "green", "circle")
    assert isinstance(support, Support)
    assert 0.0 <= support.probability <= 1.0
    assert support.rival


def test_whole_pictures_choose_among_sentences(verifier: ClipVerifier) -> None:
    rng = random.Random(11)
    sentences = [f"a picture of a {colour} {shape}." for colour, shape in PAIRS]
    chances = [verifier.chances(verifier.embed(drawing(*pair, rng)), sentences) for pair in PAIRS]
    assert all(sum(each) == pytest.approx(1.0, abs=1e-4) for each in chances)
    right = sum(each.index(max(each)) == number for number, each in enumerate(chances))
    assert right >= ENOUGH_ACCURACY * len(PAIRS)
