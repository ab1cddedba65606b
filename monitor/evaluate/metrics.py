"""The numbers of an evaluation, each null where it is undefined.

Positive = hallucinated. Everything but coverage is over the labels that were judged; coverage stands beside them.
"""

from __future__ import annotations

import msgspec
import numpy as np
from sklearn.metrics import roc_auc_score

from monitor.evaluate.scoring import DetectorScores, Flags, Floats, LabelTable, Numbers

BINS = 10
DRAWS = 1000
_SEED = 20260301
# Keeps a chunk of draws × labels at about 80 MB.
_CHUNK_CELLS = 10_000_000


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a report.

    ``labels`` spans, ``judged`` of them got a score, ``coverage`` their share. ``auroc`` with a 95% interval.
    ``catch``: judged hallucinated labels flagged, of all judged hallucinated ones. ``false_alarms``: judged true labels
    flagged, of all judged true ones. ``precision``: hallucinated among the flagged. ``recall``: hallucinated labels
    flagged, of all of them, so that one nobody judged counts as missed. ``balanced_accuracy``: the mean of
    catch and 1 - false_alarms. ``ece``: expected calibration error of the score, 10 bins of equal width (Guo et al.
    2017, arXiv 1706.04599, eq. 3, with the hallucinated share in place of accuracy). ``brier``: mean squared
    difference of score and truth. ``seconds_per_response``: mean over the responses that were looked at.
    """

    labels: int
    judged: int
    coverage: float | None
    auroc: float | None
    auroc_low: float | None
    auroc_high: float | None
    catch: float | None
    false_alarms: float | None
    precision: float | None
    recall: float | None
    balanced_accuracy: float | None
    ece: float | None
    brier: float | None
    seconds_per_response: float | None


def measure(table: LabelTable, scores: DetectorScores, rows: Flags | None = None) -> Measure:
    """The numbers of one detector on all labels, or on the labels that ``rows`` selects."""
    chosen = np.ones(len(table.hallucinated), dtype=bool) if rows is None else rows
    judged = chosen & ~np.isnan(scores.score)
    truth, score, flagged = table.hallucinated[judged], scores.score[judged], scores.flagged[judged]
    catch, false_alarms = _share(flagged[truth]), _share(flagged[~truth])
    low, high = auroc_interval(score, truth, table.source[judged])
    responses = np.unique(table.response[chosen]) if rows is not None else np.arange(len(scores.seconds))
    seconds = scores.seconds[responses]
    seconds = seconds[~np.isnan(seconds)]
    return Measure(
        labels=int(chosen.sum()),
        judged=int(judged.sum()),
        coverage=_share(judged[chosen]),
        auroc=auroc(score, truth),
        auroc_low=low,
        auroc_high=high,
        catch=catch,
        false_alarms=false_alarms,
        precision=_share(truth[flagged]),
        recall=_share(scores.flagged[chosen & table.hallucinated]),
        balanced_accuracy=None if catch is None or false_alarms is None else (catch + 1 - false_alarms) / 2,
        ece=expected_calibration_error(score, truth),
        brier=float(np.mean((score - truth) ** 2)) if len(score) else None,
        seconds_per_response=float(seconds.mean()) if len(seconds) else None,
    )


def auroc(score: Floats, truth: Flags) -> float | None:
    """Area under the ROC curve, ties counted half; None without both kinds of label."""
    if len(np.unique(truth)) < 2:
        return None
    return float(roc_auc_score(truth, score))


def auroc_interval(score: Floats, truth: Flags, source: Numbers, draws: int = DRAWS) -> tuple[float | None, float | None]:
    """95% percentile interval from a cluster bootstrap over ``source``.

    Labels on the same evidence are not independent, so whole sources are drawn with replacement (Efron & Tibshirani
    1993, ch. 13; Field & Welsh 2007, JRSS B 69:369-390). Draws without both kinds of label say nothing and are left
    out; None with fewer than two sources, or where more than half of the draws say nothing.
    """
    sources, cluster = np.unique(source, return_inverse=True)
    if len(np.unique(truth)) < 2 or len(sources) < 2:
        return None, None
    order = np.argsort(score, kind="stable")
    cluster, positive = cluster[order], truth[order]
    ties = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    random = np.random.default_rng(_SEED)
    shares = np.full(len(sources), 1 / len(sources))
    chunk = max(1, _CHUNK_CELLS // len(score))
    areas = [
        _weighted_auroc(random.multinomial(len(sources), shares, size=min(chunk, draws - start))[:, cluster], positive, ties)
        for start in range(0, draws, chunk)
    ]
    found = np.concatenate(areas)
    found = found[~np.isnan(found)]
    if len(found) * 2 < draws:
        return None, None
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _weighted_auroc(weights: Numbers, positive: Flags, ties: Numbers) -> Floats:
    """AUROC of every draw. ``weights``: draws × labels, labels by rising score; ``ties``: where each score begins."""
    up = np.add.reduceat(weights * positive, ties, axis=1)
    down = np.add.reduceat(weights * ~positive, ties, axis=1)
    below = np.cumsum(down, axis=1) - down
    pairs = (up.sum(axis=1) * down.sum(axis=1)).astype(float)
    won: Floats = (up * (below + 0.5 * down)).sum(axis=1)
    pairs[pairs == 0] = np.nan
    areas: Floats = won / pairs
    return areas


def expected_calibration_error(score: Floats, truth: Flags) -> float | None:
    """Mean distance of score and share hallucinated over 10 bins of equal width, weighted by labels."""
    if not len(score):
        return None
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    gap = np.abs(np.bincount(bins, score, BINS) - np.bincount(bins, truth.astype(float), BINS))
    return float(gap.sum() / count.sum())


def _share(flags: Flags) -> float | None:
    return float(flags.mean()) if len(flags) else None
