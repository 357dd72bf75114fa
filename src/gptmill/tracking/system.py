"""Load of the machine, under the names that MLflow's UI shows as system metrics."""

from __future__ import annotations

import os
import sys
import time

MEGABYTE = 1e6


class System:
    """Samples that grow rarer: every few seconds at first, fewer than 2,000 in three months."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._process = psutil.Process(os.getpid())
        self._start = self._next = time.monotonic()
        psutil.cpu_percent()  # the first call only starts its clock

    def sample(self) -> dict[str, float]:
        """Figures by metric name, or nothing when it is too early for the next sample."""
        now = time.monotonic()
        if now < self._next:
            return {}
        self._next = now + max(5.0, (now - self._start) / 200)
        memory = self._psutil.virtual_memory()
        return {
            "system/cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system/system_memory_usage_percentage": memory.percent,
            "system/process_memory_usage_megabytes": self._process.memory_info().rss / MEGABYTE,
            **_gpu(),
        }


def _gpu() -> dict[str, float]:
    """Memory that this process holds on GPUs; never the first to import torch or to touch a device."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {}
    held = sum(torch.cuda.memory_reserved(device) for device in range(torch.cuda.device_count()))
    return {"system/gpu_memory_usage_megabytes": held / MEGABYTE}
