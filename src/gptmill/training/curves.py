"""Plots of training, for people."""

from __future__ import annotations

from pathlib import Path


def draw_losses(rows: list[dict[str, float]], unigram_loss: float, path: Path) -> None:
    """Train and validation loss over the steps, with the unigram model's as the line to be below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["train_loss"] for row in rows], label="train")
    axes.plot(steps, [row["val_loss"] for row in rows], label="validation")
    axes.axhline(unigram_loss, color="grey", linestyle="--", label="unigram model, validation")
    axes.set(xlabel="step", ylabel="loss (nats per token)", title="Pretraining")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
