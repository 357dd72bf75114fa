"""Curves of training: files for DVC and MLflow, a picture for people."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

Rows = list[dict[str, float]]


def write_curve(rows: Rows, path: Path) -> None:
    """`rows` as CSV, the keys of the first as its header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw_losses(train: Rows, validation: Rows, unigram_loss: float, path: Path) -> None:
    """Train and validation loss over the steps, with the unigram model's as the line to be below."""
    figure, axes = _figure()
    for rows, key, label in ((train, "train_loss", "train"), (validation, "val_loss", "validation")):
        axes.plot([row["step"] for row in rows], [row[key] for row in rows], label=label)
    axes.axhline(unigram_loss, color="grey", linestyle="--", label="unigram model, validation")
    axes.set(xlabel="step", ylabel="loss (nats per token)", title="Pretraining")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def draw_speed(rows: Rows, path: Path) -> None:
    """Tokens a second over the steps, and the share of the device's peak where that is known."""
    figure, axes = _figure()
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["tokens_per_second"] for row in rows])
    axes.set(xlabel="step", ylabel="tokens per second", title="Speed of pretraining", ylim=(0, None))
    if "mfu" in rows[0]:
        # The same curve in other units: a second axis, no second line.
        of_peak = rows[-1]["mfu"] / rows[-1]["tokens_per_second"]
        share = axes.secondary_yaxis("right", functions=(lambda y: y * of_peak, lambda y: y / of_peak))
        share.set_ylabel("share of the device's peak (MFU)")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _figure() -> tuple[Any, Any]:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcdefaults()  # a matplotlibrc of the user's must not show in an out
    figure = Figure(figsize=(7, 4), layout="constrained")
    return figure, figure.subplots()
