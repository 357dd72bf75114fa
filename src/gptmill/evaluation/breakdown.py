"""Bits per byte and perplexity by source and by length of document, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from gptmill.evaluation.corpus import Document
from gptmill.evaluation.statistics import Array, interval, ratio

Row = dict[str, Any]


def by_source(documents: Sequence[Document], nats: Array) -> dict[str, Row]:
    """Source → figures, by name."""
    names = np.array([document.source for document in documents])
    return {str(name): figures(documents, nats, names == name) for name in np.unique(names)}


def by_length(documents: Sequence[Document], nats: Array, edges: Sequence[int]) -> dict[str, Row]:
    """Length in bytes, such as `256-511`, → figures; bins without a document are left out.

    Args:
        edges: the first length of each bin but the first, rising.
    """
    lengths = np.array([document.bytes for document in documents])
    bounds = [0, *edges, None]
    rows = {}
    for low, high in pairwise(bounds):
        assert low is not None
        chosen = (lengths >= low) & (lengths < (math.inf if high is None else high))
        if chosen.any():
            rows[f"{low}+" if high is None else f"{low}-{high - 1}"] = figures(documents, nats, chosen)
    return rows


def figures(documents: Sequence[Document], nats: Array, chosen: Array | None = None) -> Row:
    """Documents, bytes, bits_per_byte with its 95 % interval (`low`, `high`), and perplexity a token.

    The interval is by the bootstrap over documents.
    """
    bits = nats / math.log(2)
    sizes = np.array([document.bytes for document in documents], dtype=np.float64)
    tokens = np.array([document.tokens for document in documents], dtype=np.float64)
    if chosen is not None:
        bits, sizes, tokens = bits[chosen], sizes[chosen], tokens[chosen]
    low, high = interval(ratio(bits, sizes), len(bits))
    return {
        "documents": len(bits),
        "bytes": int(sizes.sum()),
        "bits_per_byte": float(bits.sum() / sizes.sum()),
        "low": low,
        "high": high,
        "perplexity": math.exp(bits.sum() * math.log(2) / tokens.sum()),
    }
