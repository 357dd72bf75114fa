"""Test examples that a model has already seen: in the task's own train split, or in pretraining.

Case and punctuation are ignored. A test example is in train when train has an example with the same
words in each text (for similarity and regression in either order). It is in pretraining when one of its
texts shares a run of 13 words with a document of the train split (Brown et al. 2020, appendix C), or a
text of 8 to 12 words stands there whole; shorter texts occur by chance and are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from gptmill.errors import UserError
from gptmill.tasks.examples import Dataset, Example

WORD = re.compile(r"[^\W_]+")
RUN, SHORTEST = 13, 8
SHOWN = 3
Array = np.ndarray[Any, np.dtype[Any]]


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def in_train(data: Dataset) -> list[tuple[Example, Example]]:
    """Test examples with one of train's that has the same texts."""
    either_order = data.form in ("similarity", "regression")

    def key(example: Example) -> tuple[str, ...]:
        texts = [" ".join(words(text)) for text in example.texts]
        return tuple(sorted(texts) if either_order else texts)

    seen: dict[tuple[str, ...], Example] = {}
    for example in data.splits["train"]:
        seen.setdefault(key(example), example)
    return [(example, seen[key(example)]) for example in data.splits["test"] if key(example) in seen]


def in_pretraining(data: Dataset, documents: Path) -> list[tuple[Example, str]]:
    """Test examples with a document of the train split of `documents` (columns id, text, split)."""
    runs: dict[int, list[tuple[int, ...]]] = {}
    owners: dict[tuple[int, ...], list[Example]] = {}
    number: dict[str, int] = {}  # of each word of the test; 0 is any other
    for example in data.splits["test"]:
        for text in example.texts:
            known = [number.setdefault(word, len(number) + 1) for word in words(text)]
            size = min(RUN, len(known))
            if size >= SHORTEST:
                for run in {tuple(known[i : i + size]) for i in range(len(known) - size + 1)}:
                    runs.setdefault(size, []).append(run)
                    owners.setdefault(run, []).append(example)
    tables = {
        size: np.unique(np.array([_hash(np.array(run)) for run in each])) for size, each in runs.items()
    }

    found: dict[str, tuple[Example, str]] = {}
    for batch in _train_documents(documents):
        ids = [np.array([number.get(word, 0) for word in words(text)] + [0], np.uint64) for _, text in batch]
        owner = np.repeat(np.arange(len(batch)), [len(document) for document in ids])
        joined = np.concatenate(ids)  # a 0 ends each document, so no run crosses its end
        for size, table in tables.items():
            if len(joined) < size:
                continue
            windows = np.lib.stride_tricks.sliding_window_view(joined, size)
            starts = np.flatnonzero((windows != 0).all(axis=1))
            for i in starts[np.isin(_hash(windows[starts]), table)]:
                for example in owners.get(tuple(int(word) for word in windows[i]), ()):
                    found.setdefault(example.id, (example, batch[owner[i]][0]))
    return [found[example.id] for example in data.splits["test"] if example.id in found]


def _hash(runs: Array) -> Array:
    """A 64-bit polynomial over the last axis; hits are looked up exactly afterwards."""
    total = np.zeros(runs.shape[:-1], dtype=np.uint64)
    with np.errstate(over="ignore"):
        for i in range(runs.shape[-1]):
            total = total * np.uint64(0x9E3779B97F4A7C15) + runs[..., i].astype(np.uint64)
    return total


def _train_documents(path: Path) -> Iterator[list[tuple[str, str]]]:
    """Batches of (id, text)."""
    for batch in pq.ParquetFile(path).iter_batches(1024, columns=["id", "text", "split"]):
        rows = [(row["id"], row["text"]) for row in batch.to_pylist() if row["split"] == "train"]
        if rows:
            yield rows


def with_overlap(data: Dataset, documents: Path, where: str, allowed: bool) -> Dataset:
    """`data` with both kinds of overlap counted, and their test examples named.

    Raises:
        UserError: when there is any and it isn't allowed, naming the first of them.
    """
    train, pretraining = in_train(data), in_pretraining(data, documents)
    problems = []
    if train:
        problems.append(
            f"{len(train)} of {len(data.splits['test'])} test examples are also in its train split: "
            + _some(f"{test.id} is {example.id}" for test, example in train)
        )
    if pretraining:
        problems.append(
            f"{len(pretraining)} of {len(data.splits['test'])} test examples have text in the pretraining "
            "corpus: " + _some(f"{test.id} in document {id}" for test, id in pretraining)
        )
    if problems and not allowed:
        raise UserError(
            f"{where}: {'; '.join(problems)}. Its score would count what the model has seen. Remove these rows "
            f"(for text in the corpus also: these documents), or set {where}.allow_overlap: true."
        )
    return replace(
        data,
        notes={"test_in_train": len(train), "test_in_pretraining": len(pretraining)},
        seen=sorted({test.id for test, _ in (*train, *pretraining)}),
    )


def _some(names: Iterable[str]) -> str:
    named = list(names)
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return ", ".join(named[:SHOWN]) + more
