"""What the run of a stage holds: one description, for the observer while it trains and for `publish` later.

Everything comes from files: dvc.lock, params.yaml and reports/. Nothing here knows MLflow.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptmill.fingerprint import Inputs
from gptmill.outs import read_json
from gptmill.tracking.lineage import lineage

# The MLflow UI stalls with thousands of metric names or much more than 10,000 points.
MAX_POINTS = 2000
MAX_KEYS = 40

# The files that a model is made from, apart from its data.
MADE_FROM = (
    "src",
    "pipeline",
    "expectations",
    "params.yaml",
    "dvc.yaml",
    "pyproject.toml",
    "requirements.lock",
)

STAGE, FINGERPRINT, COMPLETE = "gptmill.stage", "gptmill.fingerprint", "gptmill.complete"
PARENT = "gptmill.parent"


@dataclass(frozen=True)
class Description:
    """What is known of a run before it starts."""

    name: str
    tags: dict[str, str]
    params: dict[str, str]
    datasets: dict[str, str]  # path → DVC's MD5
    lineage: dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    key: str
    value: float
    step: int


@dataclass(frozen=True)
class Results:
    """What is known once the stage has finished."""

    points: list[Point]
    tags: dict[str, str]
    files: list[tuple[Path, str]]  # file → folder among the run's artifacts


def describe(stage: str, inputs: Inputs, root: Path) -> Description:
    """Name, tags, parameters and data of a stage's run."""
    chain = lineage(inputs, root)
    tags = {STAGE: stage, FINGERPRINT: inputs.fingerprint, **_git(root)}
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["gptmill.dvc_experiment"] = experiment
    if parent := chain.get("pretrain"):
        tags[PARENT] = parent["fingerprint"]
    return Description(
        name=f"{stage} {experiment or inputs.fingerprint[:8]}",
        tags=tags,
        params={key_name(key): _text(value) for key, value in flatten(inputs.params).items()},
        datasets={
            path: md5
            for path, md5 in inputs.deps.items()
            if path.startswith("data/") and not path.startswith("data/gates/")
        },
        lineage=chain,
    )


def results(stage: str, description: Description, root: Path) -> Results:
    """Figures, curves, gate results and report files of a finished stage."""
    folder = reports_folder(stage, root)
    metrics = read_json(folder / "metrics.json") if (folder / "metrics.json").is_file() else {}
    figures = {
        key_name(key): float(value)
        for key, value in flatten(metrics).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    curves = [point for path in sorted(folder.glob("*.csv")) for point in _curves(path)]
    last = max((point.step for point in curves), default=int(figures.get("steps", 0)))
    gates = gate_reports(description.lineage, root)
    files = [(path, "reports") for path in sorted(folder.glob("*")) if path.is_file()]
    files += [(path, "gates") for path in gates.values()]
    tags = gate_verdicts(description.lineage, root)
    return Results([*curves, *(Point(key, value, last) for key, value in figures.items())], tags, files)


def gate_reports(lineage: dict[str, Any], root: Path) -> dict[str, Path]:
    """Gate → its report, for each gate of a chain whose report is there."""
    paths = {
        gate: root / "reports" / "gates" / f"{gate.removeprefix('gate@')}.json"
        for gate in lineage
        if gate.startswith("gate@")
    }
    return {gate: path for gate, path in paths.items() if path.is_file()}


def gate_verdicts(lineage: dict[str, Any], root: Path) -> dict[str, str]:
    """Tags such as `gptmill.gate/clean`: passed, 11 of 11 expectations."""
    reports = gate_reports(lineage, root)
    return {key_name(f"gptmill.{gate}"): _verdict(read_json(path)) for gate, path in reports.items()}


def reports_folder(stage: str, root: Path) -> Path:
    """reports/pretrain, reports/finetune/<task>, …"""
    return root / "reports" / Path(*stage.split("@"))


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings by dotted key; lists are leaves."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def key_name(text: str) -> str:
    """`text` as the name of a tag, parameter or metric: what MLflow refuses there becomes a slash."""
    return re.sub(r"[^\w\-. :/]", "/", text)


def bucket(step: int, total: int | None) -> int:
    """The bucket of a curve that `step` falls into; one point of each bucket is kept.

    With a known number of steps there are `MAX_POINTS` buckets of equal width. Without, they widen with
    the step, so that 10 million steps still make fewer.
    """
    if total is not None:
        return step * MAX_POINTS // max(total + 1, MAX_POINTS)
    return step if step < 150 else int(150 + 150 * math.log(step / 150))


def thin(points: Iterable[Point], total: int) -> list[Point]:
    """At most `MAX_POINTS` of each metric's points, evenly spaced over the steps 0 to `total`."""
    kept: dict[tuple[str, int], Point] = {}
    for point in points:
        kept.setdefault((point.key, bucket(point.step, total)), point)
    return list(kept.values())


def _verdict(report: dict[str, Any]) -> str:
    """A gate's report in a few words."""
    counts = report["expectations"]
    verdict = "passed" if report["success"] else "failed"
    return f"{verdict}, {counts['evaluated'] - counts['failed']} of {counts['evaluated']} expectations"


def _curves(path: Path) -> list[Point]:
    """The points of a CSV with a column `step`, none of another; an empty field was not measured."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points = [
        Point(key, float(text), int(row["step"]))
        for row in rows
        if "step" in row
        for key, text in row.items()
        if text and key != "step"
    ]
    return thin(points, max((point.step for point in points), default=0))


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text[:6000]


def _git(root: Path) -> dict[str, str]:
    """The commit, and whether code or parameters differ from it (what a stage writes doesn't count)."""
    commit = _run_git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _run_git(root, "status", "--porcelain", "--", *MADE_FROM)
    return {"mlflow.source.git.commit": commit, "gptmill.dirty": "true" if changed else "false"}


def _run_git(root: Path, *args: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *args], cwd=root, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
