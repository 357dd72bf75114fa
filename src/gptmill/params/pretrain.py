"""`pretrain`: the model (`params.model`), the optimizer, and how long to train."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gptmill.params import PositiveInt, Section
from gptmill.params.model import Model


class Optimizer(Section):
    """AdamW with linear warm-up, then cosine down to `min_learning_rate`."""

    learning_rate: Annotated[float, Field(gt=0.0)]
    min_learning_rate: Annotated[float, Field(ge=0.0)]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0.0)]
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)]
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)]
    grad_clip: Annotated[float, Field(ge=0.0)]

    @model_validator(mode="after")
    def cools_down(self) -> Optimizer:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate = {self.min_learning_rate} is above learning_rate = {self.learning_rate}"
            )
        return self


class Pretrain(Section):
    model: Model
    optimizer: Optimizer
    batch_size: PositiveInt
    max_steps: PositiveInt
    eval_every: PositiveInt
    eval_tokens: PositiveInt
    log_every: PositiveInt
    checkpoint_every: PositiveInt
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: Literal["auto", 1, 2, 3, 4, 5, 6, 7, 8]
    precision: Literal["auto", "fp32", "bf16"]

    @model_validator(mode="after")
    def warms_up_in_time(self) -> Pretrain:
        if self.optimizer.warmup_steps >= self.max_steps:
            raise ValueError(
                f"optimizer.warmup_steps = {self.optimizer.warmup_steps} leaves no step to train; "
                f"it must be below max_steps = {self.max_steps}"
            )
        return self
