"""Views: the tables that each gate looks at, one module a stage.

A view module has `tables(root)`, which builds the tables from the stage's outs, and `passes(root)`, which
names the outs that later stages may use once the gate has passed. In every table the first column names
the row: examples in reports come from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gptmill.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

STAGES = ("collect", "clean", "dedupe", "tokenize", "pretrain", "finetune", "evaluate")


class View(NamedTuple):
    """What a gate looks at."""

    tables: Callable[[Path], dict[str, pd.DataFrame]]
    passes: Callable[[Path], list[str]]  # paths relative to the root, with "/"


def view(stage: str) -> View:
    """The view of a stage.

    Only its own module is imported, so that dvc.yaml can give each gate just the code that it runs.
    """
    if stage not in STAGES:
        raise UserError(f'no gate "{stage}"{nearest(stage, STAGES) or "."} Gates: {", ".join(STAGES)}')
    module = importlib.import_module(f"{__name__}.{stage}")
    return View(module.tables, module.passes)
