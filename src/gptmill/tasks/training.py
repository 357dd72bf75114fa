"""Fine-tuning: a task's batches, their loss, the optimizer, on Lightning.

The order of the examples is a pure function of (seed, epoch), so an exact resume needs no state of it.
Examples of like length share a batch: padding is most of what a random batch of short and long texts
would compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from gptmill.errors import UserError
from gptmill.tasks.head import TaskModel
from gptmill.tasks.inputs import Ids, pack
from gptmill.training.optimizer import adamw, warmup_linear

Batch = tuple[Tensor, Tensor, Tensor]  # tokens, ends, targets
Rows = list[list[Ids]]  # of each example its sequences
Observe = Callable[[dict[str, float], int], None]
Array = np.ndarray[Any, np.dtype[Any]]
POOL = 8  # batches of like length are cut from this many batches' examples


class Finetuning(LightningModule):
    """The training examples of one task and the recipe."""

    def __init__(
        self,
        model: TaskModel,
        rows: Rows,
        targets: Tensor,
        *,
        seed: int,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        warmup_fraction: float,
        weight_decay: float,
        lm_weight: float,
    ) -> None:
        super().__init__()
        self.model, self.rows, self.targets, self.seed = model, rows, targets, seed
        self.batch_size, self.learning_rate, self.weight_decay = batch_size, learning_rate, weight_decay
        self.lm_weight = lm_weight
        self.max_steps = epochs * math.ceil(len(rows) / batch_size)
        self.warmup_steps = math.ceil(warmup_fraction * self.max_steps)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        tokens, ends, targets = batch
        return self.model.loss(tokens, ends, len(ends) // len(targets), targets, self.lm_weight)

    def train_dataloader(self) -> Batches:
        return Batches(self, self.trainer.global_step)

    def configure_optimizers(self) -> Any:
        optimizer = adamw(
            self.model,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            beta1=0.9,
            beta2=0.999,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: warmup_linear(step, warmup_steps=self.warmup_steps, max_steps=self.max_steps),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Batches:
    """The training batches from a step on."""

    def __init__(self, module: Finetuning, first_step: int) -> None:
        self.module, self.first_step = module, first_step

    def __len__(self) -> int:
        return self.module.max_steps  # of all steps: Lightning counts them when it resumes

    def __iter__(self) -> Iterator[Batch]:
        module = self.module
        lengths = np.array([max(map(len, rows)) for rows in module.rows])
        per_epoch = math.ceil(len(lengths) / module.batch_size)
        epoch, batches = -1, []
        for step in range(self.first_step, module.max_steps):
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                batches = epoch_batches(lengths, module.batch_size, module.seed, epoch)
            chosen = batches[step % per_epoch]
            rows = [row for i in chosen for row in module.rows[i]]
            yield *pack(rows, module.model.special), module.targets[torch.from_numpy(chosen)]


def epoch_batches(lengths: Array, batch_size: int, seed: int, epoch: int) -> list[Array]:
    """Which examples each batch of an epoch holds: all of them once, in batches of like length.

    A random order is cut into pools of a few batches; each pool is sorted by length and cut into
    batches; the order of the batches is random again.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    pool = POOL * batch_size
    batches = []
    for start in range(0, len(order), pool):
        members = order[start : start + pool]
        members = members[np.argsort(lengths[members], kind="stable")]
        batches += [members[i : i + batch_size] for i in range(0, len(members), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


@torch.no_grad()
def predict(model: TaskModel, rows: Rows, batch_size: int = 64) -> Array:
    """Scores `(examples, outputs)` of every example, in their order; draws no random number."""
    model.eval()
    device = model.head.weight.device
    order = np.argsort([max(map(len, row)) for row in rows], kind="stable")
    parts = []
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        tokens, ends = pack([row for i in chosen for row in rows[i]], model.special)
        scores, _ = model(tokens.to(device), ends.to(device), len(ends) // len(chosen))
        parts.append(scores.float().cpu())
    back = np.argsort(order, kind="stable")
    scores_in_order: Array = torch.cat(parts).numpy()[back]
    return scores_in_order


class Progress(Callback):
    """The loss of every tenth step: to the observer and the files; a line now and then for people."""

    def __init__(self, observe: Observe, label: str) -> None:
        self.observe, self.label = observe, label
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, steps = trainer.global_step, int(trainer.max_steps)
        if step % 10 and step != steps:
            return
        loss = float(outputs["loss"].detach())
        if not math.isfinite(loss):
            raise UserError(
                f"{self.label}: the training loss is {loss} at step {step}: training has diverged. "
                "Lower the learning_rate of the task or of finetune."
            )
        self.rows.append({"step": step, "train_loss": loss})
        self.observe({"train_loss": loss}, step)
        if step % max(10, steps // 50 * 10) == 0 or step == steps:
            print(f"{self.label}  step {step}/{steps}  train_loss {loss:.4f}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]
