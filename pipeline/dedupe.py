"""dedupe: cleaned documents → one of each near-duplicate cluster, with its split, data/dedupe; reports/dedupe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load, load_seed, read_yaml
from gptmill.params.dedupe import Dedupe, TaskFile
from gptmill.params.engine import Engine


def main() -> None:
    params, seed = load("dedupe", Dedupe), load_seed()
    if params.decontaminate:
        deps = read_yaml("dvc.yaml")["stages"]["dedupe"]["deps"]
        for task in unwatched(params.decontaminate.against, deps):
            print(
                f"gptmill: warning: decontaminate.against {task.name}: DVC reruns dedupe when params.yaml changes, "
                f"not when {task.path} does. To have it watched, add that path to the deps of dedupe in dvc.yaml.",
                file=sys.stderr,
            )

    from gptmill.corpus.dedupe import dedupe
    from gptmill.corpus.engine import start_engine

    start_engine(load("engine", Engine))
    with new_outs("data/dedupe", "reports/dedupe") as (out, reports):
        dedupe(params, seed, Path("data/clean/documents.parquet"), out, reports)


def unwatched(tasks: Sequence[TaskFile], deps: Sequence[str]) -> list[TaskFile]:
    """Those whose file is not among a stage's deps, nor in a folder that is."""
    return [task for task in tasks if {task.path, *map(str, Path(task.path).parents)}.isdisjoint(deps)]


if __name__ == "__main__":
    run(main)
