"""How fast a training runs, and how much of the device it uses."""

from __future__ import annotations

import resource
import time

import torch

from gptmill.devices import lookup


def peak_flops(device: torch.device, bf16: bool) -> float | None:
    """The device's peak for the products of training: looked up for GPUs in bf16, measured on CPUs.

    None where it isn't known: then no share of it can be told.
    """
    if device.type == "cpu":
        return _measured()
    if device.type != "cuda" or not bf16:
        return None
    found = lookup(torch.cuda.get_device_name(device))
    return found.flops if found else None


def _measured(size: int = 768, products: int = 30) -> float:
    """FLOP/s of fp32 matrix products on this CPU, the best of a few: the first one also loads the library."""
    a, b = torch.ones(size, size), torch.ones(size, size)
    seconds = []
    for _ in range(products):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def memory_bytes(device: torch.device) -> int:
    """The most memory held so far: on the GPU, or by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
