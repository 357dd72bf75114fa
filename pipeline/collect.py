"""collect: the sources of params.yaml → data/collect."""

from __future__ import annotations

import sys
from glob import has_magic
from itertools import takewhile
from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load, read_yaml
from gptmill.params.collect import Collect, Files
from gptmill.params.engine import Engine


def unwatched(path: str, deps: list[str]) -> str:
    """What to do so that collect runs again when the files of `path` change; empty where it does so already."""
    parts = Path(path).parts
    fixed = Path(*takewhile(lambda part: not has_magic(part), parts))  # DVC takes no wildcards
    if "://" in path or fixed == Path():
        return "DVC can't watch these: when they have changed, run `dvc repro -f collect`."
    if any(fixed.is_relative_to(dep) for dep in deps):
        return ""
    return f"To have them watched, add {fixed} to the deps of collect in dvc.yaml."


def main() -> None:
    params = load("collect", Collect)
    deps = read_yaml("dvc.yaml")["stages"]["collect"]["deps"]
    for source in params.sources:
        if isinstance(source, Files) and (remedy := unwatched(source.path, deps)):
            print(
                f"gptmill: warning: source {source.name}: DVC reruns collect when params.yaml changes, not when "
                f"files of {source.path} do. {remedy}",
                file=sys.stderr,
            )

    from gptmill.corpus.collect import collect
    from gptmill.corpus.engine import start_engine

    start_engine(load("engine", Engine))
    with new_outs("data/collect") as (out,):
        collect(params, out, parts=Path(".gptmill/collect"))


if __name__ == "__main__":
    run(main)
