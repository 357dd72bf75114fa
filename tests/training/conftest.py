"""Tokens that are easy to learn, and what a training on them gives that nobody disturbs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_runs import start

from gptmill.outs import write_json


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def whole(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    process = start(tokens, out)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 0, text
    return out
