"""One answer against its reference: text overlap, edit distance, claims found, and whether it counts as correct.

=================  =========================================================================================================
``correct``        1 or 0, see :func:`_correct`; absent where the model abstained
``answerable``     0 where the reference is the empty text (there is no answer), else 1
``exact_match``    equal after normalising: case, punctuation, articles, form of numbers (after SQuAD; Rajpurkar et al. 2016)
``token_f1``       harmonic mean of the shares of tokens in common (the same)
``edit_distance``  Levenshtein distance of the normalised texts over the longer one's length, 0–1 (rapidfuzz)
``rouge_1``, ``rouge_2``, ``rouge_l``   F1 of words, word pairs, longest common subsequence (Lin 2004), without stemming
``bleu``           sentence BLEU with effective order, 0–1 (sacrebleu; Papineni et al. 2002)
``wer``, ``cer``   word and character error rate (jiwer), where there is sound in the evidence; may exceed 1
``claim_recall``   share of the reference's claims that the answer contains
=================  =========================================================================================================

ROUGE is counted here, on rapidfuzz' longest common subsequence: the usual package loads 157 MB to the same end. It gives the
same numbers (a test compares them). What is longer than :data:`MOST_TOKENS` is compared by tokens only, and BLEU is not counted
beyond :data:`MOST_BLEU_TOKENS`.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from monitor.records import Reference, ResponseRecord

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

MOST_TOKENS = 2_000
# BLEU takes nine tenths of the time (4 of 5 ms for 130 words), and every record passes one thread on its way into the store.
MOST_BLEU_TOKENS = 400
# A reference of so few tokens names a thing; an answer that contains it word for word gives it.
SHORT_REFERENCE_TOKENS = 8
# A longer one can be said in other words; half of the words in common is taken for the same answer.
CORRECT_F1 = 0.5
_LONG_CLAIM_CHARACTERS = 20
_CLAIM_LIKENESS = 90.0
_CJK = "぀-ヿ㐀-鿿"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_ARTICLES = frozenset(("a", "an", "the"))
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD_OR_DECIMAL = re.compile(rf"\d+\.\d+(?!\w)|{_TOKEN.pattern}")
_log = logging.getLogger(__name__)


def task_metrics(record: ResponseRecord) -> dict[str, float]:
    """The metrics of a response; empty where it has no reference, or where measuring broke (which is logged with its id)."""
    if record.reference is None or (record.reference.text is None and not record.reference.claims):
        return {}
    try:
        return _measured(record, record.reference)
    except Exception:  # noqa: BLE001 - a metric's library must not keep a record out of the store; the response has no metrics then
        _log.exception("the task metrics of response %s could not be measured", record.id)
        return {}


def question_key(record: ResponseRecord) -> int:
    """Equal for attempts at the same question: same workflow, question, reference and evidence. 0 without a reference."""
    if record.reference is None:
        return 0
    digest = hashlib.blake2b(digest_size=8)
    asked = "" if record.question is None else record.question.text
    claims = [claim.text for claim in record.reference.claims]
    pieces = [piece.sha256 or piece.uri or piece.content or "" for piece in record.evidence]
    for part in (record.workflow, asked, record.reference.text or "", *claims, *pieces):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return int.from_bytes(digest.digest()) or 1


def _measured(record: ResponseRecord, reference: Reference) -> dict[str, float]:
    answerable = bool(reference.claims) or bool((reference.text or "").strip())
    found = {"answerable": float(answerable)}
    if record.answer.abstained:
        return found
    if not answerable:
        return found | {"correct": 0.0}
    answer = normalised(record.answer.text)
    if reference.text is not None and reference.text.strip():
        sound = any(piece.media_type.split("/")[0] in ("audio", "video") for piece in record.evidence)
        found |= text_metrics(record.answer.text, reference.text, sound=sound)
    if reference.claims:
        given = [_contains(answer, normalised(claim.text)) for claim in reference.claims]
        found["claim_recall"] = sum(given) / len(given)
    found["correct"] = float(_correct(answer, reference, found))
    return found


def text_metrics(answer: str, reference: str, *, sound: bool = False) -> dict[str, float]:
    """Overlap and distance of two texts, by the names above."""
    said, right = normalised(answer), normalised(reference)
    found = {"exact_match": float(said == right), "token_f1": _f1(Counter(said), Counter(right))}
    words, wanted = tokens(answer), tokens(reference)
    if max(len(words), len(wanted)) > MOST_TOKENS:
        return found
    found |= _distances(said, right, sound) | _rouge(words, wanted)
    return found | {"bleu": _bleu(answer, reference)} if max(len(words), len(wanted)) <= MOST_BLEU_TOKENS else found


def tokens(text: str) -> list[str]:
    """Runs of letters and digits in lower case; Chinese and Japanese signs one by one."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def normalised(text: str) -> list[str]:
    """Tokens without articles, numbers in one form (``1,000.50`` as ``1000.5``)."""
    plain = _GROUPED.sub("", unicodedata.normalize("NFKC", text).lower())
    # A decimal is one token, without the zeros at its end.
    words = [word.rstrip("0").rstrip(".") if "." in word else word for word in _WORD_OR_DECIMAL.findall(plain)]
    return [word for word in words if word not in _ARTICLES] or words


def _correct(answer: Sequence[str], reference: Reference, found: dict[str, float]) -> bool:
    """A short reference must stand in the answer word for word, a longer one share half of its tokens, every claim must be found.

    It knows words, not sense: "not 12" contains 12, and a paraphrase may share too little.
    """
    if found.get("claim_recall", 1.0) < 1.0:
        return False
    if "exact_match" not in found or found["exact_match"] == 1.0:
        return True
    wanted = normalised(reference.text or "")
    return _within(answer, wanted) if len(wanted) <= SHORT_REFERENCE_TOKENS else found["token_f1"] >= CORRECT_F1


def _within(answer: Sequence[str], wanted: Sequence[str]) -> bool:
    return f" {' '.join(wanted)} " in f" {' '.join(answer)} "


def _contains(answer: Sequence[str], claim: Sequence[str]) -> bool:
    """The claim stands in the answer; a long one nearly word for word, with the same numbers."""
    from rapidfuzz import fuzz

    if _within(answer, claim):
        return True
    text = " ".join(claim)
    if len(text) < _LONG_CLAIM_CHARACTERS or len(answer) > MOST_TOKENS or len(claim) > MOST_TOKENS:
        return False
    said = set(answer)
    numbers = [word for word in claim if any(sign.isdigit() for sign in word)]
    return all(number in said for number in numbers) and fuzz.partial_ratio(text, " ".join(answer)) >= _CLAIM_LIKENESS


def _f1(said: Counter[str], right: Counter[str]) -> float:
    common, total = (said & right).total(), said.total() + right.total()
    return 2 * common / total if total else 1.0


def _rouge(said: list[str], right: list[str]) -> dict[str, float]:
    from rapidfuzz.distance import LCSseq

    pairs = [Counter(" ".join(two) for two in pairwise(words)) for words in (said, right)]
    longest = LCSseq.similarity(said, right)
    total = len(said) + len(right)
    return {
        "rouge_1": _f1(Counter(said), Counter(right)) if total else 0.0,
        "rouge_2": _f1(*pairs) if any(pairs) else 0.0,
        "rouge_l": 2 * longest / total if total else 0.0,
    }


def _distances(said: list[str], right: list[str], sound: bool) -> dict[str, float]:
    from rapidfuzz.distance import Levenshtein

    answer, reference = " ".join(said), " ".join(right)
    found = {"edit_distance": Levenshtein.normalized_distance(answer, reference)}
    if sound and reference:
        import jiwer

        found |= {"wer": float(jiwer.wer(reference, answer)), "cer": float(jiwer.cer(reference, answer))}
    return found


def _bleu(answer: str, reference: str) -> float:
    return min(1.0, float(_bleu_scorer().sentence_score(answer, [reference]).score) / 100)


@functools.cache
def _bleu_scorer() -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True)
