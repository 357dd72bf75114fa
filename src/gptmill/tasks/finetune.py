"""finetune: one task, from a pretrained GPT, with GPT-1's recipe, on Lightning."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import Tensor

from gptmill.models import load_model, save_weights
from gptmill.outs import write_json
from gptmill.params.finetune import Finetune
from gptmill.tasks.classifier import Classifier, pack
from gptmill.tasks.provenance import Dataset, Example, provenance
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.training.curves import write_curve
from gptmill.training.lightning import make_trainer
from gptmill.training.optimizer import adamw, warmup_linear
from gptmill.training.resume import Resume

Batch = tuple[Tensor, Tensor, Tensor]
Observe = Callable[[dict[str, float], int], None]


def finetune(
    name: str,
    params: Finetune,
    seed: int,
    *,
    documents: Path,
    tokens: Path,
    pretrained: Path,
    model_out: Path,
    reports_out: Path,
    resume: Path,
    observe: Observe,
) -> None:
    """Fine-tune on the task `name` and write model, predictions (`model_out`) and scores (`reports_out`)."""
    task = params.tasks[name]
    data = provenance(task, name, documents)
    tokenizer = Tokenizer.load(tokens / "tokenizer.model")
    encoded = {
        split: [tokenizer.encode(example.text) for example in examples]
        for split, examples in data.splits.items()
    }
    seed_everything(seed, workers=True, verbose=False)
    gpt = load_model(pretrained)
    classifier = Classifier(gpt.config, len(data.labels), params.classifier_dropout)
    classifier.load_pretrained(gpt)

    module = Finetuning(classifier, params, data, encoded, task.max_tokens, seed)
    saving = Resume(resume, every=100)
    progress = Progress(observe)
    trainer = make_trainer(
        max_steps=module.max_steps,
        grad_clip=params.grad_clip,
        callbacks=[progress, saving],
        accelerator="auto",
        devices=1,
        precision="auto",
    )
    trainer.fit(module, ckpt_path=saving.checkpoint, weights_only=True)
    classifier.to(trainer.strategy.root_device)  # Lightning leaves it on the CPU

    predictions = {split: module.predict(split) for split in ("dev", "test")}
    write_predictions(data, predictions, model_out / "predictions.parquet")
    save_weights(classifier, model_out / "model.safetensors")
    write_json(model_out / "config.json", {"labels": data.labels, "model": asdict(gpt.config)})
    write_curve(progress.rows, reports_out / "train.csv")
    write_confusion(data, predictions["test"], reports_out / "predictions.csv")
    write_json(reports_out / "metrics.json", scores(data, predictions) | {"steps": module.max_steps})


class Finetuning(LightningModule):
    """The task's batches, their loss, the optimizer."""

    def __init__(
        self,
        classifier: Classifier,
        params: Finetune,
        data: Dataset,
        encoded: dict[str, list[list[int]]],
        max_tokens: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.classifier, self.params, self.encoded, self.seed = classifier, params, encoded, seed
        self.max_tokens = max_tokens
        self.targets = {
            split: [data.labels.index(example.label) for example in examples]
            for split, examples in data.splits.items()
        }
        self.max_steps = params.epochs * math.ceil(len(encoded["train"]) / params.batch_size)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        tokens, ends, labels = batch
        return self.classifier.loss(tokens, ends, labels, self.params.lm_weight)

    def train_dataloader(self) -> Examples:
        return Examples(self, self.trainer.global_step)

    def batch(self, split: str, rows: list[int]) -> Batch:
        """Tokens `(batch, time)`, ends `(batch,)` and labels `(batch,)` of some examples."""
        texts = [self.encoded[split][row] for row in rows]
        tokens, ends = pack(texts, self.classifier.start_id, self.classifier.extract_id, self.max_tokens)
        return tokens, ends, torch.tensor([self.targets[split][row] for row in rows])

    @torch.no_grad()
    def predict(self, split: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Class probabilities `(examples, n_labels)` of a whole split."""
        self.classifier.eval()
        parts = []
        for start in range(0, len(self.encoded[split]), 64):
            rows = list(range(start, min(start + 64, len(self.encoded[split]))))
            tokens, ends, _ = (
                part.to(self.classifier.head.weight.device) for part in self.batch(split, rows)
            )
            parts.append(torch.softmax(self.classifier(tokens, ends)[0].float(), dim=1).cpu())
        return torch.cat(parts).numpy()

    def configure_optimizers(self) -> Any:
        p = self.params
        optimizer = adamw(
            self.classifier,
            learning_rate=p.learning_rate,
            weight_decay=p.weight_decay,
            beta1=0.9,
            beta2=0.999,
        )
        warmup_steps = math.ceil(p.warmup_fraction * self.max_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_linear(step, warmup_steps=warmup_steps, max_steps=self.max_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Examples:
    """The training batches from a step on; the order is a pure function of (seed, epoch)."""

    def __init__(self, module: Finetuning, first_step: int) -> None:
        self.module, self.first_step = module, first_step

    def __len__(self) -> int:
        return self.module.max_steps

    def __iter__(self) -> Iterator[Batch]:
        module = self.module
        size = module.params.batch_size
        n_train = len(module.encoded["train"])
        per_epoch = math.ceil(n_train / size)
        for step in range(self.first_step, module.max_steps):
            epoch, place = divmod(step, per_epoch)
            order = np.random.default_rng((module.seed, epoch)).permutation(n_train)
            yield module.batch("train", order[place * size : (place + 1) * size].tolist())


class Progress(Callback):
    """The loss of every tenth step: to the progress bar, the observer and the files."""

    def __init__(self, observe: Observe) -> None:
        self.observe = observe
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step % 10 == 0 or step == trainer.max_steps:
            loss = float(outputs["loss"].detach())
            pl_module.log("train_loss", loss, prog_bar=True, logger=False)
            self.rows.append({"step": step, "train_loss": loss})
            self.observe({"train_loss": loss}, step)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


def scores(data: Dataset, predictions: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """Accuracy on dev and test, beside always answering the largest class of the training examples."""
    majority = Counter(example.label for example in data.splits["train"]).most_common(1)[0][0]
    test = data.splits["test"]
    return {
        "labels": data.labels,
        "train": len(data.splits["train"]),
        "dev": len(data.splits["dev"]),
        "test": len(test),
        "dev_accuracy": _accuracy(data.labels, data.splits["dev"], predictions["dev"]),
        "accuracy": _accuracy(data.labels, test, predictions["test"]),
        "majority_accuracy": sum(example.label == majority for example in test) / len(test),
    }


def _accuracy(labels: list[str], examples: list[Example], probabilities: np.ndarray[Any, Any]) -> float:
    predicted = [labels[i] for i in probabilities.argmax(axis=1)]
    right = [guess == example.label for guess, example in zip(predicted, examples, strict=True)]
    return right.count(True) / len(right)


def write_predictions(data: Dataset, predictions: dict[str, np.ndarray[Any, Any]], path: Path) -> None:
    """One row an example of dev and test: id, split, label, predicted, probability (of the prediction)."""
    rows = [
        {
            "id": example.id,
            "split": split,
            "label": example.label,
            "predicted": data.labels[int(row.argmax())],
            "probability": float(row.max()),
        }
        for split, probabilities in predictions.items()
        for example, row in zip(data.splits[split], probabilities, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")


def write_confusion(data: Dataset, probabilities: np.ndarray[Any, Any], path: Path) -> None:
    """Label and prediction of each test example, for the confusion matrix that DVC draws."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("label", "predicted"))
        for example, row in zip(data.splits["test"], probabilities, strict=True):
            writer.writerow((example.label, data.labels[int(row.argmax())]))
