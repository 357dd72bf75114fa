"""How fast this machine trains a model: a few steps of a shallow copy."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from gptmill.bidirectional import masked_per_row
from gptmill.models import build_model
from gptmill.models.cross_entropy import IGNORED
from gptmill.params.model import Model
from gptmill.planning import flops_per_token

STEPS = 3


def measure(model: Model, vocab_size: int) -> tuple[float, int, bool, str]:
    """FLOP/s of training, this device's bytes of memory, whether bf16 is used, and the device's name.

    At most two of the model's layers run, on one or more sequences, the fastest of three steps counts.
    """
    shallow = model.model_copy(update={"n_layer": min(2, model.n_layer)})
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    sequences = max(1, (16_384 if cuda else 2_048) // model.block_size)
    state = torch.get_rng_state()
    module = build_model(vocab_size=vocab_size, **shallow.arguments()).to(device).train()
    tokens = torch.randint(vocab_size, (sequences, model.block_size), device=device)
    torch.set_rng_state(state)
    targets = tokens.clone()
    if not module.causal:
        targets[:, masked_per_row(model.block_size) :] = IGNORED
    best = float("inf")
    for _ in range(STEPS):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=cuda):
            loss = module.loss(tokens, targets)
        torch.autograd.backward(loss)
        module.zero_grad()
        if cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    flops = flops_per_token(shallow, vocab_size) * tokens.numel() / best
    name = torch.cuda.get_device_name(device) if cuda else f"this CPU, {torch.get_num_threads()} threads"
    return flops, total_memory(device), cuda, name


def total_memory(device: torch.device) -> int:
    """Bytes that the device has; for the CPU this machine's, or less where a container may take less."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    import psutil

    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text().strip() if limit.is_file() else "max"
    total = int(psutil.virtual_memory().total)
    return min(total, int(allowed)) if allowed.isdigit() else total
