"""A task's scores: by scikit-learn and scipy, each beside its baseline and with a bootstrap interval."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np

from gptmill.evaluation import statistics
from gptmill.tasks.examples import Dataset

Array = np.ndarray[Any, np.dtype[Any]]


def truth(data: Dataset, split: str) -> Array:
    """Indices of labels, or numbers (regression), `(examples,)`."""
    if data.form == "regression":
        return np.array([float(example.label) for example in data.splits[split]])
    place = {label: i for i, label in enumerate(data.labels)}
    return np.array([place[example.label] for example in data.splits[split]])


def baseline_answers(data: Dataset, split: str) -> Array:
    """The answers of who knows train's labels only: the commonest one, or the mean."""
    n = len(data.splits[split])
    if data.form == "regression":
        return np.full(n, truth(data, "train").mean())
    commonest = Counter(truth(data, "train").tolist()).most_common()
    return np.full(n, min(label for label, count in commonest if count == commonest[0][1]))


def metrics(data: Dataset, true: Array, answers: Array, positive: str | None) -> dict[str, float]:
    """Every metric of the task's form; 0 for a correlation with a constant."""
    from scipy import stats
    from sklearn import metrics as sk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant answer has no correlation: that is the baseline's 0
        if data.form == "regression":
            found = {
                "pearson": stats.pearsonr(true, answers).statistic,
                "spearman": stats.spearmanr(true, answers).statistic,
            }
        else:
            found = {
                "accuracy": sk.accuracy_score(true, answers),
                "f1": sk.f1_score(true, answers, zero_division=0.0, **_averaging(data, positive)),
                "matthews": sk.matthews_corrcoef(true, answers),
            }
    return {name: float(value) if np.isfinite(value) else 0.0 for name, value in found.items()}


def _averaging(data: Dataset, positive: str | None) -> dict[str, Any]:
    if positive is None:
        return {"average": "macro", "labels": range(len(data.labels))}
    return {"average": "macro", "labels": [data.labels.index(positive)]}


def statistic(
    data: Dataset, name: str, true: Array, answers: Array, positive: str | None
) -> statistics.Statistic:
    """The metric `name` as a function of resampling weights."""
    n_classes = len(data.labels)
    match name:
        case "pearson":
            return statistics.pearson(true, answers)
        case "spearman":
            return statistics.spearman(true, answers)
        case "f1":
            chosen = None if positive is None else data.labels.index(positive)
            return statistics.f1(true, answers, n_classes, chosen)
        case "matthews":
            return statistics.matthews(true, answers, n_classes)
        case "accuracy":
            return statistics.accuracy(true, answers)
    raise ValueError(name)


def report(
    data: Dataset, answers: dict[str, list[Array]], primary: str, positive: str | None
) -> dict[str, Any]:
    """What metrics.json says.

    Args:
        answers: for `dev` and `test`, the answers of each seed's model: indices of labels, or numbers.

    Returns:
        `score` (the primary metric of the first seed's model on test) with `score_low` and `score_high`
        (95 %), `baseline`, all metrics on test by name, `dev_score`; `score_unseen` leaves out test
        examples that overlap train or pretraining, where there are any; with several seeds also their
        mean and standard deviation.
    """
    true = truth(data, "test")
    first = answers["test"][0]
    ours = metrics(data, true, first, positive)
    base = metrics(data, true, baseline_answers(data, "test"), positive)
    low, high = statistics.interval(statistic(data, primary, true, first, positive), len(true))
    found: dict[str, Any] = {
        "primary": primary,
        "score": ours[primary],
        "score_low": low,
        "score_high": high,
        "baseline": base[primary],
        "dev_score": metrics(data, truth(data, "dev"), answers["dev"][0], positive)[primary],
        "seeds": len(answers["test"]),
        **ours,
        **{split: len(examples) for split, examples in data.splits.items()},
        **data.notes,
    }
    if data.form != "regression":
        found |= {"labels": data.labels, "majority_accuracy": base["accuracy"]}
    if data.seen:
        fresh = np.array([example.id not in set(data.seen) for example in data.splits["test"]])
        found["score_unseen"] = metrics(data, true[fresh], first[fresh], positive)[primary]
    if len(answers["test"]) > 1:
        each = [metrics(data, true, one, positive)[primary] for one in answers["test"]]
        found |= {
            "seed_scores": each,
            "score_mean": float(np.mean(each)),
            "score_std": float(np.std(each, ddof=1)),
        }
    return found
