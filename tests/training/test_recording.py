"""What is told while a model trains."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from small_runs import PARAMS, ignore

from gptmill.params.pretrain import Pretrain
from gptmill.tokens.shards import TokenStream
from gptmill.training.recording import Recording


def test_the_live_line_of_a_gpu_waits_for_the_first_losses(tokens: Path) -> None:
    params = Pretrain.model_validate(PARAMS)
    recording = Recording(params, 60, TokenStream(tokens, "validation"), ignore, cast("Any", None))
    recording._progress._bar = object()  # a terminal
    on_gpu = torch.zeros((), device="meta")  # a device whose values aren't read at once
    trainer = cast("Any", SimpleNamespace(global_step=1, world_size=1, should_stop=False))
    recording.on_train_batch_end(trainer, cast("Any", None), {"loss": on_gpu, "grad_norm": on_gpu}, None, 0)
    assert recording.train == []
