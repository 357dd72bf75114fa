"""pretrain: next-token training from scratch, on Lightning."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import Tensor

from gptmill.errors import UserError
from gptmill.models import build_model, save_model
from gptmill.models.language_model import LanguageModel
from gptmill.models.loss import stream_loss, unigram_loss
from gptmill.outs import write_json
from gptmill.params.pretrain import Optimizer, Pretrain
from gptmill.tokens.shards import TokenStream
from gptmill.training.curves import draw_losses, write_curve
from gptmill.training.data import Batches
from gptmill.training.lightning import make_trainer
from gptmill.training.optimizer import adamw, warmup_cosine
from gptmill.training.resume import Resume

Observe = Callable[[dict[str, float], int], None]


def pretrain(
    params: Pretrain,
    seed: int,
    tokens: Path,
    model_out: Path,
    reports_out: Path,
    resume: Path,
    observe: Observe,
) -> None:
    """Train on `tokens` and write the model (`model_out`), figures and curves (`reports_out`).

    Args:
        resume: folder for the state of an unfinished run with the same fingerprint; the caller removes it
            once the outs are in place.
        observe: told metrics by name and step; must not raise.

    Raises:
        UserError: when the text is too short for the model, or the loss stops being finite.
    """
    train, validation = TokenStream(tokens, "train"), TokenStream(tokens, "validation")
    seed_everything(seed, workers=True, verbose=False)
    model = build_model(vocab_size=train.vocab_size, **params.model.arguments())
    module = Pretraining(model, params, seed, train)
    saving = Resume(resume, params.checkpoint_every)
    curves = Curves(params, validation, observe)
    trainer = make_trainer(
        max_steps=params.max_steps,
        grad_clip=params.optimizer.grad_clip,
        callbacks=[curves, saving],
        accelerator=params.accelerator,
        devices=params.devices,
        precision=params.precision,
    )
    if saving.checkpoint:
        print(f"going on from {saving.checkpoint}")
    trainer.fit(module, ckpt_path=saving.checkpoint, weights_only=True)
    if not trainer.is_global_zero:
        return

    model.to(trainer.strategy.root_device)  # Lightning leaves it on the CPU
    final = stream_loss(model, validation, params.batch_size)
    unigram = unigram_loss(train, validation)
    save_model(model, model_out)
    write_json(
        reports_out / "metrics.json",
        {
            "parameters": sum(p.numel() for p in model.parameters()),
            "steps": params.max_steps,
            "tokens": params.max_steps * params.batch_size * params.model.block_size,
            "epochs": round(params.max_steps * params.batch_size / _windows(train, params), 4),
            "train_loss": curves.train[-1]["train_loss"],
            "val_loss": final.per_token,
            "val_bits_per_byte": final.nats / math.log(2) / validation.bytes,
            "unigram_loss": unigram.per_token,
        },
    )
    write_curve(curves.train, reports_out / "train.csv")
    write_curve(curves.validation, reports_out / "validation.csv")
    draw_losses(curves.train, curves.validation, unigram.per_token, reports_out / "losses.png")


class Pretraining(LightningModule):
    """What Lightning needs to know: the loss of a batch, the optimizer, the batches."""

    def __init__(self, model: LanguageModel, params: Pretrain, seed: int, train: TokenStream) -> None:
        super().__init__()
        self.model, self.params, self.seed, self.train_stream = model, params, seed, train

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.model.loss(batch[:, :-1], batch[:, 1:])

    def train_dataloader(self) -> Batches:
        trainer = self.trainer
        return Batches(
            self.train_stream,
            block_size=self.params.model.block_size,
            batch_size=self.params.batch_size,
            seed=self.seed,
            max_steps=self.params.max_steps,
            first_step=trainer.global_step,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )

    def configure_optimizers(self) -> Any:
        o: Optimizer = self.params.optimizer
        optimizer = adamw(
            self.model,
            learning_rate=o.learning_rate,
            weight_decay=o.weight_decay,
            beta1=o.beta1,
            beta2=o.beta2,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: warmup_cosine(
                step,
                warmup_steps=o.warmup_steps,
                max_steps=self.params.max_steps,
                floor=o.min_learning_rate / o.learning_rate,
            ),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Curves(Callback):
    """Losses over the steps: rows for the files, and everything to the observer.

    Losses stay on the device and are read every `log_every` steps: `self.log` at each step would cost
    more than a small model's forward pass.
    """

    def __init__(self, params: Pretrain, stream: TokenStream, observe: Observe) -> None:
        self.params, self.stream, self.observe = params, stream, observe
        self.train: list[dict[str, float]] = []  # step, train_loss (mean since the row before), learning_rate
        self.validation: list[dict[str, float]] = []  # step, val_loss
        self._losses: list[Tensor] = []
        self._clock = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._clock = time.perf_counter()
        self._losses = [loss.to(pl_module.device) for loss in self._losses]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._losses.append(outputs["loss"].detach())
        step = trainer.global_step
        last = step == self.params.max_steps
        if step % self.params.log_every == 0 or last:
            self._log(trainer, pl_module, step)
        if step % self.params.eval_every == 0 or last:
            self._evaluate(trainer, pl_module, step)

    def _log(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        steps = len(self._losses)
        # The mean over the steps and, where several devices train, over their shares of each batch.
        loss = float(trainer.strategy.reduce(torch.stack(self._losses).mean(), reduce_op="mean"))
        self._losses.clear()
        if not math.isfinite(loss):
            raise UserError(
                f"the training loss is {loss} at step {step}: training has diverged. "
                f"Lower pretrain.optimizer.learning_rate (now {self.params.optimizer.learning_rate}), "
                "or raise warmup_steps."
            )
        row = {"step": step, "train_loss": loss, "learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        self.train.append(row)
        now = time.perf_counter()
        tokens = steps * self.params.batch_size * self.params.model.block_size
        speed = tokens / max(1e-9, now - self._clock)
        self._clock = now
        module.log("train_loss", loss, prog_bar=True, logger=False)
        self.observe({key: row[key] for key in ("train_loss", "learning_rate")}, step)
        self.observe({"tokens_per_second": speed}, step)

    def _evaluate(self, trainer: Trainer, module: Any, step: int) -> None:
        start = time.perf_counter()
        loss = stream_loss(
            module.model, self.stream, self.params.batch_size, self.params.eval_tokens
        ).per_token
        self.validation.append({"step": step, "val_loss": loss})
        self.observe({"val_loss": loss}, step)
        if trainer.is_global_zero:
            train_loss = self.train[-1]["train_loss"] if self.train else math.nan
            print(
                f"step {step}/{self.params.max_steps}  train_loss {train_loss:.4f}  val_loss {loss:.4f}",
                flush=True,
            )
        self._clock += time.perf_counter() - start

    def state_dict(self) -> dict[str, Any]:
        losses = torch.stack(self._losses).tolist() if self._losses else []
        return {"train": self.train, "validation": self.validation, "losses": losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.train, self.validation = state_dict["train"], state_dict["validation"]
        self._losses = [torch.tensor(loss) for loss in state_dict["losses"]]


def _windows(train: TokenStream, params: Pretrain) -> int:
    return (len(train) - 1) // params.model.block_size
