"""Finds citations as people and models write them in an answer, and the statements they stand behind.

Bracketed ("[1]", "[2, 4]", "[1-3]", "【2†source】", "[^1]", "(doc-2)", "[report.pdf, p. 3]", "(source 1)"), superscript
("…grew.²"), and in prose ("according to the second document", "Document 3 says", "per report.pdf"). Footnotes and a list
of sources at the end of the answer say what a number means. Nothing here knows the evidence: which source a mark means
is decided in :mod:`detectors.citing.sources`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from detectors.claims.moments import find_moments
from detectors.claims.quotes import sentences
from detectors.contract import Claim, Interval, Span

_NTH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINALS = {
    **{word: number for number, word in enumerate(_NTH, start=1)},
    **{word: number for number, word in enumerate(("1st", "2nd", "3rd", *(f"{number}th" for number in range(4, 11))), start=1)},
    "last": -1,
    "final": -1,
}
_SOURCE = r"(?:sources?|docs?|documents?|refs?|references?|evidence|passages?|files?|excerpts?|snippets?|attachments?|exhibits?|appendix)"
# Things that are also talked about without being cited; they need a word of reporting beside them.
_PAPER = r"(?:articles?|reports?|papers?|contracts?|invoices?|e-?mails?|letters?|transcripts?|recordings?|images?|pictures?|texts?)"
_NUMBERS = r"\d{1,3}(?:\s*(?:[,;&–-]|and)\s*\d{1,3})*"
_FILE = r"[\w][\w.()-]*\.(?:pdf|docx?|txt|md|html?|xlsx?|csv|pptx?|png|jpe?g|tiff?|gif|webp|wav|mp3|m4a|flac|ogg|mp4|mov|webm|eml|json|xml)"
_BRACKETED = re.compile(r"[\[【](?P<square>[^\[\]【】\n]{1,160})[\]】](?!\()|\((?P<round>[^()\n]{1,160})\)")
_NUMBERED = re.compile(
    rf"\s*(?P<word>(?:see\s+)?{_SOURCE}\.?\s*(?:no\.?\s*)?[#:]?\s*|\^|#)?(?P<numbers>{_NUMBERS})\s*(?:†[^,]*)?", re.IGNORECASE
)
_CERTAIN_NAME = re.compile(rf"(?:{_SOURCE}[\s_.-]?\w{{1,8}}|.*\b{_FILE}\b.*)", re.IGNORECASE)
_SUPERSCRIPT = re.compile(r"(?:(?<=[.,;:!?)”\"])|(?<=[^\W\d_]{4}))[¹²³⁰⁴-⁹]{1,3}(?:[˒,][¹²³⁰⁴-⁹]{1,3})*")
_FROM_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹˒", "0123456789,")
_LEAD = (
    r"(?:according\s+to|as\s+per|per|based\s+on|cited\s+in|stated\s+in|in|from"
    r"|as\s+(?:stated|shown|described|noted|reported|mentioned|given)\s+(?:in|by|on))\s+"
)
_SAYS = (
    r"\s+(?:also\s+|further\s+|itself\s+)?(?:says?|states?|stated|reports?|reported|mentions?|mentioned|notes?|noted|lists?|gives?|gave|shows?|showed|puts?"
    r"|claims?|describes?|explains?|indicates?|confirms?|contains?|specif(?:y|ies)|adds?|tells?|reads?|cites?|records?)\b"
)
_WHICH = rf"(?:the\s+)?(?P<{{0}}ordinal>{'|'.join(_ORDINALS)})\s+(?:{_SOURCE}|{_PAPER})\b"
_PROSE = re.compile(
    rf"\b{_LEAD}{_WHICH.format('a')}|\b{_WHICH.format('b')}(?={_SAYS})"
    rf"|\b(?:{_SOURCE}|{_PAPER})\s+(?:no\.?\s*|number\s+)?#?(?P<numbers>{_NUMBERS})(?![%\w/]|\s*%|[.:]\d)"
    rf"|(?<![\w/@.-])(?P<file>{_FILE})(?![\w-])",
    re.IGNORECASE,
)
_PAGE = re.compile(r"\b(?:pages?|pp?\.?)\s*(?P<page>\d{1,4})\b", re.IGNORECASE)
_HEADING = re.compile(
    r"^[ \t]*(?:#+[ \t]*|\*\*)?(?:sources|references|citations|footnotes|notes|bibliography|works cited)(?:\*\*)?[ \t]*:?(?:\*\*)?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_DEFINITION = re.compile(r"^[ \t>*-]*\[\^?(?P<number>\d{1,3})\][ \t]*:[ \t]*(?P<words>\S[^\n]*)$", re.MULTILINE)
_LISTED = re.compile(r"^[ \t>*-]*(?:\[\^?(?P<square>\d{1,3})\]:?|(?P<plain>\d{1,3})[.):])[ \t]*(?P<words>\S[^\n]*)$", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_LARGEST_RANGE = 50


@dataclass(frozen=True, slots=True)
class Mark:
    """One citation as written at ``span``: ``numbers`` it gives, or the ``name`` it gives.

    ``numbers`` -1 is the last source. ``certain`` where it is a citation even if it names no source that is there; other
    brackets and phrases count only if they name one. ``prose`` marks belong to the statement, bracketed ones stand beside it.
    """

    span: Span
    numbers: tuple[int, ...] = ()
    name: str = ""
    page: int | None = None
    time: Interval | None = None
    certain: bool = True
    prose: bool = False


@dataclass(frozen=True)
class Citations:
    """All marks of an answer in reading order, the sentences they stand behind, and what the answer's own list of sources says."""

    marks: tuple[Mark, ...]
    sentences: tuple[Span, ...]
    definitions: dict[int, str] = field(default_factory=dict)

    def behind(self, span: Span) -> tuple[Mark, ...]:
        """The marks of the sentences that this span of the answer lies in."""
        mine = [sentence for sentence in self.sentences if sentence[0] < span[1] and span[0] < sentence[1]]
        return tuple(mark for mark, home in zip(self.marks, self._homes(), strict=True) if home in mine)

    def _homes(self) -> Iterator[Span | None]:
        for mark in self.marks:
            inside = (s for s in self.sentences if s[0] <= mark.span[0] < s[1])
            before = (s for s in reversed(self.sentences) if s[1] <= mark.span[0])
            after = (s for s in self.sentences if s[0] >= mark.span[1])
            yield next(inside, None) or next(before, None) or next(after, None)


def citations(answer: str) -> Citations:
    """Everything an answer cites. Spans are code points of ``answer``."""
    body = answer
    definitions: dict[int, str] = {}
    heading = max(_HEADING.finditer(body), key=lambda match: match.start(), default=None)
    if heading is not None and (listed := list(_LISTED.finditer(body, heading.end()))):
        definitions = {int(line["square"] or line["plain"]): line["words"].strip() for line in listed}
        body = _blanked(body, (heading.start(), len(body)))
    for line in _DEFINITION.finditer(body):
        definitions[int(line["number"])] = line["words"].strip()
        body = _blanked(body, line.span())
    for code in _CODE.finditer(body):
        body = _blanked(body, code.span())
    marks = sorted(_bracketed(body) + _superscripts(body), key=lambda mark: mark.span)
    unmarked = body
    for mark in marks:
        unmarked = _blanked(unmarked, mark.span)
    marks = sorted(marks + _in_prose(unmarked), key=lambda mark: mark.span)
    found = [_trimmed(unmarked, span) for span in sentences(unmarked)]
    return Citations(tuple(marks), tuple(span for span in found if span[0] < span[1]), definitions)


def find(text: str) -> list[Claim]:
    """Statement claims: the sentences that cite something. Spans leave out the marks around them."""
    cited = citations(text)
    return [
        Claim("", text[slice(*span)], span, "statement") for span in cited.sentences if any(mark.certain for mark in cited.behind(span))
    ]


def without_marks(text: str) -> str:
    """The text without bracketed and superscript citations, for comparing what it says."""
    bare = text
    for mark in sorted(_bracketed(text) + _superscripts(text), key=lambda mark: mark.span, reverse=True):
        if mark.certain:
            bare = bare[: mark.span[0]].rstrip() + bare[mark.span[1] :]
    return bare


def _bracketed(text: str) -> list[Mark]:
    marks = []
    for match in _BRACKETED.finditer(text):
        body, square = match["square"] or match["round"], match["square"] is not None
        page, time, name = _located(body)
        numbered = _NUMBERED.fullmatch(name)
        if numbered and (square or numbered["word"]):
            if not (square and _is_array(text, match.start())):
                marks.append(Mark(match.span(), _counted(numbered["numbers"]), page=page, time=time))
        elif not numbered and name and not name[0].isdigit():
            marks.append(Mark(match.span(), name=name, page=page, time=time, certain=bool(_CERTAIN_NAME.fullmatch(name))))
    return marks


def _is_array(text: str, start: int) -> bool:
    """Whether a bracket holds values rather than citations: after an equals sign or as an index."""
    before = text[:start].rstrip()
    return before.endswith("=") or bool(re.search(r"\b(?:array|list|vector|range|interval)$", before, re.IGNORECASE))


def _located(body: str) -> tuple[int | None, Interval | None, str]:
    """The page and the time a bracket gives, and what remains of it: what it names."""
    page = _PAGE.search(body)
    rest = body if page is None else body[: page.start()] + body[page.end() :]
    moments = find_moments(rest)
    time = (moments[0].start_s, moments[0].end_s or moments[0].start_s) if moments else None
    if moments:
        rest = rest[: moments[0].span[0]] + rest[moments[0].span[1] :]
        rest = re.sub(r"\b(?:at|from)\s*$", "", rest.strip(" ,;:"))
    return (int(page["page"]) if page else None), time, rest.strip(" ,;:")


def _superscripts(text: str) -> list[Mark]:
    return [Mark(match.span(), _counted(match.group().translate(_FROM_SUPERSCRIPT))) for match in _SUPERSCRIPT.finditer(text)]


def _in_prose(text: str) -> list[Mark]:
    marks = []
    for match in _PROSE.finditer(text):
        near = text[max(0, match.start() - 20) : match.start()], text[match.end() : match.end() + 20]
        found = re.search(r"\bpage\s+(\d{1,4})\s+of\s+$", near[0]) or re.match(r",?\s+(?:on\s+)?page\s+(\d{1,4})\b", near[1])
        page = int(found[1]) if found else None
        ordinal = match["aordinal"] or match["bordinal"]
        if ordinal:
            marks.append(Mark(match.span(), (_ORDINALS[ordinal.lower()],), page=page, certain=False, prose=True))
        elif match["numbers"]:
            marks.append(Mark(match.span(), _counted(match["numbers"]), page=page, certain=False, prose=True))
        else:
            marks.append(Mark(match.span("file"), name=match["file"], page=page, certain=False, prose=True))
    return marks


def _counted(numbers: str) -> tuple[int, ...]:
    """ "1, 3-5" as (1, 3, 4, 5)."""
    counted: list[int] = []
    for part in re.split(r"[,;&]|\band\b", numbers):
        ends = [int(end) for end in re.findall(r"\d+", part)]
        if len(ends) == 2 and 0 < ends[1] - ends[0] <= _LARGEST_RANGE:
            counted += range(ends[0], ends[1] + 1)
        else:
            counted += ends
    return tuple(dict.fromkeys(counted))


def _trimmed(text: str, span: Span) -> Span:
    """The span without blanks and list marks at its edges."""
    start, end = span
    lead = re.match(r"[\s>*•-]*(?=\S)", text[start:end])
    start += lead.end() if lead else 0
    return (min(start, end), start + len(text[start:end].rstrip()))


def _blanked(text: str, span: Span) -> str:
    return text[: span[0]] + re.sub(r"[^\n]", " ", text[slice(*span)]) + text[span[1] :]
