"""Scores of translations: exact match, BLEU and chrF, each with a bootstrap interval over the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gptmill.evaluation.statistics import Array, Statistic, interval, mean

Metric = str  # exact, bleu, chrf


def score(
    metrics: Sequence[Metric], found: Sequence[str], truth: Sequence[str], resamples: int
) -> dict[str, dict[str, Any]]:
    """Metric → score, low, high (95 %), and the signature of sacrebleu's. Exact is a share, the others of 100."""
    return {metric: _scored(metric, found, truth, resamples) for metric in metrics}


def statistic(metric: Metric, found: Sequence[str], truth: Sequence[str]) -> Statistic:
    """The score of any resample of the pairs, from which intervals and comparisons are made.

    sacrebleu's scores are made anew from the sums of what it counted in each pair (Koehn 2004).
    """
    if metric == "exact":
        return mean(np.array([a == b for a, b in zip(found, truth, strict=True)], dtype=np.float64))
    scorer = _scorer(metric)
    counts = np.array(scorer._extract_corpus_statistics(list(found), [list(truth)]))

    def scores(weights: Array) -> Array:
        sums = (weights @ counts).astype(np.int64).tolist()
        return np.array([scorer._compute_score_from_stats(row).score for row in sums])

    return scores


def _scored(metric: Metric, found: Sequence[str], truth: Sequence[str], resamples: int) -> dict[str, Any]:
    resampled = statistic(metric, found, truth)
    low, high = interval(resampled, len(truth), resamples=resamples)
    if metric == "exact":
        return {"score": float(resampled(np.ones((1, len(truth))))[0]), "low": low, "high": high}
    scorer = _scorer(metric)
    whole = scorer.corpus_score(list(found), [list(truth)])
    return {"score": float(whole.score), "low": low, "high": high, "signature": str(scorer.get_signature())}


def _scorer(metric: Metric) -> Any:
    """sacrebleu's, with its own settings, which its signature names."""
    if metric == "bleu":
        from sacrebleu.metrics.bleu import BLEU

        return BLEU()
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def by_length(
    metric: Metric,
    lengths: Sequence[int],
    bins: Sequence[int],
    found: Sequence[str],
    truth: Sequence[str],
    resamples: int,
) -> list[dict[str, Any]]:
    """The score of each bin of source lengths (Bahdanau et al. 2014, figure 2); empty bins are left out.

    Args:
        lengths: source tokens of each pair.
        bins: where the next bin begins.
    """
    rows = []
    places = np.searchsorted(bins, lengths, side="right")
    edges = [0, *bins, None]
    for n in range(len(bins) + 1):
        chosen = np.flatnonzero(places == n).tolist()
        if not chosen:
            continue
        scored = _scored(metric, [found[i] for i in chosen], [truth[i] for i in chosen], resamples)
        rows.append(
            {
                "tokens": f"{edges[n]}–{edges[n + 1] - 1}" if edges[n + 1] else f"{edges[n]}+",  # type: ignore[operator]
                "mean_tokens": float(np.mean([lengths[i] for i in chosen])),
                "pairs": len(chosen),
                **{key: scored[key] for key in ("score", "low", "high")},
            }
        )
    return rows
