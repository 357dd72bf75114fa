"""tokenize: documents with a split → a SentencePiece model and token shards, data/tokens."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load
from gptmill.params.tokenize import Tokenize


def main() -> None:
    params = load("tokenize", Tokenize)

    from gptmill.tokens.tokenize import tokenize

    with new_outs("data/tokens") as (out,):
        tokenize(params, Path("data/dedupe"), out)


if __name__ == "__main__":
    run(main)
