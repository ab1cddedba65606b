"""What must, may or must not be: an order where a passage gives leave, leave where it forbids, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detectors.grounding.comparison import Text
from detectors.grounding.deeds import SAME_DEED, Alike, Otherwise
from detectors.grounding.lexicon import LEAVE, ORDER

# Words that call something right; what is forbidden is not.
_ENDORSES = frozenset({"recommend", "allow", "permit", "approve", "safe", "suitable", "advise"})


@dataclass(frozen=True, slots=True)
class Duty:
    """``kind`` is order, leave or ban; ``text`` how it is said."""

    kind: str
    text: str


def other_duties(claim: Text, passages: Sequence[Text], alike: Sequence[Alike]) -> Iterator[Otherwise]:
    """What passages say otherwise of what must, may or must not be done; nothing where one of them says the same of a like deed."""
    known = [(number, alike[number], duties(passage)) for number, passage in enumerate(passages)]
    for verb, duty in duties(claim).items():
        like = [(number, other) for number, words, theirs in known for deed, other in theirs.items() if words(verb, deed) >= SAME_DEED]
        # What must be done may be done.
        if not any(other.kind == duty.kind or (duty.kind, other.kind) == ("leave", "order") for _, other in like):
            yield from (Otherwise(verb, duty.text, number, other.text) for number, other in like)
    for number, word in enumerate(claim.words):
        if word.lemma in _ENDORSES and not word.negated:
            bans = ((at, other) for at, _, theirs in known for other in theirs.values() if other.kind == "ban")
            yield from (Otherwise(number, word.text, at, other.text) for at, other in bans)


def duties(text: Text) -> dict[int, Duty]:
    """Verbs that are an order, that leave is given to, or that are forbidden, by the number of the verb."""
    found: dict[int, Duty] = {}
    for word in text.words:
        verb = text.words[word.head]
        if word.dep == "aux" and word.lemma in ORDER | LEAVE and verb.pos in ("VERB", "AUX"):
            negated = verb.negated or any(other.dep == "neg" and text.words[other.head] is verb for other in text.words)
            kind = "ban" if negated else "order" if word.lemma in ORDER else "leave"
            found[word.head] = Duty(kind, text.text[word.span[0] : max(word.span[1], verb.span[1])])
    for number, word in enumerate(text.words):
        deed = _deed(text, number) if word.lemma in ("have", "need") else number
        if deed != number:
            found[deed] = Duty("leave" if word.negated else "order", text.text[word.span[0] : max(word.span[1], text.words[deed].span[1])])
        if word.pos == "VERB" and number not in found and _imperative(text, number):
            found[number] = Duty("ban", f"not {word.text}") if word.negated else Duty("order", word.text)
    return found


def _imperative(text: Text, verb: int) -> bool:
    """Whether a verb in its plain form has no doer, its own or that of the verb it is joined to."""
    word = text.words[verb]
    if word.text.lower() != word.lemma or word.dep not in ("ROOT", "conj", "ccomp", "parataxis"):
        return False
    if any(other.head == verb and other.dep in ("nsubj", "nsubjpass", "expl", "mark") for other in text.words):
        return False
    auxiliaries = [other.lemma for other in text.words if other.head == verb and other.dep in ("aux", "auxpass")]
    if any(one != "do" for one in auxiliaries):
        return False
    return word.head == verb or _imperative(text, word.head) or text.words[word.head].pos != "VERB"


def _deed(text: Text, verb: int) -> int:
    """The verb that tells what is done: "has to approve" approves."""
    for number, word in enumerate(text.words):
        if word.head == verb and word.dep == "xcomp" and word.pos in ("VERB", "AUX") and text.words[verb].lemma in ("have", "need", "be"):
            return number
    return verb
