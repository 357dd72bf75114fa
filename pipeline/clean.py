"""clean: data/collect → cleaned documents with their signals, and the dropped ones with the reason."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load
from gptmill.params.clean import Clean


def main() -> None:
    params = load("clean", Clean)

    from gptmill.corpus.clean import clean

    with new_outs("data/clean") as (out,):
        clean(params, Path("data/collect"), out)


if __name__ == "__main__":
    run(main)
