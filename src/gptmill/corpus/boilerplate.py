"""Boilerplate: lines and paragraphs that many documents share are found by counting, and taken out.

A first pass counts, for each part of at least `min_words` words, in how many distinct documents it
stands; parts are equal when they differ in case and white space at most. A second one takes out what
stands in more than `max_documents`. The counts are of 64-bit hashes and Daft's: memory grows with the
distinct parts, not with the text, and the order of files does not matter.

Exact repeats between documents as in Lee et al. 2021 (arXiv:2107.06499), but by line and paragraph,
as CCNet does (Wenzek et al. 2019, arXiv:1911.00359): no suffix array of the corpus, and nothing is cut
in the middle of a line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gptmill.corpus.text import tidy_lines

if TYPE_CHECKING:
    import daft


def part_hashes(text: str, min_words: int) -> list[int]:
    """The distinct hashes of the text's paragraphs and lines of `min_words` words or more, sorted."""
    hashes = {_hash(part, min_words) for part in _parts(text)}
    return sorted(found for found in hashes if found is not None)


def frequent(hashes: daft.DataFrame, max_documents: int) -> frozenset[int]:
    """The hashes that more than `max_documents` rows of the column `parts` (lists) hold."""
    from daft import col, lit

    counted = (
        hashes.select("parts")
        .explode("parts")
        .where(col("parts").not_null())
        .groupby("parts")
        .agg(col("parts").count().alias("documents"))
        .where(col("documents") > lit(max_documents))
    )
    return frozenset(counted.to_pydict()["parts"])


def without_parts(text: str, unwanted: frozenset[int], min_words: int) -> tuple[str, int]:
    """The text without its unwanted paragraphs and lines, and how many of them it had."""
    if not unwanted:
        return text, 0
    removed = 0
    kept: list[str] = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        if _hash(paragraph, min_words) in unwanted:
            removed += 1
            continue
        rest = [line for line in lines if _hash(line, min_words) not in unwanted]
        removed += len(lines) - len(rest)
        if rest:
            kept.append("\n".join(rest))
    return (tidy_lines("\n\n".join(kept)), removed) if removed else (text, 0)


def _parts(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield paragraph
        if "\n" in paragraph:
            yield from paragraph.split("\n")


def _hash(part: str, min_words: int) -> int | None:
    """64 bits (signed, as Daft has them) of the words in small letters; None for too few of them."""
    words = part.lower().split()
    if len(words) < min_words:
        return None
    digest = hashlib.blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
