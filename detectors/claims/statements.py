"""Finds the sentences of an answer that state something text evidence can bear out, and says which of them cannot be held against it.

Questions, greetings, offers of help, headings, code and lone fragments state nothing and are no claims. What the answer says about
itself, its opinion or what the evidence lacks ("the report does not mention …") stays a claim, so that it is seen to be
unchecked; :func:`set_aside` gives the reason. Spans leave out list marks and citation marks, as in
:mod:`detectors.claims.citing`, so that a cited sentence is one claim. English only.
"""

from __future__ import annotations

import re

from detectors.claims.citing import citations
from detectors.contract import Claim

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
# Fewer words state nothing unless they carry a number ("Total: 5 EUR").
_FEWEST_WORDS = 3
_HEADING_WORDS = 10
_GREETING = re.compile(
    r"(?:(?:hi|hello|hey|dear|greetings|good\s+(?:morning|afternoon|evening)|welcome|thanks?|thank\s+you|sure|certainly|of\s+course|absolutely"
    r"|great\s+question|good\s+question|no\s+problem|you'?re\s+welcome|sorry|apologies|best\s+regards|kind\s+regards|sincerely|cheers)\b[^.:;]{0,60}[.!:,]?$)"
    r"|(?:please\s+)?(?:let\s+me\s+know|feel\s+free|don'?t\s+hesitate|do\s+not\s+hesitate|would\s+you\s+like|if\s+you\s+(?:have|need|want|would)\b.{0,60}"
    r"\b(?:let|ask|reach|feel|please|contact))\b|i\s+hope\s+(?:this|that|it)\b|i'?d\s+be\s+(?:happy|glad)\b|i\s+(?:can|could|will)\s+(?:also\s+)?help\b",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(
    r"(?:here(?:'s|\s+is|\s+are)|below\s+(?:is|are)|the\s+following|in\s+(?:summary|short|conclusion)|to\s+summari[sz]e|summary|key\s+points?)\b[^.!?]{0,90}:?$",
    re.IGNORECASE,
)
_LACKS = re.compile(
    r"\b(?:(?:does|do|did)\s+not|doesn'?t|don'?t|didn'?t|never|nowhere|cannot|can'?t|could\s+not|couldn'?t|unable\s+to|was\s+not|were\s+not|is\s+not|isn'?t|are\s+not"
    r"|no)\s+(?:\w+\s+){0,3}?(?:mention(?:s|ed)?|specif(?:y|ies|ied)|state[sd]?|say|says|said|provide[sd]?|include[sd]?|contain(?:s|ed)?|give[sn]?|list(?:s|ed)?"
    r"|discuss(?:es|ed)?|disclose[sd]?|address(?:es|ed)?|find|found|locate[sd]?|determine[sd]?|information|details?|indication|explicit(?:ly)?)\b",
    re.IGNORECASE,
)
_OF_SOURCE = re.compile(
    r"\b(?:document|text|source|passage|article|report|transcript|context|evidence|email|file|page|excerpt|material|information|details?|data|record|i|we)s?\b",
    re.IGNORECASE,
)
_OPINION = re.compile(
    r"^(?:(?:but|and|so|well|overall),?\s+)?(?:i\s+(?:think|believe|guess|feel|suspect|suppose|would\s+(?:say|guess|suggest|recommend)|recommend|suggest|assume)"
    r"|in\s+my\s+(?:opinion|view)|personally|it\s+seems\s+to\s+me|my\s+(?:guess|view|opinion|recommendation))\b",
    re.IGNORECASE,
)
_SELF = re.compile(
    r"^(?:as\s+an\s+ai|i\s*(?:'m|\s+am)\s+(?:an\s+ai|a\s+language|not\s+able|unable|sorry)|i\s+(?:can(?:not|'?t|\s+not)|could\s+not|couldn'?t|do\s+not|don'?t)\b)",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"^(?:please|you\s+(?:should|may\s+want|might\s+want|can|could)|make\s+sure|be\s+sure|consider|remember\s+to|try)\b", re.IGNORECASE
)


def find(text: str) -> list[Claim]:
    """Statement claims of an answer, sentence by sentence in reading order; spans are code points of ``text``."""
    code = [match.span() for match in _CODE.finditer(text)]
    return [
        Claim("", text[slice(*span)], span, "statement")
        for span in citations(text).sentences
        if not any(span[0] < end and start < span[1] for start, end in code) and states_something(text[slice(*span)])
    ]


def states_something(sentence: str) -> bool:
    """Whether a sentence asserts anything, true or not."""
    bare = sentence.strip(" \t*_#>-•\"'“”")
    words = len(_WORD.findall(bare))
    if bare.endswith("?") or words == 0 or (words < _FEWEST_WORDS and not re.search(r"\d", bare)):
        return False
    if bare.endswith(":") and words <= _HEADING_WORDS:
        return False
    return _GREETING.match(bare) is None and _LEAD_IN.match(bare) is None and not sentence.lstrip().startswith("#")


def set_aside(sentence: str) -> str | None:
    """Why a statement cannot be held against text evidence, or None when it can."""
    bare = sentence.strip(" \t*_#>-•\"'“”")
    if bare.endswith("?"):
        return "it is a question"
    if _SELF.match(bare):
        return "the answer speaks of itself"
    if _LACKS.search(bare) and _OF_SOURCE.search(bare):
        return "it says what the evidence lacks, which no passage can bear out"
    if _OPINION.match(bare):
        return "the answer gives an opinion of its own"
    if _ADVICE.match(bare):
        return "it is advice, not a statement"
    return None
