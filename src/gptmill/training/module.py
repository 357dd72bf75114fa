"""What Lightning needs to know: the step, the optimizer, the batches, how to shard."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from gptmill.models.language_model import LanguageModel
from gptmill.params.pretrain import Pretrain
from gptmill.params.recipes import Rates, settle
from gptmill.tokens.shards import TokenStream
from gptmill.training.cores import cores_of
from gptmill.training.data import Batches, batch_setting
from gptmill.training.optimizer import adamw, muon, warmup_cosine, warmup_stable_decay
from gptmill.training.step import train_step


class Pretraining(LightningModule):
    """One of Lightning's steps is one optimizer step: we go over its parts ourselves ("manual optimization")."""

    def __init__(
        self, model: LanguageModel, params: Pretrain, seed: int, train: TokenStream, max_steps: int
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.params, self.seed, self.train_stream = model, params, seed, train
        self.max_steps = max_steps
        self.rates = settle(params.optimizer, params.model, max_steps)
        self.cores = cores_of(params)

    def configure_model(self) -> None:
        """With FSDP each block, and then the rest, is sharded over the devices (PyTorch's FSDP2)."""
        if self.params.strategy != "fsdp":
            return
        from torch.distributed.fsdp import fully_shard

        device_mesh: Any = self.device_mesh
        mesh = device_mesh["data_parallel"]
        for block in getattr(self.model, "blocks", []):
            fully_shard(block, mesh=mesh)
        fully_shard(self.model, mesh=mesh)

    def on_train_start(self) -> None:
        """Each process draws dropout of its own; the first, and so a training on one device, goes on as it is."""
        if rank := self.trainer.global_rank:
            torch.manual_seed(int(np.random.SeedSequence((self.seed, rank)).generate_state(1)[0]))

    def training_step(self, batch: Tensor, batch_idx: int) -> dict[str, Tensor]:
        p = self.params
        loss, norm = train_step(
            self.model,
            self.optimizers(),
            batch,
            learning_rate_factor=self.factor(self.trainer.global_step),
            grad_clip=p.optimizer.grad_clip,
            micro_batch_size=p.micro_batch_size,
            mask_from_eos=self.train_stream.eos_id if p.document_mask else None,
            # What Lightning adds to a backward pass is for several devices; on one it takes time and does nothing.
            backward=self.manual_backward if self.trainer.world_size > 1 else Tensor.backward,
            no_sync=self._no_sync,
            cores=self.cores,
        )
        return {"loss": loss, "grad_norm": norm}

    def _no_sync(self) -> AbstractContextManager[Any]:
        model: Any = self.trainer.strategy.model
        if isinstance(model, DistributedDataParallel):
            return model.no_sync()
        return nullcontext()

    def factor(self, step: int) -> float:
        """The factor on all learning rates at a step, a pure function of it."""
        o = self.params.optimizer
        course = warmup_cosine
        if self.rates.schedule == "wsd":
            course = partial(warmup_stable_decay, cooldown_fraction=o.cooldown_fraction)
        return course(
            step, warmup_steps=self.rates.warmup_steps, max_steps=self.max_steps, floor=o.final_fraction
        )

    def train_dataloader(self) -> Batches:
        trainer = self.trainer
        return Batches(
            self.train_stream,
            block_size=self.params.model.block_size,
            batch_size=self.params.sequences,
            seed=self.seed,
            max_steps=self.max_steps,
            first_step=trainer.global_step,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            masked=not self.model.causal,
            named=batch_setting(self.params),
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return make_optimizer(self.model, self.params, self.rates)


def make_optimizer(model: LanguageModel, params: Pretrain, rates: Rates) -> torch.optim.Optimizer:
    """The optimizer of `rates`, each group's peak learning rate in `initial_lr`."""
    o = params.optimizer
    common: dict[str, Any] = {"weight_decay": o.weight_decay, "beta1": o.beta1, "beta2": o.beta2}
    optimizer: torch.optim.Optimizer
    if rates.name == "adamw":
        optimizer = adamw(model, learning_rate=rates.learning_rate, **common)
    else:
        optimizer = muon(
            model,
            matrix_learning_rate=rates.matrix_learning_rate,
            embedding_learning_rate=rates.embedding_learning_rate,
            learning_rate=rates.learning_rate,
            momentum=o.momentum,
            **common,
        )
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer
