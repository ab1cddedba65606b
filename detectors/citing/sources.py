"""Decides which evidence a claim's citations mean: a caller's own, or the marks the answer itself carries.

A number means, in this order: what the answer's own list of sources says; the evidence whose text begins with that
number in brackets; the evidence whose id or title ends in it; the evidence at that place in the record, from 1. A
name means the evidence with that id, title or file name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from detectors.claims.citing import Citations, Mark, citations
from detectors.contract import Case, Claim, EvidenceFile, MissingEvidence, Place

_NUMBERED_NAME = re.compile(r"[^\W\d_]{0,12}[\s_.:#-]{0,2}(\d{1,3})")
_LABEL = re.compile(r"\s*[\[【(](\d{1,3})[\])】]")
_EXTENSION = re.compile(r"\.[a-z0-9]{2,4}$")
_FILE_KEYS = ("filename", "file_name", "name", "url", "uri", "source")
# A title of one short word would be met in any text by chance.
_TELLING_WORDS, _TELLING_LETTERS = 2, 8


@dataclass(frozen=True, slots=True)
class Cited:
    """One citation of a claim: ``said`` is how it is written. ``place`` names the evidence, None where ``problem`` says it names none.

    ``missing`` is the evidence it means where the case had to be built without it.
    """

    said: str
    place: Place | None = None
    problem: str | None = None
    missing: MissingEvidence | None = None


class Sources:
    """The sources of one case, and what its answer cites."""

    def __init__(self, case: Case) -> None:
        self._evidence = {piece.id: piece for piece in case.evidence if piece.role != "reference_voice"}
        self._missing = {piece.id: piece for piece in case.missing}
        self._order = _in_order(case)
        self._written = written(case.answer)
        self._zero_based = any(0 in mark.numbers for mark in self._written.marks)
        self._answer = case.answer

    def evidence(self, identifier: str) -> EvidenceFile:
        """The piece of evidence of that id. Raises KeyError."""
        return self._evidence[identifier]

    def cited_by(self, claim: Claim) -> tuple[Cited, ...]:
        """The citations of a claim: those the caller gave; without any, the marks of its sentence. Empty where it cites nothing."""
        if claim.citations:
            return tuple(self._given(place) for place in claim.citations)
        if claim.span is None:
            return ()
        marks = self._written.behind(claim.span)
        found = [cited for mark in marks for cited in self._meant(mark)]
        if not found:
            found = list(self._titles_in(claim.text))
        # "[1] … [1]" in one sentence is one citation.
        return tuple({(cited.place, cited.problem, cited.missing): cited for cited in found}.values())

    def _given(self, place: Place) -> Cited:
        return self._at(f"the citation of {place.evidence!r}", place.evidence, place) or Cited(
            f"the citation of {place.evidence!r}", problem=f"it cites {place.evidence!r}, and there is no such evidence"
        )

    def _at(self, said: str, identifier: str, place: Place) -> Cited | None:
        if identifier in self._evidence:
            return Cited(said, place)
        if identifier in self._missing:
            return Cited(said, place, missing=self._missing[identifier])
        return None

    def _meant(self, mark: Mark) -> Iterator[Cited]:
        said = self._answer[slice(*mark.span)].strip()
        for number in mark.numbers:
            identifier = self._numbered(number, prose=mark.prose)
            if identifier is not None:
                yield from self._placed(said, identifier, mark)
            elif mark.certain:
                count = len(self._order)
                sources = "1 source was given" if count == 1 else f"{count} sources were given"
                yield Cited(said, problem=f"it cites {number}, and {sources}")
        if mark.name:
            identifier = self._named(mark.name)
            if identifier is not None:
                yield from self._placed(said, identifier, mark)
            elif mark.certain:
                yield Cited(said, problem=f"it cites {mark.name!r}, and no source is called that")

    def _placed(self, said: str, identifier: str, mark: Mark) -> Iterator[Cited]:
        place = Place(identifier, page=mark.page, time=mark.time)
        if (cited := self._at(said, identifier, place)) is not None:
            yield cited

    def _numbered(self, number: int, *, prose: bool) -> str | None:
        if number == -1:
            return self._order[-1] if self._order else None
        if not prose and number in self._written.definitions:
            words = self._written.definitions[number]
            if (named := self._named(words)) or (
                named := next((cited.place.evidence for cited in self._titles_in(words) if cited.place), None)
            ):
                return named
        labelled = [piece.id for piece in self._evidence.values() if label_of(piece) == number]
        if len(labelled) == 1:
            return labelled[0]
        own = {name: self._own_number(name) for name in self._order}
        if all(value is not None for value in own.values()) and len(set(own.values())) == len(own):
            return next((name for name, value in own.items() if value == number), None)
        index = number if self._zero_based else number - 1
        return self._order[index] if 0 <= index < len(self._order) else None

    def _own_number(self, identifier: str) -> int | None:
        for name in (identifier, self._title(identifier) or ""):
            if (found := _NUMBERED_NAME.fullmatch(name.strip())) is not None:
                return int(found[1])
        return None

    def _named(self, name: str) -> str | None:
        wanted = plain(name)
        exact = [identifier for identifier in self._order if wanted in {plain(known) for known in self._names(identifier)}]
        if len(exact) == 1:
            return exact[0]
        words = set(wanted.split())
        if len(words) < _TELLING_WORDS:
            return None
        near = [identifier for identifier in self._order if words <= set(plain(self._title(identifier) or "").split())]
        return near[0] if len(near) == 1 else None

    def _titles_in(self, text: str) -> Iterator[Cited]:
        """Sources whose title, id or file name stands in a sentence in so many words."""
        within = f" {plain(text)} "
        for identifier in self._order:
            telling = [name for name in self._names(identifier) if _telling(name)]
            if (name := next((name for name in telling if f" {plain(name)} " in within), None)) is not None:
                cited = self._at(f"“{name}”", identifier, Place(identifier))
                if cited is not None:
                    yield cited

    def _names(self, identifier: str) -> list[str]:
        piece = self._evidence.get(identifier)
        names = [identifier, self._title(identifier) or ""]
        for key in _FILE_KEYS if piece else ():
            if isinstance(value := piece.metadata.get(key), str) and value:  # type: ignore[union-attr]
                names += [value, PurePosixPath(value).name]
        return [name for name in names if name]

    def _title(self, identifier: str) -> str | None:
        piece = self._evidence.get(identifier) or self._missing.get(identifier)
        return piece.title if piece else None


def name_of(piece: EvidenceFile | MissingEvidence) -> str:
    """How a message calls a source: its title with its id, or the id alone."""
    return f"{piece.title!r} ({piece.id})" if piece.title and plain(piece.title) != plain(piece.id) else repr(piece.id)


def label_of(piece: EvidenceFile) -> int | None:
    """The bracketed number a text source begins with, as retrieval pipelines write it; None where there is none."""
    return _label(piece.path, piece.sha256) if piece.family == "text" else None


@lru_cache(maxsize=2048)
def _label(path: Path, sha256: str) -> int | None:
    try:
        with path.open("rb") as stream:
            head = stream.read(32).decode("utf-8", "ignore")
    except OSError:
        return None
    found = _LABEL.match(head)
    return int(found[1]) if found else None


@lru_cache(maxsize=256)
def written(answer: str) -> Citations:
    """The citations an answer carries itself."""
    return citations(answer)


def plain(name: str) -> str:
    """A name for comparing: lower case, without extension, punctuation as single blanks."""
    return re.sub(r"[\W_]+", " ", _EXTENSION.sub("", name.strip().casefold())).strip()


def _telling(name: str) -> bool:
    words = plain(name).split()
    return len(words) >= _TELLING_WORDS or (len(words) == 1 and len(words[0]) >= _TELLING_LETTERS)


def _in_order(case: Case) -> tuple[str, ...]:
    """Ids of all sources in the order of the record, the missing ones at their places."""
    missing = {piece.position: piece.id for piece in case.missing}
    order: list[str] = []
    voices = {piece.id for piece in case.evidence if piece.role == "reference_voice"}
    waiting = iter(case.evidence)
    for position in range(len(case.evidence) + len(missing)):
        order.append(missing[position] if position in missing else next(waiting).id)
    return tuple(identifier for identifier in order if identifier not in voices)
