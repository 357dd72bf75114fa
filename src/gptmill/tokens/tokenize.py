"""tokenize: a SentencePiece model trained on the train split, and every split as token shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import daft
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataType, Series, col

from gptmill.corpus.engine import start_engine
from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.tokenize import Tokenize
from gptmill.tokens.shards import SPLITS, describe, token_dtype, write_shards
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

INDEX = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("shard", pa.int32()),
        ("start", pa.int64()),
        ("tokens", pa.int64()),
        ("bytes", pa.int64()),
    ]
)


def tokenize(params: Tokenize, source: Path, out: Path) -> None:
    """Read `source/documents.parquet` (columns id, text, split), write the tokenizer and shards to `out`.

    Raises:
        UserError: when the train split is empty or too small for the vocabulary.
    """
    start_engine()
    path = source / "documents.parquet"
    model = train_tokenizer(
        _training_texts(path, params.train_chars),
        params.vocab_size,
        params.model_type,
        params.character_coverage,
    )
    (out / "tokenizer.model").write_bytes(model)
    tokenizer = Tokenizer(model)
    dtype = token_dtype(tokenizer.vocab_size)

    encode: Any = Encode(str(out / "tokenizer.model"), dtype.str)
    documents = daft.read_parquet(str(path)).select("id", "text", "split")
    splits = {}
    with pq.ParquetWriter(out / "documents.parquet", INDEX, compression="zstd") as index:
        for split in SPLITS:
            plan = documents.where(f"split = '{split}'").select("id", encode(col("text")).unnest()).sort("id")
            rows = list(write_shards(_rows(plan), out, split, dtype.itemsize, params.shard_tokens))
            index.write_table(pa.Table.from_pylist(rows, INDEX))
            splits[split] = {
                "documents": len(rows),
                "tokens": sum(row["tokens"] for row in rows),
                "bytes": sum(row["bytes"] for row in rows),
                "shards": 1 + max((row["shard"] for row in rows), default=0),
            }
    meta = {"vocab_size": tokenizer.vocab_size, "eos_id": tokenizer.eos_id, "dtype": dtype.str}
    files = {path.name: describe(path) for path in sorted(out.glob("*.bin"))}
    write_json(out / "meta.json", meta | {"splits": splits, "files": files})


def _training_texts(path: Path, train_chars: int) -> Iterator[str]:
    """Texts of the train split until `train_chars` characters.

    Ids are hashes and rows are sorted by id, so the first documents are a random sample of the corpus.
    """
    chars = 0
    for batch in pq.ParquetFile(path).iter_batches(1024, columns=["text", "split"]):
        for row in batch.to_pylist():
            if row["split"] == "train" and chars < train_chars:
                chars += len(row["text"])
                yield row["text"]
    if not chars:
        raise UserError(f"{path}: the train split holds no text; collect more documents")


@daft.cls(use_process=True)
class Encode:
    """A Daft UDF: text to token ids as bytes, the end-of-text token at the end."""

    def __init__(self, model: str, dtype: str) -> None:
        self.tokenizer = Tokenizer.load(model)
        self.dtype = np.dtype(dtype)

    @daft.method.batch(
        return_dtype=DataType.struct({"tokens": DataType.binary(), "bytes": DataType.int64()}), batch_size=512
    )
    def __call__(self, texts: Series) -> list[dict[str, object]]:
        eos = [self.tokenizer.eos_id]
        return [
            {
                "tokens": np.array(self.tokenizer.encode(text) + eos, dtype=self.dtype).tobytes(),
                "bytes": len(text.encode("utf-8")),
            }
            for text in texts.to_pylist()
        ]


def _rows(plan: daft.DataFrame) -> Iterator[tuple[str, bytes, int]]:
    for batch in plan.to_arrow_iter():
        columns = batch.to_pydict()
        yield from zip(columns["id"], columns["tokens"], columns["bytes"], strict=True)
