"""Measures statements and cited windows against speech: ``ungrounded_statement`` and ``citation_mismatch`` over recordings.

Usage: python -m benchmarks.spoken_statements /path/to/speech-quotes {words,statements,citations,stated} [--rows FILE]

The corpus has quotes. Each true one is made a statement in two ways: as reported speech, and in other order and person with
small words left out. Both are asked of its own recording and of one in which it is not said; quotes with a changed word are
asked of their own. Windows are those of the quote itself, rounded outwards to seconds, and of another quote of the
recording; ``stated`` has the statement itself say when that begins ("At 0:15 …") in place of a citation. ``statements`` also
chooses the ceiling of support (``SPOKEN_SUPPORT``) in folds by utterance and reports it on the fold left out; ``words``
compares how sure the recogniser is of a word with whether it is right, in such folds too.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from detectors.calibration import Calibration
from detectors.citation_mismatch import CitationMismatch
from detectors.citing.texts import TextSources
from detectors.claims import extract
from detectors.claims.moments import clock_text
from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile, Finding, Interval, Place
from detectors.grounding.passages import passages_of
from detectors.grounding.support import SupportScorer
from detectors.hearing.ears import ears_of
from detectors.hearing.recording import Recording, interval
from detectors.hearing.words import Fit, fits, raw_words, tokens
from detectors.ungrounded_statement import SPOKEN_SUPPORT, UngroundedStatement

SEED, FOLDS, RESAMPLES = 3, 5, 1000
# Share of what is said that the ceiling leaves supported, and of words that the limit of sureness may get wrong.
KEPT, WRONG_WORDS = 0.95, 0.015
OTHER_PERSON = {
    "i": "he", "my": "his", "me": "him", "am": "is", "we": "they", "our": "their", "us": "them", "i'm": "he is", "you": "they",
    "your": "their", "thou": "you", "thy": "your",
}  # fmt: skip
LEFT_OUT = frozenset({"the", "a", "an", "so", "and", "but", "that", "then", "this", "of", "to"})


@dataclass(frozen=True, slots=True)
class Quote:
    """A labelled quote, where it fits best in its recording (seconds), and whether its words are right."""

    words: str
    right: bool
    recording: EvidenceFile
    heard: Recording
    fit: Fit

    @property
    def time(self) -> Interval:
        """Start and end in seconds."""
        return interval(self.heard, self.fit)

    @property
    def utterance(self) -> str:
        """The same for quotes of the same sentence, changed or not."""
        return " ".join(self.words.lower().split()[:3])

    @property
    def window(self) -> Interval:
        """A citation of it: its time rounded outwards."""
        start, end = self.time
        return float(max(0, round(start - 0.3))), min(self.heard.duration_s, float(round(end + 0.8)))


def quotes_of(folder: Path, options: DetectorOptions) -> list[Quote]:
    """Every labelled quote of the corpus with its recording as it is heard."""
    ears = ears_of(options)
    found = []
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        piece = record["evidence"][0]
        recording = EvidenceFile("rec", piece["media_type"], folder / piece["uri"].removeprefix("file:"), piece["sha256"])
        heard = ears.hear(recording)
        if not isinstance(heard, Recording):
            continue
        claims = [claim for claim in extract(record["answer"]["text"], ("audio",)) if claim.kind == "quote" and claim.span]
        for label in record["labels"]:
            claim = next(one for one in claims if one.span and one.span[0] < label["span"][1] and label["span"][0] < one.span[1])
            words = str(claim.facts["quote"])
            fit = fits(tokens(raw_words(words)), heard.tokens, most=1)[0]
            found.append(Quote(words, label.get("error") != "quote", recording, heard, fit))
    return found


def told(words: str) -> dict[str, str]:
    """A quote as statements: in reported speech, and in other words."""
    kept = [
        OTHER_PERSON.get(word.lower(), word)
        for number, word in enumerate(re.findall(r"[\w'’-]+", words))
        if number % 2 or word.lower() not in LEFT_OUT
    ]
    half = len(kept) // 2 if len(kept) >= 8 else 0
    turned = " ".join(kept[half:] + kept[:half])
    return {"reported": f"The speaker says that {words}.", "turned": f"{turned[:1].upper()}{turned[1:]}."}


def asked(quotes: Sequence[Quote], *, cited: bool) -> Iterator[tuple[str, str, str, Quote, EvidenceFile, Interval | None]]:
    """Truth, manner, statement, the quote it is made of, the recording it is asked of and the window cited for it."""
    chance = random.Random(SEED)
    for quote in quotes:
        mine = [other for other in quotes if other.recording.sha256 == quote.recording.sha256 and other is not quote]
        apart = [other for other in mine if other.time[0] >= quote.time[1] - 0.3 or other.time[1] <= quote.time[0] + 0.3]
        known = {other.utterance for other in mine} | {quote.utterance}
        stranger = chance.choice([other for other in quotes if other.right and other.utterance not in known])
        wrong = chance.choice(apart).window if apart else None
        window = quote.window if cited else None
        for manner, statement in told(quote.words).items():
            if quote.right or not cited:
                yield ("said" if quote.right else "changed"), manner, statement, quote, quote.recording, window
            if quote.right and cited and wrong is not None:
                yield "said elsewhere", manner, statement, quote, quote.recording, wrong
        for manner, statement in told(stranger.words).items():
            if quote.right:
                yield "not said", manner, statement, stranger, quote.recording, window


def judged(
    detector: UngroundedStatement | CitationMismatch, statement: str, recording: EvidenceFile, window: Interval | None, *, stated: bool
) -> Finding:
    """The finding on one statement, which states the window or cites it."""
    if stated and window is not None:
        statement, window = f"At {clock_text(window[0])} {statement[:1].lower()}{statement[1:]}", None
    citations = () if window is None else (Place("rec", time=window),)
    claim = Claim("c1", statement, (0, len(statement)), "statement", citations, given=True)
    return detector.detect([Case("r", statement, (claim,), (recording,))])[0].findings[0]


def words_table(quotes: Sequence[Quote]) -> dict[str, Any]:
    """How often a word is wrong by how sure the recogniser is, and the limit chosen in folds."""
    rows = []
    for quote in (one for one in quotes if one.right):
        wrong = {token for difference in quote.fit.differences for token in range(*difference.heard)}
        rows += [
            (quote.utterance, quote.heard.words[quote.heard.tokens[token].raw].probability, token in wrong)
            for token in range(*quote.fit.heard)
        ]
    names, sure, wrong_words = zip(*rows, strict=True)
    probability, mistaken, fold = np.asarray(sure), np.asarray(wrong_words), folds(names)
    edges = (0.0, 0.5, 0.7, 0.8, 0.9, 1.01)
    held_out, limits = [], []
    for number in range(FOLDS):
        train = fold != number
        limit = next(one / 20 for one in range(21) if mistaken[train & (probability >= one / 20)].mean() <= WRONG_WORDS)
        limits.append(limit)
        held_out.append(mistaken[~train & (probability >= limit)])
    kept = np.concatenate(held_out)
    return {
        "n": len(rows),
        "wrong_by_sureness": {
            f"{low}-{high}": [int(inside.sum()), round(float(mistaken[inside].mean()), 3)]
            for low, high in pairwise(edges)
            if (inside := (probability >= low) & (probability < high)).any()
        },
        "limits": limits,
        "held_out": {"kept": round(len(kept) / len(rows), 3), "wrong": round(float(kept.mean()), 4)},
    }


def ceiling_table(quotes: Sequence[Quote], options: DetectorOptions) -> dict[str, Any]:
    """The ceiling of support chosen in folds by utterance, and what it does to the fold left out."""
    scorer, texts, calibration = (
        SupportScorer(threads=1, model="statement"),
        TextSources(options),
        Calibration.load(UngroundedStatement.name),
    )
    scorer.load()
    rows = []
    for truth, _, statement, quote, recording, _ in asked(quotes, cited=False):
        source = passages_of(texts.read(recording), recording.sha256)
        rows.append((quote.utterance, truth, calibration.apply(scorer.support(statement, [source]).raw)))
    names, truths, scores = (np.asarray(column) for column in zip(*rows, strict=True))
    fold = folds(names.tolist())
    ceilings, below = [], Counter[str]()
    for number in range(FOLDS):
        ceiling = float(np.quantile(scores[(fold != number) & (truths == "said")], KEPT))
        ceilings.append(round(ceiling, 3))
        below.update(truths[(fold == number) & (scores < ceiling)].tolist())
    shares = {truth: [below[truth], count, round(below[truth] / count, 3)] for truth, count in Counter(truths.tolist()).items()}
    return {"shipped": SPOKEN_SUPPORT, "ceilings": ceilings, "held_out_below": shares}


def folds(names: Sequence[str]) -> np.ndarray:
    """The fold of each row; rows of one utterance share it."""
    order = sorted(set(names))
    random.Random(SEED).shuffle(order)
    place = {name: number % FOLDS for number, name in enumerate(order)}
    return np.asarray([place[name] for name in names])


def share(rows: Sequence[tuple[str, bool]]) -> list[float]:
    """A share with its 95 % interval, resampled by the names: utterances, or documents."""
    names = sorted({name for name, _ in rows})
    by_name = {name: [hit for other, hit in rows if other == name] for name in names}
    chance = np.random.default_rng(SEED)
    drawn = [np.mean([hit for i in chance.integers(0, len(names), len(names)) for hit in by_name[names[i]]]) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return [round(float(value), 3) for value in (np.mean([hit for _, hit in rows]), low, high)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=("words", "statements", "citations", "stated"))
    parser.add_argument("--rows", type=Path, help="where each finding is written, one JSON object a line")
    given = parser.parse_args()
    options = DetectorOptions(threads=1)
    quotes = quotes_of(given.folder, options)
    if given.what == "words":
        print(json.dumps(words_table(quotes), indent=1))
        return
    if given.what == "statements":
        print(json.dumps(ceiling_table(quotes, options), indent=1), flush=True)
    windows = given.what in ("citations", "stated")
    detector = CitationMismatch(options) if windows else UngroundedStatement(options)
    detector.load()
    found = []
    for truth, manner, statement, quote, recording, window in asked(quotes, cited=windows):
        finding = judged(detector, statement, recording, window, stated=given.what == "stated")
        found.append((truth, manner, quote.utterance, finding, window))
    if given.rows:
        given.rows.write_text("\n".join(json.dumps([truth, manner, window, asdict(one)]) for truth, manner, _, one, window in found))
    for truth in dict.fromkeys(row[0] for row in found):
        mine = [row for row in found if row[0] == truth]
        verdicts = Counter(row[3].verdict for row in mine)
        flagged = share([(row[2], row[3].verdict == "hallucinated") for row in mine])
        supported = share([(row[2], row[3].verdict == "supported") for row in mine])
        print(f"{truth}: n {len(mine)}, {dict(verdicts)}, flagged {flagged}, supported {supported}", flush=True)


if __name__ == "__main__":
    main()
