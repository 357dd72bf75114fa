"""collect: the sources of params.yaml → data/collect."""

from __future__ import annotations

import sys
from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load, read_yaml
from gptmill.params.collect import Collect, Files
from gptmill.params.engine import Engine


def main() -> None:
    params = load("collect", Collect)
    deps = read_yaml("dvc.yaml")["stages"]["collect"]["deps"]
    for source in params.sources:
        if isinstance(source, Files) and source.path not in deps:
            print(
                f"gptmill: warning: source {source.name}: DVC reruns collect when params.yaml changes, not when "
                f"files of {source.path} do. To have them watched, add that path to the deps of collect in dvc.yaml.",
                file=sys.stderr,
            )

    from gptmill.corpus.collect import collect
    from gptmill.corpus.engine import start_engine

    start_engine(load("engine", Engine))
    with new_outs("data/collect") as (out,):
        collect(params, out, parts=Path(".gptmill/collect"))


if __name__ == "__main__":
    run(main)
