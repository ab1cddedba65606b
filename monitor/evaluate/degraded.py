"""The same corpus with worse input: degraded copies of its evidence in the cache folder, its labels unchanged."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec

from monitor.detect.degrading import DEGRADATIONS, degraded_copy, degraded_family
from monitor.errors import SettingsInvalid
from monitor.evaluate.corpus import Corpus, CorpusRefused
from monitor.records import Evidence, ResponseRecord

ALL = "all"


def degradations_of(corpus: Corpus, wanted: str) -> list[str]:
    """The kinds to make of a corpus: the one that is wanted, or with ``all`` every one that its evidence allows.

    Raises:
        SettingsInvalid: there is no such kind.
        CorpusRefused: the corpus has no evidence that it applies to.
    """
    if wanted != ALL and wanted not in DEGRADATIONS:
        raise SettingsInvalid("--degrade", wanted, "there is no such degradation", f"Choose from {', '.join((*DEGRADATIONS, ALL))}")
    families = {piece.media_type.split("/")[0] for record in corpus.records for piece in record.evidence if _source(piece)}
    kinds = [kind for kind in DEGRADATIONS if degraded_family(kind) in families and wanted in (kind, ALL)]
    if not kinds:
        needed = "pictures or recordings" if wanted == ALL else {"image": "pictures", "audio": "recordings"}[degraded_family(wanted)]
        problem = f"{corpus.name} has no {needed} that {wanted} could degrade"
        raise CorpusRefused(corpus.folder, problem, "Choose another kind, or a corpus of that evidence")
    return kinds


def degraded(corpus: Corpus, kind: str, seed: int, cache_dir: Path) -> Corpus:
    """The corpus ``NAME+KIND`` with degraded copies under ``cache_dir``; what the kind does not apply to is the original.

    Raises:
        CorpusRefused: evidence that should be degraded is not a file of the corpus, or cannot be decoded; names it.
    """
    folder = cache_dir / "degraded" / f"{corpus.name}+{kind}-{seed}".replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Evidence] = {}
    records = tuple(_record(corpus, record, kind, seed, folder, made) for record in corpus.records)
    return Corpus(f"{corpus.name}+{kind}", corpus.task, folder.resolve(), records)


def _source(piece: Evidence) -> bool:
    # A reference voice was enrolled once, under better conditions than the recording.
    return piece.role != "reference_voice"


def _record(corpus: Corpus, record: ResponseRecord, kind: str, seed: int, folder: Path, made: dict[str, Evidence]) -> ResponseRecord:
    pieces = tuple(_piece(corpus, piece, kind, seed, folder, made) for piece in record.evidence)
    return msgspec.structs.replace(record, evidence=pieces)


def _piece(corpus: Corpus, piece: Evidence, kind: str, seed: int, folder: Path, made: dict[str, Evidence]) -> Evidence:
    if piece.uri is None or not piece.uri.startswith("file:"):
        if _applies(piece, kind):
            raise CorpusRefused(corpus.folder, f"evidence {piece.id!r} is not a file of the corpus", "Keep its evidence in files")
        return piece
    original = _original(corpus, piece)
    target = folder / "evidence"
    if not _applies(piece, kind):
        target.mkdir(exist_ok=True)
        kept = target / original.name
        if not kept.is_file():
            shutil.copyfile(original, kept)
        return msgspec.structs.replace(piece, uri=f"file:evidence/{original.name}")
    if piece.uri not in made:
        copy = degraded_copy(original, piece.media_type, kind, seed, target)
        if copy is None:
            raise CorpusRefused(corpus.folder, f"evidence {original.name} cannot be decoded", "Remove or replace it")
        path, media_type, sha256 = copy
        made[piece.uri] = msgspec.structs.replace(piece, uri=f"file:evidence/{path.name}", media_type=media_type, sha256=sha256)
    copied = made[piece.uri]
    return msgspec.structs.replace(piece, uri=copied.uri, media_type=copied.media_type, sha256=copied.sha256)


def _applies(piece: Evidence, kind: str) -> bool:
    return _source(piece) and piece.media_type.split("/")[0] == degraded_family(kind)


def _original(corpus: Corpus, piece: Evidence) -> Path:
    named = (piece.uri or "").removeprefix("file:")
    for path in ((corpus.folder / named).resolve(), (corpus.folder / unquote(named)).resolve()):
        if path.is_relative_to(corpus.folder) and path.is_file():
            return path
    raise CorpusRefused(corpus.folder, f"there is no file {named} in it", "Add it to the corpus folder")


def expanded(corpora: Sequence[Corpus], wanted: str | None, seed: int, cache_dir: Path) -> list[Corpus]:
    """The corpora as they are, or each of them in every degradation that is wanted. Raises as the parts do."""
    if wanted is None:
        return list(corpora)
    plans = [(corpus, kind) for corpus in corpora for kind in degradations_of(corpus, wanted)]
    return [degraded(corpus, kind, seed, cache_dir) for corpus, kind in plans]
