"""Tiny runs, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_translation import SYSTEMS, make_pairs, run, tiny

from gptmill.translation.evaluate import evaluate


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pairs(tmp_path_factory.mktemp("translation") / "data/pairs")


@pytest.fixture(scope="session")
def trained(pairs: Path) -> Path:
    """A project's folder with the outs of all three systems, those of training in `runs/<system>/`, too."""
    root = pairs.parents[1]
    for system in SYSTEMS:
        run(system, pairs, root / "runs" / system)
        for kind, out in (("model", "models"), ("reports", "reports")):
            there = root / out / "translate" / system
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(root / "runs" / system / kind)
        for folder in (f"data/translations/{system}", f"reports/score/{system}"):
            (root / folder).mkdir(parents=True)
        evaluate(
            tiny().evaluate,
            pairs,
            root / "models/translate" / system,
            translations_out=root / "data/translations" / system,
            reports_out=root / "reports/score" / system,
        )
    return root
