"""Training of an encoder–decoder on pairs, on Lightning, with exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models.encoder_decoder import EncoderDecoder
from gptmill.models.systems import make_system, save_system
from gptmill.outs import write_json
from gptmill.params.translate import Recipe, Translate, TranslationTraining
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.training.checkpoints import prune
from gptmill.training.curves import write_curve
from gptmill.training.lightning import device_key, make_trainer
from gptmill.training.resume import Resume
from gptmill.translation.batches import Batches, Pair, load_pairs
from gptmill.translation.loss import token_loss
from gptmill.translation.metrics import check_metrics
from gptmill.translation.threads import threads

Observe = Callable[[dict[str, float], int], None]


def train_system(
    system: str,
    params: Translate,
    seed: int,
    pairs: Path,
    *,
    model_out: Path,
    reports_out: Path,
    resume: Path,
    observe: Observe,
) -> None:
    """Train one system on the folder `pairs`; write the model (`model_out`), figures and curve (`reports_out`).

    Args:
        resume: folder for the state of an unfinished run with the same fingerprint; the caller removes it once
            the outs are in place. Its siblings, left by runs that were given up, are pruned.
        observe: told metrics by name and step, the processor's seconds among them, which no out may hold; must
            not raise.

    Raises:
        UserError: when a metric's package is missing, the loss is no longer finite, or no checkpoint can be written.
    """
    check_metrics(params.evaluate.metrics)  # before an hour of training, not after it
    prune(resume.parent, keep=resume)
    recipe: Recipe = getattr(params.systems, system)
    tokenizer = Tokenizer.load(pairs / "tokenizer.model")
    training_pairs = load_pairs(pairs, tokenizer, "train")
    start = time.process_time()
    with threads(params.training.threads):
        model, curve = train(
            system,
            recipe,
            params.training,
            training_pairs,
            seed,
            vocab_size=tokenizer.vocab_size,
            eos_id=tokenizer.eos_id,
            resume=resume,
            observe=observe,
        )
    observe({"processor_seconds": time.process_time() - start}, recipe.max_steps)
    save_system(system, model, model_out)
    write_curve(curve, reports_out / "train.csv")
    epochs = recipe.max_steps * params.training.batch_size / len(training_pairs)
    metrics = {
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "steps": recipe.max_steps,
        "pairs": len(training_pairs),
        "epochs": round(epochs, 4),
        "train_loss": curve[-1]["train_loss"],
    }
    write_json(reports_out / "metrics.json", metrics)


def train(
    system: str,
    recipe: Recipe,
    training: TranslationTraining,
    pairs: Sequence[Pair],
    seed: int,
    *,
    vocab_size: int,
    eos_id: int,
    resume: Path,
    observe: Observe,
) -> tuple[EncoderDecoder, list[dict[str, float]]]:
    """The trained model, and its curve: step, train_loss (nats a token, the mean since the row before), learning_rate.

    Raises:
        UserError: when the loss stops being finite, or no checkpoint can be written.
    """
    seed_everything(seed, workers=True, verbose=False)
    model = make_system(system, vocab_size=vocab_size, **sizes(recipe))
    module = Translation(model, recipe, training, pairs, eos_id, seed)
    recording = Recording(system, recipe, training.log_every, observe)
    saving = Resume(
        resume / device_key(training.accelerator, 1),
        training.checkpoint_every,
        training.checkpoint_minutes,
        before_save=recording.read,
    )
    trainer = make_trainer(
        max_steps=recipe.max_steps,
        callbacks=[recording, saving],
        accelerator=training.accelerator,
        devices=1,
        precision=training.precision,
        grad_clip=training.grad_clip,
    )
    if checkpoint := saving.checkpoint:
        print(f"{system}: going on from {checkpoint}")
    trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    return model, recording.rows


def sizes(recipe: Recipe) -> dict[str, Any]:
    """What of a system's parameters shapes the model."""
    how = set(Recipe.model_fields) - {"dropout"}
    return {name: value for name, value in recipe.model_dump().items() if name not in how}


def factor(recipe: Recipe, step: int) -> float:
    """What the peak learning rate is multiplied with at a step, counted from 0: a pure function of it."""
    now = step + 1
    if now <= recipe.warmup_steps:
        return now / recipe.warmup_steps
    if recipe.schedule == "inverse_sqrt":
        return math.sqrt(max(1, recipe.warmup_steps) / now)
    if recipe.schedule == "linear":
        return max(0.0, (recipe.max_steps - step) / (recipe.max_steps - recipe.warmup_steps))
    return 1.0


class Translation(LightningModule):
    """The training pairs and the recipe."""

    def __init__(
        self,
        model: EncoderDecoder,
        recipe: Recipe,
        training: TranslationTraining,
        pairs: Sequence[Pair],
        eos_id: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.training_params = model, recipe, training
        self.pairs, self.eos_id, self.seed = pairs, eos_id, seed

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        source, target, labels = batch
        return token_loss(self.model(source, target), labels, self.recipe.label_smoothing)

    def train_dataloader(self) -> Batches:
        return Batches(
            self.pairs,
            self.eos_id,
            batch_size=self.training_params.batch_size,
            seed=self.seed,
            max_steps=self.recipe.max_steps,
            first_step=self.trainer.global_step,
        )

    def configure_optimizers(self) -> Any:
        # Betas and epsilon of Vaswani et al., section 5.3, for all three: the plain SGD and Adadelta of the other
        # papers need many times the steps.
        optimizer = torch.optim.Adam(
            self.model.parameters(), lr=self.recipe.learning_rate, betas=(0.9, 0.98), eps=1e-9
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(self.recipe, step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Recording(Callback):
    """The curve of a training, for the reports, the observer and a line now and then; read every `every` steps."""

    def __init__(self, system: str, recipe: Recipe, every: int, observe: Observe) -> None:
        self.system, self.recipe, self.every, self.observe = system, recipe, every, observe
        self.rows: list[dict[str, float]] = []
        self._losses: list[float] = []
        self._unread: list[Tensor] = []
        self._clock = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._clock = time.process_time()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._unread.append(outputs["loss"].detach())
        step, last = trainer.global_step, self.recipe.max_steps
        if step % self.every and step != last:
            return
        self.read(trainer)
        row = {
            "step": step,
            "train_loss": math.fsum(self._losses) / len(self._losses),
            "learning_rate": self.recipe.learning_rate * factor(self.recipe, step - 1),
        }
        self.rows.append(row)
        self._losses = []
        now = time.process_time()
        self.observe({"train_loss": row["train_loss"], "learning_rate": row["learning_rate"]}, step)
        if step % max(self.every, last // 20 // self.every * self.every) == 0 or step == last:
            spent = now - self._clock
            print(
                f"{self.system}  step {step}/{last}  train_loss {row['train_loss']:.4f}  {spent:.0f} CPU s",
                flush=True,
            )

    def read(self, trainer: Trainer) -> None:
        """Take the losses off the device; called before each checkpoint too, so that none holds a broken model."""
        first = trainer.global_step - len(self._unread) + 1
        for step, loss in enumerate([float(value) for value in self._unread], start=first):
            if not math.isfinite(loss):
                raise UserError(
                    f"{self.system}: the training loss is {loss} at step {step}: training has diverged. "
                    f"Lower translate.systems.{self.system}.learning_rate (now {self.recipe.learning_rate:g}), "
                    "or raise warmup_steps."
                )
            self._losses.append(loss)
        self._unread = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "losses": self._losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._losses = state_dict["rows"], state_dict["losses"]
