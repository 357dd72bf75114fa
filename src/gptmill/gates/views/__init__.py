"""Views: the tables that each gate looks at, one module a stage.

A view module has `tables(root)`, which builds the tables from the stage's outs, and `passes(root)`, which
names the outs that later stages may use once the gate has passed. In every table the first column names
the row: examples in reports come from it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gptmill.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

STAGES = ("collect", "clean", "dedupe", "tokenize", "pretrain", "finetune", "evaluate")
APART = ("pairs",)  # of lineage/dvc.yaml


class View(NamedTuple):
    """What a gate looks at."""

    tables: Callable[[Path], dict[str, pd.DataFrame]]
    passes: Callable[[Path], list[str]]  # paths relative to the root, with "/"
    reports: str = "reports/gates"  # the folder of its report


def view(stage: str) -> View:
    """The view of a stage.

    Raises:
        UserError: when there is no such gate.
    """
    # Imported here and by name: a gate starts with its own view alone, and dvc.yaml's deps, which are
    # read from the imports, hold all of them.
    match stage:
        case "collect":
            from gptmill.gates.views import collect

            return View(collect.tables, collect.passes)
        case "clean":
            from gptmill.gates.views import clean

            return View(clean.tables, clean.passes)
        case "dedupe":
            from gptmill.gates.views import dedupe

            return View(dedupe.tables, dedupe.passes)
        case "tokenize":
            from gptmill.gates.views import tokenize

            return View(tokenize.tables, tokenize.passes)
        case "pretrain":
            from gptmill.gates.views import pretrain

            return View(pretrain.tables, pretrain.passes)
        case "finetune":
            from gptmill.gates.views import finetune

            return View(finetune.tables, finetune.passes)
        case "evaluate":
            from gptmill.gates.views import evaluate

            return View(evaluate.tables, evaluate.passes)
        case "pairs":
            from gptmill.gates.views import pairs

            # Not among the flow's: its page depends on reports/gates, and would pull this gate into the flow.
            return View(pairs.tables, pairs.passes, "reports/translate/gates")
        case _:
            hint = nearest(stage, STAGES + APART)
            raise UserError(f'no gate "{stage}"{hint} Gates: {", ".join(STAGES + APART)}')
