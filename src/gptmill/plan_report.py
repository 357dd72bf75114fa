"""What `gptmill plan` prints, from its options (`gptmill.cli`)."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from gptmill.devices import DEVICES
from gptmill.errors import UserError, nearest
from gptmill.params import check, load
from gptmill.params.model import Model
from gptmill.params.recipes import settled_name
from gptmill.planning import (
    GIB,
    TOKENS_PER_PARAMETER,
    Memory,
    flops_per_token,
    memory,
    most_sequences,
    multiplying_parameters,
    parameters,
    seconds,
    suggest_depth,
)


def plan(args: argparse.Namespace) -> list[str]:
    """The lines to print.

    Raises:
        UserError: for a model or a device that does not exist.
    """
    for name in ("tokens", "sequences", "devices", "mfu", "minutes", "vocab_size", "block_size"):
        if (value := getattr(args, name)) is not None and not 0 < value < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {value} is not possible; it must be above 0")
    if args.mfu > 1:
        raise UserError(f"--mfu {args.mfu} is not possible; it is a share of the peak, at most 1")
    model = chosen_model(args)
    optimizer = args.optimizer or settled_name("auto", model.preset)
    if args.fsdp and optimizer == "muon":
        raise UserError(
            "--fsdp spreads each matrix over the devices, and Muon needs them whole: add --optimizer adamw"
        )
    vocab_size = args.vocab_size or _tokenizer_size()
    tokens = args.tokens or TOKENS_PER_PARAMETER * multiplying_parameters(model, vocab_size)
    a_token = flops_per_token(model, vocab_size)
    speed, available, bf16, source = device_speed(args, model, vocab_size)
    took = seconds(tokens * a_token, speed)
    m = memory(model, vocab_size, sequences=args.sequences, optimizer=optimizer, bf16=bf16)
    elsewhere = 0
    if args.fsdp:
        whole, m = m, _spread(m, args.devices)
        elsewhere = whole.total - m.total
    most = most_sequences(
        model, vocab_size, available + elsewhere, optimizer=optimizer, bf16=bf16, checkpointing=False
    )
    multiplying = multiplying_parameters(model, vocab_size)
    fits = f"fits; at most {most} would" if most >= args.sequences else _not_fitting(most)
    lines = [
        f"model        {model.preset}: {model.n_layer} layers, {model.n_head} heads, width {model.n_embd}, "
        f"context {model.block_size}, vocabulary {vocab_size:,}",
        f"parameters   {parameters(model, vocab_size):,}, of which {multiplying:,} multiply",
        f"tokens       {tokens:,.0f} ({tokens / multiplying:.1f} a parameter; compute-optimal: about 20)",
        f"FLOPs        {a_token:.3g} a token, {tokens * a_token:.3g} in all",
        f"memory       {m.total / GIB:.2f} GiB{' on each device' if args.fsdp else ''}: weights "
        f"{m.weights / GIB:.2f}, gradients {m.gradients / GIB:.2f}, {optimizer} {m.optimizer / GIB:.2f}, activations "
        f"{m.activations / GIB:.2f} with {args.sequences} sequences at once; "
        f"{available / GIB:.1f} GiB there: {fits}",
        f"device       {source}",
        f"time         {duration(took)} at {speed / a_token:,.0f} tokens a second",
    ]
    if args.minutes:
        depth = suggest_depth(args.minutes, speed, model.block_size, vocab_size)
        best = Model(preset="modern", depth=depth, block_size=model.block_size)  # type: ignore[call-arg]
        count = multiplying_parameters(best, vocab_size)
        optimal = TOKENS_PER_PARAMETER * count
        needed = seconds(optimal * flops_per_token(best, vocab_size), speed)
        lines.append(
            f"suggestion   for {args.minutes:g} minutes: preset: modern, depth: {depth} "
            f"(width {best.n_embd}), {optimal:,.0f} tokens in {duration(needed)}"
        )
        if needed > 60 * args.minutes:
            lines[-1] += "; nothing smaller is derived, so stop it earlier"
    return lines


def _spread(whole: Memory, devices: int) -> Memory:
    """What each of `devices` holds under FSDP (Zhao et al. 2023); the activations are its own."""
    return Memory(
        whole.weights // devices, whole.gradients // devices, whole.optimizer // devices, whole.activations
    )


def chosen_model(args: argparse.Namespace) -> Model:
    """The model of the options, or of params.yaml when they name none."""
    if args.preset is None and args.size is None and args.depth is None:
        if not Path("params.yaml").is_file():
            raise UserError(
                "name a model (--preset gpt2 --size 124M, or --depth 12), or run where params.yaml is"
            )
        from gptmill.params.pretrain import Pretrain

        return load("pretrain", Pretrain).model
    if args.size is None and args.depth is None:
        raise UserError(
            f"--preset {args.preset} has many sizes: add --size, such as 124M, or --depth, such as 12"
        )
    raw: dict[str, Any] = {"preset": args.preset or "modern", "size": args.size, "depth": args.depth}
    if args.block_size or args.size is None:
        raw["block_size"] = args.block_size or 1024
    return check(Model, raw, where="gptmill plan")


def device_speed(args: argparse.Namespace, model: Model, vocab_size: int) -> tuple[float, int, bool, str]:
    """FLOP/s in training over all devices, bytes of one, whether bf16 is used, and where that is from."""
    if args.device == "this":
        from gptmill.models.measure import measure

        speed, available, bf16, name = measure(model, vocab_size)
        return speed * args.devices, available, bf16, f"{name}: {speed / 1e9:,.0f} GFLOP/s, measured now"
    device = {name.lower(): device for name, device in DEVICES.items()}.get(args.device.lower())
    if device is None:
        raise UserError(
            f'--device "{args.device}" is not known{nearest(args.device, DEVICES)} '
            f"Known: this, {', '.join(DEVICES)}"
        )
    speed = device.flops * args.mfu * args.devices
    source = (
        f"{args.devices} × {args.device}: {args.mfu:.0%} of its peak of {device.flops / 1e12:,.0f} TFLOP/s"
    )
    return speed, device.memory, True, source


def duration(took: float) -> str:
    """Seconds for people."""
    for limit, unit, size in ((120, "s", 1), (120 * 60, "minutes", 60), (48 * 3600, "hours", 3600)):
        if took < limit:
            return f"{took / size:.3g} {unit}"
    return f"{took / 86400:,.1f} days"


def _not_fitting(most: int) -> str:
    return f"too much; {most} at once would fit" if most else "too much; not one sequence fits"


def _tokenizer_size() -> int:
    if not Path("params.yaml").is_file():
        return 50_257
    from gptmill.params.tokenize import Tokenize

    return load("tokenize", Tokenize).vocab_size
