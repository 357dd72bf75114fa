"""Repeated n-grams of words, for a batch of documents at once: Gopher's nine signals.

Rae et al. 2021 (arXiv:2112.11446), table A1, as datatrove computes them:

- top n-gram: the characters of a document's most frequent n-gram, with the spaces between its words,
  times its count. Of equals, the one that came first; where none repeats, that is the document's first
  n-gram. In 20 words it can be a fifth of the text, and is no repetition: so there is `repeated_top_…`
  too, which is 0 then.
- duplicate n-grams: the characters, without spaces, of n-grams that occurred before, read from left to
  right; a match uses up its n words.

An n-gram occurs again only where both (n−1)-grams in it do. So each n looks at the places that the last
one left, and numbers them by the pair of (n−1)-grams: exact, no hashes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gptmill.corpus.words import Ints, Words, running

TOP_NGRAMS = (2, 3, 4)
DUPLICATE_NGRAMS = (5, 6, 7, 8, 9, 10)


class Repeats(NamedTuple):
    """The places where an n-gram begins that its document has more than once."""

    places: Ints  # (p,) ascending, of words in the batch
    gram: Ints  # (p,) equal numbers: equal n-grams of one document
    first: Ints  # (g,) by gram: its first place
    times: Ints  # (g,) by gram: how often it occurs


def repeats(places: Ints, keys: Ints) -> Repeats:
    """Those of the `places` whose key is not alone."""
    order = stable_order(keys)
    ordered = keys[order]
    opens = np.flatnonzero(np.diff(ordered, prepend=-1))  # keys are ≥ 0
    count = np.diff(opens, append=len(keys))
    group = np.full(len(keys), -1)
    several = count > 1
    group[order] = np.repeat(np.where(several, np.cumsum(several) - 1, -1), count)
    again = group >= 0
    return Repeats(places[again], group[again], places[order[opens[several]]], count[several])


def stable_order(keys: Ints) -> Ints:
    """`np.argsort(keys, kind="stable")` of keys ≥ 0, five times as fast: key and place sorted as one number."""
    bits = len(keys).bit_length()
    if not len(keys) or int(keys.max()) >> (62 - bits):  # both do not fit: documents of a million words
        return np.argsort(keys, kind="stable")
    packed = keys << bits | np.arange(len(keys))
    packed.sort()
    return packed & ((1 << bits) - 1)


def repetition(words: Words, n_chars: Ints) -> dict[str, np.ndarray]:
    """Shares of each document's `n_chars` (d,) characters, by signal."""
    characters = running(words.lengths)
    document = words.documents
    shares = np.maximum(n_chars, 1)
    found: dict[str, np.ndarray] = {}
    last = repeats(np.arange(len(document)), document * len(words.distinct) + words.ids)
    for n in range(2, DUPLICATE_NGRAMS[-1] + 1):
        follows = np.flatnonzero(np.diff(last.places) == 1)
        if n == 2:  # longer ones that overlap are of one document
            follows = follows[document[last.places[follows]] == document[last.places[follows + 1]]]
        keys = last.gram[follows] * len(last.times) + last.gram[follows + 1]
        last = repeats(last.places[follows], keys)
        if n in TOP_NGRAMS:
            top, count = _top(words, last, characters, document, n)
            found[f"top_{n}gram_char_ratio"] = top / shares
            found[f"repeated_top_{n}gram_char_ratio"] = np.where(count > 1, top, 0) / shares
        elif n in DUPLICATE_NGRAMS:
            chars = _repeated_chars(last, characters, document, n, len(n_chars))
            found[f"duplicate_{n}gram_char_ratio"] = chars / shares
    return found


def _top(words: Words, grams: Repeats, characters: Ints, document: Ints, n: int) -> tuple[Ints, Ints]:
    """(d,) characters of the most frequent n-gram, times its count; and (d,) its count."""
    starts, ends = words.starts[:-1], words.starts[1:]
    # Where none repeats, the first n-gram is the first of equals; there may be none.
    has_any = ends - starts >= n
    first, count = np.where(has_any, starts, 0), has_any.astype(np.int64)
    order = np.lexsort((grams.first, -grams.times, document[grams.first]))
    owner = document[grams.first[order]]
    best = np.flatnonzero(np.diff(owner, prepend=-1))
    first[owner[best]] = grams.first[order[best]]
    count[owner[best]] = grams.times[order[best]]
    last = np.minimum(first + n, len(document))
    return (characters[last] - characters[first] + n - 1) * count, count


def _repeated_chars(grams: Repeats, characters: Ints, document: Ints, n: int, documents: int) -> Ints:
    """(d,) characters of n-grams seen before."""
    seen: set[int] = set()
    matches: list[int] = []
    end = 0
    for place, gram in zip(grams.places.tolist(), grams.gram.tolist(), strict=True):
        if place < end:
            continue
        if gram in seen:
            matches.append(place)
            end = place + n
        else:
            seen.add(gram)
    at = np.array(matches, np.int64)
    sums = np.zeros(documents, np.int64)
    np.add.at(sums, document[at], characters[at + n] - characters[at])
    return sums
