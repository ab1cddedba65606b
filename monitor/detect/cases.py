"""From a response record to the case a detector sees: evidence as local files, claims located in the answer.

Labels, attributes and the reference are never part of it: they would tell how a corpus item was made.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import unquote

from detectors.contract import Case, Claim, EvidenceFile, MissingEvidence, Place
from monitor import records
from monitor.errors import EvidenceAltered, EvidenceDeleted, EvidenceMissing, EvidenceRefused
from monitor.evidence import BlobCache, EvidenceStore, ReferenceReader
from monitor.media_types import media_type_in
from monitor.records import DEFAULT_PROJECT, ResponseRecord, encode_response

# Several detectors look at the same response one after another; its case is built once.
_KEPT_CASES = 64


class ClaimFinders(Protocol):
    """The module that reads claims; see :mod:`detectors.claims`."""

    def extract(self, answer: str, families: Iterable[str]) -> tuple[Claim, ...]:
        """Claims of the answer that evidence of these families bears on."""
        ...

    def complete(self, given: Sequence[Claim], answer: str, families: Iterable[str]) -> tuple[Claim, ...]:
        """A caller's own claims made checkable."""
        ...


def visible(record: ResponseRecord) -> ResponseRecord:
    """Only what a detector may see. What detection depends on is all here: its hash is the key of cached results."""
    return ResponseRecord(
        id=record.id,
        time=record.time,
        workflow=record.workflow,
        answer=record.answer,
        risk=record.risk,
        question=record.question,
        evidence=record.evidence,
        claims=record.claims,
    )


def content_hash(record: ResponseRecord) -> str:
    """SHA-256 of what detectors may see of the record."""
    return hashlib.sha256(encode_response(visible(record))).hexdigest()


class CaseBuilder:
    """Builds cases. Not thread-safe: one a worker.

    Args:
        finders: the module that reads claims.
        store: the service's evidence, or None where there is none (a corpus, a one-off check).
        references: fetches ``s3:``, ``gs:`` and ``https:`` evidence.
        cache: where inline evidence becomes a file.
        max_bytes: largest piece of evidence.
    """

    def __init__(
        self, finders: ClaimFinders, store: EvidenceStore | None, references: ReferenceReader, cache: BlobCache, max_bytes: int
    ) -> None:
        self._finders = finders
        self._store = store
        self._references = references
        self._cache = cache
        self._max_bytes = max_bytes
        self._built: OrderedDict[tuple[str, str, Path | None, bool], Case] = OrderedDict()

    def build(
        self, record: ResponseRecord, folder: Path | None = None, *, project: str = DEFAULT_PROJECT, find_claims: bool = True
    ) -> Case:
        """The case of a record of a project; ``folder`` is where its ``file:`` references begin.

        Without ``find_claims`` the case has the caller's own claims only, as they are, and no language model is needed.

        Raises:
            StorageUnavailable: evidence is there but cannot be read now.
            DetectorUnavailable: the language model of the claim finders is not installed.
        """
        key = (project, content_hash(record), folder, find_claims)
        if (known := self._built.get(key)) is not None and self._reopened(known, project):
            self._built.move_to_end(key)
            return known
        built = self._build(record, folder, project, find_claims)
        # Evidence that is missing now may be uploaded a moment later.
        if not built.missing:
            self._built[key] = built
            if len(self._built) > _KEPT_CASES:
                self._built.popitem(last=False)
        return built

    def _reopened(self, case: Case, project: str) -> bool:
        """Whether the files of a case are there; copies of sealed evidence, which are gone after each batch, are made again."""
        return not self._cache.sealed or all(piece.path.is_file() or self._reopen(piece, project) for piece in case.evidence)

    def _reopen(self, piece: EvidenceFile, project: str) -> bool:
        found = self._cache.get(piece.sha256)
        try:
            if found is None and self._store is not None:
                found = self._store.of(project).local_path(piece.sha256)
        except (EvidenceMissing, EvidenceRefused):
            return False
        return found == piece.path

    def beside(self, case: Case, neighbours: Iterable[records.Evidence], project: str = DEFAULT_PROJECT) -> Case:
        """The case with those sources of other responses that are stored and are not among its own. Raises StorageUnavailable."""
        own = {piece.sha256 for piece in case.evidence}
        found: list[EvidenceFile] = []
        for piece in neighbours:
            try:
                found.append(self._locate(piece, None, project))
            except (EvidenceMissing, EvidenceRefused):
                continue  # they only serve to trace leaks; the response itself is judged without them as ever
        near = tuple(piece for piece in found if piece.sha256 not in own)
        return replace(case, neighbours=near) if near else case

    def _build(self, record: ResponseRecord, folder: Path | None, project: str, find_claims: bool) -> Case:
        files, missing = self.locate(record, folder, project)
        families = [family_of(piece) for piece in record.evidence if piece.role != "reference_voice"]
        # Claims are read for the missing evidence too, so that they end as not checked instead of vanishing.
        return Case(
            id=record.id,
            answer=record.answer.text,
            claims=self._claims(record, families) if find_claims else _given_claims(record),
            evidence=tuple(files),
            question=None if record.question is None else record.question.text,
            risk=record.risk,
            workflow=record.workflow,
            missing=tuple(missing),
            abstained=record.answer.abstained,
            confidence=record.answer.confidence,
        )

    def locate(
        self, record: ResponseRecord, folder: Path | None = None, project: str = DEFAULT_PROJECT
    ) -> tuple[list[EvidenceFile], list[MissingEvidence]]:
        """The evidence of a record as local files, and what is not there. Raises StorageUnavailable."""
        files: list[EvidenceFile] = []
        missing: list[MissingEvidence] = []
        for position, piece in enumerate(record.evidence):
            try:
                files.append(self._locate(piece, folder, project))
            except EvidenceDeleted as error:
                missing.append(_missing(piece, position, f"was deleted by {error.reason} on {error.at:%Y-%m-%d}"))
            except EvidenceMissing as error:
                missing.append(_missing(piece, position, f"is not stored (sha256:{error.sha256[:12]}…)"))
            except EvidenceRefused as error:
                missing.append(_missing(piece, position, f"was not read: {error.problem}", altered=isinstance(error, EvidenceAltered)))
        return files, missing

    def _claims(self, record: ResponseRecord, families: list[str]) -> tuple[Claim, ...]:
        if not record.claims:
            return self._finders.extract(record.answer.text, families)
        return self._finders.complete(_given_claims(record), record.answer.text, families)

    def _locate(self, piece: records.Evidence, folder: Path | None, project: str) -> EvidenceFile:
        path, sha256 = self._read(piece, folder, project)
        if piece.sha256 is not None and piece.sha256 != sha256:
            raise EvidenceAltered(piece.id, sha256, piece.sha256)
        _check_type(piece, path)
        return EvidenceFile(piece.id, piece.media_type, path.absolute(), sha256, piece.role, piece.title, piece.metadata)

    def _read(self, piece: records.Evidence, folder: Path | None, project: str) -> tuple[Path, str]:
        if piece.content is not None:
            path = self._cache.add(piece.content_bytes())
            return path, path.name
        uri = piece.uri or ""
        if uri.startswith("sha256:"):
            if self._store is None:
                raise EvidenceMissing(uri[7:])
            return self._store.of(project).local_path(uri[7:]), uri[7:]
        if uri.startswith("file:"):
            path = self._file(piece.id, uri, folder)
            with path.open("rb") as stream:
                return path, hashlib.file_digest(stream, "sha256").hexdigest()
        path = self._references.fetch(uri)
        return path, path.name

    def _file(self, identifier: str, uri: str, folder: Path | None) -> Path:
        if folder is None:
            raise EvidenceRefused(identifier, "reference not allowed (file: is for corpora)", "Upload the file")
        root = folder.resolve()
        named = uri.removeprefix("file:")
        for path in ((root / named).resolve(), (root / unquote(named)).resolve()):
            if not path.is_relative_to(root):
                raise EvidenceRefused(identifier, f"reference not allowed ({uri} leaves the corpus folder)", "Keep evidence in the folder")
            if path.is_file():
                if path.stat().st_size > self._max_bytes:
                    raise EvidenceRefused(identifier, f"is larger than the limit of {self._max_bytes} bytes", "Use a smaller file")
                return path
        raise EvidenceRefused(identifier, f"there is no file {named}", "Add it to the corpus folder")


def family_of(piece: records.Evidence) -> str:
    """``image``, ``audio``, ``video``, ``text``, ``pdf`` or ``other``."""
    return EvidenceFile(piece.id, piece.media_type, Path(), "").family


def _missing(piece: records.Evidence, position: int, problem: str, *, altered: bool = False) -> MissingEvidence:
    return MissingEvidence(piece.id, family_of(piece), f"evidence {piece.id!r} {problem}", piece.title, position, altered)


def _given_claims(record: ResponseRecord) -> tuple[Claim, ...]:
    return tuple(_given_claim(claim, number) for number, claim in enumerate(record.claims, start=1))


def _given_claim(claim: records.Claim, number: int) -> Claim:
    voices = (citation.speaker for citation in claim.citations if citation.speaker)
    return Claim(
        id=claim.id or f"c{number}",
        text=claim.text,
        span=claim.span,
        # A caller's claim may have no kind; the claim finders then take every kind they see in it.
        kind=cast(str, claim.kind),
        citations=tuple(Place(c.evidence, c.region, c.time, c.page, c.span, c.quote) for c in claim.citations),
        speaker=claim.speaker or next(voices, None),
        given=True,
    )


# Containers that carry sound, pictures or both.
_EITHER = ("audio", "video")


def _check_type(piece: records.Evidence, path: Path) -> None:
    """Raises EvidenceRefused where the first bytes say that it is another kind of thing than the record says.

    A decoder is chosen by the declared type; a file that is two things at once must not reach one it was not sent to.
    """
    with path.open("rb") as stream:
        found = media_type_in(stream.read(4096))
    if found is None or piece.media_type.startswith("application/octet-stream"):
        return
    declared, seen = family_of(piece), EvidenceFile("", found, Path(), "").family
    if declared != seen and not (declared in _EITHER and seen in _EITHER):
        problem = f"it is declared as {piece.media_type[:80]}, but its content is {found}"
        raise EvidenceRefused(piece.id, problem, "Send it with its own media type")
