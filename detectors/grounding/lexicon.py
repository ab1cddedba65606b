"""Small closed lists about meaning: opposites, negation, certainty, quantity words. Own lists; words are lemmas in lower case."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

# Pairs of word groups; every word of one group is opposed to every word of the other.
_OPPOSED = Path(__file__).with_name("opposites.json")
NEGATORS = frozenset(
    {
        "not",
        "no",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "without",
        "cannot",
        "n't",
        "nowhere",
        "hardly",
        "barely",
        "unable",
        "fail",
        "refuse",
        "deny",
        "lack",
        "prevent",
        "avoid",
        "decline",
        "stop",
    }
)
PLAIN_NEGATORS = frozenset({"not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot", "n't"})
# Words that say of themselves that something is not there.
LACKING = frozenset({"empty", "lack", "missing", "miss", "absent", "absence", "free", "except", "unless", "fail"})
# Words whose opposite is another one where they are verbs: a lease that lasts.
OTHER_AS_VERB = frozenset({"last"})
# Auxiliaries that say what has to be done, and what may be.
ORDER = frozenset({"must", "should", "shall"})
LEAVE = frozenset({"may", "can", "could", "might"})
UNCERTAIN = frozenset(
    {
        "may",
        "might",
        "could",
        "would",
        "should",
        "can",
        "possibly",
        "perhaps",
        "maybe",
        "probably",
        "likely",
        "allege",
        "allegedly",
        "suspect",
        "suggest",
        "appear",
        "seem",
        "expect",
        "plan",
        "hope",
        "propose",
        "consider",
        "potentially",
        "potential",
        "believe",
        "think",
        "want",
        "will",
        "going",
        "intend",
        "aim",
        "try",
        "if",
        "unless",
        "reportedly",
        "rumour",
        "rumor",
        "anticipate",
    }
)
CERTAIN = frozenset(
    {"must", "certainly", "definitely", "clearly", "prove", "confirm", "guarantee", "ensure", "always", "undoubtedly", "surely"}
)
QUANTIFIERS = {
    "all": 3,
    "every": 3,
    "each": 3,
    "always": 3,
    "entire": 3,
    "only": 3,
    "none": 0,
    "no": 0,
    "never": 0,
    "most": 2,
    "majority": 2,
    "many": 2,
    "several": 1,
    "some": 1,
    "few": 1,
    "any": 1,
    "sometimes": 1,
    "often": 2,
    "rarely": 1,
    "both": 3,
}
_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "de", "anti", "over", "under")


@functools.lru_cache(maxsize=1)
def _sides() -> dict[str, frozenset[str]]:
    opposed: dict[str, set[str]] = {}
    for left, right in json.loads(_OPPOSED.read_text(encoding="utf-8")):
        for one, other in ((left, right), (right, left)):
            for word in one:
                opposed.setdefault(word, set()).update(set(other) - {word})
    weekdays = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
    colours = {"red", "blue", "green", "yellow", "white", "black", "brown", "orange", "purple", "pink", "grey"}
    for group in (weekdays, colours):
        for word in group:
            opposed[word] = opposed.get(word, set()) | group - {word}
    return {word: frozenset(others) for word, others in opposed.items()}


# One deed told from either side: who lends and who borrows are two, and both are true at once.
_CONVERSE = tuple(
    (frozenset(one.split()), frozenset(other.split()))
    for one, other in (
        ("lend", "borrow"),
        ("teach", "learn"),
        ("give send offer provide pay", "take receive get accept"),
        ("sell", "buy purchase acquire"),
        ("win defeat beat", "lose"),
        ("hire employ", "join"),
    )
)


def converse(one: str, other: str) -> bool:
    """Whether two verbs tell one deed from either side, so that they contradict each other only of the same doer."""
    return any((one in left and other in right) or (other in left and one in right) for left, right in _CONVERSE)


def opposites(lemma: str) -> frozenset[str]:
    """Lemmas that say the opposite, or that exclude this one, as far as the list knows."""
    return _sides().get(lemma, frozenset())


def opposed(one: str, other: str) -> bool:
    """Whether two lemmas are opposites by the list or by a prefix or suffix of negation ("known", "unknown")."""
    if one == other:
        return False
    return other in opposites(one) or _negates(one, other) or _negates(other, one)


def _negates(longer: str, shorter: str) -> bool:
    if len(shorter) < 4:
        return False
    if any(longer == prefix + shorter for prefix in _PREFIXES):
        return True
    stem = re.sub(r"ful$", "", shorter)
    return longer == stem + "less"
