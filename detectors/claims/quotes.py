"""Finds in an answer about a recording what the recording can confirm or deny: quotes, stated times, spoken numbers.

Quotes carry facts ``quote``, ``quote_span``, ``start_s``, ``end_s`` (seconds, None where no time is stated),
``time_span`` and ``approximate``. Spoken numbers are quantities with ``digits`` (as a string, leading zeros kept),
``unit`` and ``start_s``/``end_s``. Reported speech without quote marks is a paraphrase, which no comparison of words can
check: of a video it is found here as a statement, of a recording every statement is (:mod:`detectors.claims.statements`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from detectors.claims.moments import Moment, find_moments
from detectors.claims.writing import is_written
from detectors.contract import Claim, Span

_MAX_QUOTE = 2000
_QUOTE = re.compile(
    rf"“([^”\n]{{1,{_MAX_QUOTE}}})”"
    rf"|„([^“”\n]{{1,{_MAX_QUOTE}}})[“”]"
    rf"|«\s?([^»\n]{{1,{_MAX_QUOTE}}}?)\s?»"
    rf'|"([^"\n]{{1,{_MAX_QUOTE}}})"'
    # An apostrophe between letters, or closing a plural before a space and a lower-case word, does not end a single quote.
    rf"|‘((?:[^’\n]|’(?=\w)){{1,{_MAX_QUOTE}}})’(?!\w)"
    rf"|(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w)){{1,{_MAX_QUOTE}}})'(?!\w)"
)
_SPEECH = re.compile(
    r"\b(?:say|says|said|saying|speaks?|spoken|spoke|speaker|voice|hears?|heard|tells?|told|asks?|asked|adds?|added|replie[sd]|reply|answers?"
    r"|answered|mentions?|mentioned|states?|stated|quotes?|quoted|utters?|uttered|announce[sd]?|explains?|explained|promise[sd]?|caller|call"
    r"|callers|customer|agent|recording|audio|clip|transcript|conversation|meeting|dictate[sd]?|spells?|spelled|read\s+out|reads?\s+out|gives?"
    r"|gave|given|words|narrator|host|interviewer|presenter|goes|went|remarks?|remarked|warns?|warned|insists?|insisted|whispers?|shouts?)\b",
    re.IGNORECASE,
)
_VISIBLE = re.compile(
    r"\b(?:sign|caption(?:ed)?|screen|subtitles?|on-screen|poster|banner|label(?:l?ed)?|logo|slide|written|printed|text|shirt|plate)\b",
    re.IGNORECASE,
)
_NUMBER_CUE = re.compile(
    r"\b(?:number|numbers|digits?|code|pin|account|phone|telephone|order|reference|ref|invoice|ticket|tracking|policy|zip|postcode|extension|id)\b",
    re.IGNORECASE,
)
_UNIT = (
    r"dollars?|euros?|pounds?|cents?|percent|per\s+cent|%"
    r"|usd|eur|gbp|rupees?|francs?|yen|units?|pieces?|kilos?|kilograms?|miles?|kilometers?"
)
_NUMBER = re.compile(
    rf"(?<![\w:.,])(?P<money>[$€£¥]\s?)?(?P<number>\+?\(?\d(?:[\d ,.()–-]*\d)?)(?![\w:])(?:\s?(?P<unit>{_UNIT})(?!\w))?", re.IGNORECASE
)
_DIGIT_WORDS = {
    word: str(digit) for digit, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
} | {"oh": "0"}
_SPELLED = re.compile(rf"\b(?:{'|'.join(_DIGIT_WORDS)})(?:[\s,-]+(?:{'|'.join(_DIGIT_WORDS)})){{2,}}\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:in|since|of|by|until|year|from|[a-z]{3,9}\s+\d{1,2},?)\s*$", re.IGNORECASE)
_REPORTED = re.compile(
    r"\b(?:says?|said|states?|stated|mentions?|mentioned|explains?|explained|claims?|claimed|reports?|reported|promises?|promised|confirms?|confirmed)"
    r"\s+(?:that\s+)?(?=[a-z])",
)
_SENTENCE_END = re.compile(r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bProf)[.!?…]+[\"”»’']?(?=\s+[\"“«„‘'(\[]?[^\W_a-z]|\s*$)|\n+")
_LINE = re.compile(
    r"^[ \t>*-]*[\[(](?P<time>[^\])\n]{3,24})[\])][ \t]*[-–:]?[ \t]*(?P<who>[A-Z][\w .'-]{0,30}:[ \t]+)?(?P<words>\S[^\n]*)$", re.MULTILINE
)
# A shorter quote is only a claim about speech where the sentence says so: one or two quoted words are often a name or irony.
_PLAIN_WORDS = 3


@dataclass(frozen=True, slots=True)
class _Quote:
    outer: Span
    inner: Span


def find(text: str) -> list[Claim]:
    """Quote and quantity claims of an answer about a recording, in reading order; spans are code points."""
    return [claim for claim in _find(text, named_lines_only=False) if claim.kind != "statement"]


def find_in_video(text: str) -> list[Claim]:
    """As :func:`find`, and reported speech as statements.

    A line "[0:10] A bird lands" is taken for what is said only where it names the speaker.
    Words on the screen are left to :mod:`detectors.claims.events`.
    """
    return [claim for claim in _find(text, named_lines_only=True) if claim.kind != "quote" or not is_written(claim.text)]


def _find(text: str, *, named_lines_only: bool) -> list[Claim]:
    quotes = _quotes(text)
    claims, lines = _transcript_lines(text, quotes, named_lines_only)
    for sentence in _sentences(text, quotes):
        if any(_overlap(sentence, line) for line in lines):
            continue
        inside = [quote for quote in quotes if _overlap(sentence, quote.outer)]
        outside = _masked(text, sentence, inside)
        moments = find_moments(outside, sentence[0])
        spoken = _spoken_quotes(text, sentence, outside, inside, moments)
        numbers = _numbers(text, sentence, outside, moments)
        claims += spoken + numbers
        reported = None if inside or numbers else _REPORTED.search(outside)
        if reported is not None:
            claims.append(Claim("", text[slice(*sentence)], sentence, "statement"))
    return sorted(claims, key=lambda claim: claim.span or (0, 0))


def sentences(text: str) -> list[Span]:
    """Sentence spans of an answer; a stop within a quote or a stated time ends none."""
    return _sentences(text, _quotes(text))


def quoted(text: str) -> list[tuple[Span, str]]:
    """Quoted words with the span that includes their marks."""
    return [(quote.outer, text[slice(*quote.inner)].strip()) for quote in _quotes(text)]


def _quotes(text: str) -> list[_Quote]:
    found = []
    for match in _QUOTE.finditer(text):
        group = match.lastindex or 1
        if any(character.isalnum() for character in match.group(group)):
            found.append(_Quote(match.span(), match.span(group)))
    return found


def _sentences(text: str, quotes: Sequence[_Quote]) -> list[Span]:
    """Sentence spans without surrounding space; only the last mark inside a quote can end a sentence."""
    bare = list(text)
    for quote in quotes:
        for position in range(quote.inner[0], quote.inner[1] - 1):
            bare[position] = "x"
    for moment in find_moments(text, 0):
        # "at 0:12. The" ends a sentence, the point inside "12.5 s" does not.
        for position in range(moment.span[0], moment.span[1] - 1):
            bare[position] = "x"
    masked = "".join(bare)
    edges = [0, *(match.end() for match in _SENTENCE_END.finditer(masked)), len(text)]
    spans = []
    for start, end in pairwise(edges):
        words = text[start:end]
        if words.strip():
            spans.append((start + len(words) - len(words.lstrip()), start + len(words.rstrip())))
    return spans


def _masked(text: str, sentence: Span, quotes: Sequence[_Quote]) -> str:
    """The sentence with its quoted words blanked out, same length."""
    bare = list(text[slice(*sentence)])
    for quote in quotes:
        for position in range(max(quote.inner[0], sentence[0]), min(quote.inner[1], sentence[1])):
            bare[position - sentence[0]] = "\x00"
    return "".join(bare)


def _spoken_quotes(text: str, sentence: Span, outside: str, quotes: Sequence[_Quote], moments: Sequence[Moment]) -> list[Claim]:
    times = _paired(quotes, moments)
    heard = bool(_SPEECH.search(outside))
    claims = []
    for quote, moment in zip(quotes, times, strict=True):
        words = text[slice(*quote.inner)].split()
        # Quoted from a sign or a caption: nothing anyone says, whether a time stands beside it or not.
        if not heard and (_VISIBLE.search(outside) or (moment is None and len(words) < _PLAIN_WORDS)):
            continue
        span = sentence if len(quotes) == 1 else _hull(quote.outer, moment)
        claims.append(_quote_claim(text, span, quote.inner, moment))
    return claims


def _quote_claim(text: str, span: Span, inner: Span, moment: Moment | None) -> Claim:
    facts = {
        "quote": text[slice(*inner)].strip(),
        "quote_span": inner,
        "start_s": moment.start_s if moment else None,
        "end_s": moment.end_s if moment else None,
        "time_span": moment.span if moment else None,
        "approximate": bool(moment and moment.approximate),
    }
    return Claim("", text[slice(*span)], span, "quote", facts=facts)


def _paired(quotes: Sequence[_Quote], moments: Sequence[Moment]) -> list[Moment | None]:
    """The stated time of each quote: in order where the counts agree, else each time goes to the quote nearest to it."""
    if len(quotes) == len(moments):
        return list(moments)
    times: list[Moment | None] = [None] * len(quotes)
    for moment in moments:
        gaps = [max(quote.outer[0] - moment.span[1], moment.span[0] - quote.outer[1]) for quote in quotes]
        if gaps:
            nearest = gaps.index(min(gaps))
            times[nearest] = times[nearest] or moment
    return times


def _hull(outer: Span, moment: Moment | None) -> Span:
    return outer if moment is None else (min(outer[0], moment.span[0]), max(outer[1], moment.span[1]))


def _transcript_lines(text: str, quotes: Sequence[_Quote], named_only: bool) -> tuple[list[Claim], list[Span]]:
    """Lines such as ``[00:12] Ann: we will ship it``: words without quote marks, but given as a transcript."""
    claims, spans = [], []
    for match in _LINE.finditer(text):
        if named_only and not match["who"]:
            continue
        moments = find_moments(f"[{match['time']}]", match.start("time") - 1)
        words = match["words"].rstrip()
        span = (match.start("time") - 1, match.start("words") + len(words))
        if len(moments) == 1 and len(words.split()) >= _PLAIN_WORDS and not any(_overlap(span, quote.outer) for quote in quotes):
            claims.append(_quote_claim(text, span, (match.start("words"), span[1]), moments[0]))
            spans.append(span)
    return claims, spans


def _numbers(text: str, sentence: Span, outside: str, moments: Sequence[Moment]) -> list[Claim]:
    if not _SPEECH.search(outside) and not _NUMBER_CUE.search(outside):
        return []
    mentions = [*_SPELLED.finditer(outside), *_NUMBER.finditer(outside)]
    claims = []
    for match in mentions:
        start, end = sentence[0] + match.start(), sentence[0] + match.end()
        if any(_overlap((start, end), moment.span) for moment in moments):
            continue
        facts = _number_facts(match, outside)
        if facts is None:
            continue
        at = moments[0] if len(moments) == 1 else None
        facts |= {"start_s": at.start_s if at else None, "end_s": at.end_s if at else None}
        claims.append(Claim("", text[start:end], (start, end), "quantity", facts=facts))
    return claims


def _number_facts(match: re.Match[str], outside: str) -> dict[str, object] | None:
    """What a number says, or None where it is a year, a count of things or a numbering rather than something spoken."""
    if match.re is _SPELLED:
        return {"digits": "".join(_DIGIT_WORDS[word.lower()] for word in re.findall(r"[A-Za-z]+", match.group())), "unit": None}
    number, unit = match["number"], (match["unit"] or match["money"] or "").strip() or None
    digits = re.sub(r"\D", "", re.sub(r"[.,]00?$", "", number)) if unit else re.sub(r"\D", "", number)
    if unit is None and (len(digits) < _PLAIN_WORDS or (len(digits) == 4 and _YEAR.search(outside[: match.start()]))):
        return None
    return {"digits": digits, "unit": unit}


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
