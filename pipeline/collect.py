"""collect: the sources of params.yaml → data/collect."""

from __future__ import annotations

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load
from gptmill.params.collect import Collect


def main() -> None:
    params = load("collect", Collect)

    from gptmill.corpus.collect import collect

    with new_outs("data/collect") as (out,):
        collect(params, out)


if __name__ == "__main__":
    run(main)
