"""MinHash with locality-sensitive banding: which documents may be near-duplicates, and which truly are.

Broder (1997) for MinHash, Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", ch. 3 for bands.
A document is the set of its shingles: hashes of `n` words in a row. The signature keeps, for each of
bands × rows permutations, the smallest hash of the set; two documents agree in one place with
probability J, their Jaccard similarity, so they share a whole band somewhere with probability

    1 − (1 − J^rows)^bands                                                     (the S-curve)

Sharing a band only nominates a pair. Nothing is dropped before the Jaccard similarity of the pair's
shingle sets was computed exactly, so many short bands cost some verification and no precision.
Daft's kernels do the work that grows with the text; what comes back to Python are integers.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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


def with_bands(
    documents: daft.DataFrame, ngram_size: int, bands: int, rows: int, seed: int
) -> daft.DataFrame:
    """Add the column `bands`: list[uint64], one hash a band; empty for a text without words.

    A band's index seeds its hash, so equal hashes mean the same band and (collisions apart) the same rows.
    """
    from daft import col, lit
    from daft.functions import hash as xxh3
    from daft.functions import minhash, slice, to_list, when

    signature = minhash(col("words"), num_hashes=bands * rows, ngram_size=ngram_size, seed=seed)
    keys = [xxh3(slice(col("signature"), b * rows, (b + 1) * rows), seed=b) for b in range(bands)]
    return (
        documents.with_column("words", words(col("text")))
        .with_column("signature", signature)
        .with_column("bands", when(col("words") != "", to_list(*keys)).otherwise(lit(None)))
        .exclude("words", "signature")
    )


def buckets(signatures: daft.DataFrame) -> daft.DataFrame:
    """Columns `document` and `bands` → `members`: list of the documents of each bucket of two or more."""
    from daft import col, lit

    return (
        signatures.where(col("bands").not_null())
        .explode("bands")
        .groupby("bands")
        .agg(col("document").count().alias("size"), col("document").list_agg().alias("members"))
        .where(col("size") > lit(1))
        .select("members")
    )


def candidate_pairs(members: pa.ListArray) -> Ints:
    """The pairs (a, b), a < b, that some bucket nominates: shape (pairs, 2), sorted, each once.

    The answer does not depend on the order of buckets or of the members in them.
    """
    sizes = np.diff(members.offsets.to_numpy())
    bucket = np.repeat(np.arange(len(sizes)), sizes)
    document = members.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    document = document[np.lexsort((document, bucket))]
    first = np.concatenate(([0], np.cumsum(sizes)))[:-1]
    found = [np.stack((document[first][bucket], document), axis=1)]  # the star around the smallest
    for step in range(1, WINDOW + 1):
        together = bucket[:-step] == bucket[step:]
        found.append(np.stack((document[:-step][together], document[step:][together]), axis=1))
    pairs = np.concatenate(found)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def shingle_sets(word_lists: pa.ListArray, n: int) -> list[Hashes]:
    """The set of shingles of each document: sorted, distinct 64-bit hashes of `n` words in a row.

    A shingle's hash is the polynomial Σ wᵢ·Mⁱ of its word hashes (mod 2^64): one pass over all documents
    for each i < n. A document shorter than `n` words is one shingle, the whole of it; one without words
    has none.
    """
    offsets = word_lists.offsets.to_numpy()
    word = word_lists.values.to_numpy(zero_copy_only=False)
    hashed = np.zeros(max(len(word) - n + 1, 0), np.uint64)
    powers = np.cumprod(np.full(n, MULTIPLIER), dtype=np.uint64)
    for i in range(n):
        hashed += word[i : i + len(hashed)] * powers[i]
    sets = []
    for start, end in pairwise(offsets.tolist()):
        if end - start >= n:
            sets.append(np.unique(hashed[start : end - n + 1]))
        else:
            short = word[start:end]
            sets.append(np.atleast_1d((short * powers[: len(short)]).sum())[: len(short)])
    return sets


def jaccard(a: Hashes, b: Hashes) -> float:
    """|a ∩ b| / |a ∪ b| of two sets given as sorted, distinct values; 0 when both are empty."""
    merged = np.concatenate((a, b))
    merged.sort()
    shared = int(np.count_nonzero(merged[1:] == merged[:-1]))
    return shared / (len(merged) - shared) if len(merged) else 0.0


def similar(a: Hashes, b: Hashes, threshold: float) -> bool:
    """Whether the Jaccard similarity reaches `threshold`; sizes alone refute most pairs."""
    fewer, more = sorted((len(a), len(b)))
    # By division, as in `jaccard`: 0.55 · 20 rounds to more than 11, 11 / 20 to 0.55 exactly.
    return more > 0 and fewer / more >= threshold and jaccard(a, b) >= threshold
