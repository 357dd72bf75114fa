"""What gate@finetune looks at: tasks, predictions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gptmill.gates.views.reading import figures, read_object, read_table
from gptmill.params import load
from gptmill.params.finetune import Finetune

MODELS, REPORTS = "models/finetune", "reports/finetune"


def task_names(root: Path) -> list[str]:
    """The tasks of params.yaml. Folders of tasks that are gone may still lie about: they don't count."""
    return sorted(load("finetune", Finetune, root / "params.yaml").tasks)


def passes(root: Path) -> list[str]:
    return [f"{MODELS}/{task}" for task in task_names(root)]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """tasks (one row a task: its metrics.json, and figures made anew from the predictions), predictions."""
    names = task_names(root)
    predictions = {task: _predictions(root, task) for task in names}
    tasks = [_task(root, task, predictions[task]) for task in names]
    return {"tasks": pd.DataFrame(tasks), "predictions": pd.concat(predictions.values(), ignore_index=True)}


def _predictions(root: Path, task: str) -> pd.DataFrame:
    table = read_table(root, f"{MODELS}/{task}/predictions.parquet")
    return table.assign(task=task, correct=table["label"] == table["predicted"])


def _task(root: Path, task: str, predictions: pd.DataFrame) -> dict[str, object]:
    """A task's figures; `predictions_…` are counted again from the predictions (of its test split)."""
    if "split" in predictions:
        predictions = predictions[predictions["split"] == "test"]
    metrics = figures(read_object(root, f"{REPORTS}/{task}/metrics.json"))
    counted = predictions["correct"].mean() if len(predictions) else None
    shares = predictions["label"].value_counts(normalize=True)
    stated = metrics.get("accuracy")
    known = counted is not None and isinstance(stated, float | int)
    return (
        {"task": task}
        | metrics
        | {
            "predictions": len(predictions),
            "predictions_accuracy": counted,
            "predictions_largest_class": shares.max() if len(shares) else None,
            "accuracy_error": abs(float(stated or 0) - float(counted or 0)) if known else None,
        }
    )
