"""What a training leaves behind: rows for the curves, figures for the observer, a line for people."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from gptmill.errors import UserError
from gptmill.params.pretrain import Pretrain
from gptmill.planning import flops_per_token
from gptmill.tokens.shards import TokenStream
from gptmill.training.data import sequences_at_once
from gptmill.training.guards import Spikes
from gptmill.training.masking import validation_loss
from gptmill.training.progress import Progress
from gptmill.training.speed import memory_bytes, peak_flops

Observe = Callable[[dict[str, float], int], None]
Diverged = Callable[[str, float, int], UserError]  # what is not finite, its value, the step


class Recording(Callback):
    """Losses and gradients over the steps. What depends on the clock is kept apart, in `speed`.

    Values stay on a GPU and are read every `log_every` steps: reading each would make the GPU wait, and
    `self.log` at each step costs more than a small model's forward pass.
    """

    def __init__(
        self, params: Pretrain, max_steps: int, validation: TokenStream, observe: Observe, diverged: Diverged
    ) -> None:
        self.params, self.max_steps, self.stream = params, max_steps, validation
        self.observe, self.diverged = observe, diverged
        # step, train_loss and grad_norm (means since the row before), learning_rate
        self.train: list[dict[str, float]] = []
        # step, val_loss, and val_bits_per_byte where every token is told from those before it
        self.validation: list[dict[str, float]] = []
        self.speed: list[dict[str, float]] = []  # step, tokens_per_second, memory_mb, mfu where it's known
        self.spikes = Spikes()
        self._unread: list[tuple[Tensor, Tensor]] = []  # loss and gradient norm of steps not yet checked
        self._seen: list[tuple[float, float]] = []  # of steps checked, since the last row
        self._tokens_per_step = params.sequences * params.model.block_size
        self._progress = Progress(max_steps, self._tokens_per_step)
        self._clock, self._clock_step = 0.0, 0
        self._speed = math.nan
        self._peak: float | None = None
        self._flops = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        a_token = flops_per_token(self.params.model, pl_module.model.config.vocab_size)
        self._flops = a_token * self._tokens_per_step
        bf16 = "bf16" in str(trainer.precision)
        if trainer.is_global_zero:
            peak = peak_flops(trainer.strategy.root_device, bf16)
            self._peak = peak * trainer.world_size if peak else None
            if peak is None:
                self._progress.say("no peak FLOP/s known for this device: its use (MFU) is not told")
            self._progress.start(trainer.global_step)
        if self._ends_early():
            trainer.should_stop = True
        self._clock, self._clock_step = time.perf_counter(), trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._unread.append((outputs["loss"], outputs["grad_norm"]))
        step = trainer.global_step
        last = step == self.max_steps
        if outputs["loss"].device.type == "cpu" or step % self.params.log_every == 0 or last:
            self.read(trainer)
        if step % self.params.log_every == 0 or last:
            self._log(trainer, step)
        if step % self.params.eval_every == 0 or last:
            self._evaluate(trainer, pl_module, step)
        if trainer.should_stop and (self._unread or self._seen):
            self.read(trainer)
            self._log(trainer, step)
        if self._progress.live and (self._seen or self.train):  # a GPU's first losses are not read yet
            loss = self._seen[-1][0] if self._seen else self.train[-1]["train_loss"]
            self._progress.update(step, loss, self._speed)

    def read(self, trainer: Trainer) -> None:
        """Take in the losses and gradients of the steps since the last reading.

        Raises:
            UserError: when one is not finite; its step is named.
        """
        if not self._unread:
            return
        values = [value for pair in self._unread for value in pair]
        if trainer.world_size > 1 or values[0].is_cuda:
            stacked = torch.stack(values)
            # Each device saw its share of the batch.
            numbers = trainer.strategy.reduce(stacked, reduce_op="mean").tolist()
        else:
            numbers = [float(value) for value in values]
        first = trainer.global_step - len(self._unread) + 1
        self._unread.clear()
        for step, (loss, norm) in enumerate(zip(numbers[::2], numbers[1::2], strict=True), first):
            if not math.isfinite(loss):
                raise self.diverged("training loss", loss, step)
            if not math.isfinite(norm):
                raise self.diverged("gradient's norm", norm, step)
            self._seen.append((loss, norm))
            if self.spikes.see(loss) and trainer.is_global_zero:
                self._progress.say(f"step {step}: the loss jumped to {loss:.4f} (spike {self.spikes.count})")
                self.observe({"loss_spikes": self.spikes.count}, step)

    def _log(self, trainer: Trainer, step: int) -> None:
        losses, norms = zip(*self._seen, strict=True)
        self._seen.clear()
        row = {
            "step": step,
            "train_loss": math.fsum(losses) / len(losses),
            "grad_norm": math.fsum(norms) / len(norms),
            "learning_rate": trainer.optimizers[0].param_groups[-1]["lr"],
        }
        self.train.append(row)
        self.observe({key: value for key, value in row.items() if key != "step"}, step)
        now = time.perf_counter()
        seconds = max(1e-9, now - self._clock) / max(1, step - self._clock_step)
        self._clock, self._clock_step = now, step
        self._speed = self._tokens_per_step / seconds
        figures = {
            "tokens_per_second": self._speed,
            "memory_mb": memory_bytes(trainer.strategy.root_device) / 1e6,
        }
        if self._peak:
            figures["mfu"] = self._flops / seconds / self._peak
        self.speed.append({"step": step} | figures)
        self.observe(figures, step)

    def _evaluate(self, trainer: Trainer, module: Any, step: int) -> None:
        start = time.perf_counter()
        with trainer.precision_plugin.forward_context():
            at_once = sequences_at_once(self.params)
            loss = validation_loss(module.model, self.stream, at_once, self.params.eval_tokens)
        if not math.isfinite(loss.per_token):
            raise self.diverged("validation loss", loss.per_token, step)
        row = {"step": step, "val_loss": loss.per_token}
        if module.model.causal:
            # Bytes of a part of the split aren't known: its tokens stand for as many bytes as all tokens do.
            bits = loss.nats / loss.tokens * len(self.stream) / self.stream.bytes / math.log(2)
            row["val_bits_per_byte"] = bits
        self.validation.append(row)
        self.observe({key: value for key, value in row.items() if key != "step"}, step)
        if trainer.is_global_zero:
            train_loss = self.train[-1]["train_loss"] if self.train else math.nan
            shown = f"bits/byte {bits:.4f}  " if module.model.causal else ""
            self._progress.say(
                f"step {step}/{self.max_steps}  {step * self._tokens_per_step / 1e6:.2f}M tokens  "
                f"train_loss {train_loss:.4f}  val_loss {loss.per_token:.4f}  {shown}{self._speed:,.0f} tokens/s"
            )
        if self._ends_early():
            trainer.should_stop = True
        self._clock += time.perf_counter() - start

    def _ends_early(self) -> bool:
        """Have the last `patience` looks at the validation split brought nothing better?"""
        patience = self.params.patience
        if patience is None or len(self.validation) <= patience:
            return False
        losses = [row["val_loss"] for row in self.validation]
        return min(losses[-patience:]) >= min(losses[:-patience])

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._progress.stop()

    def state_dict(self) -> dict[str, Any]:
        # What is unread on a GPU was read just before (`Resume.before_save`).
        return {
            "train": self.train,
            "validation": self.validation,
            "speed": self.speed,
            "seen": self._seen,
            "spikes": self.spikes.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.train, self.validation = state_dict["train"], state_dict["validation"]
        self.speed = state_dict["speed"]
        self._seen = [tuple(pair) for pair in state_dict["seen"]]
        self.spikes.load_state_dict(state_dict["spikes"])
