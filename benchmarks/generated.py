"""A generated corpus of any size: deterministic, with near-duplicates and stock sentences planted.

Words are made of syllables and drawn by Zipf's law, lengths are log-normal (about 100 words), sentences end.
One document in ten is a copy of an earlier one with 0 to 5 % of its words changed; one in twenty starts with one
of 50 stock sentences. Blocks of 10,000 documents have seeds of their own: a larger corpus starts with a
smaller one's documents.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gptmill.corpus.documents import DOCUMENT

BLOCK = 10_000
VOCABULARY = 50_000
STOCK, STOCK_WORDS = 50, 16
EDITS = (0.0, 0.01, 0.02, 0.05)
ONSETS = ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "ch"]
SYLLABLES = [onset + vowel for onset in ONSETS for vowel in ("a", "e", "i", "o", "u", "ai", "er", "on")]


def write_corpus(path: Path, documents: int) -> int:
    """Write Parquet of documents, sorted by id; returns the bytes of their texts."""
    words = vocabulary()
    text_bytes = 0
    with pq.ParquetWriter(path, DOCUMENT, compression="zstd") as writer:
        for block, start in enumerate(range(0, documents, BLOCK)):
            texts = block_texts(block, words).slice(0, min(BLOCK, documents - start))
            text_bytes += pc.sum(pc.binary_length(texts)).as_py()
            writer.write_table(_table(start, texts), row_group_size=BLOCK)
    return text_bytes


def vocabulary() -> pa.Array:
    """The words by rank, then the same with a full stop."""
    rng = np.random.default_rng(0)
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        words["".join(rng.choice(SYLLABLES, 1 + len(words).bit_length() // 5))] = None
    return pa.array([*words, *(f"{word}." for word in words)])


def block_texts(block: int, words: pa.Array) -> pa.Array:
    """The texts of one block."""
    rng = np.random.default_rng([1, block])
    lengths = np.clip(rng.lognormal(4.4, 0.6, BLOCK).astype(np.int64), 20, 2000)
    weights = np.cumsum(1 / np.arange(3, VOCABULARY + 3))
    weights /= weights[-1]

    def draw(n: int, ends: float = 1 / 12) -> NDArray[np.int64]:
        return np.searchsorted(weights, rng.random(n)) + VOCABULARY * (rng.random(n) < ends)

    stock = np.random.default_rng(2).integers(0, VOCABULARY, (STOCK, STOCK_WORDS))
    drawn = np.split(draw(int(lengths.sum())), np.cumsum(lengths)[:-1])
    copies = np.flatnonzero(rng.random(BLOCK) < 0.1)
    for i in copies[copies > 0].tolist():
        changed = drawn[int(rng.integers(i))].copy()
        edited = rng.random(len(changed)) < EDITS[int(rng.integers(len(EDITS)))]
        changed[edited] = draw(int(edited.sum()))
        drawn[i] = changed
    for i in np.flatnonzero(rng.random(BLOCK) < 0.05).tolist():
        drawn[i] = np.concatenate((stock[int(rng.integers(STOCK))], drawn[i]))
    bounds = np.cumsum([0, *map(len, drawn)])
    lists = pa.ListArray.from_arrays(
        pa.array(bounds, pa.int32()), words.take(pa.array(np.concatenate(drawn)))
    )
    return pc.binary_join(lists, " ")


def _table(start: int, texts: pa.Array) -> pa.Table:
    fixed = {"source": "generated", "licence": "CC0-1.0", "origin": "synthetic", "lang": "und"}
    ids = [f"{number:032x}" for number in range(start, start + len(texts))]
    columns = {"id": ids, "text": texts, "uri": ids, "meta": [[("group", "generated")]] * len(ids)}
    columns |= {name: [value] * len(ids) for name, value in fixed.items()}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in DOCUMENT}, DOCUMENT)


if __name__ == "__main__":
    import sys

    write_corpus(Path(sys.argv[1]), int(sys.argv[2]))
