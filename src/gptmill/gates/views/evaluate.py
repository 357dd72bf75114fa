"""What gate@evaluate looks at: metrics, tasks, samples."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from gptmill.gates.views.finetune import task_names
from gptmill.gates.views.reading import figures, read_object

OUT = "reports/evaluate"
UNKNOWN = {"memorised.train": math.nan}  # where no document is long enough to be asked


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """metrics (one row), tasks (one row a task of params.yaml or of the report), samples."""
    metrics = read_object(root, f"{OUT}/metrics.json")
    tasks = metrics.pop("tasks", {})
    return {
        "metrics": pd.DataFrame([{"metrics": f"{OUT}/metrics.json"} | UNKNOWN | figures(metrics)]),
        "tasks": _tasks(task_names(root), tasks),
        "samples": samples(read_object(root, f"{OUT}/samples.json")),
    }


def _tasks(wanted: list[str], tasks: dict[str, Any]) -> pd.DataFrame:
    """task, reported (the report has it), wanted (params.yaml has it), and the task's figures."""
    rows = []
    for task in sorted({*wanted, *tasks}):
        row = {"task": task, "reported": task in tasks, "wanted": task in wanted}
        found = tasks.get(task, {})
        rows.append(row | figures(found if isinstance(found, dict) else {"accuracy": found}))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["task", "reported", "wanted"])


def samples(drawn: list[dict[str, Any]]) -> pd.DataFrame:
    """sample (`"prompt" #n`), prompt, text, chars (of what the model added): one row a sample."""
    rows = []
    for n, one in enumerate(drawn):
        prompt, text = one.get("prompt") or "", one.get("text")
        added = (text or "").removeprefix(prompt).strip()
        rows.append({"sample": f'"{prompt}" #{n}', "prompt": prompt, "text": text, "chars": len(added)})
    return pd.DataFrame(rows, columns=["sample", "prompt", "text", "chars"])
