"""Judges one claim against one recording: finds the words, lets the listeners rate them, compares the times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.claims.moments import clock_text
from detectors.contract import Claim, Interval
from detectors.hearing.ears import Ears, NoSpeech
from detectors.hearing.recording import Recording, interval, places, stretch, words_between
from detectors.hearing.support import Opinion, opinion, widened
from detectors.hearing.verdict import either, time_log_odds, word_features, word_model
from detectors.hearing.words import Fit, Token, raw_words, tokens

# Above this cost a word nothing like the claim was heard there (see hearing.words: 1 is a wholly different word).
_NOTHING_LIKE_IT = 0.65
# Log odds of a claim that nothing heard resembles.
_NEVER_HEARD = 6.0
# A number of so few digits is often a sum or a count the answer worked out, so that its absence proves nothing.
_FEW_DIGITS = 3
# Less speech than this within a second of a stated time is silence (seconds).
_SOME_SPEECH_S = 0.2
# English speech runs at two to three words a second; used only to know how far to listen.
_SECONDS_PER_WORD = 0.45


@dataclass(frozen=True, slots=True)
class Judged:
    """What was heard for a claim: raw ``log_odds`` that it is wrong, ``features`` of its words, where and what was heard.

    ``error`` and ``fault`` (one sentence) apply if the claim is taken for wrong.
    """

    log_odds: float
    features: tuple[float, ...]
    time: Interval | None
    heard: str
    error: str
    fault: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A claim as words to listen for."""

    text: str
    tokens: tuple[Token, ...]
    number: bool
    stated_s: float | None


def judged(ears: Ears, heard: Recording, claim: Claim) -> Judged | str:
    """What the recording says to a quote or a spoken number, or why that cannot be told."""
    wanted = _wanted(claim)
    if not wanted.tokens:
        return "the quote has no words that can be heard"
    found = places(heard, wanted.tokens, wanted.stated_s)
    best = widened(found[0], wanted.tokens, heard.tokens) if found and wanted.number else found[0] if found else None
    if best is None or best.cost > _NOTHING_LIKE_IT:
        return _second_look(ears, heard, wanted, best)
    opinions = opinions_on(ears, heard, wanted.text, wanted.number, interval(heard, best)) if best.differences else []
    features = word_features(opinions)
    return _weighed(heard, wanted, best, features, _said(heard, best, opinions))


def unspoken(silence: NoSpeech, claim: Claim) -> Judged | str:
    """What a recording without words says to a claim: that nobody speaks in it, where that is certain."""
    wanted = _wanted(claim)
    if not silence.certain or not wanted.tokens:
        return "no words are heard in the recording"
    given = "gives the number" if wanted.number else "quotes"
    fault = f"The answer {given} “{wanted.text}”; nobody speaks in the recording."
    return Judged(_NEVER_HEARD, (), None, "", "value" if wanted.number else "quote", fault)


def _wanted(claim: Claim) -> _Wanted:
    facts = claim.facts
    number = bool(facts.get("digits"))
    text = f"{' '.join(facts['digits'])} {facts.get('unit') or ''}".strip() if number else str(facts.get("quote") or claim.text)
    return _Wanted(text, tuple(tokens(raw_words(text))), number, facts.get("start_s"))


def opinions_on(ears: Ears, heard: Recording, words: str, number: bool, times: Interval) -> list[Opinion]:
    """What the listeners make of claimed words at one place, the cheapest first; one that hears exactly them settles it.

    ``number`` where they are a number, which must be whole.
    """
    sound = stretch(heard, times)
    opinions: list[Opinion] = []
    for listener in reversed(ears.listeners):
        opinions.append(opinion(listener, sound, words, number))
        if not opinions[-1].disputes:
            break
    return opinions


def _second_look(ears: Ears, heard: Recording, wanted: _Wanted, best: Fit | None) -> Judged | str:
    """Nothing like the claim is in the transcript: listen once more where it should be, then say that it was never heard."""
    if wanted.stated_s is not None and wanted.stated_s < heard.duration_s:
        times = (wanted.stated_s, min(heard.duration_s, wanted.stated_s + _SECONDS_PER_WORD * len(wanted.tokens)))
        if heard.speech_between(*times) > _SOME_SPEECH_S:
            opinions = opinions_on(ears, heard, wanted.text, wanted.number, times)
            if min(opinion.cost for opinion in opinions) <= _NOTHING_LIKE_IT:
                features = word_features(opinions)
                return _outcome(heard, wanted, word_model().log_odds(features), features, times, _closest(opinions))
    if wanted.number and sum(token.text.isdigit() for token in wanted.tokens) <= _FEW_DIGITS:
        return "no number like it is heard, and it may be worked out rather than quoted"
    return _never_heard(heard, wanted, best)


def _weighed(heard: Recording, wanted: _Wanted, best: Fit, features: tuple[float, ...], said: str) -> Judged:
    return _outcome(heard, wanted, word_model().log_odds(features), features, interval(heard, best), said, unread_lead_s(best))


def unread_lead_s(fit: Fit) -> float:
    """How long before the place of a fit its claimed words may begin: words at its head that the transcript has nothing for (seconds)."""
    head = fit.differences[0] if fit.differences and fit.differences[0].claimed[0] == 0 else None
    missing = 0 if head is None else (head.claimed[1] - head.claimed[0]) - (head.heard[1] - head.heard[0])
    return max(0, missing) * _SECONDS_PER_WORD


def _outcome(
    heard: Recording, wanted: _Wanted, words: float, features: tuple[float, ...], times: Interval, said: str, lead_s: float = 0.0
) -> Judged:
    where = clock_text(times[0])
    given = "gives the number" if wanted.number else "quotes"
    error = "value" if wanted.number else "quote"
    fault = f"The answer {given} “{wanted.text}”; at {where} the recording says “{said}”."
    if wanted.stated_s is None:
        return Judged(words, features, times, said, error, fault)
    late = min(time_log_odds(wanted.stated_s, *times), time_log_odds(wanted.stated_s, times[0] - lead_s, times[1]))
    if words <= 0 < late:
        error = "time"
        silence = _silence(heard, wanted.stated_s)
        fault = f"The answer puts “{wanted.text}” at {clock_text(wanted.stated_s)}; the recording says it at {where}{silence}."
    return Judged(either(words, late), features, times, said, error, fault)


def _never_heard(heard: Recording, wanted: _Wanted, best: Fit | None) -> Judged:
    fault = f"Nothing like “{wanted.text}” is heard in the recording"
    times: Interval | None = None
    said = ""
    if wanted.stated_s is not None:
        times = (wanted.stated_s, min(max(heard.duration_s, wanted.stated_s), wanted.stated_s + _SECONDS_PER_WORD * len(wanted.tokens)))
        said = words_between(heard, *times)
        silence = _silence(heard, wanted.stated_s)
        fault += silence or (f"; at {clock_text(wanted.stated_s)} it says “{said}”" if said else "")
    cost = best.cost if best else 1.0
    log_odds = _NEVER_HEARD + 4 * (cost - _NOTHING_LIKE_IT)
    return Judged(log_odds, (), times, said, "value" if wanted.number else "quote", fault + ".")


def _silence(heard: Recording, at: float) -> str:
    """Tells that nobody speaks at a time, or that the recording is over by then; empty where somebody speaks."""
    if at > heard.duration_s:
        return f", which is only {clock_text(heard.duration_s)} long"
    return f"; at {clock_text(at)} nobody speaks" if heard.speech_between(at - 1, at + 1) < _SOME_SPEECH_S else ""


def _said(heard: Recording, best: Fit, opinions: Sequence[Opinion]) -> str:
    if opinions:
        return _closest(opinions)
    first, last = heard.tokens[best.heard[0]].raw, heard.tokens[best.heard[1] - 1].raw
    return " ".join(word.text.strip() for word in heard.words[first : last + 1])


def _closest(opinions: Sequence[Opinion]) -> str:
    return min(opinions, key=lambda opinion: opinion.cost).heard
