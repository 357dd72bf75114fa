"""A generated corpus of any size: deterministic, with near-duplicates and stock sentences planted.

Words are made of syllables and drawn by Zipf's law, lengths are log-normal (about 100 words), sentences end.
One document in ten is a copy of an earlier one with 0 to 5 % of its words changed; one in twenty starts with one
of 50 stock sentences. Blocks of 10,000 documents have seeds of their own: a larger corpus starts with a
smaller one's documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
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

# The rank of a word at evenly spaced points of Zipf's distribution.
_WEIGHTS = np.cumsum(1 / np.arange(3, VOCABULARY + 3))
ZIPF = np.searchsorted(_WEIGHTS, _WEIGHTS[-1] * (np.arange(1 << 20) + 0.5) / (1 << 20))


def write_corpus(path: Path, documents: int) -> int:
    """Write Parquet of documents, sorted by id; returns the bytes of their texts."""
    text_bytes = 0
    with pq.ParquetWriter(path, DOCUMENT, compression="zstd") as writer:
        for start, table in zip(range(0, documents, BLOCK), tables(), strict=False):
            table = table.slice(0, documents - start)
            text_bytes += pc.sum(pc.binary_length(table["text"])).as_py()
            writer.write_table(table, row_group_size=BLOCK)
    return text_bytes


def tables(log_length: float = 4.4) -> Iterator[pa.Table]:
    """Documents without end, sorted by id, a block at a time."""
    words = vocabulary()
    for block in count():
        yield _table(block * BLOCK, block_texts(block, words, log_length))


def vocabulary() -> pa.Array:
    """The words by rank, then the same with a full stop."""
    rng = np.random.default_rng(0)
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        words["".join(rng.choice(SYLLABLES, 1 + len(words).bit_length() // 5))] = None
    return pa.array([*words, *(f"{word}." for word in words)])


def block_texts(block: int, words: pa.Array, log_length: float = 4.4) -> pa.Array:
    """The texts of one block; `log_length` is the logarithm of the median of their lengths in words."""
    rng = np.random.default_rng([1, block])
    lengths = np.clip(rng.lognormal(log_length, 0.6, BLOCK).astype(np.int64), 20, 2000)
    starts = np.cumsum(lengths) - lengths
    drawn = draw(rng, int(lengths.sum()))
    # A copy is made of an original that stands before it.
    copy = rng.random(BLOCK) < 0.1
    copy[0] = False
    original = np.flatnonzero(~copy)
    of = np.arange(BLOCK)
    of[copy] = original[
        (rng.random(copy.sum()) * np.searchsorted(original, np.flatnonzero(copy))).astype(np.int64)
    ]
    lengths = lengths[of]
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    document = np.repeat(np.arange(BLOCK), lengths)
    within = np.arange(len(document)) - bounds[document]
    text = drawn[starts[of][document] + within]
    edited = rng.random(len(text)) < (rng.choice(EDITS, BLOCK) * copy)[document]
    text[edited] = draw(rng, int(edited.sum()))
    stock = draw(np.random.default_rng(2), STOCK * STOCK_WORDS).reshape(STOCK, STOCK_WORDS)
    phrase = np.where(rng.random(BLOCK) < 0.05, rng.integers(0, STOCK, BLOCK), -1)[of][document]
    begins = (phrase >= 0) & (within < STOCK_WORDS)
    text[begins] = stock[phrase[begins], within[begins]]
    return pc.binary_join(
        pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), words.take(pa.array(text))), " "
    )


def draw(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Words by Zipf's law; one in twelve ends a sentence."""
    return ZIPF[rng.integers(0, len(ZIPF), n)] + VOCABULARY * (rng.random(n) < 1 / 12)


def _table(start: int, texts: pa.Array) -> pa.Table:
    fixed = {"source": "generated", "licence": "CC0-1.0", "origin": "synthetic", "lang": "und"}
    ids = [f"{number:032x}" for number in range(start, start + len(texts))]
    columns = {"id": ids, "text": texts, "uri": ids, "meta": [[("group", "generated")]] * len(ids)}
    columns |= {name: [value] * len(ids) for name, value in fixed.items()}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in DOCUMENT}, DOCUMENT)


if __name__ == "__main__":
    import sys

    write_corpus(Path(sys.argv[1]), int(sys.argv[2]))
