"""What gate@finetune looks at: tasks, predictions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from gptmill.gates.views.reading import figures, read_object, read_table
from gptmill.params import load
from gptmill.params.finetune import Finetune, FromPassages, Task

MODELS, REPORTS = "models/finetune", "reports/finetune"
TASK_COLUMNS = ["task", "score", "score_high", "baseline", "must_beat"]
TASK_COLUMNS += ["predictions", "predictions_score", "score_error"]
PREDICTION_COLUMNS = ["id", "split", "label", "predicted", "task", "correct"]


def task_names(root: Path) -> list[str]:
    """The tasks of params.yaml. Folders of tasks that are gone may still lie about: they don't count."""
    return sorted(load("finetune", Finetune, root / "params.yaml").tasks)


def passes(root: Path) -> list[str]:
    return [f"{MODELS}/{task}" for task in task_names(root)]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """tasks (one row a task: its metrics.json, and figures made anew from the predictions), predictions.

    Both are empty where params.yaml has no task.
    """
    params = load("finetune", Finetune, root / "params.yaml").tasks
    predictions = {task: _predictions(root, task) for task in task_names(root)}
    tasks = [_task(root, name, params[name], table) for name, table in predictions.items()]
    return {
        "tasks": pd.DataFrame(tasks) if tasks else pd.DataFrame(columns=TASK_COLUMNS),
        "predictions": pd.concat([_as_text(table) for table in predictions.values()], ignore_index=True)
        if predictions
        else pd.DataFrame(columns=PREDICTION_COLUMNS),
    }


def _predictions(root: Path, task: str) -> pd.DataFrame:
    table = read_table(root, f"{MODELS}/{task}/predictions.parquet")
    return table.assign(task=task, correct=table["label"] == table["predicted"])


def _as_text(predictions: pd.DataFrame) -> pd.DataFrame:
    """Labels of some tasks are names, of others numbers; one table holds them all."""
    return predictions.assign(
        label=predictions["label"].astype("string"), predicted=predictions["predicted"].astype("string")
    )


def _task(root: Path, name: str, task: Task, predictions: pd.DataFrame) -> dict[str, object]:
    """A task's figures; `predictions_score` is its primary metric anew, from its test predictions.

    `must_beat` is the baseline, but missing for tasks of the corpus's passages: whether those of one topic can be
    told apart is a question about the corpus, and chance an answer to it.
    """
    if "split" in predictions:
        predictions = predictions[predictions["split"] == "test"]
    stored = read_object(root, f"{REPORTS}/{name}/metrics.json")
    metrics = figures(stored)
    positive = getattr(task, "positive", None)
    f1_of = stored.get("labels") if positive is None else [positive]
    counted = _score(predictions, metrics.get("primary"), f1_of)
    stated = metrics.get("score")
    known = counted is not None and isinstance(stated, float | int)
    return (
        {"task": name}
        | metrics
        | {
            "must_beat": math.nan if isinstance(task, FromPassages) else metrics.get("baseline"),
            "predictions": len(predictions),
            "predictions_score": counted,
            "score_error": abs(float(stated or 0) - float(counted or 0)) if known else None,
        }
    )


def _score(predictions: pd.DataFrame, primary: Any, f1_of: list[str] | None) -> float | None:
    """The metric `primary` of the predictions; None without any, or for a metric that is none of ours."""
    from scipy import stats
    from sklearn import metrics

    whole = predictions.dropna(subset=["label", "predicted"])
    if len(whole) < max(2, len(predictions)):
        return None
    true, answers = whole["label"], whole["predicted"]
    match primary:
        case "accuracy":
            score = metrics.accuracy_score(true, answers)
        case "f1":
            score = metrics.f1_score(true, answers, labels=f1_of, average="macro", zero_division=0.0)
        case "matthews":
            score = metrics.matthews_corrcoef(true, answers)
        case "pearson":
            score = stats.pearsonr(true, answers).statistic
        case "spearman":
            score = stats.spearmanr(true, answers).statistic
        case _:
            return None
    return float(score)
