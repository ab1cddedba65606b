"""Compares claimed words with a stretch of sound: what each listener hears there, and how it rates the claimed words.

The claimed words are put into the listener's own transcript in place of what they differ from, so that spelling,
capitals and punctuation cost both versions the same. What counts is the difference of the two log probabilities, and
that difference less what the decoder expects of the words without hearing anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from detectors.hearing import numbers
from detectors.hearing.audio import RATE, Samples
from detectors.hearing.listener import Listener
from detectors.hearing.words import Difference, Fit, Token, fits, joined, raw_words, tokens

_NEGATIONS = frozenset({"not", "no", "never", "none", "nothing", "nor", "neither", "without", "nobody"})
_LETTERS = (
    ("ph", "f"), ("ght", "t"), ("kn", "n"), ("wr", "r"), ("ck", "k"), ("sch", "sk"), ("tch", "c"), ("ch", "c"), ("dge", "j"),
    ("qu", "kw"), ("x", "ks"), ("z", "s"), ("q", "k"), ("wh", "w"), ("ce", "se"), ("ci", "si"), ("cy", "si"), ("y", "i"),
)  # fmt: skip
# Words kept after the claimed ones, where a wrong word shows in how unlikely it makes the next ones.
_FOLLOWING = 4
_VOWELS = str.maketrans("aeiou", "aaaaa")


@dataclass(frozen=True, slots=True)
class Dispute:
    """One difference between claimed and heard words.

    ``sound`` is how far apart they sound (0 alike, 1 nothing alike); ``support`` the claimed words' log probability less
    the heard words' (natural log); ``surprise`` the same without hearing. ``weighty`` marks negations and numbers.
    """

    claimed: str
    heard: str
    sound: float
    support: float
    surprise: float
    weighty: bool


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one listener makes of the claimed words in a stretch of sound."""

    heard: str
    cost: float
    disputes: tuple[Dispute, ...]


def opinion(listener: Listener, samples: Samples, claimed: str, whole_number: bool = False) -> Opinion:
    """Listen to at most 30 s of sound and rate the claimed words there.

    Args:
        samples: the stretch to listen to.
        claimed: the claimed words; they may cover only part of the stretch.
        whole_number: the claim is a number said digit by digit; digits heard right before or after it belong to it.
    """
    encoded = listener.encode(samples)
    heard_raw, claimed_raw = raw_words(listener.hear_encoded(encoded)), raw_words(claimed)
    heard, wanted = tokens(heard_raw), tokens(claimed_raw)
    places = fits(wanted, heard, most=1)
    if not places:
        return Opinion("", 1.0, (Dispute(claimed, "", 1.0, -20.0, 0.0, False),))
    fit = widened(places[0], wanted, heard) if whole_number else places[0]
    splices = [_splice(difference, wanted, heard, claimed_raw, heard_raw) for difference in fit.differences]
    splices = list(dict.fromkeys(splices))
    # The decoder reads from left to right: what comes well after the claimed words says nothing about them.
    near = heard_raw[: heard[fit.heard[1] - 1].raw + 1 + _FOLLOWING] if fit.heard[1] else heard_raw
    disputes = _rated(listener, encoded, len(samples) / RATE, near, splices) if splices else ()
    return Opinion(_written(heard_raw, heard, fit), fit.cost, disputes)


def widened(fit: Fit, wanted: Sequence[Token], heard: Sequence[Token]) -> Fit:
    """The fit with digits heard right before and after it made part of it: a number read back must be whole."""
    start, end = fit.heard
    while start > 0 and heard[start - 1].text.isdigit():
        start -= 1
    while end < len(heard) and heard[end].text.isdigit():
        end += 1
    added = []
    if start < fit.heard[0]:
        added.append(Difference((0, 0), (start, fit.heard[0])))
    if end > fit.heard[1]:
        added.append(Difference((len(wanted), len(wanted)), (fit.heard[1], end)))
    return Fit((start, end), fit.cost + sum(d.heard[1] - d.heard[0] for d in added) / len(wanted), (*fit.differences, *added))


def rated(listener: Listener, encoded: object, seconds: float, heard_raw: list[str], place: tuple[int, int], claimed: str) -> Dispute:
    """How the listener rates claimed words in place of its own raw words [start, end)."""
    start, end = place
    old = heard_raw[start:end]
    closing = old[-1][len(old[-1].rstrip(".,;:!?")) :]
    splice = (start, end, claimed + closing, False, joined(tokens(raw_words(claimed))), joined(tokens(old)))
    return _rated(listener, encoded, seconds, heard_raw[: end + _FOLLOWING], [splice])[0]


def sound_distance(one: str, other: str) -> float:
    """How far apart two spellings sound: edit distance of rough phonetic forms, 0 alike to 1."""
    first, second = _sounded(one), _sounded(other)
    return Levenshtein.normalized_distance(first, second)


# A replacement of raw words: [start, end) in the heard raw words, what is put there, whether it weighs much, both as tokens.
_Splice = tuple[int, int, str, bool, str, str]


def _splice(
    difference: Difference, wanted: Sequence[Token], heard: Sequence[Token], claimed_raw: list[str], heard_raw: list[str]
) -> _Splice:
    (a, b), (c, d) = difference.claimed, difference.heard
    # Whole raw words only: a digit of "47192" cannot be exchanged alone.
    c0, d0 = c, d
    while c0 > 0 and c0 < len(heard) and heard[c0 - 1].raw == heard[c0].raw and d > c:
        c0 -= 1
    while 0 < d0 < len(heard) and heard[d0].raw == heard[d0 - 1].raw:
        d0 += 1
    before, after = [t.text for t in heard[c0:c]], [t.text for t in heard[d:d0]]
    raw_start = heard[c0].raw if c0 < len(heard) else len(heard_raw)
    raw_end = heard[d0 - 1].raw + 1 if d0 > c0 else raw_start
    old = heard_raw[raw_start:raw_end]
    inside = [*before, *(t.text for t in wanted[a:b]), *after]
    if not before and not after and inside and not all(word.isdigit() for word in inside):
        inside = [claimed_raw[index] for index in dict.fromkeys(t.raw for t in wanted[a:b])]
    weighty = any(t.text.isdigit() or t.text in _NEGATIONS for t in (*wanted[a:b], *heard[c:d]))
    return raw_start, raw_end, _styled(inside, old, heard_raw), weighty, joined(wanted[a:b]), joined(heard[c:d])


def _styled(words: list[str], old: list[str], around: list[str]) -> str:
    """The claimed words written the way the listener writes: digits together, apart or as words; capital; closing mark."""
    if words and all(word.isdigit() for word in words):
        model = old or [word for word in around if tokens([word]) and all(t.text.isdigit() for t in tokens([word]))]
        if model and not any(character.isdigit() for word in model for character in word):
            words = [numbers.DIGIT_WORDS[int(digit)] for word in words for digit in word]
        elif len(old) == 1 and sum(character.isdigit() for character in old[0]) > 1:
            words = ["-".join("".join(words)) if "-" in old[0] else "".join(words)]
        if model and model[0].endswith(",") and len(words) > 1:
            words = [word + "," for word in words[:-1]] + [words[-1]]
    text = " ".join(words)
    if not old or not text:
        return text
    if old[0][:1].isupper():
        text = text[:1].upper() + text[1:]
    elif old[0][:1].islower() and text[:2] not in ("I", "I "):
        text = text[:1].lower() + text[1:]
    closing = old[-1][len(old[-1].rstrip(".,;:!?")) :]
    return text.rstrip(".,;:!?") + closing


def _rated(listener: Listener, encoded: object, seconds: float, heard_raw: list[str], splices: list[_Splice]) -> tuple[Dispute, ...]:
    everything = _with(heard_raw, splices)
    plain = " ".join(heard_raw)
    alone = [_with(heard_raw, [splice]) for splice in splices]
    without = [_with(heard_raw, [other for other in splices if other is not splice]) for splice in splices]
    texts = [plain, everything, *alone, *without]
    support = listener.support(encoded, seconds, texts)
    surprise = listener.expectation(texts)
    disputes = []
    for number, (_, _, _, weighty, claimed, heard) in enumerate(splices):
        # Alone in the heard words, or among the other claimed words: the context that suits it better.
        first, second = 2 + number, 2 + len(splices) + number
        gains = (support[first] - support[0], support[1] - support[second])
        better = gains.index(max(gains))
        expected = (surprise[first] - surprise[0], surprise[1] - surprise[second])[better]
        disputes.append(Dispute(claimed, heard, sound_distance(claimed, heard), gains[better], expected, weighty))
    return tuple(disputes)


def _with(heard_raw: list[str], splices: list[_Splice]) -> str:
    words = list(heard_raw)
    for start, end, text, *_ in sorted(splices, reverse=True):
        words[start:end] = [text] if text else []
    return " ".join(words)


def _written(heard_raw: list[str], heard: Sequence[Token], fit: Fit) -> str:
    start, end = fit.heard
    return " ".join(heard_raw[heard[start].raw : heard[end - 1].raw + 1]) if end > start else ""


def _sounded(text: str) -> str:
    plain = "".join(numbers.DIGIT_WORDS[int(c)] if c.isdigit() else c for c in text.lower() if c.isalnum())
    plain = plain.replace("one", "wun") if plain.startswith("one") else plain.removesuffix("e")
    for letters, sound in _LETTERS:
        plain = plain.replace(letters, sound)
    plain = plain.replace("c", "k").translate(_VOWELS)
    return "".join(c for number, c in enumerate(plain) if number == 0 or c != plain[number - 1])
