"""Finds in an answer about a recording the names that it says are spoken there: "At 0:42 she mentions Berlin".

Claims are of kind ``entity`` with facts ``spoken`` True, ``name``, ``label`` (spaCy's, such as GPE) and ``start_s``, ``end_s`` of
the stated time (None where there is none). Who speaks need not be named in the recording: subjects of speech are left
out, and so is what stands in quotes or transcript lines, whose words are checked one by one.
"""

from __future__ import annotations

import re

from detectors.claims import quotes, speakers
from detectors.claims.language import parsed
from detectors.claims.moments import Moment, find_moments
from detectors.contract import Claim, DetectorUnavailable, Span

_LABELS = frozenset({"PERSON", "ORG", "GPE", "LOC", "FAC", "PRODUCT", "EVENT", "NORP", "WORK_OF_ART"})
# Verbs whose object is spoken; "explains the plan for Berlin" may be a paraphrase, but a name in it is still a name said.
_MENTION = re.compile(
    r"\b(?:mention|name|say|said|talk|refer|discuss|bring|brought|cite|announce|ask|tell|told|introduce|thank|greet|address|recommend|suggest"
    r"|speak|spoke|spoken|state|explain|describe|report|add|promise|confirm|call|compare|praise|criticis|criticiz|warn|hear|heard|spell)\w*\b",
    re.IGNORECASE,
)
_SPEAKING = (
    r"(?:is|was|then|also|now|and\s+\w+|,[^,]{1,30},)?\s*(?:mention|say|said|talk|refer|discuss|bring|brought|cite|announce|ask|tell|told"
    r"|introduce|thank|greet|recommend|suggest|speak|spoke|state|explain|describe|report|add|promise|confirm|repl|answer|warn)\w*\b"
)
_SUBJECT = re.compile(rf"\s*{_SPEAKING}")
# What the answer says about the recording as a thing.
_NO_NAME = frozenset({"speaker", "recording", "audio", "clip", "call", "meeting", "transcript", "english", "agent", "customer", "caller"})


def find(text: str) -> list[Claim]:
    """Entity claims in reading order; none where spaCy's model is not installed."""
    try:
        parsed(text)
    except DetectorUnavailable:
        return []
    blocked = [span for span, _ in quotes.quoted(text)] + [
        claim.span for claim in quotes.find(text) if claim.kind == "quote" and claim.span
    ]
    blocked += [claim.span for claim in speakers.find(text) if claim.span and claim.facts.get("line")]
    claims = []
    for sentence in quotes.sentences(text):
        written = text[slice(*sentence)]
        if not _MENTION.search(written):
            continue
        moments = find_moments(written, sentence[0])
        for span, label in _names(text):
            if sentence[0] <= span[0] and span[1] <= sentence[1] and _is_named(text, span, blocked):
                claims.append(_claim(text, span, label, moments[0] if len(moments) == 1 else None))
    return claims


def _names(text: str) -> list[tuple[Span, str]]:
    """Named entities, and runs of proper nouns inside a sentence that the recogniser gave no label."""
    document = parsed(text)
    found = [(_trimmed(text, (e.start_char, e.end_char)), e.label_) for e in document.ents if e.label_ in _LABELS]
    taken = {token.i for entity in document.ents for token in entity}
    run: list[Span] = []
    for token in document:
        if token.pos_ == "PROPN" and token.i not in taken and token.text[:1].isupper() and not token.is_sent_start:
            run.append((token.idx, token.idx + len(token)))
            continue
        if run:
            found.append((_trimmed(text, (run[0][0], run[-1][1])), "PROPN"))
            run = []
    return sorted(found)


def _claim(text: str, span: Span, label: str, moment: Moment | None) -> Claim:
    facts = {
        "spoken": True,
        "name": text[slice(*span)],
        "label": label,
        "start_s": moment.start_s if moment else None,
        "end_s": moment.end_s if moment else None,
    }
    return Claim("", text[slice(*span)], span, "entity", facts=facts)


def _is_named(text: str, span: Span, blocked: list[Span]) -> bool:
    name = text[slice(*span)]
    if (
        not re.search(r"[^\W\d_]{2}", name)
        or not name[0].isupper()
        or name.lower() in _NO_NAME
        or re.fullmatch(r"(?i)speaker[ _]?\w{1,2}", name)
    ):
        return False
    if any(span[0] < end and start < span[1] for start, end in blocked):
        return False
    # "is greeted by Laura": whoever speaks.
    return not _SUBJECT.match(text, span[1]) and not text[: span[0]].rstrip().endswith(" by")


def _trimmed(text: str, span: Span) -> Span:
    start, end = span
    if text[start:end].lower().startswith("the "):
        start += 4
    while end > start and (text[end - 1] in ' .,;:!?\n"”' or text[max(start, end - 2) : end] in ("'s", "’s")):
        end -= 2 if text[max(start, end - 2) : end] in ("'s", "’s") else 1
    return start, end
