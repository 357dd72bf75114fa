"""Documents by number: the right ones, in batches by bytes, and no text held for a number."""

from __future__ import annotations

from pathlib import Path

import daft
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from daft.functions import length

from gptmill.corpus.engine import start_engine
from gptmill.corpus.numbered import BATCH_BYTES, batches_of, numbered

TEXTS = [f"{i:05}" * (4000 if i % 10 else 1) for i in range(500)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    start_engine()
    path = tmp_path_factory.mktemp("numbered") / "documents.parquet"
    table = pa.table({"id": [f"{i:04}" for i in range(len(TEXTS))], "text": TEXTS})
    pq.write_table(table, path, row_group_size=180)
    return path


def test_wanted_documents_have_their_numbers(source: Path) -> None:
    wanted = np.array([0, 7, 179, 180, 181, 499])
    found = numbered(source, ["text"], wanted).sort("document").to_pydict()
    assert found == {"document": wanted.tolist(), "text": [TEXTS[i] for i in wanted]}


def test_batches_are_cut_by_bytes_and_hold_all_rows(source: Path) -> None:
    with pq.ParquetFile(source) as file:
        batches = list(batches_of(file, ["text"]))
        texts = [text for batch in batches for text in batch["text"].to_pylist()]
        sizes = [sum(map(len, batch["text"].to_pylist())) for batch in batches]
    assert texts == TEXTS
    assert max(sizes) < 1.3 * BATCH_BYTES
    assert len(batches) < 2 * sum(sizes) / BATCH_BYTES


def test_a_number_that_is_kept_keeps_no_text(source: Path) -> None:
    before = pa.total_allocated_bytes()
    found = numbered(source, ["text"]).select("document", length(daft.col("text")).alias("n")).to_arrow()
    assert found.num_rows == len(TEXTS)
    assert pa.total_allocated_bytes() - before < 1_000_000 < sum(map(len, TEXTS))
