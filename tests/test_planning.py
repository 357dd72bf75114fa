"""`gptmill plan`: figures against the models themselves, and the message of a model too large."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gptmill.commands.plan import add_plan
from gptmill.devices import lookup
from gptmill.errors import UserError
from gptmill.models import build_model
from gptmill.params.model import Model
from gptmill.plan_report import plan
from gptmill.planning import (
    GIB,
    check_fits,
    flops_per_token,
    memory,
    most_sequences,
    multiplying_parameters,
    parameters,
    suggest_depth,
)

MODELS: list[dict[str, Any]] = [
    {"preset": "gpt1"},
    {"preset": "gpt2"},
    {"preset": "gpt3"},
    {"preset": "modern"},
    {"preset": "modern", "modern": {"value_residual": True, "bias": True}},
    {"preset": "modern", "modern": {"rope": False, "rms_norm": False, "bias": True, "tied_head": True}},
    {"preset": "modern", "modern": {"rms_norm": False, "embedding_norm": False}},
    {"preset": "lstm"},
    {"preset": "bert"},
]
SIZES = {"block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128}
every = pytest.mark.parametrize("raw", MODELS)


@every
def test_parameters_are_exact(raw: dict[str, Any]) -> None:
    model = Model(**(SIZES | raw))
    built = build_model(vocab_size=97, **model.arguments())
    assert parameters(model, 97) == sum(p.numel() for p in built.parameters())
    multiplying = {n: p for n, p in built.named_parameters() if "embedding" not in n}
    assert multiplying_parameters(model, 97) == sum(p.numel() for p in multiplying.values()) + (
        97 * 128 if built.head is None else 0
    )


@every
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_activations_are_what_autograd_keeps(raw: dict[str, Any], dropout: float) -> None:
    model = Model(**(SIZES | raw | {"n_layer": 8, "dropout": dropout}))
    module = build_model(vocab_size=97, **model.arguments()).train()
    weights = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    kept: dict[int, torch.Tensor] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        if t.untyped_storage().data_ptr() not in weights:
            kept[t.untyped_storage().data_ptr()] = t
        return t

    tokens = torch.randint(97, (8, 64))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss = module.loss(tokens, tokens)
    held = sum(t.untyped_storage().nbytes() for t in kept.values())
    assert loss.requires_grad
    assert memory(model, 97, sequences=8).activations == pytest.approx(held, rel=0.2)


def test_published_figures() -> None:
    model = Model(preset="gpt2", size="124M")
    assert parameters(model, 50_257) == 124_439_808
    # nanoGPT's count for MFU: 6N + 12 L H Q T with N without the positions.
    assert flops_per_token(model, 50_257) == 6 * (124_439_808 - 1024 * 768) + 12 * 12 * 768 * 1024
    banded = Model(preset="gpt3", size="125M")
    dense = 6 * multiplying_parameters(banded, 50_257) + 12 * 12 * 768 * 2048
    assert flops_per_token(banded, 50_257) == dense - 12 * 6 * 768 * (2048 - 256)
    assert parameters(Model(preset="gpt3", size="175B"), 50_257) == pytest.approx(175e9, rel=0.005)


def test_a_model_that_fits_and_one_that_does_not() -> None:
    model = Model(preset="gpt2", size="124M")
    check_fits(model, 50_257, sequences=8, available=80 * GIB)
    with pytest.raises(UserError, match=r"124,439,808 parameters .* What fits: micro_batch_size = \d+"):
        check_fits(model, 50_257, sequences=4096, available=16 * GIB)
    most = most_sequences(model, 50_257, 16 * GIB, optimizer="adamw", bf16=False, checkpointing=False)
    check_fits(model, 50_257, sequences=most, available=16 * GIB)
    with pytest.raises(UserError, match=f"micro_batch_size = {most}"):
        check_fits(model, 50_257, sequences=most + 1, available=16 * GIB)
    with pytest.raises(UserError, match="activation_checkpointing: true with micro_batch_size"):
        check_fits(Model(preset="gpt2", size="1.5B"), 50_257, sequences=1, available=27 * GIB, bf16=False)
    with pytest.raises(UserError, match="Not even one sequence fits"):
        check_fits(Model(preset="gpt3", size="175B"), 50_257, sequences=1, available=80 * GIB)


def test_a_longer_budget_suggests_a_deeper_model() -> None:
    depths = [suggest_depth(minutes, 1e12, 1024, 32_000) for minutes in (1, 60, 600, 6000)]
    assert depths == sorted(depths)
    assert depths[0] < depths[-1]


def test_devices_by_their_own_names() -> None:
    names = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H100 PCIe": 756e12, "NVIDIA GH200 480GB": 989e12}
    for name, flops in names.items():
        assert (device := lookup(name)) is not None
        assert device.flops == flops
    assert lookup("Quadro") is None


def gptmill(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from gptmill.cli import main; main()", "plan", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_the_command(tmp_path: Path) -> None:
    done = gptmill("--preset", "gpt2", "--size", "124M", "--device", "H100", "--minutes", "60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "124,439,808" in done.stdout
    assert "1 × H100: 40% of its peak of 989 TFLOP/s" in done.stdout
    assert "suggestion   for 60 minutes: preset: modern, depth: " in done.stdout
    measured = gptmill("--depth", "1", "--block-size", "32", "--vocab-size", "99", cwd=tmp_path)
    assert "measured now" in measured.stdout, measured.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name a model (--preset gpt2 --size 124M, or --depth 12)"),
        (("--preset", "gpt2"), "--preset gpt2 has many sizes: add --size"),
        (("--preset", "gpt2", "--size", "124"), "size '124' is none of preset gpt2; did you mean \"124M\"?"),
        (("--depth", "4", "--device", "H1000"), '--device "H1000" is not known; did you mean "H100"?'),
        (("--depth", "4", "--tokens", "-1"), "--tokens -1.0 is not possible; it must be above 0"),
        (("--depth", "4", "--tokens", "inf"), "--tokens inf is not possible"),
        (("--depth", "4", "--mfu", "5"), "--mfu 5.0 is not possible; it is a share of the peak"),
        (("--preset", "gpt9", "--depth", "4"), "preset: "),
        (("--depth", "4", "--device", "H100", "--fsdp"), "Muon needs them whole: add --optimizer adamw"),
    ],
)
def test_mistakes_are_messages(
    args: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=re.escape(message)):
        plan(parsed(*args))


def test_the_optimizer_is_the_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for preset, optimizer in (("gpt2", "adamw"), ("modern", "muon")):
        lines = plan(parsed("--preset", preset, "--depth", "4", "--device", "H100"))
        assert any(f"{optimizer} " in line for line in lines if line.startswith("memory"))


def parsed(*args: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_plan(parser.add_subparsers())
    return parser.parse_args(["plan", *args])


def test_spread_over_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    size = ("--preset", "gpt2", "--size", "1.5B", "--device", "H100", "--devices", "8")
    one, spread = ("\n".join(plan(parsed(*size, *more))) for more in ((), ("--fsdp",)))
    held = [re.findall(r"(?:weights|gradients|adamw) ([\d.]+)", text) for text in (one, spread)]
    assert [float(n) for n in held[1]] == pytest.approx([float(n) / 8 for n in held[0]], abs=0.01)
    activations = [re.findall(r"activations ([\d.]+)", text) for text in (one, spread)]
    assert "GiB on each device: " in spread
    assert activations[0] == activations[1]
    most = [int(re.findall(r"at most (\d+) would", text)[0]) for text in (one, spread)]
    assert most[1] > most[0]
