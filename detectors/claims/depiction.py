"""Whether a sentence describes what a picture shows, and how firmly it asserts a thing in it.

The rules lean to silence: a sentence about a document, general knowledge, advice or the past makes no object claim,
because a false claim would be judged against the picture and raise a false alarm.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from detectors.seeing.vocabulary import DEPICTIONS, MEASURES, PICTURES, words

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span, Token

Stance = Literal["none", "weak", "strong"]

_DOCUMENT = re.compile(
    r"\b(surveys?|surveyed|respondents?|percent(age)?s?|per cent|infographic|spreadsheet|"
    r"sub-?total|vendor|invoices?|flow-?chart|[xy]-axis|axis|"
    r"data|statistics|trends?|increas(e|es|ed|ing)|decreas(e|es|ed|ing)|"
    r"(pie|bar|line|area|column|stacked|scatter) (chart|graph|plot)s?|"
    r"table (shows|presents|provides|lists|compares|gives|contains)|"
    r"(the|this|that|your|attached|provided|given) (\w+ )?(receipt|chart|graph|diagram|document|bill|report|plot|contract|form))\b"
    r"|\d ?%|^\W*(company|date|total|address|amount|customer|name)\W* *:",
    re.IGNORECASE | re.MULTILINE,
)
_MONEY = re.compile(
    r"(?:[$€£¥₹]|\b(?:RM|USD|EUR|GBP|MYR|INR)) ?\d"
    r"|\d ?(?:dollars|euros|pounds|cents|USD|EUR|RM)\b|\b(?:paid|charged|costs?|totals?)\b"
)

# What is seen of a picture or a page, whatever it says in words.
_LOOKS = re.compile(
    r"\b(?:the|this|that|an?|each|every|both|two|its) (?:\w+ )?"
    r"(?:photo(?:graph)?|picture|image|screenshot|scan|logo|stamp|signature|letterhead|diagram|drawing|illustration|chart|graph|font|typeface"
    r"|heading|footer|header|layout|watermark)s?\b"
    r"|\b(?:handwrit(?:ing|ten)|underlined|boldface|italics|crossed out|fonts?|typefaces?|letterheads?|watermarks?)\b|\bin bold\b"
    r"|\bin (?:small|large|red|blue|black|green|grey|gray|capital|block|bold|two|three) (?:letters|print|type|ink|colou?rs?|columns)\b"
    r"|\b(?:top|bottom|left|right|upper|lower|corner|edge|margin) (?:half |side |left |right )?of the (?:page|sheet|paper|letter)\b"
    r"|\bin the (?:foreground|background)\b",
    re.IGNORECASE,
)

_SHOW = words("show depict contain include feature display portray capture illustrate present have consist comprise reveal")
_PERCEIVE = words("see notice spot observe make recognize recognise identify detect find view perceive discern")
_BEHOLDERS = words("i we you one")
_POINTERS = words("it this that these those they here")
_IN_VIEW = words("visible present apparent noticeable seen shown pictured depicted there discernible")
_HEDGES = words("possibly perhaps maybe probably likely seemingly apparently presumably potentially might may could")
_DOUBTFUL = words("unclear unsure uncertain doubtful")
# "I am not sure", "it is hard to tell": what follows is open.
_KNOWING = words("sure certain clear tell know say possible")
_ABSENCE = words("absence lack sign trace evidence")
_IMITATION = DEPICTIONS | words("stuffed fake model ceramic inflatable porcelain plastic animated painted drawn")
_SURFACES = words("poster billboard shirt t-shirt tshirt mural magazine cover logo painting screen banner postcard stamp mug")
_OBJECTS = frozenset(("dobj", "attr", "oprd", "acomp", "pobj"))


def is_about_a_document(text: str) -> bool:
    """Whether the answer reads a receipt, chart or form rather than describing what a picture shows."""
    return _DOCUMENT.search(text) is not None


def about_looks(sentence: str) -> bool:
    """Whether a sentence speaks of how something looks or where it stands on a page, rather than of what a page says."""
    return _LOOKS.search(sentence) is not None


def stance_of(sentence: Span) -> Stance:
    """``strong`` where the sentence points at the picture's content, ``weak`` where it may, ``none`` where it does not."""
    root = sentence.root
    if sentence.text.rstrip().endswith("?") or any(
        token.lower_ in ("would", "should") or (token.lower_ == "if" and not _is_doubted(token)) for token in sentence
    ):
        return "none"
    if _MONEY.search(sentence.text):
        return "none"
    if _points_at_content(sentence):
        return "strong"
    subjects = [child for child in root.children if child.dep_ in ("nsubj", "nsubjpass")]
    if any(subject.lower_ in _BEHOLDERS for subject in subjects) or _is_order(root, subjects) or _is_general(root, subjects):
        return "none"
    progressive = root.tag_ == "VBG" or root.lemma_ == "be"
    return "none" if root.tag_ == "VBD" and not progressive else "weak"


def _points_at_content(sentence: Span) -> bool:
    root = sentence.root
    if root.pos_ in ("NOUN", "PROPN") or not any(token.pos_ in ("VERB", "AUX") for token in sentence):
        return True
    for token in sentence:
        if token.dep_ == "expl" or token.lower_ in _IN_VIEW - {"there"}:
            return True
        subjects = [child for child in token.children if child.dep_ in ("nsubj", "nsubjpass")]
        lemmas = {subject.lemma_.lower() for subject in subjects}
        if token.lemma_ in _PERCEIVE and (lemmas & _BEHOLDERS or token.tag_ == "VBN"):
            return True
        if token.lemma_ in _SHOW | {"be"} and lemmas & (PICTURES | _POINTERS | {"background", "foreground", "room", "object"}):
            return True
    return False


def _is_order(root: Token, subjects: list[Token]) -> bool:
    return not subjects and root.tag_ == "VB" and root.i == root.sent.start


def _is_general(root: Token, subjects: list[Token]) -> bool:
    """ "Dogs are mammals", "A bicycle has two wheels": a copula or habit about a kind, with nothing that places it."""
    if root.tag_ not in ("VBP", "VBZ") or not subjects:
        return False
    bare = all(not any(child.dep_ in ("det", "nummod", "poss", "amod") for child in subject.children) for subject in subjects)
    placed = any(child.dep_ in ("prep", "advmod") for child in root.children)
    return bare and not placed and all(subject.tag_ in ("NNS", "NNPS") for subject in subjects)


def is_negated(thing: Token) -> bool:
    """Whether the sentence says the thing is not there ("no dog", "I see neither a dog nor a cat", "without a hat")."""
    if _denied_locally(thing):
        return True
    head = thing.head
    if thing.dep_ in ("conj", "appos") and head.i != thing.i:
        own = any(child.dep_ in ("det", "nummod") and child.lower_ not in ("any", "no") for child in thing.children)
        before = thing.doc[thing.left_edge.i - 1].lower_ if thing.left_edge.i > thing.sent.start else ""
        start = {before, thing.left_edge.lower_}
        if start & {"but", "only", "just"} or (own and before not in ("or", "nor") and not _is_neither(head)):
            return False
        return is_negated(head)
    if thing.dep_ == "pobj" and head.lower_ == "of" and (head.head.lemma_ in MEASURES or head.head.lemma_ in _ABSENCE):
        return head.head.lemma_ in ("absence", "lack") or is_negated(head.head)
    return _denied_by_verb(thing)


def _denied_locally(thing: Token) -> bool:
    # "Neither the man nor the woman wears a hat" denies the hat, not the two.
    if any(child.lower_ in ("neither", "nor") for child in _peers(thing)) and _acts(thing):
        return False
    left = {child.lower_ for child in thing.children if child.i < thing.i}
    if left & {"no", "neither", "nor", "zero"}:
        # "No other animals besides the horse" grants that there is one.
        return not left & {"other", "more"}
    before = [token.lower_ for token in thing.doc[max(thing.sent.start, thing.left_edge.i - 2) : thing.left_edge.i + 1]]
    if "not" in before[-2:] and thing.dep_ not in _OBJECTS | {"nsubj"}:
        return True
    if thing.dep_ == "pobj" and thing.head.lower_ == "without":
        return True
    return before[-2:-1] in (["without"], ["nor"], ["neither"]) or before[-3:-1] in (["instead", "of"], ["rather", "than"], ["free", "of"])


def _peers(thing: Token) -> list[Token]:
    first = thing
    while first.dep_ == "conj" and first.head.pos_ in ("NOUN", "PROPN"):
        first = first.head
    return [child for token in (first, thing) for child in token.children]


def _acts(thing: Token) -> bool:
    """Whether the thing, or what it is joined to, is the subject of a verb that says more than that it is there."""
    while thing.dep_ == "conj" and thing.head.pos_ in ("NOUN", "PROPN"):
        thing = thing.head
    verb = thing.head
    about = {child.lower_ for child in verb.children} | {verb.lower_}
    return thing.dep_ in ("nsubj", "nsubjpass") and verb.pos_ in ("VERB", "AUX") and not about & _IN_VIEW


def _denied_by_verb(thing: Token) -> bool:
    verb = thing.head
    if verb.lemma_ == "lack" and thing.dep_ == "dobj":
        return True
    negative = any(child.dep_ == "neg" for child in verb.children) or (thing.dep_ in ("dobj", "attr") and _nobody_does(verb))
    if not negative and verb.dep_ in ("ccomp", "xcomp") and any(child.dep_ == "neg" for child in verb.head.children):
        negative = verb.head.lemma_ in ("think", "believe", "appear", "seem")
    if not negative:
        return False
    if thing.dep_ in ("dobj", "attr"):
        return True
    about = {child.lower_ for child in verb.children} | {verb.lower_}
    return thing.dep_ in ("nsubj", "nsubjpass") and bool(about & _IN_VIEW)


def _nobody_does(verb: Token) -> bool:
    """Whether the verb's subject is denied: "nobody wears a hat", "none of them holds a cup"."""
    subjects = [child for child in verb.children if child.dep_ in ("nsubj", "nsubjpass")]
    return any(
        subject.lower_ in ("nobody", "none", "noone") or any(child.lower_ in ("no", "neither") for child in subject.children)
        for subject in subjects
    )


def _is_neither(thing: Token) -> bool:
    return any(child.lower_ == "neither" for child in thing.children)


def _is_doubted(token: Token) -> bool:
    """Whether the words before leave open what follows ("it is unclear whether", "I am not sure that", "hard to tell if")."""
    before = [word.lower_ for word in token.doc[token.sent.start : token.i]]
    if set(before) & _DOUBTFUL:
        return True
    return any(
        word in _KNOWING and {"not", "n't", "hard", "difficult", "impossible"} & set(before[max(0, at - 4) : at])
        for at, word in enumerate(before)
    )


def is_hedged(thing: Token) -> bool:
    """Whether the thing is offered as a guess ("possibly a cup", "it might be a dog", "what looks like a car")."""
    if _is_doubted(thing):
        return True
    if any(token.lower_ in _HEDGES for token in thing.doc[max(thing.sent.start, thing.left_edge.i - 2) : thing.i]):
        return True
    if thing.dep_ == "conj" and any(child.lower_ == "or" for child in thing.head.children):
        return not is_negated(thing)
    if any(child.lower_ == "or" for child in thing.children if child.dep_ == "cc"):
        return not is_negated(thing)
    verb = thing.head
    if verb.dep_ == "prep" and verb.lower_ == "like" and verb.head.lemma_ in ("look", "appear", "seem"):
        return True
    governors = [verb, verb.head]
    if any(child.lower_ in _HEDGES for governor in governors if governor.pos_ in ("VERB", "AUX") for child in governor.children):
        return True
    return any(governor.lemma_ in ("seem", "resemble") for governor in governors) or (verb.dep_ == "xcomp" and verb.head.lemma_ == "appear")


def is_depicted(thing: Token) -> bool:
    """Whether only a likeness is claimed: a painting of a dog, a toy car, a face on a poster."""
    if any(child.lower_ in _IMITATION for child in thing.children if child.dep_ in ("amod", "compound")):
        return True
    if any(
        child.dep_ == "prep" and child.lower_ == "on" and any(inner.lemma_.lower() in _SURFACES for inner in child.children)
        for child in thing.children
    ):
        return True
    if any(_is_surface_that_shows(ancestor, thing) for ancestor in thing.ancestors):
        return True
    node = thing
    while node.dep_ in ("conj", "appos") and node.head.i != node.i:
        node = node.head
    holder = node.head.head if node.dep_ == "pobj" and node.head.lower_ in ("of", "with") else node.head
    if node.dep_ == "dobj" and node.head.dep_ == "acl":
        holder = node.head.head
    if holder.i == thing.i or holder.pos_ not in ("NOUN", "PROPN"):
        return False
    lemma = holder.lemma_.lower()
    return lemma in DEPICTIONS or (lemma in PICTURES - {"view", "scene"} and not _is_the_evidence(holder))


def _is_surface_that_shows(verb: Token, thing: Token) -> bool:
    """ "Her t-shirt shows a cat", "the TV screen displays a match with players"."""
    subjects = [child for child in verb.children if child.dep_ == "nsubj" and child.i < thing.i and thing not in child.subtree]
    return verb.lemma_ in _SHOW - {"have", "be"} and any(subject.lemma_.lower() in _SURFACES | DEPICTIONS for subject in subjects)


def _is_the_evidence(picture: Token) -> bool:
    """ "This is a picture of a dog" names the evidence; "a picture of a dog hangs on the wall" names a thing in it."""
    if any(child.lower_ in ("the", "this") for child in picture.children if child.dep_ == "det"):
        return True
    if picture.dep_ == "ROOT":
        return True
    subjects = {child.lower_ for verb in (picture.head, picture.head.head) for child in verb.children if child.dep_ == "nsubj"}
    return picture.dep_ == "attr" and bool(subjects & _POINTERS)


def sentences(doc: Doc) -> list[Span]:
    """The sentences of an answer; a line break ends one too, as answers often list things line by line."""
    pieces: list[Span] = []
    for sentence in doc.sents:
        start = sentence.start
        for token in sentence:
            if "\n" in token.text and token.i > start:
                pieces.append(doc[start : token.i])
                start = token.i + 1
        if start < sentence.end:
            pieces.append(doc[start : sentence.end])
    return pieces
