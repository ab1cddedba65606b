"""Compares the words of a sentence with the words of a chart: folded, stemmed, tolerant of reading slips and short forms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

_WORD = re.compile(r"[A-Za-zÀ-ɏ][A-Za-zÀ-ɏ'’.&]*[A-Za-zÀ-ɏ]|[A-Z]|\d+(?:\.\d+)?|[+$%]")
_STOP_WORDS = """
the of and to in on at by for a an is are was were be been being as it its this that these those with from or who which their
there they them he she his her we our you your i but than then also has have had do does did not no nor so such if when while
where what how why into over under about between among within during after before both each all any some more most less least very
much many other another same own only just still even however although though whereas compared comparison say says said saying
show shows showing shown chart graph table figure percentage percent percentages share proportion per cent respondents people
survey surveyed data value values one two three number numbers overall according indicates indicate indicating represents
representing followed respectively out up down us can could would should will may might must following given around approximately
roughly nearly almost higher lower highest lowest increase increased increases decrease decreased decreases decline declined rise
rose fell fall trend significant significantly slight slightly majority particular specifically point points
"""
STOP = frozenset(_STOP_WORDS.split())
_SAME = {
    "us": "unitedstates", "usa": "unitedstates", "american": "unitedstates", "americans": "unitedstates", "america": "unitedstates",
    "uk": "britain", "british": "britain", "dem": "democrat", "dems": "democrat", "democrats": "democrat", "democratic": "democrat",
    "rep": "republican", "reps": "republican", "republicans": "republican", "gop": "republican", "ind": "independent",
    "inds": "independent", "independents": "independent", "germans": "german", "germany": "german", "male": "man", "males": "man",
    "men": "man", "female": "woman", "females": "woman", "women": "woman", "unsure": "dontknow", "dk": "dontknow",
    "favourable": "favorable", "college": "colleg", "evangelicals": "evangelical", "catholics": "catholic",
    "protestants": "protestant", "blacks": "black", "whites": "white", "hispanics": "hispanic", "children": "child", "kids": "child",
    "hs": "highschool", "grad": "graduate", "grads": "graduate", "coll": "colleg", "conserv": "conservative", "lib": "liberal",
    "mod": "moderate",
}  # fmt: skip
_SUFFIXES = ("ations", "ation", "ings", "ing", "edly", "ed", "ers", "ies", "ians", "ian", "ans", "es", "ly", "an", "s", "e", "y")


def words(text: str) -> list[str]:
    """Stems of the words and numbers of a text in order, stop words left out."""
    return [stem for _, stem in located(text)]


def located(text: str) -> list[tuple[int, str]]:
    """As :func:`words`, each with where it begins in the text."""
    found = []
    bare = unicodedata.normalize("NFKC", text).replace("’", "'")
    if len(bare) != len(text):
        bare = text
    bare = re.sub(r"\bUnited States(?: of America)?\b", lambda match: "US".ljust(len(match.group())), bare)
    bare = re.sub(r"\bU\.\s?S\.(?:\s?A\.)?", lambda match: "US".ljust(len(match.group())), bare)
    bare = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", bare)
    for match in _WORD.finditer(bare):
        word = match.group()
        low = word.lower().strip(".'")
        if word == "US":
            found.append((match.start(), "unitedstates"))
        elif low not in STOP and low not in "+$%":
            found.append((match.start(), stem(low)))
    return found


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A crude stem: enough that plural and tense do not keep equal words apart."""
    word = re.sub(r"'s$|'$|[^\w]", "", "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(c)))
    if word in _SAME:
        return _SAME[word]
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


@lru_cache(maxsize=200_000)
def alike(one: str, other: str) -> bool:
    """Whether two stems are the same word: equal, a short form of at least four letters, or one slip of reading in six letters."""
    if one == other:
        return True
    if one[:1].isdigit() or other[:1].isdigit():
        return False
    short, long = sorted((one, other), key=len)
    if len(short) >= 4 and long.startswith(short) and len(long) - len(short) <= 5:
        return True
    return len(short) >= 6 and abs(len(long) - len(short)) <= 1 and Levenshtein.distance(one, other, score_cutoff=1) <= 1


class Vocabulary:
    """The stems of a chart, with joined forms, so that lost spaces do not hide a word."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.stems: set[str] = set()
        joined = []
        for text in texts:
            self.stems.update(words(text))
            joined.append(re.sub(r"[^a-z0-9]", "", text.lower()))
        self._joined = " ".join(joined)
        self._known: dict[str, bool] = {}

    def has(self, stem_: str) -> bool:
        """Whether the chart prints this word in some form."""
        if stem_ not in self._known:
            inside = len(stem_) >= 5 and not stem_.isdigit() and stem_ in self._joined
            self._known[stem_] = stem_ in self.stems or inside or any(alike(stem_, other) for other in self.stems)
        return self._known[stem_]
