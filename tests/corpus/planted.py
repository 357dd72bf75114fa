"""The outs of collect, clean and dedupe with documents of every fate, written as tables: no stage runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.corpus.documents import DOCUMENT, document_id

SIGNALS = {
    "n_words": pa.int64(),
    "mean_word_length": pa.float64(),
    "symbol_word_ratio": pa.float64(),
    "boilerplate_parts": pa.int64(),
    "pii_email": pa.int64(),
}
CLEANED = pa.schema([*DOCUMENT, *(pa.field(name, kind) for name, kind in SIGNALS.items())])
RULED_OUT = CLEANED.append(pa.field("reason", pa.string()))
KEPT = pa.schema([*DOCUMENT, pa.field("cluster", pa.string()), pa.field("split", pa.string())])
COPY = pa.schema(
    [
        *(DOCUMENT.field(name) for name in ("id", "source", "uri", "licence")),
        *(pa.field(name, pa.string()) for name in ("cluster", "kept_id", "reason")),
        pa.field("similarity", pa.float64()),
        pa.field("overlap", pa.int64()),
        pa.field("split", pa.string()),
    ]
)
REPEAT = pa.schema([DOCUMENT.field(name) for name in ("id", "source", "uri", "licence", "meta")])
SHUT_OUT = REPEAT.append(pa.field("reason", pa.string()))
ROW_GROUP = 7  # small, so that a search meets more than one


@dataclass(frozen=True)
class Planted:
    """A text and what becomes of it."""

    text: str
    cleaned: str | None = None  # None: as collected
    rule: str | None = None  # that drops it in clean
    copy_of: str | None = None  # the text collected of which dedupe finds it a copy
    reason: str = "near"
    similarity: float = 0.75
    split: str = "train"
    source: str = "books"
    uri: str = ""
    licence: str = "MIT"
    lang: str = "en"
    repeats: Sequence[str] = ()  # uris where the same text stands

    @property
    def id(self) -> str:
        return document_id(self.text)

    @property
    def text_out(self) -> str:
        return self.text if self.cleaned is None else self.cleaned


def signals(text: str) -> dict[str, float]:
    words = text.split()
    n = len(words) or 1
    return {
        "n_words": len(words),
        "mean_word_length": sum(map(len, words)) / n,
        "symbol_word_ratio": text.count("#") / n,
        "boilerplate_parts": text.count("held out") * 2,
        "pii_email": 0,
    }


def plant(
    data: Path,
    documents: Sequence[Planted],
    pii: Mapping[str, int] | None = None,
    shut_out: Sequence[Mapping[str, object]] = (),
    stages: Sequence[str] = ("collect", "clean", "dedupe"),
) -> Path:
    """Write the outs of `stages` to `data`."""
    alive = [d for d in documents if d.rule is None]
    originals = [d for d in alive if d.copy_of is None and not d.reason.startswith("contaminated")]
    lost = [d for d in alive if d not in originals]
    if "collect" in stages:
        folder = data / "collect"
        _write(folder / "documents.parquet", [_row(d, d.text) for d in documents], DOCUMENT)
        repeats = [
            {"id": d.id, "source": d.source, "uri": uri, "licence": d.licence, "meta": []}
            for d in documents
            for uri in d.repeats
        ]
        _write(folder / "repeats.parquet", repeats, REPEAT)
        if shut_out:
            _write(folder / "dropped.parquet", shut_out, SHUT_OUT)
    if "clean" in stages:
        folder = data / "clean"
        rows = [_row(d, d.text_out) | signals(d.text_out) | {"reason": d.rule} for d in documents]
        _write(folder / "documents.parquet", [row for row in rows if row["reason"] is None], CLEANED)
        _write(folder / "dropped.parquet", [row for row in rows if row["reason"] is not None], RULED_OUT)
        (folder / "pii.json").write_text(json.dumps(dict(pii or {"email": 2, "phone": 0})))
    if "dedupe" in stages:
        folder = data / "dedupe"
        kept = [_row(d, d.text_out) | {"cluster": d.id, "split": d.split} for d in originals]
        _write(folder / "documents.parquet", kept, KEPT)
        copies = []
        for d in lost:
            original = document_id(d.copy_of) if d.copy_of is not None else d.id
            match = original if d.copy_of is not None else "trec.tsv:17"
            copies.append(
                _row(d, d.text_out)
                | {"cluster": original, "kept_id": match, "overlap": None if d.copy_of else 12}
                | {"reason": d.reason, "similarity": d.similarity, "split": d.split}
            )
        _write(folder / "dropped.parquet", copies, COPY)
    return data


def _row(d: Planted, text: str) -> dict[str, object]:
    uri = d.uri or f"file:{d.id[:6]}.txt"
    fixed = {"source": d.source, "uri": uri, "licence": d.licence, "origin": "real", "lang": d.lang}
    return {"id": d.id, "text": text, **fixed, "meta": [("group", "g")]}


def _write(path: Path, rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{name: row.get(name) for name in schema.names} for row in rows]
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]), schema)
    pq.write_table(table, path, row_group_size=ROW_GROUP)
