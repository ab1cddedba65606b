"""Names of companies, people and products in an answer, whole and with exact spans.

Three ways lead to a name: a field (``Vendor: X``), a sentence that can only be followed by a name (``issued by X``,
``X issued this receipt``), and the run of words itself (``… SDN BHD``, or what spaCy's recogniser calls an organisation,
person or product). Receipts print names no recogniser was trained on, so the first two go first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from detectors.claims.language import parsed
from detectors.contract import DetectorUnavailable, Span

_ROLE = (
    r"company|vendor|seller|merchant|supplier|store|shop|retailer|restaurant|issuer|payee|payer|customer|client|buyer|recipient|sender"
    r"|bank|manufacturer|brand|employer|employee|patient|doctor|applicant|author|speaker|presenter|owner|contractor|carrier|cashier|clerk"
    r"|(?:company|vendor|merchant|store|customer|product|item|brand|account|business|contact|full|trade)\s+name|name|product|item|billed?\s+to"
    r"|ship(?:ped)?\s+to|sold\s+(?:to|by)|issued\s+(?:by|to|from)|payable\s+to|prepared\s+(?:by|for)|attn|signed\s+by|from"
)
_FIELD = re.compile(rf"^[\s>*•·-]*\**(?P<role>{_ROLE})\**\s*[:=]\**[ \t]*(?=\S)", re.IGNORECASE | re.MULTILINE)
_IS = re.compile(
    rf"\b(?:the|this|its|their|a)\s+(?:[a-z]+\s+)?(?P<role>{_ROLE})(?:'s\s+name|\s+name)?\s+(?:is|was|reads|appears\s+to\s+be)\s+(?:called\s+|named\s+)?",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?:issued|charged|sold|supplied|billed|invoiced|sent|written|signed|published|printed|provided|prepared|manufactured|made|produced)"
    r"\s+(?:by|from)\s+"
    r"|\b(?:made|bought|purchased|shopped|paid|spent|ordered|dined)\s+(?:at|from)\s+|\bpurchase\s+(?:at|from)\s+"
    r"|\b(?:it|this|receipt|invoice|bill|document|letter|statement|report|slip|ticket|form|cheque|check)\s+(?:is|was|comes|came)?\s*from\s+"
    r"|\b(?:issued|addressed|billed|payable|sold|made\s+out)\s+to\s+|\b(?:company|firm|business|store|shop|brand)\s+(?:called|named)\s+",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\s+(?:issued|has\s+issued|charged|billed|sold|supplied|is\s+the\s+(?:vendor|company|seller|issuer|merchant|supplier|store)|"
    r"appears\s+as\s+the\s+(?:vendor|company|seller|issuer|merchant)|"
    r"(?:sent|received|wrote|signed|printed|prepared|raised)\s+(?:this|the|an?)\s+(?:invoice|bill|receipt|statement|letter|document|form|"
    r"contract|order|report|cheque|check|quote|quotation|note|ticket))\b"
)
_SUFFIX = re.compile(
    r"(?<![\w])(?:SDN\.?\s?BHD|S/B|BHD|PLT|LTD|LIMITED|LLC|LLP|INC|INCORPORATED|CORP|CORPORATION|CO|COMPANY|GMBH|AG|PLC|PTY|PTE|PVT|S\.?A|SARL|"
    r"S\.?R\.?L|S\.?P\.?A|B\.?V|N\.?V|OY|AB|A/S|APS|KG|ENTERPRISE|ENTERPRISES|TRADING|HOLDINGS|GROUP)\.?(?![\w])",
    re.IGNORECASE,
)
_ABBREVIATIONS = frozenset({
    "sdn", "bhd", "co", "ltd", "inc", "corp", "llc", "plc", "pty", "pte", "pvt", "bros", "st", "dr", "mr", "mrs", "ms", "no", "jr",
    "sr", "dept", "intl", "mfg", "dist", "assoc",
})  # fmt: skip
_LINKS = frozenset({
    "of", "the", "and", "&", "de", "la", "le", "du", "van", "von", "der", "den", "del", "della", "di", "da", "y", "e", "et", "und",
    "for", "-", "–", "+", "@", "'n'",
})  # fmt: skip
_ARTICLES = frozenset({
    "the", "a", "an", "this", "that", "these", "it", "its", "there", "here", "according", "on", "in", "at", "for", "total", "date",
    "company", "vendor", "page", "picture", "photo", "image", "i", "we", "you", "he", "she", "they", "who", "someone",
})  # fmt: skip
_STATEMENT_END = re.compile(r"\s*(?:;|\t|\s\|)|,\s+(?=[A-Za-z]+\s*:)|\.\s+(?=[A-Z])")
_TOKEN = re.compile(r"\S+")
_NER = {"ORG", "PERSON", "PRODUCT"}


@dataclass(frozen=True, slots=True)
class Name:
    """A name at ``span``; ``how`` is ``field``, ``sentence``, ``suffix`` or ``recogniser``, ``role`` the field's own word."""

    span: Span
    how: str
    role: str | None = None


def find_names(text: str, blocked: list[Span]) -> list[Name]:
    """Names in reading order, not overlapping each other nor the ``blocked`` spans (dates, quoted text)."""
    found: list[Name] = []

    def keep(span: Span | None, how: str, role: str | None = None) -> None:
        if span and _is_name(text[span[0] : span[1]]) and not _overlaps(span, [*blocked, *(name.span for name in found)]):
            found.append(Name(span, how, role))

    for match in _FIELD.finditer(text):
        keep(_field_value(text, match.end()), "field", _plain(match["role"]))
    for match in _IS.finditer(text):
        keep(_forward(text, match.end(), blocked), "sentence", _plain(match["role"]))
    for match in _BEFORE.finditer(text):
        keep(_forward(text, match.end(), blocked), "sentence")
    for match in _AFTER.finditer(text):
        keep(_backward(text, match.start()), "sentence")
    for match in _SUFFIX.finditer(text):
        if match.group()[0].isupper():
            keep(_backward(text, match.end()), "suffix")
    for span in _recognised(text):
        keep(span, "recogniser")
    return sorted(found, key=lambda name: name.span)


def _field_value(text: str, start: int) -> Span:
    """From ``start`` to the end of the line, or to where another statement begins (``;``, a tab, `` | ``)."""
    end = len(text)
    if (newline := text.find("\n", start)) >= 0:
        end = newline
    for stop in _STATEMENT_END.finditer(text, start, end):
        if stop.group()[0] != "." or not _abbreviated(text[start : stop.start()].split()[-1]):
            end = stop.start()
            break
    return _trimmed(text, start, end)


def _forward(text: str, start: int, blocked: list[Span]) -> Span | None:
    """The run of name-like words that begins at ``start``."""
    limit = min([len(text), *(span[0] for span in blocked if span[0] >= start)])
    end: int | None = None
    for match in _TOKEN.finditer(text, start, limit):
        word = match.group()
        if "\n" in text[start : match.start()]:
            break
        if not _name_like(word):
            # A link word is part of the name only when a name-like word follows it.
            following = _TOKEN.match(text, match.end() + 1)
            if end is None and word.lower() == "the" and following:
                continue
            if end is None or word.lower() not in _LINKS or not following or not _name_like(following.group()):
                break
            continue
        end = match.end()
        if _ends_name(text, match):
            break
    return None if end is None else _trimmed(text, start, end)


def _backward(text: str, end: int) -> Span | None:
    """The run of name-like words that ends at ``end``."""
    begin: int | None = None
    line_start = text.rfind("\n", 0, end) + 1
    for match in reversed(list(_TOKEN.finditer(text, line_start, end))):
        word = match.group()
        if begin is not None and word[-1] == "," and _SUFFIX.match(text[begin:end]):
            begin = match.start()
            continue
        if begin is not None and (word[-1] in ",;:!?" or (word[-1] == "." and not _abbreviated(word))):
            break
        if not _name_like(word) and word.lower() not in _LINKS:
            break
        if _name_like(word):
            begin = match.start()
    return None if begin is None else _trimmed(text, begin, end)


def _name_like(word: str) -> bool:
    bare = word.lstrip("(\"'“‘[*.#")
    return bool(bare) and (bare[0].isupper() or bare[0].isdigit() or word in ("&", "-", "+", "/", "@"))


def _ends_name(text: str, match: re.Match[str]) -> bool:
    word = match.group()
    if word[-1] in ';:!?"”':
        return True
    if word[-1] == ",":
        following = _TOKEN.match(text, match.end() + 1)
        return not (following and _SUFFIX.match(following.group()))
    return word[-1] == "." and not _abbreviated(word)


def _abbreviated(word: str) -> bool:
    bare = word.strip("().,").lower()
    return bare in _ABBREVIATIONS or len(bare) <= 2 or "." in bare


def _trimmed(text: str, start: int, end: int) -> Span:
    """Without the white space, quotes and closing punctuation around it; ``SDN. BHD.`` and ``Co.`` keep their dot."""
    while start < end and text[start] in " \t*\"'“‘`":
        start += 1
    while start < end and (text[end - 1] in " \t*\"'”’`,;:!?-–" or (text[end - 1] == "." and not _dot_belongs(text, start, end))):
        end -= 1
    return start, end


def _dot_belongs(text: str, start: int, end: int) -> bool:
    """The last dot is the name's own after an abbreviation, unless the sentence ends there and no other word has one."""
    words = text[start:end].split()
    if not _abbreviated(words[-1]):
        return False
    return any(word.endswith(".") for word in words[:-1]) or not re.match(r"\s*(?:\n|$)|\s+[A-Z]", text[end:])


def _is_name(text: str) -> bool:
    letters = sum(character.isalpha() for character in text)
    return letters >= 2 and len(text) <= 120 and text.lower() not in _ARTICLES and not re.fullmatch(r"[a-z\s]+", text)


def _recognised(text: str) -> list[Span]:
    try:
        document = parsed(text)
    except DetectorUnavailable:
        # The recogniser only adds to the patterns above; without spaCy's model these still stand.
        return []
    spans = []
    for entity in document.ents:
        if entity.label_ not in _NER or "\n" in entity.text.strip():
            continue
        start, end = entity.start_char, entity.end_char
        if text[start:end].lower().startswith("the "):
            start += 4
        # Single lower-case or sentence-initial words are this recogniser's usual false names.
        if all(_name_like(word) or word.lower() in _LINKS for word in text[start:end].split()) and _firm(text, start, end):
            spans.append(_trimmed(text, start, end))
    return spans


def _firm(text: str, start: int, end: int) -> bool:
    """A single word counts only inside a sentence, where its capital letter says something."""
    if len(text[start:end].split()) > 1:
        return True
    ahead = text[:start].rstrip(" \"'“‘(*-•")
    return bool(ahead) and ahead[-1] not in ".!?:\n"


def _plain(role: str) -> str:
    return re.sub(r"\s+", " ", role.lower())


def _overlaps(span: Span, others: list[Span]) -> bool:
    return any(span[0] < other[1] and other[0] < span[1] for other in others)
