"""clean: data/collect → cleaned documents with their signals, and the dropped ones with the reason."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load
from gptmill.params.clean import Clean
from gptmill.params.engine import Engine


def main() -> None:
    params = load("clean", Clean)

    from gptmill.corpus.clean import clean
    from gptmill.corpus.engine import start_engine

    start_engine(load("engine", Engine))
    with new_outs("data/clean") as (out,):
        clean(params, Path("data/collect"), out)


if __name__ == "__main__":
    run(main)
