"""pairs: parallel text, or dates made here → checked pairs and the vocabulary of both sides, data/pairs."""

from __future__ import annotations

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load, load_seed
from gptmill.params.translate import Translate


def main() -> None:
    params, seed = load("translate", Translate), load_seed()

    from gptmill.translation.prepare import prepare

    with new_outs("data/pairs") as (out,):
        counts = prepare(params.pairs, params.vocabulary, seed, out)
    for split, found in counts.items():
        print(f"{split}: {', '.join(f'{key} {value}' for key, value in found.items())}")


if __name__ == "__main__":
    run(main)
