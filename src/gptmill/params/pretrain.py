"""`pretrain`: the model's sizes, the optimizer, how long to train, what to look at, and on what."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gptmill.params import Fraction, PositiveInt, Section
from gptmill.params.depth import from_depth
from gptmill.params.model import Model
from gptmill.params.recipes import settled_name


def _rate_or_auto(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "auto" and not (number and math.isfinite(value) and value > 0):
        raise ValueError(f"must be a finite number above 0, or auto; found {value!r}")
    return float(value) if number else value


def _count_or_auto(value: Any, least: int = 1) -> Any:
    if value != "auto" and not (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        raise ValueError(f"must be a whole number, {least} or more, or auto; found {value!r}")
    return value


# One message instead of one for each member of the union.
RateOrAuto = Annotated[float | Literal["auto"], BeforeValidator(_rate_or_auto)]
DevicesOrAuto = Annotated[int | Literal["auto"], BeforeValidator(_count_or_auto)]
StepsOrAuto = Annotated[int | Literal["auto"], BeforeValidator(lambda value: _count_or_auto(value, least=0))]
Rate = Annotated[float, Field(gt=0.0)]
LENGTHS = ("max_steps", "max_tokens", "max_epochs", "max_minutes")


class Optimizer(Section):
    """Which optimizer, its learning rates and their course; `auto` is what suits the preset (`RECIPES`)."""

    name: Literal["auto", "adamw", "muon"] = "auto"
    learning_rate: RateOrAuto = "auto"
    embedding_learning_rate: RateOrAuto = "auto"
    matrix_learning_rate: RateOrAuto = "auto"
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.95
    schedule: Literal["auto", "cosine", "wsd"] = "auto"
    warmup_steps: StepsOrAuto = "auto"
    cooldown_fraction: Fraction = 0.6
    final_fraction: Fraction = 0.0
    weight_decay: Annotated[float, Field(ge=0.0)]
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)]
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)]
    grad_clip: Annotated[float, Field(ge=0.0)]


class Pretrain(Section):
    """One stop (`max_…`) and one batch size (in sequences or tokens) are set, the others null."""

    model: Model
    optimizer: Optimizer
    batch_size: PositiveInt | None = None
    batch_tokens: PositiveInt | None = None
    micro_batch_size: PositiveInt | None = None
    # Beyond any training that there has been; more would leave the numbers that computers count with.
    max_steps: Annotated[int, Field(ge=1, le=10**9)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10**15)] | None = None
    max_epochs: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    max_minutes: Annotated[float, Field(gt=0.0, le=1e7)] | None = None
    patience: PositiveInt | None = None
    eval_every: PositiveInt
    eval_tokens: PositiveInt | None = None  # of the validation split; None: all
    log_every: PositiveInt
    checkpoint_every: PositiveInt | None = None
    checkpoint_minutes: Rate | None = 5.0
    document_mask: bool = False
    activation_checkpointing: bool = False
    init_from: Annotated[str, Field(min_length=1)] | None = None  # a model's folder
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: DevicesOrAuto
    num_nodes: PositiveInt = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    precision: Literal["auto", "fp32", "bf16"]
    compile: bool | Literal["auto"] = "auto"

    @property
    def sequences(self) -> int:
        """Sequences a step, over all devices; a model given by its depth brings its own batch."""
        if self.model.depth is not None and self.batch_size is None and self.batch_tokens is None:
            return from_depth(self.model.depth).batch_size(self.model.block_size)
        return self.batch_size or (self.batch_tokens or 0) // self.model.block_size

    @model_validator(mode="after")
    def one_batch_size(self) -> Pretrain:
        if self.model.depth is not None and self.batch_size is None and self.batch_tokens is None:
            return self
        if (self.batch_size is None) == (self.batch_tokens is None):
            raise ValueError(
                f"batch_size = {self.batch_size} (sequences) and batch_tokens = {self.batch_tokens}; "
                "set one of them, and the other to null"
            )
        block = self.model.block_size
        if self.batch_tokens and self.batch_tokens % block:
            low = max(block, self.batch_tokens // block * block)
            raise ValueError(
                f"batch_tokens = {self.batch_tokens} is no multiple of model.block_size = {block}; "
                f"near it are {low} and {low + block}"
            )
        return self

    @model_validator(mode="after")
    def one_length(self) -> Pretrain:
        given = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(f"{name} = {getattr(self, name)}" for name in given) or "none of them"
            raise ValueError(f"{found} set; set one of {', '.join(LENGTHS)}, and the others to null")
        return self

    @model_validator(mode="after")
    def warms_up_in_time(self) -> Pretrain:
        warmup = self.optimizer.warmup_steps
        if self.max_steps and warmup != "auto" and warmup >= self.max_steps:
            raise ValueError(
                f"optimizer.warmup_steps = {warmup} leaves no step to train; "
                f"it must be below max_steps = {self.max_steps}"
            )
        return self

    @model_validator(mode="after")
    def rates_have_a_use(self) -> Pretrain:
        if settled_name(self.optimizer.name, self.model.preset) == "muon":
            return self
        for key in ("matrix_learning_rate", "embedding_learning_rate"):
            if (rate := getattr(self.optimizer, key)) != "auto":
                raise ValueError(
                    f"optimizer.{key} = {rate} is Muon's, and optimizer.name = {self.optimizer.name} is adamw with "
                    f"preset {self.model.preset}: AdamW has learning_rate for all weights. Set the key to auto, or "
                    "optimizer.name to muon"
                )
        return self

    @model_validator(mode="after")
    def preset_and_optimizer_can_do_it(self) -> Pretrain:
        if self.model.preset == "lstm":
            for key, why in (
                ("document_mask", "a state that runs on can't be masked"),
                ("activation_checkpointing", "it has no blocks to compute again"),
            ):
                if getattr(self, key):
                    raise ValueError(f"{key} = True is not for preset lstm: {why}. Set it to false")
        if self.strategy == "fsdp" and settled_name(self.optimizer.name, self.model.preset) == "muon":
            raise ValueError(
                f"strategy = fsdp spreads each matrix over the devices, and Muon, which optimizer.name = "
                f"{self.optimizer.name} is with preset {self.model.preset}, needs them whole; set optimizer.name "
                "to adamw, or strategy to ddp"
            )
        return self
