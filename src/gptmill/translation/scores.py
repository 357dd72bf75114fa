"""Scores of translations: exact match, BLEU and chrF, each with a bootstrap interval over the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gptmill.evaluation.statistics import interval, mean

Metric = str  # exact, bleu, chrf


def score(
    metrics: Sequence[Metric], found: Sequence[str], truth: Sequence[str], resamples: int
) -> dict[str, dict[str, Any]]:
    """Metric → score, low, high (95 %), and the signature of sacrebleu's. Exact is a share, the others of 100."""
    return {metric: _SCORES[metric](found, truth, resamples) for metric in metrics}


def exact(found: Sequence[str], truth: Sequence[str], resamples: int) -> dict[str, Any]:
    """The share of translations that equal the reference."""
    right = np.array([a == b for a, b in zip(found, truth, strict=True)], dtype=np.float64)
    low, high = interval(mean(right), len(right), resamples=resamples)
    return {"score": float(right.mean()), "low": low, "high": high}


def _bleu(found: Sequence[str], truth: Sequence[str], resamples: int) -> dict[str, Any]:
    from sacrebleu.metrics.bleu import BLEU

    return _resampled(BLEU(), found, truth, resamples)


def _chrf(found: Sequence[str], truth: Sequence[str], resamples: int) -> dict[str, Any]:
    from sacrebleu.metrics.chrf import CHRF

    return _resampled(CHRF(), found, truth, resamples)


def _resampled(metric: Any, found: Sequence[str], truth: Sequence[str], resamples: int) -> dict[str, Any]:
    """A corpus score of sacrebleu, and its interval from resampled sums of the sentences' counts (Koehn 2004)."""
    whole = metric.corpus_score(list(found), [list(truth)])
    counts = np.array(metric._extract_corpus_statistics(list(found), [list(truth)]))
    rng = np.random.default_rng(0)
    drawn = [
        metric._compute_score_from_stats(
            counts[rng.integers(0, len(counts), len(counts))].sum(axis=0).tolist()
        )
        for _ in range(resamples)
    ]
    low, high = np.quantile([one.score for one in drawn], [0.025, 0.975])
    return {
        "score": float(whole.score),
        "low": float(low),
        "high": float(high),
        "signature": str(metric.get_signature()),
    }


_SCORES = {"exact": exact, "bleu": _bleu, "chrf": _chrf}


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
        scored = _SCORES[metric]([found[i] for i in chosen], [truth[i] for i in chosen], resamples)
        rows.append(
            {
                "tokens": f"{edges[n]}–{edges[n + 1] - 1}" if edges[n + 1] else f"{edges[n]}+",  # type: ignore[operator]
                "mean_tokens": float(np.mean([lengths[i] for i in chosen])),
                "pairs": len(chosen),
                **{key: scored[key] for key in ("score", "low", "high")},
            }
        )
    return rows
