"""Peaks and memory of accelerators, from the makers' data sheets."""

from __future__ import annotations

from typing import NamedTuple


class Device(NamedTuple):
    flops: float  # dense bf16 products, FLOP/s
    memory: int  # bytes


GB = 10**9

# The first name that is part of the device's own name counts, so the longer names come first.
DEVICES = {
    "B200": Device(2250e12, 180 * GB),
    "GH200": Device(989e12, 96 * GB),
    "H200": Device(989e12, 141 * GB),
    "H100 PCIe": Device(756e12, 80 * GB),
    "H100 NVL": Device(835e12, 94 * GB),
    "H100": Device(989e12, 80 * GB),
    "A100": Device(312e12, 80 * GB),
    "A800": Device(312e12, 80 * GB),
    "L40S": Device(362e12, 48 * GB),
    "L40": Device(181e12, 48 * GB),
    "L4": Device(121e12, 24 * GB),
    "A10G": Device(70e12, 24 * GB),
    "A10": Device(125e12, 24 * GB),
    "RTX 6000 Ada": Device(364e12, 48 * GB),
    "RTX 5090": Device(209e12, 32 * GB),
    "RTX 4090": Device(165e12, 24 * GB),
    "RTX 3090": Device(71e12, 24 * GB),
}


def lookup(name: str) -> Device | None:
    """The device whose name is part of `name` (`NVIDIA H100 80GB HBM3`), in any case."""
    return next((device for part, device in DEVICES.items() if part.lower() in name.lower()), None)
