"""Finds what an answer says happens in a video, and when.

A claim is one clause with the time it states; its span is the clause. Its facts:

``start_s``, ``end_s``  seconds; ``end_s`` is None for a moment, both are None where no time is stated
``open``                the event lasts from ``start_s`` to the end ("from 0:08 on", "after two minutes")
``last_s``              instead of a start: the last so many seconds
``share``               instead of seconds: a loose part of the whole ("towards the end"), as two fractions
``approximate``         "around", "about"
``description``         the clause without its time
``objects``             facts of each thing it names, as :mod:`detectors.claims.objects` describes them, plus ``around``:
                        True for what the event happens inside ("in a car"), of which a camera may see nothing
``actions``             its verb phrases
``texts``               words it quotes from the screen
``monochrome``          True when it says the picture is black-and-white, False when it names a colour of something, else None
``negated``             the clause denies that it happens

Sentences that quote or report speech belong to :mod:`detectors.claims.quotes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from detectors.claims import objects, quotes
from detectors.claims.language import parsed
from detectors.claims.windows import Window, find_windows
from detectors.claims.writing import CARRIERS
from detectors.contract import Claim, Span
from detectors.seeing.vocabulary import words

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

_MONOCHROME = re.compile(r"\b(?:black[\s-]+and[\s-]+white|black\s*&\s*white|b&w|b/w|monochrome|gr[ae]yscale)\b", re.IGNORECASE)
_CHROMATIC = re.compile(r"\b(?:red|green|blue|yellow|orange|purple|pink|turquoise|teal|maroon|colou?rful)\b", re.IGNORECASE)
_NOT_A_THING = re.compile(r"\b(?:black[\s-]+and[\s-]+white|old|silent)\s+(?:film|movie|footage)\b", re.IGNORECASE)
_FRAME = re.compile(
    r"^(?:(?:in|throughout)\s+(?:this|the)\s+(?:video|clip|footage|recording)\s*,?\s*(?:there\s+is\s+|we\s+see\s+)?"
    r"|(?:the|this)\s+(?:video|clip|footage|recording|camera|scene)\s+(?:then\s+)?(?:opens?\s+with|starts?\s+with|begins?\s+with|ends?\s+with|shows?|cuts\s+to)\s+"
    r"|(?:we|you|one)\s+(?:can\s+)?(?:then\s+)?sees?\s+)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^[\s>*•-]*(?:\d{1,2}[.)]\s+)?")
_SPLIT = re.compile(r"\s*(?:;|,?\s+(?:and\s+then|and|then|while|but|before)\b|,)\s*(?:then\s+)?$", re.IGNORECASE)
# Verbs by which an answer explains, judges or refers, instead of telling what is to be seen.
_UNSEEN = words(
    "suggest indicate imply mean convey represent symbolize symbolise seem depend help hope know think believe guess assume require "
    "explain summarize summarise describe cover discuss note conclude recommend provide concern regard refer correspond last belong"
)
_TOLD = words("i you")
_INSIDE = frozenset(("in", "inside", "within", "aboard", "on", "from", "through"))
_VEHICLES = frozenset(("car", "bus", "train", "truck", "boat", "airplane"))
_SOMEONE = frozenset(("someone", "somebody", "he", "she"))
# What these cannot be without; a board or a pair of skis may be too small or under water, so missing them proves nothing.
_GEAR = {
    "cyclist": ("bicycle", "hyponym"),
    "bicyclist": ("bicycle", "hyponym"),
    "motorcyclist": ("motorcycle", "hyponym"),
    "skier": ("skis", "near"),
    "snowboarder": ("snowboard", "near"),
    "skateboarder": ("skateboard", "near"),
    "surfer": ("surfboard", "near"),
}
_GAMES = words("baseball basketball football soccer tennis volleyball golf rugby frisbee")
_NOBODY = frozenset(("nobody", "nothing", "none"))


def find(text: str) -> list[Claim]:
    """Event claims of an answer about a video, in reading order; spans are code points."""
    spoken = [claim.span for claim in quotes.find_in_video(text) if claim.kind in ("quote", "statement") and claim.span]
    claims = []
    for sentence in quotes.sentences(text):
        for span, window in _clauses(text, sentence):
            if any(span[0] < other[1] and other[0] < span[1] for other in spoken):
                continue
            claim = _claim(text, span, window)
            if claim is not None:
                claims.append(claim)
    return claims


def _clauses(text: str, sentence: Span) -> Iterator[tuple[Span, Window | None]]:
    """The parts of a sentence that have a time of their own; the whole sentence where there is at most one."""
    said = text[slice(*sentence)]
    windows = find_windows(_without_quotes(said))
    if len(windows) < 2:
        yield _trimmed(text, sentence), windows[0] if windows else None
        return
    leads = len(re.findall(r"\w+", said[: windows[0].spans[0][0]])) < 3
    cuts = [0]
    for one, following in pairwise(windows):
        if leads:
            start = following.spans[0][0]
            between = _SPLIT.search(said[:start])
            cuts.append(max(one.spans[-1][1], between.start() if between else start))
        else:
            cuts.append(one.spans[-1][1])
    for (start, end), window in zip(pairwise([*cuts, len(said)]), windows, strict=True):
        shifted = tuple((a - start, b - start) for a, b in window.spans)
        span = _trimmed(text, (sentence[0] + start, sentence[0] + end))
        moved = start + sentence[0] - span[0]
        yield span, _with_spans(window, tuple((a + moved, b + moved) for a, b in shifted))


def _without_quotes(said: str) -> str:
    """The sentence with quoted words blanked: a title card "THE END" states no time."""
    for (start, end), _ in quotes.quoted(said):
        said = f"{said[:start]}{'_' * (end - start)}{said[end:]}"
    return said


def _with_spans(window: Window, spans: Sequence[Span]) -> Window:
    return Window(tuple(spans), window.start_s, window.end_s, window.open, window.approximate, window.last_s, window.share)


def _trimmed(text: str, span: Span) -> Span:
    """The span without space, list marks and joining words in front, and without the closing stop."""
    start, end = span
    start += len(text[start:end]) - len(text[start:end].lstrip(" \t\n,;"))
    lead = re.match(r"(?:and\s+then|and|then|while|but)\s+", text[start:end])
    start += lead.end() if lead else 0
    end -= len(text[start:end]) - len(text[start:end].rstrip(" \t\n.,;!"))
    return start, max(start, end)


def _claim(text: str, span: Span, window: Window | None) -> Claim | None:
    clause = text[slice(*span)]
    description = _without_time(clause, window)
    if not re.search(r"[^\W\d_]{2}", description):
        return None
    document = _parsed(description)
    texts = tuple(words for _, words in quotes.quoted(description))
    # "The screen shows the text …" names where the words stand, no thing to look for.
    things = [thing for thing in _things(document) if not (texts and thing["noun"] in CARRIERS)]
    monochrome = True if _MONOCHROME.search(description) else False if _CHROMATIC.search(description) else None
    if not _tells(document, description, has_time=window is not None, has_content=bool(things or texts) or monochrome is True):
        return None
    facts: dict[str, Any] = {
        "start_s": window.start_s if window else None,
        "end_s": window.end_s if window else None,
        "open": bool(window and window.open),
        "last_s": window.last_s if window else None,
        "share": window.share if window else None,
        "approximate": bool(window and window.approximate),
        "description": description,
        "objects": tuple(things),
        "actions": tuple(_actions(document)),
        "texts": texts,
        "monochrome": monochrome,
        "negated": any((token.dep_ == "neg" and token.head == token.sent.root) or token.lower_ in _NOBODY for token in document),
    }
    return Claim("", clause, span, "event", facts=facts)


def _without_time(clause: str, window: Window | None) -> str:
    kept = clause
    for start, end in sorted(window.spans if window else (), reverse=True):
        kept = f"{kept[: max(0, start)]} {kept[max(0, end) :]}"
    kept = _BULLET.sub("", " ".join(kept.split()))
    kept = _FRAME.sub("", kept.strip(" ,;:–—-"))
    return kept.strip(" ,;:.–—-")


def _tells(document: Doc, description: str, *, has_time: bool, has_content: bool) -> bool:
    """Whether the clause tells what is to be seen. A stated time makes nearly everything an event."""
    if description.rstrip().endswith("?"):
        return False
    roots = [sentence.root for sentence in document.sents]
    if any(root.lemma_.lower() in _UNSEEN for root in roots):
        return False
    subjects = {child.lower_ for root in roots for child in root.children if child.dep_ in ("nsubj", "nsubjpass")}
    if subjects & _TOLD or any(token.lower_ in ("if", "would", "should") for token in document):
        return False
    if has_time:
        return True
    orders = roots and roots[0].tag_ == "VB" and not subjects
    acts = any(token.pos_ == "VERB" for token in document)
    return not orders and (has_content or (acts and bool(subjects)))


def _parsed(description: str) -> Doc:
    """The parsed description. Where "a cyclist races …" was read as a noun, a word in between shows the verb."""
    document = parsed(description)
    if any(token.pos_ in ("VERB", "AUX") and "Fin" in token.morph.get("VerbForm") for token in document):
        return document
    for token in document[1:]:
        if token.tag_ in ("NNS", "VBZ") and token.nbor(-1).pos_ in ("NOUN", "PROPN", "ADJ"):
            other = parsed(f"{description[: token.idx]}now {description[token.idx :]}")
            if other[token.i + 1].pos_ == "VERB" or other[token.i - 1].dep_ in ("nsubj", "pobj", "ROOT"):
                return other
    return document


def _things(document: Doc) -> list[dict[str, Any]]:
    names_the_film = [match.span() for match in _NOT_A_THING.finditer(document.text)]
    found = []
    for claim in objects.named(document.text):
        start, end = claim.span or (0, 0)
        head = next(token for token in document if end <= token.idx + len(token))
        if not any(left <= start < right for left, right in names_the_film) and not _is_a_game(head):
            found.append({**claim.facts, "around": _is_around(head, claim.facts["classes"])})
            if claim.facts["noun"] in _GEAR:
                gear, match = _GEAR[claim.facts["noun"]]
                found.append(_implied(gear, gear, match))
    someone = [token for token in document if token.lower_ in _SOMEONE and token.dep_ in ("nsubj", "nsubjpass", "dobj")]
    # Of someone a camera may see a hand only: seeing a person supports, missing one proves nothing.
    return found + [_implied(token.lower_, "person", "near") for token in someone]


def _is_a_game(head: Token) -> bool:
    """ "Children practise basketball": the game, not the ball."""
    return head.lower_ in _GAMES and not any(child.dep_ in ("det", "nummod", "poss") for child in head.children)


def _is_around(head: Token, classes: Sequence[str]) -> bool:
    """Whether the event happens inside the thing: a camera within a car sees no car."""
    return bool(classes) and set(classes) <= _VEHICLES and head.dep_ == "pobj" and head.head.lower_ in _INSIDE


def _implied(noun: str, name: str, match: str) -> dict[str, Any]:
    plain = {"coco": name, "count": None, "exhaustive": False, "attributes": (), "negated": False, "hedged": False}
    return {"noun": noun, "classes": (name,), "match": match, **plain, "depicted": False, "around": False}


def _actions(document: Doc) -> Iterator[str]:
    """Each verb with its object: "flips a pancake", "takes a drink"."""
    for verb in document:
        if verb.pos_ != "VERB" or verb.dep_ in ("amod", "aux"):
            continue
        near = [child for child in verb.children if child.dep_ in ("dobj", "prt", "acomp", "xcomp") and child.i > verb.i]
        last = max((token.i for child in near for token in child.subtree if child.dep_ != "xcomp"), default=verb.i)
        yield document[verb.i : last + 1].text
