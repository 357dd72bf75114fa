"""`finetune`: the tasks, and the recipe of GPT-1 for all of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gptmill.params import Fraction, Name, PositiveInt, Section


class Task(Section):
    """A classification task made from the corpus: which group (package, file) a document comes from."""

    kind: Literal["provenance"]
    max_labels: Annotated[int, Field(ge=2)]
    max_train: PositiveInt
    max_eval: PositiveInt
    max_tokens: Annotated[int, Field(ge=8)]


class Finetune(Section):
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: Annotated[float, Field(gt=0.0)]
    warmup_fraction: Fraction
    weight_decay: Annotated[float, Field(ge=0.0)]
    grad_clip: Annotated[float, Field(ge=0.0)]
    classifier_dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    lm_weight: Annotated[float, Field(ge=0.0)]
