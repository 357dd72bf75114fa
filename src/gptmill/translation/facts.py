"""What the page of the lineage is made from: the reports and predictions of each system, as plain data."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from gptmill.errors import UserError
from gptmill.evaluation.statistics import Comparison, compare
from gptmill.outs import read_json
from gptmill.translation.scores import statistic


@dataclass(frozen=True)
class SystemFacts:
    """One system: its reports, and its predictions by pair."""

    name: str
    metrics: dict[str, Any]  # of its scores
    training: dict[str, Any]  # of its training
    curve: list[tuple[float, float]]  # step, train_loss
    by_length: list[dict[str, Any]]
    alignments: list[dict[str, Any]]
    predictions: list[dict[str, Any]]  # id, source, target, predicted, tokens

    @property
    def score(self) -> dict[str, Any]:
        """Of the primary metric: score, low, high."""
        found: dict[str, Any] = self.metrics["scores"][self.metrics["primary"]]
        return found

    @property
    def right(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """1 where the prediction is the target, by id."""
        return np.array([row["predicted"] == row["target"] for row in self.predictions], dtype=np.float64)


def gather(root: Path, systems: list[str]) -> list[SystemFacts]:
    """The systems in their order.

    Raises:
        UserError: when a report is missing, or the systems were judged on different pairs.
    """
    facts = [_system(root, name) for name in systems]
    ids = {name: [row["id"] for row in fact.predictions] for name, fact in zip(systems, facts, strict=True)}
    if odd := [name for name in systems if ids[name] != ids[systems[0]]]:
        raise UserError(
            f"{odd[0]} was judged on other pairs than {systems[0]}; `dvc repro lineage/dvc.yaml` runs what is stale"
        )
    return facts


def gained(before: SystemFacts, after: SystemFacts) -> Comparison:
    """By how much `after` scores higher (the primary metric), paired by source."""
    truth = [row["target"] for row in after.predictions]
    ours, theirs = (
        statistic(after.metrics["primary"], [row["predicted"] for row in one.predictions], truth)
        for one in (after, before)
    )
    return compare(ours, theirs, len(truth))


def _system(root: Path, name: str) -> SystemFacts:
    training, reports = root / "reports/translate" / name, root / "reports/score" / name
    curve = _rows(training / "train.csv")
    by_length = _rows(reports / "by_length.csv")
    return SystemFacts(
        name=name,
        metrics=read_json(_existing(reports / "metrics.json")),
        training=read_json(_existing(training / "metrics.json")),
        curve=[(float(row["step"]), float(row["train_loss"])) for row in curve],
        by_length=[
            {key: text if key == "tokens" else float(text) for key, text in row.items()} for row in by_length
        ],
        alignments=read_json(_existing(reports / "alignments.json")),
        predictions=pq.read_table(
            _existing(root / "data/translations" / name / "predictions.parquet")
        ).to_pylist(),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with _existing(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path} does not exist; `dvc repro lineage/dvc.yaml` makes it")
    return path
