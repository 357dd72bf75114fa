"""clean: repair texts, replace personal data, measure signals, and let the rules decide who stays.

One plan: worker processes clean a document and measure it in the same visit, by the batch; the signals
become columns; the rules are expressions on them. What fails is written beside what stays, with the
first rule that it failed. Only boilerplate needs a plan before that one: what many documents share is
known when all of them were read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import daft
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from daft import Expression, col, lit
from daft.functions import startswith, when

from gptmill.corpus.boilerplate import frequent
from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.engine import release_memory, start_engine
from gptmill.corpus.language import UNKNOWN
from gptmill.corpus.numbered import numbered
from gptmill.corpus.rules import reason
from gptmill.corpus.signals import PII_KINDS
from gptmill.corpus.sorting import SortedFile, sorted_tables
from gptmill.corpus.visit import GUTENBERG, SIGNAL_FIELDS, VISIT, Options, parts_with, visit_with
from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.clean import Clean

CLEANED = pa.schema([*DOCUMENT, *SIGNAL_FIELDS])
DROPPED = CLEANED.append(pa.field("reason", pa.string(), nullable=False))
STAGED = pa.schema([*CLEANED, ("reason", pa.string())])


def clean(params: Clean, source: Path, out: Path) -> None:
    """Write documents.parquet, dropped.parquet and pii.json to `out` from `source`/documents.parquet.

    The ids of both tables together are those of the source. pii.json counts what was replaced in the
    kept documents, by kind.

    Raises:
        UserError: if collect has left no documents.
    """
    documents_file = source / "documents.parquet"
    if not documents_file.is_file():
        raise UserError(f"{documents_file} does not exist; run the stage collect first: dvc repro collect")
    start_engine()
    staged = out / "staged.arrows"
    # Not Daft's own reader, which reads ahead of the workers, all of a file if it can.
    ascending = _stage(_visited(numbered(documents_file, DOCUMENT.names), params), staged)
    release_memory()

    kept, dropped = out / "documents.parquet", out / "dropped.parquet"
    with SortedFile(kept, CLEANED) as stay, SortedFile(dropped, DROPPED) as go:
        # Daft keeps the order of what collect has sorted; on Ray it need not.
        for table in _staged(staged) if ascending else sorted_tables(_staged(staged), ["id"], out):
            stay.write(table.filter(table["reason"].is_null()))
            go.write(table.filter(table["reason"].is_valid()))
    write_json(out / "pii.json", _replaced(kept))
    staged.unlink()


def _visited(documents: daft.DataFrame, params: Clean) -> daft.DataFrame:
    """The documents cleaned, with a column a signal and `reason` (null: kept)."""
    kind, section = col("meta").map_get(lit("kind")), col("meta").map_get(lit("section"))
    options = Options(params.replace_pii, params.c4_lines, params.boilerplate.min_words)
    unwanted: frozenset[int] = frozenset()
    if params.boilerplate.max_documents is not None:
        parts = documents.select(parts_with(options)(col("text"), kind, section).alias("parts"))
        unwanted = frequent(parts, params.boilerplate.max_documents)
    visited = documents.with_column("visit", visit_with(options, unwanted)(col("text"), kind, section))
    fields = [visited["visit"].get(field.name).alias(field.name) for field in VISIT]
    untouched = [col(name) for name in DOCUMENT.names if name != "text"]
    named = {
        "gutenberg_boilerplate": section.is_in(GUTENBERG).fill_null(False),
        "empty": col("n_words") < lit(1),
    }
    if params.languages:
        named["language"] = ~_is_any(col("lang"), params.languages)
    named_language = when(col("lang") == lit(UNKNOWN), col("language")).otherwise(col("lang"))
    return (
        visited.select(*untouched, *fields)
        .with_column("lang", named_language)  # a source's own word counts more
        .with_column("reason", reason(named, params.resolved_rules()))
    )


def _is_any(language: Expression, wanted: list[str]) -> Expression:
    """Whether a language is among those wanted, `zh-Hant` among `zh` (RFC 4647, basic filtering)."""
    tests = [(language == lit(one)) | startswith(language, lit(f"{one}-")) for one in wanted]
    return reduce(lambda one, other: one | other, tests)


def _stage(plan: daft.DataFrame, path: Path) -> bool:
    """Write the rows as they come, for no text to be cleaned twice; returns whether their ids ascend.

    A stream, for the footer of a Parquet file is held until it is written, and grows with the rows.
    """
    ascending, last = True, pa.array([], pa.string())
    with pa.ipc.new_stream(path, STAGED, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
        for batch in plan.to_arrow_iter():
            batch = batch.select(STAGED.names).cast(STAGED)
            file.write_batch(batch)
            ids = pa.concat_arrays([last, batch["id"]])
            ascending = ascending and pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py()
            last = ids[-1:]
    return ascending


def _staged(path: Path) -> Iterator[pa.Table]:
    """The staged rows, some at a time."""
    with pa.ipc.open_stream(path) as file:
        for batch in file:
            yield pa.Table.from_batches([batch])


def _replaced(documents: Path) -> dict[str, int]:
    """How many pieces of personal data were found in the documents, by kind."""
    sums = dict.fromkeys(PII_KINDS, 0)
    with pq.ParquetFile(documents) as file:
        for batch in file.iter_batches(columns=[f"pii_{kind}" for kind in PII_KINDS], use_threads=False):
            for kind in PII_KINDS:
                sums[kind] += pc.sum(batch[f"pii_{kind}"]).as_py() or 0
    return sums
