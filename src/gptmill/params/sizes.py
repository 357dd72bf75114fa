"""Sizes as published, by preset: `pretrain.model.size`."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    n_layer: int
    n_head: int
    n_embd: int
    block_size: int


SIZES: dict[str, dict[str, Size]] = {
    "gpt1": {"117M": Size(12, 12, 768, 512)},  # Radford et al. 2018, section 4.1
    "gpt2": {  # Radford et al. 2019, table 2; named by the parameters that the released models have
        "124M": Size(12, 12, 768, 1024),
        "355M": Size(24, 16, 1024, 1024),
        "774M": Size(36, 20, 1280, 1024),
        "1.5B": Size(48, 25, 1600, 1024),
    },
    # Brown et al. 2020, table 2.1. Two rows there don't multiply out: the 1.3B model's 24 heads of 128 are
    # not its width of 2,048 (16 are), and 13B's width of 5,140 is not 40 heads of 128 (5,120 is).
    "gpt3": {
        "125M": Size(12, 12, 768, 2048),
        "350M": Size(24, 16, 1024, 2048),
        "760M": Size(24, 16, 1536, 2048),
        "1.3B": Size(24, 16, 2048, 2048),
        "2.7B": Size(32, 32, 2560, 2048),
        "6.7B": Size(32, 32, 4096, 2048),
        "13B": Size(40, 40, 5120, 2048),
        "175B": Size(96, 96, 12288, 2048),
    },
    "modern": {},
    "bert": {  # Devlin et al. 2018, section 3: base and large
        "110M": Size(12, 12, 768, 512),
        "340M": Size(24, 16, 1024, 512),
    },
    "lstm": {"2048": Size(1, 1, 2048, 512)},  # Radford et al. 2018, section 5: one layer of 2,048 units
}
