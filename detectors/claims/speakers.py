"""Finds in an answer about a recording who is said to speak when: "Bob speaks from 0:05 to 0:09", "[00:12] Ann: we ship it".

Claims carry facts ``speaker`` (the name as written, without "the"), ``start_s``, ``end_s`` (seconds, None where only a
moment is stated), ``rounded_s`` (how far a stated second may be off), ``time_span`` and, of a line of a
transcript, ``line``. Pronouns and "a voice" name
nobody, and without a time there is no turn to listen to: neither is a claim here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from detectors.claims.moments import Moment, find_moments
from detectors.claims.quotes import quoted, sentences
from detectors.contract import Claim, Span

_ROLES = (
    r"agents?|customer|caller|callee|host|guest|interviewer|interviewee|narrator|presenter|moderator|operator|chair(?:man|woman|person)?"
    r"|doctor|patient|nurse|teacher|student|lawyer|judge|witness|client|salesperson|representative|manager|man|woman|girl|boy|child"
)
_ORDER = r"(?:first|second|third|fourth|other|male|female|younger|older)"
_NUMBERED = rf"(?:speaker|participant|person|voice|guest|caller|spk|{_ROLES})[ _#-]?(?:\d{{1,2}}|[A-Z](?![\w'’]))"
_PROPER = r"(?:(?:Dr|Mr|Mrs|Ms|Prof)\.?\s+)?[A-Z][\w'’.-]*\w(?:\s+(?:(?:de|la|van|von|der|den|di|da|bin|al|el)\s+)*[A-Z][\w'’-]*\w){0,3}"
_NAME = (
    rf"(?P<name>(?i:{_NUMBERED})|(?<=[Tt]he )(?i:(?:{_ORDER}\s+)?(?:{_ROLES})|{_ORDER}\s+(?:speaker|voice|person))\b|{_PROPER}(?<!['’]s))"
)
_VERB = (
    r"(?:speak|talk|say|ask|repl(?:y|ie)|answer|explain|state|mention|add|continue|respond|begin|start|open|interrupt|conclude|tell|note|suggest"
    r"|agree|argue|confirm|promise|object|remark|report|announce|introduce|thank|read|propose|discuss|describe|summari[sz]e|disagree|welcome)"
    r"(?:s|es|ed|ing|ning)?|spoke|spoken|said|told|began|begun|takes?\s+(?:over|the\s+floor)|took\s+(?:over|the\s+floor)|ha[sd]\s+the\s+floor"
    r"|(?:is|was)\s+(?:heard|the\s+speaker|the\s+one\s+(?:speaking|talking)|on)|holds?\s+the\s+floor"
)
# "Bob speaks", "Bob, who chairs, then says"; the verb follows the name closely.
_SUBJECT = re.compile(
    rf"\b{_NAME}(?:\s*[,(][^,()\n]{{1,40}}[,)])?\s+(?:(?:is|was|then|also|now|again|who|first|finally|briefly|has|had|been|does|can\s+be)\s+){{0,3}}"
    rf"(?:{_VERB})\b"
)
# "the speaker is Bob", "the voice belongs to Bob", "the floor passes to Bob", "spoken by Bob".
_OBJECT = re.compile(
    r"\b(?:(?:the\s+)?(?:speaker|voice|person|one)(?:\s+(?:speaking|talking|heard|here|there|then|that\s+speaks))?(?:\s[^.;\n]{0,40}?)?\s+(?:is|was|belongs?\s+to|"
    r"sounds\s+like)|(?:it\s+is|it's|it\s+was|(?:spoken|said|read|asked|given)\s+by|the\s+floor\s+(?:is|goes|passes)\s+to|comes\s+from)|hears?)"
    rf"(?:\s+that\s+of)?(?:\s+the)?\s+{_NAME}"
)
# "Bob from 0:05 to 0:09", "Bob (0:05-0:09)": short for a verb said before.
_SHORT = re.compile(rf"\b{_NAME},?\s*(?:\(|\[|from\b|between\b|at\b|until\b)\s*(?:about\s+)?(?=\d)")
_CLOCKS = r"\d[^\])\n:]{0,3}:[^\])\nA-Za-z]{2,30}"
_LINE = re.compile(
    rf"^[ \t>*•-]*(?:\d{{1,3}}[.)][ \t]+)?"
    rf"(?:[\[(]?(?P<before>{_CLOCKS})[\])]?[ \t]*[-–—:|]?[ \t]*\**{_NAME}\**[ \t]*:"
    rf"|\**{_NAME.replace('<name>', '<other>')}\**[ \t]*,?[ \t]*[\[(]?(?P<after>{_CLOCKS})[\])]?[ \t]*\**[ \t]*[:–—-])"
    r"[ \t*]*(?P<words>[^\n]*)$",
    re.MULTILINE,
)
# Capitalised at the head of a sentence, and names of other things.
_NO_NAME = frozenset({
    "at", "from", "between", "then", "in", "the", "after", "around", "about", "until", "before", "during", "here", "there", "when",
    "it", "he", "she", "they", "we", "you", "i", "who", "someone", "somebody", "nobody", "everyone", "another", "a", "an", "this", "that",
    "voice", "speaker", "words", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "near", "next", "also",
    "finally", "first", "later", "recording", "starting", "beginning", "and", "but", "both", "one", "audio", "minutes", "transcript",
    "time", "note", "topic", "agenda", "speech", "music", "silence", "summary", "action", "question", "answer",
})  # fmt: skip
_WHOLE_S, _TENTH_S, _EXACT_S = 0.5, 0.05, 0.005


def find(text: str) -> list[Claim]:
    """Speaker claims of an answer about a recording, in reading order; spans are code points."""
    claims, lines = _lines(text)
    marks = [span for span, _ in quoted(text)]
    for sentence in sentences(text):
        if not any(_overlap(sentence, line) for line in lines):
            claims += _of_sentence(text, sentence, marks)
    return sorted(claims, key=lambda claim: claim.span or (0, 0))


def plain_name(name: str) -> str:
    """A name in the form in which two mentions of one person are equal: lower case, without "Speaker" and "the"."""
    bare = re.sub(r"\s+", " ", name.replace("_", " ")).strip(" .:*").casefold()
    bare = re.sub(r"^(?:the\s+)?(?:speaker|spk|participant|voice|person)\s*(?:no\.?\s*)?#?-?\s*(?=\S)", "", bare)
    return re.sub(r"^0+(?=\d)", "", bare.removeprefix("the "))


def _lines(text: str) -> tuple[list[Claim], list[Span]]:
    claims, spans = [], []
    for match in _LINE.finditer(text):
        group, who = ("before", "name") if match["before"] else ("after", "other")
        moments = find_moments(match[group], match.start(group))
        span = (match.start(group if group == "before" else who), match.start() + len(match.group().rstrip()))
        if len(moments) == 1 and _is_name(match[who]):
            claim = _claim(text, span, match[who], moments[0])
            claims.append(Claim("", claim.text, span, "speaker", speaker=claim.speaker, facts={**claim.facts, "line": True}))
            spans.append(span)
    # Of a transcript each line lasts until the next one begins.
    for number, (claim, after) in enumerate(pairwise(claims)):
        start, following = claim.facts["start_s"], after.facts["start_s"]
        if claim.facts["end_s"] is None and following > start:
            claims[number] = Claim("", claim.text, claim.span, "speaker", speaker=claim.speaker, facts={**claim.facts, "end_s": following})
    return claims, spans


def _of_sentence(text: str, sentence: Span, marks: Sequence[Span]) -> list[Claim]:
    bare = list(text[slice(*sentence)])
    for start, end in marks:
        for position in range(max(start, sentence[0]), min(end, sentence[1])):
            bare[position - sentence[0]] = "\x00"
    outside = "".join(bare)
    moments = find_moments(outside, sentence[0])
    found = [match for pattern in (_SUBJECT, _OBJECT) for match in pattern.finditer(outside) if _is_name(match["name"])]
    if not moments or not found:
        return []
    found += [match for match in _SHORT.finditer(outside) if _is_name(match["name"])]
    names = sorted({match.span("name"): match["name"] for match in found}.items())
    names = [entry for number, entry in enumerate(names) if number == 0 or entry[0][0] >= names[number - 1][0][1]]
    if len(names) == 1:
        return [_claim(text, sentence if len(moments) == 1 else moment.span, names[0][1], moment) for moment in moments]
    if len(names) != len(moments):
        # Who is meant by which time cannot be told.
        return []
    placed = [((span[0] + sentence[0], span[1] + sentence[0]), name) for span, name in names]
    return [
        _claim(text, (min(span[0], moment.span[0]), max(span[1], moment.span[1])), name, moment)
        for (span, name), moment in zip(placed, moments, strict=True)
    ]


def _claim(text: str, span: Span, name: str, moment: Moment) -> Claim:
    written = text[slice(*moment.span)]
    fraction = re.search(r":\d\d[.,](\d{1,3})", written)
    rounded = _WHOLE_S if fraction is None else _TENTH_S if len(fraction[1]) == 1 else _EXACT_S
    speaker = re.sub(r"\s+", " ", name).strip()
    facts = {
        "speaker": speaker,
        "start_s": moment.start_s,
        "end_s": moment.end_s,
        "rounded_s": rounded,
        "time_span": moment.span,
    }
    return Claim("", text[slice(*span)], span, "speaker", speaker=speaker, facts=facts)


def _is_name(name: str) -> bool:
    return name.split()[0].strip(".,").casefold() not in _NO_NAME or bool(re.fullmatch(_NUMBERED, name, re.IGNORECASE))


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
