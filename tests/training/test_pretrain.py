"""Training learns, repeats to the bit, and goes on to the bit after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gptmill.errors import UserError
from gptmill.outs import read_json, write_json
from gptmill.params.pretrain import Pretrain
from gptmill.training.pretrain import pretrain

PARAMS: dict[str, Any] = {
    # Dropout draws random numbers at each step: what a resume must get right.
    "model": {"preset": "modern", "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16, "dropout": 0.1},
    "optimizer": {
        "learning_rate": 1e-2,
        "warmup_steps": 5,
        "weight_decay": 0.01,
        "beta1": 0.9,
        "beta2": 0.99,
        "grad_clip": 1.0,
    },
    "batch_size": 8,
    "max_steps": 60,
    "eval_every": 25,
    "eval_tokens": 200,
    "checkpoint_every": 10,
    "log_every": 7,
    "accelerator": "cpu",
    "devices": 1,
    "precision": "fp32",
}

UNHURRIED = PARAMS["optimizer"] | {"warmup_steps": 0}

RUN = """
import json, sys, time
from pathlib import Path
from gptmill.errors import run
from gptmill.outs import is_first_process
from gptmill.params.pretrain import Pretrain
from gptmill.training.pretrain import pretrain

def observe(metrics, step):
    if "train_loss" in metrics and is_first_process():
        print("observed", step, flush=True)
        time.sleep(float(sys.argv[3]))

def main():
    tokens, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name in ("model", "reports"):
        (out / name).mkdir(parents=True, exist_ok=True)
    params = Pretrain.model_validate(json.loads(sys.argv[4]))
    pretrain(params, 3, tokens, out / "model", out / "reports", out / "speed", out / "resume", observe)

run(main)
"""


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language that is easy to learn: each token is followed by the next one, with some noise."""
    folder = tmp_path_factory.mktemp("tokens")
    rng = np.random.default_rng(0)
    for split, length in (("train", 6000), ("validation", 700)):
        steps = 1 + (rng.random(length) < 0.1)
        (2 + np.cumsum(steps) % 40).astype("<u2").tofile(folder / f"{split}-00000.bin")
    splits = {split: {"shards": 1, "bytes": 1000} for split in ("train", "validation")}
    write_json(folder / "meta.json", {"vocab_size": 42, "eos_id": 1, "dtype": "<u2", "splits": splits})
    return folder


def start(
    tokens: Path, out: Path, wait: float = 0.0, params: dict[str, Any] = PARAMS
) -> subprocess.Popen[str]:
    script = out / "run.py"  # a file: Lightning starts it again for each further device
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(RUN)
    command = [sys.executable, str(script), str(tokens), str(out), str(wait), json.dumps(params)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def outs(out: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for part in ("model", "reports")
        for path in sorted((out / part).iterdir())
    }


def steps(path: Path) -> list[str]:
    return [row.split(",")[0] for row in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    process = start(tokens, out)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 0, text
    return out


def test_learns_more_than_frequencies(whole: Path) -> None:
    metrics = read_json(whole / "reports/metrics.json")
    assert metrics["val_loss"] < metrics["unigram_loss"] - 0.2
    assert metrics["tokens"] == 60 * 8 * 16
    assert steps(whole / "reports/validation.csv") == ["step", "25", "50", "60"]
    assert steps(whole / "reports/train.csv") == ["step", *map(str, range(7, 60, 7)), "60"]


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


def ignore(_metrics: dict[str, float], _step: int) -> None:
    """An observer that looks away."""


def test_divergence_is_an_error_and_not_a_model(tokens: Path, tmp_path: Path) -> None:
    wild = {"optimizer": PARAMS["optimizer"] | {"learning_rate": 1e30, "grad_clip": 0.0}}
    with pytest.raises(
        UserError, match=r"the (training loss|gradient's norm) is (nan|inf) at step \d+.*learning_rate"
    ):
        train(tokens, tmp_path, **wild)
    assert not (tmp_path / "model/model.safetensors").exists()


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


def train(tokens: Path, out: Path, **changes: Any) -> dict[str, Any]:
    """Train in this process; metrics.json."""
    for name in ("model", "reports"):
        (out / name).mkdir(parents=True, exist_ok=True)
    params = Pretrain.model_validate(PARAMS | changes)
    pretrain(params, 3, tokens, out / "model", out / "reports", out / "speed", out / "resume/here", ignore)
    return dict(read_json(out / "reports/metrics.json"))


def test_the_clock_of_checkpoints_changes_nothing(tokens: Path, whole: Path, tmp_path: Path) -> None:
    train(tokens, tmp_path, checkpoint_every=None, checkpoint_minutes=0.0005)
    assert len(list((tmp_path / "resume/here").glob("*/step-*.ckpt"))) == 2
    assert outs(tmp_path) == outs(whole)


def test_parts_of_a_batch_give_what_the_whole_gives(tokens: Path, tmp_path: Path) -> None:
    still = {"model": PARAMS["model"] | {"dropout": 0.0}, "max_steps": 10}
    train(tokens, tmp_path / "1", **still)
    train(tokens, tmp_path / "3", **still, micro_batch_size=3)  # parts of 3, 3 and 2
    one, three = (np.loadtxt(tmp_path / n / "reports/train.csv", delimiter=",", skiprows=1) for n in "13")
    np.testing.assert_allclose(one, three, rtol=1e-4)


def test_minutes_become_steps_once(tokens: Path, tmp_path: Path) -> None:
    timed = {"max_steps": None, "max_minutes": 0.005, "optimizer": UNHURRIED, "checkpoint_every": None}
    first = train(tokens, tmp_path, **timed)["steps"]
    kept = tmp_path / "resume/here.steps.json"
    assert read_json(kept)["steps"] == first
    write_json(kept, read_json(kept) | {"steps": 12})
    assert train(tokens, tmp_path, **timed)["steps"] == 12


def test_early_stop(tokens: Path, tmp_path: Path) -> None:
    tiny = PARAMS["optimizer"] | {"learning_rate": 1e-12, "matrix_learning_rate": 1e-12}
    tiny |= {"embedding_learning_rate": 1e-12}
    metrics = train(tokens, tmp_path, optimizer=tiny, eval_every=5, patience=2)
    assert metrics["steps"] < 60


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


def test_divergence_names_step_documents_and_checkpoint(tokens: Path, tmp_path: Path) -> None:
    import shutil

    import pyarrow as pa
    import pyarrow.parquet as pq

    copy = shutil.copytree(tokens, tmp_path / "tokens")
    rows = [
        {"id": f"doc{i}", "split": "train", "shard": 0, "start": i * 100, "tokens": 100} for i in range(60)
    ]
    pq.write_table(pa.Table.from_pylist(rows), copy / "documents.parquet")
    wild = PARAMS["optimizer"] | {"learning_rate": 1e30, "grad_clip": 0.0, "warmup_steps": 0}
    with pytest.raises(UserError) as caught:
        train(copy, tmp_path, optimizer=wild)
    text = str(caught.value)
    assert "There is no checkpoint yet." in text
    notes = next((tmp_path / "resume/here").glob("not-finite-*.json"))
    assert str(notes) in text
    assert 8 <= len(read_json(notes)["documents"]) <= 16


def test_a_cut_shard_is_named(tokens: Path, tmp_path: Path) -> None:
    import shutil

    from gptmill.tokens.shards import describe

    copy = shutil.copytree(tokens, tmp_path / "tokens")
    shard = copy / "train-00000.bin"
    meta = read_json(copy / "meta.json")
    write_json(copy / "meta.json", meta | {"files": {shard.name: describe(shard)}})
    content = shard.read_bytes()
    shard.write_bytes(content[:-2])
    with pytest.raises(UserError, match=r"train-00000.bin was truncated: 11998 bytes, .* 12000 \(BLAKE2b"):
        train(copy, tmp_path)
    shard.write_bytes(content[:100] + b"\0\0" + content[102:])
    with pytest.raises(UserError, match=r"train-00000.bin was changed: its BLAKE2b is"):
        train(copy, tmp_path)


def test_less_text_than_a_batch(tokens: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"374 sequences of .* fewer than one batch of 400"):
        train(tokens, tmp_path, batch_size=400)


def test_starts_from_another_model(tmp_path: Path) -> None:
    """With nothing learned the model still has the loss of the one it came from."""
    from gptmill.models import build_model, save_model
    from gptmill.models.loss import stream_loss
    from gptmill.tokens.shards import TokenStream
    from gptmill.tokens.tokenizer import train_tokenizer

    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(train_tokenizer(["one two three four"] * 9, 275, "bpe", 1.0))
    for split in ("train", "validation"):
        np.arange(2000, dtype="<u2").__mod__(270).tofile(folder / f"{split}-00000.bin")
    splits = {split: {"shards": 1, "bytes": 1000} for split in ("train", "validation")}
    write_json(folder / "meta.json", {"vocab_size": 275, "eos_id": 1, "dtype": "<u2", "splits": splits})

    model = build_model(vocab_size=275, **Pretrain.model_validate(PARAMS).model.arguments())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    (tmp_path / "first").mkdir()
    save_model(model, tmp_path / "first")
    nothing = UNHURRIED | {
        "matrix_learning_rate": 1e-12,
        "embedding_learning_rate": 1e-12,
        "learning_rate": 1e-12,
    }
    metrics = train(
        folder,
        tmp_path,
        init_from=str(tmp_path / "first"),
        max_steps=2,
        optimizer=nothing | {"weight_decay": 0},
    )
    expected = stream_loss(model.eval(), TokenStream(folder, "validation"), 8)
    assert metrics["val_loss"] == pytest.approx(expected.per_token, rel=1e-6)


def test_a_model_too_large_is_refused_with_what_would_fit(tokens: Path, tmp_path: Path) -> None:
    huge = PARAMS["model"] | {"n_layer": 100, "n_embd": 32768}
    with pytest.raises(UserError, match=r"too large for this device: .* need about .* GiB, and it has"):
        train(tokens, tmp_path, model=huge)


def test_the_speed_is_kept_beside_the_outs(whole: Path) -> None:
    rows = np.genfromtxt(whole / "speed/speed.csv", delimiter=",", names=True)
    assert rows["step"].tolist() == [*range(7, 60, 7), 60]
    assert (rows["tokens_per_second"] > 0).all()
    assert (rows["mfu"] > 0).all()
    assert (whole / "speed/speed.png").stat().st_size > 5000
