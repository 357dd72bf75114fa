"""What the page is made from: the reports of all stages, as plain data, nothing computed that they don't say.

One figure is: the FLOPs of training, which follow from the model's sizes and the tokens that it read.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptmill.errors import UserError
from gptmill.outs import read_json
from gptmill.params import check
from gptmill.params.model import Model
from gptmill.planning import flops_per_token

GATES = ("collect", "clean", "dedupe", "tokenize", "pretrain", "finetune", "evaluate")
SIZES = ("preset", "block_size", "n_layer", "n_head", "n_embd", "dropout")


@dataclass(frozen=True)
class Facts:
    """The contents of the reports, by the file they are from."""

    corpus: dict[str, Any]
    model: dict[str, Any]  # config.json
    pretrain: dict[str, Any]  # metrics.json
    train_loss: list[tuple[float, float]]  # (step, nats a token)
    val_loss: list[tuple[float, float]]
    metrics: dict[str, Any]  # of evaluate
    details: dict[str, Any]  # of evaluate
    memorised: dict[str, list[tuple[float, float]]]  # split → (tokens, share of prompts)
    samples: list[dict[str, Any]]
    tasks: dict[str, dict[str, Any]]  # metrics.json of each
    kinds: dict[str, str]
    gates: dict[str, dict[str, Any]]
    flops: float


def gather(root: Path, kinds: dict[str, str]) -> Facts:
    """Read models/pretrain/config.json and reports/ of the project at `root`.

    Args:
        kinds: task → kind, of params.yaml.

    Raises:
        UserError: when a report is missing.
    """
    reports = root / "reports"
    model = _json(root / "models/pretrain/config.json")
    pretrain = _json(reports / "pretrain/metrics.json")
    shape = check(
        Model, {name: model[name] for name in SIZES if name in model}, "models/pretrain/config.json"
    )
    return Facts(
        corpus=_json(reports / "corpus.json"),
        model=model,
        pretrain=pretrain,
        train_loss=_curve(reports / "pretrain/train.csv", "train_loss"),
        val_loss=_curve(reports / "pretrain/validation.csv", "val_loss"),
        metrics=_json(reports / "evaluate/metrics.json"),
        details=_json(reports / "evaluate/details.json"),
        memorised={
            split: _curve(reports / "evaluate/memorisation.csv", f"{split}_share", "tokens")
            for split in ("train", "test")
        },
        samples=_json(reports / "evaluate/samples.json"),
        tasks={name: _json(reports / f"finetune/{name}/metrics.json") for name in sorted(kinds)},
        kinds=kinds,
        gates={name: _json(reports / f"gates/{name}.json") for name in GATES},
        flops=pretrain["tokens"] * flops_per_token(shape, model["vocab_size"]),
    )


def _json(path: Path) -> Any:
    return read_json(_existing(path))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path} does not exist; run `dvc repro`, which makes it")
    return path


def _curve(path: Path, column: str, x: str = "step") -> list[tuple[float, float]]:
    """The points of a column; an empty field was not measured."""
    return [(float(row[x]), float(row[column])) for row in rows_of(_existing(path)) if row.get(column)]


def rows_of(path: Path) -> Sequence[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
