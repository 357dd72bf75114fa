"""MinHash with locality-sensitive banding: which documents may be near-duplicates.

Broder (1997) for MinHash, Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", ch. 3 for bands.
A document is the set of its shingles: `n` words in a row. The signature keeps, for each of bands × rows
permutations, the smallest hash of the set; two documents agree in one place with probability J, their
Jaccard similarity, so they share a whole band somewhere with probability

    1 − (1 − J^rows)^bands                                                     (the S-curve)

Sharing a band only nominates a pair. Nothing is dropped before the Jaccard similarity of the pair's
shingle sets was computed exactly (`shingles.py`), so many short bands cost some verification and no
precision. Daft's kernels do the work that grows with the text; what comes back to Python are integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gptmill.corpus.ahead import ahead

if TYPE_CHECKING:
    import daft

# Scripts written without spaces: each of their characters counts as a word.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"

# Odd, so that multiplying by it loses nothing mod 2^64; 2^64 / golden ratio, as Knuth's hashing uses it.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

# Members of one bucket are paired with the smallest and with this many that follow: pairs grow with
# the bucket's size, not with its square. Buckets up to WINDOW + 1 members yield all their pairs.
WINDOW = 8

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def normalised(text: daft.Expression) -> daft.Expression:
    """Lower case, every run of white space one space, none at the ends: equal here means `exact`."""
    from daft.functions import lower, regexp_replace

    return regexp_replace(regexp_replace(lower(text), r"\s+", " "), r"^ | $", "")


def words(text: daft.Expression) -> daft.Expression:
    """The words of a text, lower case, one space between: punctuation and layout are not words."""
    from daft.functions import lower, regexp_replace

    spaced = regexp_replace(lower(text), rf"([{UNSPACED}])", " $1 ")
    return regexp_replace(regexp_replace(spaced, r"\W+", " "), r"^ | $", "")


def word_hashes(text: daft.Expression) -> daft.Expression:
    """One 64-bit hash (XXH3) for each word, in order: list[uint64]; none for a text without words."""
    from daft import element, lit
    from daft.functions import hash as xxh3
    from daft.functions import list_filter, list_map, split

    return list_map(list_filter(split(words(text), " "), element().length() > lit(0)), xxh3(element()))


def band_hashes(signatures: NDArray[np.uint32], bands: int) -> Hashes:
    """One hash for each band of each signature: (documents, bands × rows) → (bands, documents).

    A band's hash is a polynomial of its rows, mixed as by splitmix64 (Steele, Lea and Flood 2014).
    """
    n = len(signatures)
    rows = signatures.reshape(n, bands, -1)
    keys = np.zeros((n, bands), np.uint64)
    for row in range(rows.shape[2]):
        keys = (keys + rows[:, :, row]) * MULTIPLIER
        keys ^= keys >> np.uint64(29)
    return np.ascontiguousarray(keys.T)


def candidate_pairs(bands: Iterable[Hashes], documents: Ints) -> Ints:
    """The pairs (a, b), a < b, that share a bucket in some band: shape (pairs, 2), sorted, each once.

    As many bands are in memory at a time as there are cores. The answer does not depend on the order of documents.

    Args:
        bands: for each band the hash of each of `documents`.
        documents: their numbers, ascending, below 2^31.
    """
    merged, new, n_new = np.empty(0, np.uint64), list[Hashes](), 0
    for pairs in ahead(lambda keys: _bucket_pairs(keys, documents), bands):
        new.append(pairs)
        n_new += len(new[-1])
        # A pair that many bands nominate must not be held as often: merge when that many wait.
        if n_new > max(1 << 20, len(merged)):
            merged, new, n_new = np.unique(np.concatenate([merged, *new])), [], 0
    merged = np.unique(np.concatenate([merged, *new]))
    return np.stack((merged >> np.uint64(32), merged & np.uint64(0xFFFFFFFF)), axis=1).astype(np.int64)


def _bucket_pairs(keys: Hashes, documents: Ints) -> Hashes:
    """The pairs of one band's buckets, each as one integer a · 2^32 + b."""
    order = np.argsort(keys, kind="stable")  # within a bucket by number
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))[: len(keys)]
    sizes = np.diff(np.append(starts, len(keys)))
    shared = sizes > 1
    starts, sizes = starts[shared], sizes[shared]
    bucket = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(bucket)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    document = documents[order[starts[bucket] + within]].astype(np.uint64)

    first = document[within == 0][bucket]
    found = [_pair(first[within > 0], document[within > 0])]  # the star around the smallest
    for step in range(1, min(WINDOW + 1, int(sizes.max(initial=0)))):
        together = bucket[:-step] == bucket[step:]
        found.append(_pair(document[:-step][together], document[step:][together]))
    return np.unique(np.concatenate(found))


def _pair(a: Hashes, b: Hashes) -> Hashes:
    return (a << np.uint64(32)) | b
