"""params.yaml, whole: every section, and the checks that span two of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from gptmill.errors import UserError, nearest
from gptmill.params import Section, Seed, check, read_yaml
from gptmill.params.clean import Clean
from gptmill.params.collect import Collect
from gptmill.params.dedupe import Dedupe
from gptmill.params.engine import Engine
from gptmill.params.evaluate import Evaluate
from gptmill.params.finetune import Finetune
from gptmill.params.pretrain import Pretrain
from gptmill.params.register import Register
from gptmill.params.tokenize import Tokenize
from gptmill.params.translate import Translate


class Params(Section):
    seed: Seed
    engine: Engine
    collect: Collect
    clean: Clean
    dedupe: Dedupe
    tokenize: Tokenize
    pretrain: Pretrain
    finetune: Finetune
    evaluate: Evaluate
    translate: Translate
    registering: Register = Field(alias="register")  # `register` is a method of the metaclass

    @model_validator(mode="after")
    def tasks_fit_the_model(self) -> Params:
        block_size = self.pretrain.model.block_size
        for name, task in self.finetune.tasks.items():
            if task.max_tokens is not None and task.max_tokens > block_size:
                raise ValueError(
                    f"finetune.tasks.{name}.max_tokens = {task.max_tokens} is longer than "
                    f"pretrain.model.block_size = {block_size}"
                )
        return self

    @model_validator(mode="after")
    def starts_from_a_model(self) -> Params:
        folder = self.pretrain.init_from
        if folder is not None and not Path(folder, "config.json").is_file():
            raise ValueError(
                f"pretrain.init_from: {folder} is no model's folder (it has no config.json); name one of "
                "gptmill's or Hugging Face's, such as my/gpt2, or null to start from nothing"
            )
        return self

    @model_validator(mode="after")
    def stride_fits_the_model(self) -> Params:
        stride, block_size = self.evaluate.stride, self.pretrain.model.block_size
        if stride is not None and stride > block_size:
            raise ValueError(
                f"evaluate.stride = {stride} is longer than pretrain.model.block_size = {block_size}: "
                "lower it, or set it to null for three quarters of that"
            )
        return self

    @model_validator(mode="after")
    def scores_exist(self) -> Params:
        known = ["bits_per_byte", *(f"tasks.{name}" for name in self.finetune.tasks)]
        if self.registering.primary not in known:
            hint = nearest(self.registering.primary, known)
            raise ValueError(
                f'register.primary: no score "{self.registering.primary}"{hint} Scores: {", ".join(known)}'
            )
        return self


def load_everything(path: str | Path = "params.yaml") -> Params:
    """All of params.yaml, checked; what training starts from also against the dvc.yaml beside it.

    Raises:
        UserError: naming each wrong key, the value found, what is allowed and the nearest valid key.
    """
    params = check(Params, read_yaml(path), where=str(path))
    if params.pretrain.init_from is not None:
        try:
            _start_is_an_input(params.pretrain.init_from, Path(path).with_name("dvc.yaml"))
        except ValueError as error:
            raise UserError(f"{path}: pretrain.init_from: {error}") from None
    return params


def _start_is_an_input(folder: str, flow: Path) -> None:
    """A model to start from is a dep like any other: DVC and the fingerprint see when its weights change.

    Raises:
        ValueError: when a stage of the flow writes the folder, or `pretrain` doesn't name it among its deps.
    """
    stages = {name: stage.get("do", stage) for name, stage in read_yaml(flow)["stages"].items()}
    start = (flow.parent / folder).resolve()
    for name, stage in stages.items():
        for kind in ("outs", "metrics", "plots"):
            for out in _paths(stage, kind):
                # Of models/finetune/${key} the part that all keys share.
                written = (flow.parent / out.partition("${")[0]).resolve()
                if start.is_relative_to(written) or written.is_relative_to(start):
                    raise ValueError(
                        f"the stage {name} writes {out}, and a model can't start from what comes after it. "
                        f"Copy the folder to a place of yours, such as my/start, and name that"
                    )
    if not any(
        start.is_relative_to((flow.parent / dep).resolve()) for dep in _paths(stages["pretrain"], "deps")
    ):
        raise ValueError(
            f"{folder} is none of the deps of the stage pretrain in {flow.name}, so nobody would see its weights "
            f"change. Add the line `- {folder}` there"
        )


def _paths(stage: dict[str, Any], kind: str) -> Iterator[str]:
    """The paths under `deps`, `outs`, …, some of which have options behind them."""
    for entry in stage.get(kind, []):
        yield from [entry] if isinstance(entry, str) else entry
