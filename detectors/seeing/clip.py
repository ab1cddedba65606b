"""Verifies things outside the COCO vocabulary with any open_clip model (Radford et al., 2021, "Learning Transferable
Visual Models From Natural Language Supervision").

The picture is cut into regions (the whole, overlapping tiles, and boxes another detector proposed). In each region the
claimed name competes with its hardest rivals: the names whose text embeddings lie closest to it among the COCO classes
and other everyday things, and, when a colour is claimed, the same thing in other colours. The probability of the name
in that contest, at the model's own temperature, is the support; the best region gives the verdict. It is a softmax
against explicit rivals and not fitted to labelled data, so treat it as an ordering first and a probability second.

Wrong when the thing is tiny, when the model never learned its name, or when nothing in the rivals resembles what
is really there.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps

from detectors.contract import DetectorOptions, DetectorUnavailable, Region
from detectors.seeing.vocabulary import COCO_CLASSES, THINGS
from detectors.weights import sha256_of

if TYPE_CHECKING:
    import torch

PROMPTS = (
    "a photo of a {}.",
    "a picture of a {}.",
    "a close-up photo of a {}.",
    "a photo of a {} in a scene.",
    "there is a {} in the picture.",
)
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "black", "white", "gray")
RIVALS = 16
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)
TILES = 2
TILE_OVERLAP = 0.25
# Below this share of the picture a proposed box carries too few pixels for an embedding.
MIN_REGION_AREA = 0.002
MAX_BOXES = 12
FIRST_BATCH = 32
_PICTURES_KEPT = 256
_SENTENCES_KEPT = 512
_EVERYDAY = tuple(dict.fromkeys((*COCO_CLASSES, *sorted(THINGS))))


@dataclass(frozen=True, slots=True)
class Support:
    """How well a picture supports a name: ``probability`` in its best ``region``, against ``rival`` as the strongest other."""

    probability: float
    region: Region
    rival: str


class ClipVerifier:
    """A loaded open_clip model with its caches. One instance serves one thread."""

    def __init__(self, model: Any, transform: Any, tokenizer: Any, version: str, device: str, dtype: torch.dtype) -> None:
        self.version = version
        self.batch = FIRST_BATCH
        self._model = model
        self._transform = transform
        self._tokenizer = tokenizer
        self._device = device
        self._dtype = dtype
        self._sentences: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._names: dict[str, torch.Tensor] = {}
        self._pictures: OrderedDict[str, tuple[tuple[Region, ...], torch.Tensor]] = OrderedDict()

    @classmethod
    def open(cls, options: DetectorOptions, detector: str) -> ClipVerifier:
        """The model the options name; ``clip_pretrained`` is a local file, or a tag where downloads are allowed.

        Raises:
            DetectorUnavailable: open_clip is not installed, the model is unknown, or its weights are not to be had.
        """
        try:
            import open_clip
            import torch
        except ModuleNotFoundError as error:
            raise DetectorUnavailable(detector, f"Python package {error.name}", "pip install 'groundwatch[detectors]'") from error
        local = Path(options.clip_pretrained).is_file()
        if not local and not (options.clip_pretrained and options.allow_download):
            remedy = "Set clip_pretrained to a local weight file, or allow downloads and give an open_clip tag"
            raise DetectorUnavailable(detector, f"CLIP weights {options.clip_pretrained or 'for ' + options.clip_model}", remedy)
        device = device_for(options.device, detector, has_cuda=torch.cuda.is_available())
        half = options.precision == "half" or (options.precision == "auto" and device.startswith("cuda"))
        precision = "fp16" if half else "fp32"
        if options.threads > 0:
            torch.set_num_threads(options.threads)
        try:
            model, _, transform = open_clip.create_model_and_transforms(
                options.clip_model,
                pretrained=options.clip_pretrained,
                precision=precision,
                device=device,
                cache_dir=str(options.cache_dir) if options.cache_dir else None,
            )
            tokenizer = open_clip.get_tokenizer(options.clip_model)
        except (RuntimeError, OSError, ValueError, KeyError, AssertionError, pickle.UnpicklingError) as error:
            remedy = "Set clip_model and clip_pretrained to a pair listed by open_clip.list_pretrained(), or to a file that fits the model"
            raise DetectorUnavailable(detector, f"a CLIP model that loads: {options.clip_model} ({error})", remedy) from error
        head = sha256_of(Path(options.clip_pretrained))[:12] if local else options.clip_pretrained
        return cls(
            model.eval(),
            transform,
            tokenizer,
            f"{options.clip_model}@{head}",
            device,
            open_clip.get_input_dtype(precision) or torch.float32,
        )

    def verify(self, image: Image.Image, key: str, name: str, colours: Sequence[str] = (), boxes: Sequence[Region] = ()) -> Support:
        """Support for ``name`` (singular) in an RGB picture; ``key`` is the picture's hash, ``boxes`` are extra regions."""
        regions, pictures = self._embedded(key, image, boxes)
        claimed = " ".join([*colours, name])
        rivals = self._rivals(name, colours)
        names = self._embed_names([claimed, *rivals])
        logits = self._scale() * pictures @ names.T
        chances = logits.softmax(dim=-1)
        at = int(chances[:, 0].argmax())
        return Support(float(chances[at, 0]), regions[at], rivals[int(logits[at, 1:].argmax())])

    def embed(self, image: Image.Image) -> torch.Tensor:
        """Unit embedding (1, width) of a whole RGB picture, in single precision."""
        return _unit(self._in_batches(self._transform(_squared(image)).unsqueeze(0), self._model.encode_image))

    def chances(self, picture: torch.Tensor, sentences: Sequence[str]) -> tuple[float, ...]:
        """Which of these sentences fits an embedded picture: probabilities that sum to 1, at the model's own temperature."""
        import torch

        new = [sentence for sentence in sentences if sentence not in self._sentences]
        if new:
            embedded = _unit(self._in_batches(self._tokenizer(new), self._model.encode_text))
            self._sentences.update(zip(new, embedded, strict=True))
        texts = torch.stack([self._sentences[sentence] for sentence in sentences])
        found: list[float] = (self._scale() * picture @ texts.T).softmax(dim=-1).squeeze(0).tolist()
        while len(self._sentences) > _SENTENCES_KEPT:
            self._sentences.popitem(last=False)
        return tuple(found)

    def _rivals(self, name: str, colours: Sequence[str]) -> list[str]:
        """The same thing in other colours, and the names nearest to this one in the model's own text space."""
        last = name.split()[-1]
        # A name that contains the claimed one, or is contained, is no rival: "table" and "dining table".
        others = [other for other in _EVERYDAY if last not in other.split() and other.split()[-1] not in name.split()]
        closeness = (self._embed_names(others) @ self._embed_names([name]).T).squeeze(1)
        nearest = [others[int(index)] for index in closeness.topk(min(RIVALS, len(others))).indices]
        if not colours:
            return nearest
        recoloured = [f"{colour} {name}" for colour in COLOURS if colour not in colours]
        return recoloured + [" ".join([*colours, other]) for other in nearest]

    def _scale(self) -> float:
        return float(self._model.logit_scale.detach().exp())

    def _embed_names(self, names: Sequence[str]) -> torch.Tensor:
        """Unit embeddings (n, width) in single precision, each the mean over the prompts, kept for the next claim."""
        import torch

        new = [name for name in names if name not in self._names]
        if new:
            texts = [prompt.format(name) for name in new for prompt in PROMPTS]
            tokens = self._tokenizer(texts)
            each = _unit(self._in_batches(tokens, self._model.encode_text)).reshape(len(new), len(PROMPTS), -1)
            self._names.update(zip(new, _unit(each.mean(dim=1)), strict=True))
        return torch.stack([self._names[name] for name in names])

    def prepare(self, pictures: Iterable[tuple[str, Image.Image, Sequence[Region]]]) -> None:
        """Embed the regions of several pictures (hash, RGB picture, proposed boxes) in common batches, for later claims.

        The pictures are taken one by one, so an iterator that opens them keeps no more than one in memory.
        """
        import torch

        waiting: list[tuple[str, tuple[Region, ...], torch.Tensor]] = []
        for key, image, boxes in pictures:
            regions = _regions(boxes)
            if key not in self._pictures or self._pictures[key][0] != regions:
                crops = [self._transform(_squared(image.crop(_pixels(region, image.size)))) for region in regions]
                waiting.append((key, regions, torch.stack(crops)))
            if sum(len(crops) for *_, crops in waiting) >= self.batch:
                self._encode(waiting)
                waiting = []
        self._encode(waiting)

    def _encode(self, waiting: Sequence[tuple[str, tuple[Region, ...], torch.Tensor]]) -> None:
        import torch

        if not waiting:
            return
        vectors = _unit(self._in_batches(torch.cat([crops for *_, crops in waiting]), self._model.encode_image))
        for (key, regions, _), own in zip(waiting, vectors.split([len(crops) for *_, crops in waiting]), strict=True):
            self._pictures[key] = (regions, own)
            self._pictures.move_to_end(key)
        while len(self._pictures) > _PICTURES_KEPT:
            self._pictures.popitem(last=False)

    def _embedded(self, key: str, image: Image.Image, boxes: Sequence[Region]) -> tuple[tuple[Region, ...], torch.Tensor]:
        self.prepare([(key, image, boxes)])
        self._pictures.move_to_end(key)
        return self._pictures[key]

    def _in_batches(self, inputs: torch.Tensor, encode: Any) -> torch.Tensor:
        """Encode in batches; a batch that does not fit the memory is halved, and the smaller size is kept for later."""
        import torch

        done: list[torch.Tensor] = []
        at = 0
        while at < len(inputs):
            batch = inputs[at : at + self.batch].to(self._device)
            if batch.is_floating_point():
                # Not the type of any one weight: in half precision open_clip keeps some of them (norms, embeddings) single.
                batch = batch.to(self._dtype)
            try:
                with torch.inference_mode():
                    done.append(encode(batch).float().cpu())
            except torch.OutOfMemoryError:
                if self.batch == 1:
                    raise
                self.batch = max(1, min(self.batch, len(batch)) // 2)
                if self._device.startswith("cuda"):
                    torch.cuda.empty_cache()
                continue
            at += len(batch)
        return torch.cat(done)


def tiles(side: int, overlap: float) -> tuple[Region, ...]:
    """``side``×``side`` regions that cover the picture, neighbours sharing ``overlap`` of their width."""
    extent = 1 / (side - (side - 1) * overlap)
    step = extent * (1 - overlap)
    return tuple((column * step, row * step, extent, extent) for row in range(side) for column in range(side))


def device_for(wanted: str, detector: str, *, has_cuda: bool) -> str:
    """The torch device: ``auto`` takes a GPU where there is one. Raises DetectorUnavailable for a GPU that is not there."""
    if wanted == "auto":
        return "cuda" if has_cuda else "cpu"
    if wanted.startswith("cuda") and not has_cuda:
        remedy = "Set device to auto or cpu, or install the CUDA build of torch and a driver that fits it"
        raise DetectorUnavailable(detector, f"a GPU that torch can use (device {wanted})", remedy)
    return wanted


def _regions(boxes: Sequence[Region]) -> tuple[Region, ...]:
    return (WHOLE, *tiles(TILES, TILE_OVERLAP), *[box for box in boxes if box[2] * box[3] >= MIN_REGION_AREA][:MAX_BOXES])


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def _squared(image: Image.Image) -> Image.Image:
    """The crop on a grey square: open_clip's own transform would cut the ends off a long one."""
    side = max(image.size)
    return ImageOps.pad(image, (side, side), color=(122, 116, 104))


def _pixels(region: Region, size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    left, top = int(region[0] * width), int(region[1] * height)
    return left, top, max(left + 1, round((region[0] + region[2]) * width)), max(top + 1, round((region[1] + region[3]) * height))
