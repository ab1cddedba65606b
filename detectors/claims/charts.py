"""Finds the statements of an answer that a chart can confirm or deny, sentence by sentence.

An answer is read this way only when it talks of statistics at all (two percentages, or a chart word beside a number);
then every sentence that states a number, a direction, an extreme or a comparison is one claim of kind ``trend``.
Whether the evidence is a chart is for the detector to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from detectors.claims.amounts import SCALES, find_amounts
from detectors.contract import Claim, Span

_MONTHS = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?"
)
_RELATIONS = {
    "rise": r"increas\w*|ris(?:e|es|en|ing)|rose|gr(?:ow|ows|ew|own|owing|owth)|climb\w*|surg\w+|jump\w*|soar\w*|upward\w*"
    r"|up\s+from|gain(?:ed|s|ing)|uptick"
    r"|rebound\w*|recover(?:s|ed|y|ing)|improv(?:ed|es|ing|ement)|upswing|ascend\w*",
    "fall": r"decreas\w*|declin\w+|fall(?:s|en|ing)?|fell|drop(?:s|ped|ping)?|shr(?:ink|inks|ank|unk|inking)|plung\w+"
    r"|plummet\w*|dip(?:s|ped)?|downward\w*"
    r"|down\s+from|slip(?:s|ped)?|reduc(?:ed|tion|es)|dwindl\w+|diminish\w*",
    "stable": r"stab(?:le|ility|ili[sz]\w+)|steady|unchanged|constant|flat|stagnant|consistent"
    r"|plateau\w*|little\s+change"
    r"|(?:relatively|remain\w*)\s+(?:similar|the\s+same)|fluctuat\w+",
    "steady": r"steadily|constantly|consistently",
    "highest": r"highest|largest|greatest|peak\w*|maximum|biggest|top(?:ped|s|ping)?|leading|leads?|the\s+most"
    r"|most\s+(?:common|popular|significant|frequent|prevalent)"
    r"|predominant\w*|dominant|strongest|all-time\s+high",
    "lowest": r"lowest|smallest|minimum|fewest|the\s+least|least\s+(?:common|popular|likely|favou?rable)|bottom|weakest|trough",
    "greater": r"more\s+than|higher|greater|larger|exceed\w*|outnumber\w*|surpass\w*|above|outpac\w+|over|more\s+\w+\s+than"
    r"|more\s+likely|bigger|outweigh\w*",
    "less": r"less\s+than|lower|fewer|smaller|below|under|behind|less\s+\w+\s+than|less\s+likely|lag\w*|trail\w*",
    "equal": r"same|equal(?:ly|s)?|similar(?:ly)?|evenly|identical|split|comparable|parity|converg\w+",
    "majority": r"majorit(?:y|ies)|most\s+(?:americans|people|adults|respondents|voters|of)",
    "minority": r"minorit(?:y|ies)",
    "difference": r"differen(?:ce|ces|t|tial)|gaps?|margins?|disparit\w+|percentage[\s-]points?|discrepanc\w+",
    "ratio": r"twice|doubl\w+|tripl\w+|quadrupl\w+|times\s+(?:as|more|higher|larger|the)|halv\w+",
    "total": r"totals?|sum|combined|altogether|average|mean|median",
    "respectively": r"respectively",
    "from-to": r"from\b.{1,60}?\bto\b|between\b.{1,40}?\band\b|(?:up|down)\s+from",
}
RELATIONS = {
    name: re.compile(rf"(?<!second )(?<!second-)(?<!third )(?<!third-)(?<!next )\b(?:{words})\b", re.IGNORECASE)
    for name, words in _RELATIONS.items()
}
_TOPIC = re.compile(
    r"\b(?:charts?|graphs?|bars?|pie|plot(?:s|ted)?|axis|legend|percent(?:age)?s?|share|survey(?:ed|s)?"
    r"|respondents?|statistics?|rates?|polls?|trends?"
    r"|proportion|figures?|values?|rating|index|per\s+cent|data|adults)\b|%",
    re.IGNORECASE,
)
_CHART = re.compile(
    r"\b(?:(?:bar|pie|line|area|column|donut|stacked)\s+(?:chart|graph|plot)s?|(?:the|this|in)\s+(?:chart|graph|diagram|plot))\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|circa|close\s+to|some|just\s+(?:over|under"
    r"|above|below)|slightly\s+\w+|over|under"
    r"|more\s+than|less\s+than|at\s+least|up\s+to|upwards\s+of|an?\s+estimated)(?:\s+(?:a|an|the))?|[~≈])\s*\$?$",
    re.IGNORECASE,
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|vs|e\.g|i\.e|Mr|Mrs|Ms|Dr|St|No|Gov|Sen|Rep|Dem|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|Inc|approx|al))\.$"
)
_END = re.compile(r"[.!?][)\"”’*\]]*(?=\s)|\n+")
_COUNT_NAMES = "zero one two three four five six seven eight nine ten eleven twelve"
_COUNT = {word: number for number, word in enumerate(_COUNT_NAMES.split())}
_COUNT_WORD = "|".join(_COUNT)
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "thirds": 3,
    "quarter": 4,
    "quarters": 4,
    "fourth": 4,
    "fourths": 4,
    "fifth": 5,
    "fifths": 5,
    "tenth": 10,
    "tenths": 10,
}
_IN_TEN = re.compile(rf"\b(?P<n>{_COUNT_WORD}|\d+)[\s-]+(?:in|out\s+of)(?:[\s-]+every)?[\s-]+(?P<m>{_COUNT_WORD}|\d+)\b", re.IGNORECASE)
_FRACTION = re.compile(
    rf"\b(?:(?P<n>{_COUNT_WORD}|a)[\s-]+)?(?P<part>half|halves|thirds?|quarters?|fourths|fifths?|tenths?)\b(?!\s+(?:of\s+)?(?:the\s+)?(?:percentage|rate|number|time|quarter|level"
    r"|most|highest|largest|place|lowest|year|century)|-)",
    re.IGNORECASE,
)
_THINGS = re.compile(
    r"[\s-]+(?:(?:years?|decades?|months?|days?|weeks?)\b|(?:(?!(?:in|on|of|for|by|from|to|at|with|and|or)\b)\w+\s+){0,2}?(?:categor|groups?\b|countries\b|bars?\b"
    r"|lines?\b|colou?rs?\b|types?\b|data\s+points|sections?\b"
    r"|parts?\b|charts?\b|columns?\b|rows?\b|panels?\b|options?\b|questions?\b|segments?\b|different\b|reasons?\b"
    r"|topics?\b|issues?\b|items?\b))",
    re.IGNORECASE,
)
_LABEL_NUMBER = re.compile(
    r"^\s*(?:k?\s?[-–]\s*[<>]?\$?\d|k?\s?\+|(?:and|or)\s+(?:older|over|above|under|younger|more|less)"
    r"|(?:to\s+\d+[\s-]+)?years?[\s-]old|th\b|st\b|nd\b|rd\b)",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"(?:\b(?:ages?|aged|question|q|figure|table|wave|top|version|covid|g)\s*[-.]?|\d\s?[-–]|\bages?\s+\d+\s+(?:to|and)|[<>≤≥]\s*\$?)\s*$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“]([^\"”\n]{2,120})[\"”]|(?<!\w)'([^'\n]{2,120})'(?!\w)")
_NAME = re.compile(r"(?<![.!?:\n] )(?<!^)\b[A-Z][\w'’.-]*(?:[ ](?:(?:of|and|the|in)[ ])?[A-Z][\w'’.-]*)*")


_SENTENCE_WORDS = 5


@dataclass(frozen=True, slots=True)
class Stated:
    """A number an answer states, at ``span`` of its claim's text.

    ``value`` is the number as written, ``scale`` its factor (``2.3 million`` → 2.3 and 10**6), ``decimals`` as written, ``unit`` ``%``, a
    currency or a measure. ``approx`` with a hedge (*about*, *nearly*) or as a fraction (*two-thirds* → 66.7, ``worded``). ``role`` is
    ``value``, ``year``, ``date`` (day of a month), ``label`` (an age, a rank) or ``count`` (of the chart's own parts).
    """

    value: float
    span: Span
    unit: str | None = None
    scale: float = 1.0
    decimals: int = 0
    approx: bool = False
    worded: bool = False
    role: str = "value"


def find(text: str) -> list[Claim]:
    """One claim a sentence that states something statistical, in reading order.

    Facts: ``numbers`` (:class:`Stated`, years included), ``labels`` (quoted words and names), ``relations`` (keys of
    :data:`RELATIONS`), ``before`` (the sentence in front, which often carries the subject).
    """
    if not describes_statistics(text):
        return []
    claims: list[Claim] = []
    before = ""
    for span in sentences(text):
        words = text[slice(*span)]
        facts = {"numbers": tuple(numbers(words)), "labels": labels(words), "relations": relations(words), "before": before}
        # Two or three words of names alone are a heading of the answer.
        if facts["numbers"] or facts["relations"] or (facts["labels"] and len(words.split()) >= _SENTENCE_WORDS):
            claims.append(Claim("", words, span, "trend", facts=facts))
        before = words
    return claims


def describes_statistics(text: str) -> bool:
    """Whether the answer as a whole reports figures: a percentage, or several numbers beside a word of statistics."""
    if re.search(r"\d\s?(?:%|per\s?cent)", text):
        return True
    numerals, topics = len(re.findall(r"(?<![\w.])\d[\d,.]*", text)), len(_TOPIC.findall(text))
    directed = any(RELATIONS[name].search(text) for name in ("rise", "fall", "highest", "lowest", "greater", "less"))
    if _CHART.search(text) and (numerals or directed):
        return True
    return topics >= 3 or (numerals >= 2 and (topics >= 1 or directed))


def sentences(text: str) -> Iterator[Span]:
    """Spans of the sentences and lines of a text, without the white space and list marks around them."""
    start = 0
    for match in [*_END.finditer(text), None]:
        end = match.end() if match else len(text)
        if (
            match
            and match.group()[0] == "."
            and (_ABBREVIATION.search(text[start : match.start() + 1]) or re.match(r"\s+[a-z]", text[end : end + 3]))
        ):
            continue
        piece = text[start:end]
        lead = re.match(r"[\s*•\-–]*(?:\d{1,2}[.)]\s+)?[\s*•]*", piece)
        left = start + (lead.end() if lead else 0)
        right = start + len(piece.rstrip())
        if (
            right - left > 2
            and any(character.isalnum() for character in text[left:right])
            and not re.fullmatch(r"\d{1,2}[.)]", text[left:right])
        ):
            yield (left, right)
            start = end
        elif not piece.strip() or piece.endswith("\n"):
            start = end


def relations(words: str) -> tuple[str, ...]:
    """The kinds of statement the words make, in the order of :data:`RELATIONS`."""
    return tuple(name for name, pattern in RELATIONS.items() if pattern.search(words))


def labels(words: str) -> tuple[str, ...]:
    """Quoted words and names inside a sentence: what a chart would carry as a label."""
    quoted = [(match.group(1) or match.group(2)).strip(" .,") for match in _QUOTED.finditer(words)]
    named = [match.group().rstrip(".") for match in _NAME.finditer(_QUOTED.sub(" ", words))]
    return tuple(dict.fromkeys([*quoted, *named]))


def numbers(words: str) -> list[Stated]:
    """Everything numeric in a sentence, in reading order."""
    found = [*_worded(words)]
    taken = [stated.span for stated in found]
    for amount in find_amounts(words):
        if not any(start < amount.span[1] and amount.span[0] < end for start, end in taken):
            left, right = amount.number_span
            before, after = words[:left], words[right:]
            if before[-1:].isalpha() or (
                after[:1].isalpha() and amount.unit is None and not amount.scaled and not re.match(r"s\b|th|st|nd|rd", after)
            ):
                continue
            scale = _scale(words[right : amount.span[1] + 2])
            year = amount.unit is None and amount.currency is None and _is_year(words[left:right])
            role = "year" if year else "value" if amount.unit == "%" or amount.decimals else _role(before, after)
            number = amount.values[0] / scale if amount.scaled else amount.values[0]
            points = re.match(r"[\s-]?(?:percentage[\s-])?points?\b", after)
            unit = "points" if points else amount.unit if amount.unit == "%" else amount.currency
            found.append(Stated(number, amount.span, unit, scale, amount.decimals, bool(_HEDGE.search(before[-24:])), role=role))
    return sorted(found, key=lambda stated: stated.span)


def _worded(words: str) -> Iterator[Stated]:
    for match in _IN_TEN.finditer(words):
        n, m = _number(match["n"]), _number(match["m"])
        if 0 < n <= m <= 100 and m > 1:
            yield Stated(100 * n / m, match.span(), "%", approx=True, worded=True)
    for match in _FRACTION.finditer(words):
        n, m = _number(match["n"] or "a"), _PARTS[match["part"].lower()]
        after_rank = re.search(r"\b(?:the|first|second|last|top|bottom|other|per)\s+$", words[: match.start()], re.IGNORECASE)
        # "third" alone is a rank, and "half" alone a share.
        if n < m and not (after_rank and n == 1) and (match["n"] or m == 2):
            yield Stated(100 * n / m, match.span(), "%", approx=True, worded=True)


def _number(word: str) -> int:
    return 1 if word.lower() == "a" else _COUNT.get(word.lower(), int(word) if word.isdigit() else 0)


def _scale(after: str) -> float:
    word = re.match(r"\s?([A-Za-z]+)", after)
    return float(SCALES.get(word.group(1).lower(), 1)) if word else 1.0


def _is_year(number: str) -> bool:
    return bool(re.fullmatch(r"1[89]\d\d|20\d\d|2100", number))


def _role(before: str, after: str) -> str:
    if re.search(rf"\b(?:{_MONTHS})\.?\s+(?:\d+\s?[-–]\s?)?$", before, re.IGNORECASE) or re.match(
        rf"\s+(?:{_MONTHS})\b", after, re.IGNORECASE
    ):
        return "date"
    if _LABEL_NUMBER.match(after) or _LABEL_BEFORE.search(before):
        return "label"
    return "count" if _THINGS.match(after) and before[-1:] != "$" else "value"
