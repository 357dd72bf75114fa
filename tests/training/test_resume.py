"""Training goes on to the bit after a kill, alone and with two processes, and with a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from small_runs import PARAMS, outs, start, train

from gptmill.errors import UserError
from gptmill.models import build_model
from gptmill.params.pretrain import Pretrain
from gptmill.tokens.shards import TokenStream
from gptmill.training.module import Pretraining
from gptmill.training.resume import Resume


def interrupt(process: subprocess.Popen[str], step: int, number: int) -> str:
    """Send a signal soon after a step was observed; what the process said."""
    assert process.stdout is not None
    before = ""
    for line in process.stdout:
        before += line
        if line.startswith(f"observed {step}"):
            break
    time.sleep(0.1)
    os.kill(process.pid, number)
    return before + process.communicate(timeout=60)[0]


def test_killed_three_times_and_resumed_ends_with_the_same_bits(
    tokens: Path, whole: Path, tmp_path: Path
) -> None:
    for number, code, step in ((signal.SIGTERM, 143, 14), (signal.SIGINT, 130, 28), (signal.SIGKILL, -9, 49)):
        process = start(tokens, tmp_path, wait=0.5)
        text = interrupt(process, step, number)
        assert process.returncode == code, text
        assert ("going on from" in text) == (number != signal.SIGTERM)
        assert not (tmp_path / "model/model.safetensors").exists()
        assert list((tmp_path / "resume").glob("*/step-*.ckpt"))

    again = start(tokens, tmp_path)
    text = again.communicate(timeout=120)[0]
    assert again.returncode == 0, text
    assert "going on from" in text
    assert outs(tmp_path) == outs(whole)


def test_two_devices_give_the_curve_of_one(tokens: Path, tmp_path: Path) -> None:
    """Two processes over gloo share each batch; without dropout only rounding differs."""
    still = {"model": PARAMS["model"] | {"dropout": 0.0}}
    process = start(tokens, tmp_path / "2", params=PARAMS | still | {"devices": 2})
    train(tokens, tmp_path / "1", **still)
    text = process.communicate(timeout=200)[0]
    assert process.returncode == 0, text
    for name in ("train.csv", "validation.csv"):
        one, two = (np.loadtxt(tmp_path / n / "reports" / name, delimiter=",", skiprows=1) for n in "12")
        np.testing.assert_allclose(one, two, rtol=1e-4)


def test_two_processes_resume_to_the_same_bits(tokens: Path, tmp_path: Path) -> None:
    """Each process has random generators of its own: with dropout, both matter."""
    two = PARAMS | {"devices": 2, "max_steps": 21, "checkpoint_every": 5}
    process = start(tokens, tmp_path / "whole", params=two)
    text = process.communicate(timeout=200)[0]
    assert process.returncode == 0, text
    process = start(tokens, tmp_path / "killed", wait=0.5, params=two)
    text = interrupt(process, 7, signal.SIGTERM)
    assert process.returncode == 143, text
    process = start(tokens, tmp_path / "killed", params=two)
    text = process.communicate(timeout=200)[0]
    assert process.returncode == 0, text
    assert "going on from" in text
    assert outs(tmp_path / "killed") == outs(tmp_path / "whole")


def test_the_clock_of_checkpoints_changes_nothing(tokens: Path, whole: Path, tmp_path: Path) -> None:
    train(tokens, tmp_path, checkpoint_every=None, checkpoint_minutes=0.0005)
    assert len(list((tmp_path / "resume/here").glob("*/step-*.ckpt"))) == 2
    assert outs(tmp_path) == outs(whole)


def test_full_disk_costs_checkpoints_and_not_the_run(
    tokens: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = []

    def full(checkpoint: Any, sink: Any) -> None:
        calls.append(checkpoint["global_step"])
        sink.error = OSError(28, "No space left on device")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr("torch.save", full)
    train(tokens, tmp_path, checkpoint_every=15)
    assert calls == [15, 30, 45]
    assert "No space left on device). Training goes on" in capsys.readouterr().err
    assert outs(tmp_path) == outs(whole)
    with pytest.raises(UserError, match="no checkpoint could be written 5 times in a row"):
        train(tokens, tmp_path, checkpoint_every=5)


def test_a_checkpoint_of_another_training_is_refused(tokens: Path, tmp_path: Path) -> None:
    def break_off(_metrics: dict[str, float], step: int) -> None:
        if step >= 14:
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        train(tokens, tmp_path, observe=break_off)
    for changes, message in (
        (
            {"model": PARAMS["model"] | {"n_embd": 32}},
            r"its model.n_embd is 16, and here it is 32. To start again",
        ),
        ({"model": PARAMS["model"] | {"preset": "gpt2"}}, "is 'modern', and here it is 'gpt2'"),
        ({"optimizer": PARAMS["optimizer"] | {"name": "adamw"}}, "optimizer.name is 'muon', and here"),
    ):
        with pytest.raises(UserError, match=message):
            train(tokens, tmp_path, **changes)
    folder = next((tmp_path / "resume/here").iterdir())
    (folder / f"step-00000040-{zlib.crc32(b'hello'):08x}.ckpt").write_bytes(b"hello")
    with pytest.raises(UserError, match=r"step-00000040-\w+.ckpt is no checkpoint of this program"):
        train(tokens, tmp_path)


def test_hosts_that_found_different_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each host has a resume folder of its own, where only the first one's has anything in it."""

    def gather(found: list[Any], mine: Any, **_group: Any) -> None:
        found[:] = [("step-00000010-1a2b3c4d.ckpt", "first"), mine]

    monkeypatch.setattr("torch.distributed.new_group", lambda **_backend: None)
    monkeypatch.setattr("torch.distributed.all_gather_object", gather)
    saving, trainer = Resume(tmp_path), SimpleNamespace(world_size=2, strategy=SimpleNamespace())
    with pytest.raises(UserError, match=r"no checkpoint on \S+, step-00000010-1a2b3c4d.ckpt on first"):
        saving.setup(cast("Any", trainer), cast("Any", None), "fit")


def test_each_process_draws_its_own_dropout(tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = Pretrain.model_validate(PARAMS)
    model = build_model(vocab_size=42, **params.model.arguments())
    module = Pretraining(model, params, 3, TokenStream(tokens, "train"), 60)
    drawn = []
    for rank in (0, 1, 2):
        monkeypatch.setattr(Pretraining, "trainer", SimpleNamespace(global_rank=rank))
        torch.manual_seed(3)
        module.on_train_start()
        drawn.append(float(torch.rand(())))
    torch.manual_seed(3)
    assert drawn[0] == float(torch.rand(()))  # nothing changes on one device
    assert len(set(drawn)) == 3


def test_the_generator_of_a_mac_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, seen = torch.arange(3, dtype=torch.uint8), []
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr("torch.mps.get_rng_state", lambda: state)
    monkeypatch.setattr("torch.mps.set_rng_state", seen.append)
    saving = Resume(tmp_path)
    saving.load_state_dict(saving.state_dict())
    saving.on_train_batch_start(cast("Any", None))
    assert seen == [state]
