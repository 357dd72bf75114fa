"""What is compared: texts, each with the unit that it is one of.

Pieces of one book are alike, as are docstrings of one module, and prompts that are sent twice: what can be
exchanged between two samples is the book, the module, the prompt. It is the unit of every test here; a test
that took pieces for independent would find drift in any new book.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gptmill.errors import UserError
from gptmill.params.clean import Clean
from gptmill.params.collect import Collect, Files

MAX_TEXTS = 1500  # a side; tables are sorted by a hash of the text, so the first are a random sample


@dataclass(frozen=True)
class Texts:
    """A sample: `units[i]` names what `texts[i]` is one of."""

    texts: list[str]
    units: list[str]

    def cut(self, lengths: Iterable[int]) -> Texts:
        """The beginnings of the texts, of these numbers of characters."""
        return Texts([text[:n] for text, n in zip(self.texts, lengths, strict=True)], self.units)


def documents(path: Path, splits: Iterable[str] | None = None, limit: int = MAX_TEXTS) -> Texts:
    """The first documents of a table, of `splits` only."""
    rows: list[tuple[str, str]] = []
    for text, unit in read_documents(path, splits):
        rows.append((text, unit))
        if len(rows) == limit:
            break
    return Texts([text for text, _ in rows], [unit for _, unit in rows])


def read_documents(path: Path, splits: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    """Text and unit of each document of a table, as they come."""
    import pyarrow.parquet as pq

    wanted = set(splits or ())
    columns = ["text", "uri", "meta", *(["split"] if wanted else [])]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024, columns=columns):
            for row in batch.to_pylist():
                if not wanted or row["split"] in wanted:
                    yield row["text"], unit(row["uri"], dict(row["meta"]))


def unit(uri: str, meta: dict[str, str]) -> str:
    """The file, where the document is a piece of it or shares a module with others; else the document."""
    shared = "part" in meta or meta.get("kind") == "docstrings"
    return uri.partition("#")[0] if shared else uri


def new_documents(path: str, clean: Clean, limit: int = MAX_TEXTS) -> tuple[Texts, int]:
    """The documents at `path`, collected and cleaned as the corpus was, and how many `clean` dropped.

    Raises:
        UserError: for whatever `collect` refuses, or when nothing is left.
    """
    import pyarrow.parquet as pq

    from gptmill.corpus import clean as cleaning
    from gptmill.corpus.collect import collect

    source = Files(name="batch", kind="files", path=path, licence="unknown")
    with tempfile.TemporaryDirectory() as scratch:
        collected, cleaned = Path(scratch, "collect"), Path(scratch, "clean")
        collected.mkdir()
        cleaned.mkdir()
        collect(Collect(sources=[source]), collected)
        cleaning.clean(clean, collected, cleaned)
        found = documents(cleaned / "documents.parquet", limit=limit)
        dropped = pq.read_metadata(cleaned / "dropped.parquet").num_rows
    if not found.texts:
        raise UserError(
            f"{path}: `clean` drops all of its {dropped} documents, so there is nothing to compare"
        )
    return found, dropped


def requests(path: str) -> Texts:
    """The prompts of a request log of `gptmill serve`, each prompt a unit however often it was sent.

    Raises:
        UserError: when `path` holds no such log.
    """
    from gptmill.serving.log import read_log

    rows: list[dict[str, Any]] = read_log(Path(path)).select(["prompt", "prompt_hash"]).to_pylist()
    rows = [row for row in rows if row["prompt"].strip()]
    order = np.random.default_rng(0).permutation(len(rows))[:MAX_TEXTS]
    chosen = [rows[i] for i in order]
    return Texts([row["prompt"] for row in chosen], [row["prompt_hash"] for row in chosen])
