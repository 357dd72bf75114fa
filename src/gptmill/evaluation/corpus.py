"""The documents of a split as they stand in the token shards, with where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from gptmill.errors import UserError
from gptmill.evaluation.statistics import Array
from gptmill.tokens.shards import TokenStream


@dataclass(frozen=True)
class Document:
    """`bytes` are those of its text in UTF-8; `start` and `tokens` its place in the split's stream."""

    id: str
    source: str
    bytes: int
    start: int
    tokens: int  # the end-of-text token behind it not counted


def documents_of(split: str, tokens: Path, documents: Path) -> list[Document]:
    """The documents of a split that have any text, in the order of its stream.

    Args:
        tokens: data/tokens.
        documents: data/dedupe; it says which source each is from.

    Raises:
        UserError: when the two folders don't belong together.
    """
    index = pq.read_table(tokens / "documents.parquet", filters=[("split", "==", split)]).to_pylist()
    index.sort(key=lambda row: (row["shard"], row["start"]))
    table = pq.read_table(
        documents / "documents.parquet", columns=["id", "source"], filters=[("split", "==", split)]
    )
    sources = dict(zip(table["id"].to_pylist(), table["source"].to_pylist(), strict=True))
    if missing := [row["id"] for row in index if row["id"] not in sources]:
        raise UserError(
            f"{documents}/documents.parquet has no {split} document {missing[0]}, which stands in {tokens}; "
            "run `dvc repro`, which makes both from the same documents"
        )
    ends = np.cumsum([row["tokens"] for row in index])
    return [
        Document(row["id"], sources[row["id"]], row["bytes"], int(end) - row["tokens"], row["tokens"] - 1)
        for row, end in zip(index, ends, strict=True)
        if row["tokens"] > 1  # an empty text has nothing to predict
    ]


def read(stream: TokenStream, documents: list[Document]) -> list[Array]:
    """The ids of each document, without its end-of-text token."""
    return [stream.window(document.start, document.tokens) for document in documents]
