"""finetune: one task, from a pretrained GPT, with GPT-1's recipe: examples → model, predictions, scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import seed_everything

from gptmill.models import load_model, save_weights
from gptmill.models.language_model import LanguageModel
from gptmill.outs import write_json
from gptmill.params.finetune import Finetune, LabelledTask, Task
from gptmill.tasks import outcome
from gptmill.tasks.examples import Dataset, read_dataset
from gptmill.tasks.head import TaskModel
from gptmill.tasks.inputs import sequences
from gptmill.tasks.scores import report, truth
from gptmill.tasks.training import Array, Finetuning, Observe, Progress, Rows, predict
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.training.curves import write_curve
from gptmill.training.lightning import device_key, make_trainer
from gptmill.training.resume import Resume

EVALUATED = ("dev", "test")


@dataclass(frozen=True)
class Outcome:
    """One training: scores `(examples, outputs)` of dev and test as the head gives them, and the curve."""

    scores: dict[str, Array]
    curve: list[dict[str, float]]
    steps: int


def finetune(
    name: str,
    params: Finetune,
    seed: int,
    *,
    examples: Path,
    tokens: Path,
    pretrained: Path,
    model_out: Path,
    reports_out: Path,
    resume: Path,
    observe: Observe,
) -> None:
    """Fine-tune on the task `name` and write model and predictions (`model_out`) and scores (`reports_out`).

    Args:
        examples: the folder that `write_dataset` wrote.
        resume: folder for the state of an unfinished run with the same fingerprint; the caller removes it
            once the outs are in place.
        observe: told metrics by name and step; must not raise.
    """
    task, data = params.tasks[name], read_dataset(examples)
    tokenizer = Tokenizer.load(tokens / "tokenizer.model")

    def load() -> LanguageModel:
        return load_model(pretrained)

    outcomes = []
    for number in range(params.seeds):
        model, one = train(
            data,
            task,
            params,
            seed + number,
            load=load,
            encode=tokenizer.encode,
            label=name if params.seeds == 1 else f"{name}, seed {seed + number}",
            resume=resume / device_key(params.accelerator, 1) / str(seed + number),
            observe=observe if number == 0 else lambda _metrics, _step: None,
        )
        if number == 0:
            save_weights(model, model_out / "model.safetensors")
            config = {"form": data.form, "labels": data.labels, "model": asdict(model.gpt.config)}
            write_json(model_out / "config.json", config | {"special": asdict(model.special)})
        outcomes.append(one)
    metrics = write_outcome(data, task, outcomes, model_out, reports_out)
    print(summary(name, metrics))


def summary(name: str, metrics: dict[str, Any]) -> str:
    """The score in a line, and a warning where it may be chance."""
    line = (
        f"{name}: {metrics['primary']} {metrics['score']:.3f} on {metrics['test']:,} test examples, 95 % from "
        f"{metrics['score_low']:.3f} to {metrics['score_high']:.3f}; baseline {metrics['baseline']:.3f}"
    )
    if metrics["score_low"] <= metrics["baseline"]:
        line += f"\ngptmill: warning: {name}: that may be chance: the interval reaches down to the baseline"
    return line


def train(
    data: Dataset,
    task: Task,
    params: Finetune,
    seed: int,
    *,
    load: Callable[[], LanguageModel],
    encode: Callable[[str], list[int]],
    label: str,
    resume: Path,
    observe: Observe,
) -> tuple[TaskModel, Outcome]:
    """Train once; the model is in evaluation mode and has predicted dev and test.

    Args:
        load: gives the pretrained model, which becomes part of the one trained.
    """
    seed_everything(seed, workers=True, verbose=False)
    n_outputs = 1 if data.form in ("multiple_choice", "regression") else len(data.labels)
    model = TaskModel(load(), data.form, n_outputs, params.classifier_dropout)
    max_tokens = task.max_tokens or model.gpt.config.block_size
    rows = {
        split: [
            sequences(data.form, [encode(text) for text in example.texts], model.special, max_tokens)
            for example in examples
        ]
        for split, examples in data.splits.items()
    }
    scale = _scale(data)
    module = Finetuning(
        model,
        rows["train"],
        torch.from_numpy(_targets(data, scale)),
        seed=seed,
        epochs=task.epochs or params.epochs,
        batch_size=task.batch_size or params.batch_size,
        learning_rate=task.learning_rate or params.learning_rate,
        warmup_fraction=params.warmup_fraction,
        weight_decay=params.weight_decay,
        lm_weight=params.lm_weight,
    )
    saving, progress = Resume(resume, every=100), Progress(observe, label)
    trainer = make_trainer(
        max_steps=module.max_steps,
        grad_clip=params.grad_clip,
        callbacks=[progress, saving],
        accelerator=params.accelerator,
        devices=1,
        precision=params.precision,
    )
    model.train()  # Lightning leaves modes as they are, and a loaded model is in evaluation mode
    trainer.fit(module, ckpt_path=saving.checkpoint, weights_only=True)
    model.to(trainer.strategy.root_device)  # Lightning leaves it on the CPU
    return model, Outcome(_predictions(model, rows, scale), progress.rows, module.max_steps)


def _scale(data: Dataset) -> tuple[float, float]:
    """Mean and standard deviation that numbers are learned in: those of train. (0, 1) for labels."""
    if data.form != "regression":
        return 0.0, 1.0
    numbers = truth(data, "train")
    return float(numbers.mean()), float(numbers.std()) or 1.0


def _targets(data: Dataset, scale: tuple[float, float]) -> Array:
    if data.form != "regression":
        return truth(data, "train")
    return ((truth(data, "train") - scale[0]) / scale[1]).astype(np.float32)


def _predictions(model: TaskModel, rows: dict[str, Rows], scale: tuple[float, float]) -> dict[str, Array]:
    return {split: predict(model, rows[split]) * scale[1] + scale[0] for split in EVALUATED}


def answers_of(data: Dataset, scores: Array) -> tuple[Array, Array]:
    """The answer to each example (index of a label, or number), and its probability (1 for numbers)."""
    if data.form == "regression":
        return scores[:, 0].astype(np.float64), np.ones(len(scores))
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores.argmax(axis=1), exponents.max(axis=1) / exponents.sum(axis=1)


def write_outcome(
    data: Dataset, task: Task, outcomes: list[Outcome], model_out: Path, reports_out: Path
) -> dict[str, Any]:
    """Write predictions and worst examples (`model_out`), metrics and plots (`reports_out`); the metrics."""
    answered = {split: [answers_of(data, one.scores[split]) for one in outcomes] for split in EVALUATED}
    answers = {split: [answer for answer, _ in each] for split, each in answered.items()}
    sure = {split: each[0][1] for split, each in answered.items()}
    first = {split: each[0] for split, each in answers.items()}
    outcome.write_predictions(data, first, sure, model_out / "predictions.parquet")

    true = truth(data, "test")
    if data.form == "regression":
        expected, observed, badness = first["test"], true, np.abs(first["test"] - true)
    else:
        wrong = first["test"] != true
        expected, observed, badness = sure["test"], (~wrong).astype(float), sure["test"] * wrong
    bins = outcome.calibration(expected, observed)
    outcome.write_worst(data, first["test"], badness, sure["test"], model_out / "worst.json")
    outcome.write_confusion(data, first["test"], reports_out / "predictions.csv")
    write_curve(bins, reports_out / "calibration.csv")
    write_curve(outcomes[0].curve, reports_out / "train.csv")
    positive = task.positive if isinstance(task, LabelledTask) else None
    metrics = report(data, answers, task.primary, positive)
    metrics |= {"steps": outcomes[0].steps, "calibration_error": outcome.calibration_error(bins)}
    write_json(reports_out / "metrics.json", metrics)
    return metrics
