"""clean: repair texts, replace personal data, measure signals, and let the rules decide who stays.

One plan: worker processes clean a document and measure it in the same visit (its words are split once);
the signals become columns; the rules are expressions on them. What fails is written beside what stays,
with the first rule that it failed.
"""

from __future__ import annotations

from operator import add
from pathlib import Path

import daft
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataType, Series, col, lit

from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.engine import start_engine, write_sorted
from gptmill.corpus.gutenberg import strip_boilerplate
from gptmill.corpus.pii import KINDS, Redacted, redact
from gptmill.corpus.prose import prose
from gptmill.corpus.rules import reason
from gptmill.corpus.signals import COUNTS, SIGNALS, measure
from gptmill.corpus.text import repair, settle, tidy_lines
from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.clean import Clean

SIGNAL_FIELDS = [
    pa.field(name, pa.int64() if name in COUNTS else pa.float64(), nullable=False) for name in SIGNALS
]
CLEANED = pa.schema([*DOCUMENT, *SIGNAL_FIELDS])
DROPPED = CLEANED.append(pa.field("reason", pa.string(), nullable=False))
# What a visit to one document gives.
VISIT = pa.struct([("text", pa.string()), *SIGNAL_FIELDS, *((kind, pa.int64()) for kind in KINDS)])
STAGED = pa.schema([*CLEANED, *((kind, pa.int64()) for kind in KINDS), ("reason", pa.string())])
BOILERPLATE = ["gutenberg_header", "gutenberg_footer"]


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
    staged = out / "staged.parquet"
    _stage(_visited(daft.read_parquet(str(documents_file)), params), staged)

    documents = daft.read_parquet(str(staged))
    kept = documents.where(col("reason").is_null())
    write_sorted(kept, out / "documents.parquet", CLEANED, ["id"])
    write_sorted(documents.where(col("reason").not_null()), out / "dropped.parquet", DROPPED, ["id"])
    write_json(out / "pii.json", _replaced(kept))
    staged.unlink()


def _visited(documents: daft.DataFrame, params: Clean) -> daft.DataFrame:
    """The documents cleaned, with a column a signal and `reason` (null: kept)."""
    kind, section = col("meta").map_get(lit("kind")), col("meta").map_get(lit("section"))
    visited = documents.with_column("visit", visit(col("text"), kind, section, lit(params.replace_pii)))
    fields = [visited["visit"].get(field.name).alias(field.name) for field in VISIT]
    untouched = [col(name) for name in DOCUMENT.names if name != "text"]
    named = {
        "gutenberg_boilerplate": section.is_in(BOILERPLATE).fill_null(False),
        "empty": col("n_words") < lit(1),
    }
    return visited.select(*untouched, *fields).with_column("reason", reason(named, params.rules))


def _stage(plan: daft.DataFrame, path: Path) -> None:
    """Write the rows as they come: both outs are cut from them, and no text is cleaned twice."""
    with pq.ParquetWriter(path, STAGED) as writer:
        for batch in plan.to_arrow_iter():
            writer.write_batch(batch.select(STAGED.names).cast(STAGED))


def _replaced(documents: daft.DataFrame) -> dict[str, int]:
    """How many pieces of personal data were replaced, by kind."""
    sums = documents.agg(*(col(kind).sum() for kind in KINDS)).to_pydict()
    return {kind: sums[kind][0] or 0 for kind in KINDS}


@daft.func.batch(return_dtype=DataType.from_arrow_type(VISIT), use_process=True, batch_size=256)
def visit(text: Series, kind: Series, section: Series, replace_pii: Series) -> pa.Array:
    """Clean and measure each text: a `VISIT` a document."""
    replace = replace_pii.to_pylist()[0]
    rows = []
    for columns in zip(text.to_pylist(), kind.to_pylist(), section.to_pylist(), strict=True):
        cleaned, counts = clean_text(*columns, replace)
        rows.append({"text": cleaned} | measure(cleaned) | dict(zip(KINDS, counts, strict=True)))
    return pa.array(rows, VISIT)


def clean_text(text: str, kind: str | None, section: str | None, replace_pii: bool) -> Redacted:
    """One text repaired, without boilerplate, code (of docstrings) and, on request, personal data.

    Cleaning a cleaned text changes nothing.
    """
    counts = (0, 0, 0)

    def step(text: str) -> str:
        nonlocal counts
        text = repair(text)
        if kind == "docstrings":
            text = prose(text)
        elif section not in BOILERPLATE and (section == "body" or "Gutenberg" in text):
            text = tidy_lines(strip_boilerplate(text))
        if replace_pii:
            text, found = redact(text)
            counts = tuple(map(add, counts, found))
        return text

    return Redacted(settle(step, text), counts)
