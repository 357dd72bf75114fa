"""What gate@pretrain looks at: metrics, losses."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from gptmill.errors import UserError
from gptmill.gates.views.reading import figures, finite, read_object

MODEL, REPORTS = "models/pretrain", "reports/pretrain"


def passes(_root: Path) -> list[str]:
    # Only what later stages read: a curve drawn anew must not fine-tune again.
    return [MODEL]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """metrics (one row: metrics.json), losses (one row a measured loss)."""
    metrics = figures(read_object(root, f"{REPORTS}/metrics.json"))
    return {
        "metrics": pd.DataFrame([{"metrics": f"{REPORTS}/metrics.json"} | metrics]),
        "losses": losses(root / REPORTS),
    }


def losses(folder: Path) -> pd.DataFrame:
    """point (`val_loss@200`), step, curve, loss, finite: all curves in the folder's CSV files.

    Fields left empty were not measured. `finite` is told apart here, since pandas reads both an empty
    field and `nan` as missing, and most expectations pass over what is missing.
    """
    points = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = row.pop("step")
                for curve, field in row.items():
                    if field:
                        loss = _number(field)
                        points.append((f"{curve}@{step}", int(step), curve, loss, finite(loss)))
    if not points:
        raise UserError(f"{folder} holds no losses (CSV files with a column step); `dvc repro` makes them")
    return pd.DataFrame(points, columns=["point", "step", "curve", "loss", "finite"])


def _number(field: str) -> float:
    try:
        return float(field)
    except ValueError:
        return float("nan")
