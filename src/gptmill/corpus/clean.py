"""clean: repair texts, replace personal data, measure signals, and let the rules decide who stays.

One plan: worker processes clean a document and measure it in the same visit, by the batch; the signals
become columns; the rules are expressions on them. What fails is written beside what stays, with the
first rule that it failed. Only boilerplate needs a plan before that one: what many documents share is
known when all of them were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any

import daft
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from daft import DataType, Expression, Series, col, lit
from daft.functions import startswith, when

from gptmill.corpus.boilerplate import frequent, part_hashes, without_parts
from gptmill.corpus.documents import DOCUMENT
from gptmill.corpus.engine import start_engine, write_rows, write_sorted
from gptmill.corpus.gutenberg import strip_boilerplate
from gptmill.corpus.language import UNKNOWN, identify
from gptmill.corpus.lines import without_c4_lines
from gptmill.corpus.measure import measure
from gptmill.corpus.numbered import numbered, order_of
from gptmill.corpus.pii import NOTHING, Redacted, redact
from gptmill.corpus.prose import prose
from gptmill.corpus.rules import reason
from gptmill.corpus.signals import COUNTS, PII_KINDS, SIGNALS
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
VISIT = pa.struct([("text", pa.string()), ("language", pa.string()), *SIGNAL_FIELDS])
STAGED = pa.schema([*CLEANED, ("reason", pa.string())])
GUTENBERG = ["gutenberg_header", "gutenberg_footer"]


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
    _stage(_visited(numbered(documents_file, DOCUMENT.names), params), staged)

    kept = out / "documents.parquet"
    # Daft keeps the order of what collect has sorted; on Ray it need not.
    ascending, _ = order_of(batch["id"] for batch in _staged(staged, columns=["id"]))
    write = write_rows if ascending else partial(write_sorted, by=["id"])
    write((batch.filter(batch["reason"].is_null()) for batch in _staged(staged)), kept, CLEANED)
    write((b.filter(b["reason"].is_valid()) for b in _staged(staged)), out / "dropped.parquet", DROPPED)
    write_json(out / "pii.json", _replaced(kept))
    staged.unlink()


def _visited(documents: daft.DataFrame, params: Clean) -> daft.DataFrame:
    """The documents cleaned, with a column a signal and `reason` (null: kept)."""
    kind, section = col("meta").map_get(lit("kind")), col("meta").map_get(lit("section"))
    unwanted: frozenset[int] = frozenset()
    if params.boilerplate.max_documents is not None:
        parts = documents.select(parts_with(params)(col("text"), kind, section).alias("parts"))
        unwanted = frequent(parts, params.boilerplate.max_documents)
    visited = documents.with_column("visit", visit_with(params, unwanted)(col("text"), kind, section))
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


def _stage(plan: daft.DataFrame, path: Path) -> None:
    """Write the rows as they come: both outs are cut from them, and no text is cleaned twice.

    A stream, for the footer of a Parquet file is held until it is written, and grows with the rows.
    """
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(path, STAGED, options=options) as file:
        for batch in plan.to_arrow_iter():
            file.write_batch(batch.select(STAGED.names).cast(STAGED))


def _staged(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The staged rows, some at a time (Daft would read ahead of the sort)."""
    wanted = [STAGED.get_field_index(name) for name in columns or STAGED.names]
    with pa.ipc.open_stream(path, options=pa.ipc.IpcReadOptions(included_fields=wanted)) as file:
        yield from file


def _replaced(documents: Path) -> dict[str, int]:
    """How many pieces of personal data were found in the documents, by kind."""
    sums = dict.fromkeys(PII_KINDS, 0)
    with pq.ParquetFile(documents) as file:
        for batch in file.iter_batches(columns=[f"pii_{kind}" for kind in PII_KINDS], use_threads=False):
            for kind in PII_KINDS:
                sums[kind] += pc.sum(batch[f"pii_{kind}"]).as_py() or 0
    return sums


def visit_with(params: Clean, unwanted: frozenset[int]) -> Callable[..., Expression]:
    """A function of columns (text, kind, section) that cleans and measures: a `VISIT` a document."""

    @daft.func.batch(return_dtype=DataType.from_arrow_type(VISIT), use_process=True, batch_size=256)
    def visit(text: Series, kind: Series, section: Series) -> pa.Array:
        texts, counts, removed = [], [], []
        for row in zip(text.to_pylist(), kind.to_pylist(), section.to_pylist(), strict=True):
            cleaned = clean_text(*row, params.replace_pii, params.c4_lines)
            rest, parts = without_parts(cleaned.text, unwanted, params.boilerplate.min_words)
            texts.append(rest)
            counts.append(cleaned.counts)
            removed.append(parts)
        languages, confidence = zip(*map(identify, texts), strict=True) if texts else ((), ())
        columns: dict[str, Any] = {"text": texts, "language": languages, "language_confidence": confidence}
        columns |= {"boilerplate_parts": removed} | measure(texts)
        columns |= {f"pii_{k}": [found[i] for found in counts] for i, k in enumerate(PII_KINDS)}
        return pa.StructArray.from_arrays(
            [pa.array(columns[field.name], field.type) for field in VISIT], fields=list(VISIT)
        )

    return visit


def parts_with(params: Clean) -> Callable[..., Expression]:
    """A function of columns (text, kind, section): the hashes of the cleaned text's lines and paragraphs."""

    @daft.func.batch(return_dtype=DataType.list(DataType.int64()), use_process=True, batch_size=256)
    def parts(text: Series, kind: Series, section: Series) -> list[list[int]]:
        rows = zip(text.to_pylist(), kind.to_pylist(), section.to_pylist(), strict=True)
        cleaned = [clean_text(*row, params.replace_pii, params.c4_lines).text for row in rows]
        return [part_hashes(text, params.boilerplate.min_words) for text in cleaned]

    return parts


def clean_text(
    text: str, kind: str | None, section: str | None, replace_pii: bool, c4_lines: bool = False
) -> Redacted:
    """One text repaired, without boilerplate, code (of docstrings) and, on request, personal data.

    Personal data is counted either way. Cleaning a cleaned text changes nothing.
    """
    counts = NOTHING

    def step(text: str) -> str:
        nonlocal counts
        text = repair(text)
        if kind == "docstrings":
            text = prose(text)
        elif section not in GUTENBERG and (section == "body" or "Gutenberg" in text):
            text = tidy_lines(strip_boilerplate(text))
        if c4_lines:
            text = without_c4_lines(text)
        if replace_pii:
            text, found = redact(text)
            counts = tuple(map(add, counts, found))
        return text

    text = settle(step, text)
    return Redacted(text, counts if replace_pii else redact(text).counts)
