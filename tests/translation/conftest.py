"""Tiny runs, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_translation import SYSTEMS, make_pairs, run


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pairs(tmp_path_factory.mktemp("translation") / "data/pairs")


@pytest.fixture(scope="session")
def trained(pairs: Path) -> Path:
    """A project's folder with the outs of all three systems, each in `runs/<system>/`."""
    root = pairs.parents[1]
    for system in SYSTEMS:
        run(system, pairs, root / "runs" / system)
        for kind in ("model", "reports"):
            there = root / {"model": "models", "reports": "reports"}[kind] / "translate" / system
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(root / "runs" / system / kind)
    return root
