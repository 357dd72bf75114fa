"""What a fine-tuning leaves to look at: predictions, confusion matrix, calibration, the worst examples."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.outs import write_json
from gptmill.tasks.examples import Dataset

Array = np.ndarray[Any, np.dtype[Any]]
BINS = 10
WORST = 20
EXCERPT = 200  # characters of each text


def write_predictions(data: Dataset, answers: dict[str, Array], sure: dict[str, Array], path: Path) -> None:
    """One row an example of dev and test: id, split, label, predicted, probability (of the prediction).

    Numbers and no probability for regression.
    """
    rows = []
    for split, chosen in answers.items():
        for example, answer, probability in zip(data.splits[split], chosen, sure[split], strict=True):
            row: dict[str, Any] = {"id": example.id, "split": split}
            if data.form == "regression":
                row |= {"label": float(example.label), "predicted": float(answer)}
            else:
                row |= {"label": example.label, "predicted": data.labels[int(answer)]}
                row |= {"probability": float(probability)}
            rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")


def write_confusion(data: Dataset, answers: Array, path: Path) -> None:
    """Label and prediction of each test example, for the confusion matrix that DVC draws.

    Numbers are rounded to whole ones: a matrix of them all would have a row for each.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("label", "predicted"))
        for example, answer in zip(data.splits["test"], answers, strict=True):
            if data.form == "regression":
                writer.writerow((round(float(example.label)), round(float(answer))))
            else:
                writer.writerow((example.label, data.labels[int(answer)]))


def calibration(expected: Array, observed: Array) -> list[dict[str, float]]:
    """Bins of test examples by what the model expected: mean expectation, mean of what was so, examples.

    For classes: probability of the prediction against the share of right ones, in bins of equal width.
    """
    low, high = (0.0, 1.0) if ((expected >= 0) & (expected <= 1)).all() else _range(expected)
    place = np.clip(((expected - low) / max(high - low, 1e-12) * BINS).astype(int), 0, BINS - 1)
    return [
        {
            "expected": float(expected[place == b].mean()),
            "observed": float(observed[place == b].mean()),
            "examples": int((place == b).sum()),
        }
        for b in range(BINS)
        if (place == b).any()
    ]


def _range(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def calibration_error(rows: list[dict[str, float]]) -> float:
    """Mean distance of expectation and observation, weighted by examples (Naeini et al. 2015)."""
    total = sum(row["examples"] for row in rows)
    return sum(row["examples"] * abs(row["expected"] - row["observed"]) for row in rows) / total


def write_worst(data: Dataset, answers: Array, badness: Array, sure: Array, path: Path) -> None:
    """The test examples that the model got most wrong, with the beginnings of their texts."""
    test = data.splits["test"]
    order = sorted(range(len(test)), key=lambda i: (-float(badness[i]), test[i].id))[:WORST]
    rows = []
    for i in (i for i in order if badness[i] > 0):
        regression = data.form == "regression"
        row: dict[str, Any] = {
            "id": test[i].id,
            "texts": [text[:EXCERPT] for text in test[i].texts],
            "label": test[i].label,
            "predicted": float(answers[i]) if regression else data.labels[int(answers[i])],
        }
        rows.append(row if regression else row | {"probability": float(sure[i])})
    write_json(path, rows)
