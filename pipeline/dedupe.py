"""dedupe: cleaned documents → one of each near-duplicate cluster, with its split, data/dedupe; reports/dedupe."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load, load_seed
from gptmill.params.dedupe import Dedupe
from gptmill.params.engine import Engine


def main() -> None:
    params, seed = load("dedupe", Dedupe), load_seed()

    from gptmill.corpus.dedupe import dedupe
    from gptmill.corpus.engine import start_engine

    start_engine(load("engine", Engine))
    with new_outs("data/dedupe", "reports/dedupe") as (out, reports):
        dedupe(params, seed, Path("data/clean/documents.parquet"), out, reports)


if __name__ == "__main__":
    run(main)
