"""What gate@tokenize looks at: tokenizer, splits, shards, documents, flow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gptmill.gates.views.reading import flow, read_object, read_table, utf8_bytes
from gptmill.params import load
from gptmill.params.tokenize import Tokenize
from gptmill.tokens.tokenizer import Tokenizer

OUT = "data/tokens"
Tokens = np.ndarray[Any, np.dtype[Any]]
# Decoding runs at some 30 MB a second, so 200 MB of train text are what a gate has time for. Ids are
# hashes: the first of them in order are a random sample. Validation and test are checked whole.
ROUND_TRIP_BYTES = 200_000_000


def passes(_root: Path) -> list[str]:
    return [OUT]


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """tokenizer and splits (what is stated and what is there), shards, documents, flow."""
    meta = read_object(root, f"{OUT}/meta.json")
    tokenizer = Tokenizer.load(root / OUT / "tokenizer.model")
    index = read_table(root, f"{OUT}/documents.parquet").reset_index(drop=True)
    texts = read_table(root, "data/dedupe/documents.parquet", ["id", "source", "split", "text"])
    shards = read_shards(root / OUT, np.dtype(meta["dtype"]))
    return {
        "tokenizer": _tokenizer(root, tokenizer, meta),
        "splits": _splits(meta, index, texts, shards),
        "shards": _shards(index, shards, root / OUT, np.dtype(meta["dtype"])),
        "documents": _documents(index, texts, shards, tokenizer),
        "flow": flow(texts, index["id"]),
    }


def read_shards(folder: Path, dtype: np.dtype[Any]) -> dict[str, Tokens]:
    """The tokens of each shard by file name, memory-mapped; a torn last token is left out."""
    shards = {}
    for path in sorted(folder.glob("*.bin")):
        size = path.stat().st_size // dtype.itemsize
        shards[path.name] = np.memmap(path, dtype, "r", shape=(size,)) if size else np.empty(0, dtype)
    return shards


def _tokenizer(root: Path, tokenizer: Tokenizer, meta: dict[str, Any]) -> pd.DataFrame:
    """One row: vocab_size of the model, of params.yaml (wanted_vocab_size) and of meta.json."""
    wanted = load("tokenize", Tokenize, root / "params.yaml").vocab_size
    row = {
        "tokenizer": "tokenizer.model",
        "vocab_size": tokenizer.vocab_size,
        "wanted_vocab_size": wanted,
        "meta_vocab_size": meta["vocab_size"],
        "eos_id": tokenizer.eos_id,
        "meta_eos_id": meta["eos_id"],
        "largest_id_of_dtype": int(np.iinfo(meta["dtype"]).max),
    }
    return pd.DataFrame([row])


def _splits(
    meta: dict[str, Any], index: pd.DataFrame, texts: pd.DataFrame, shards: dict[str, Tokens]
) -> pd.DataFrame:
    """One row a split: what meta.json states, then the index's, the shards' and the texts' own sums."""
    names = sorted({*meta["splits"], *index["split"], *texts["split"]})
    of_split = {
        name: [tokens for file, tokens in shards.items() if file.rsplit("-", 1)[0] == name] for name in names
    }
    stated = pd.DataFrame.from_dict(meta["splits"], orient="index").reindex(names)
    grouped = index.groupby("split")
    table = stated.assign(
        index_documents=grouped.size(),
        index_tokens=grouped["tokens"].sum(),
        index_bytes=grouped["bytes"].sum(),
        shard_tokens=[sum(map(len, of_split[name])) for name in names],
        shard_files=[len(of_split[name]) for name in names],
        text_documents=texts.groupby("split").size(),
        text_bytes=texts.assign(n=utf8_bytes(texts["text"])).groupby("split")["n"].sum(),
    )
    return table.fillna(0).astype("int64").rename_axis("split").reset_index()


def _shards(
    index: pd.DataFrame, shards: dict[str, Tokens], folder: Path, dtype: np.dtype[Any]
) -> pd.DataFrame:
    """One row a shard: tokens in the file and in the index, and torn_bytes at its end."""
    named = index.assign(file=shard_names(index)).groupby("file")["tokens"].sum()
    names = sorted({*shards, *named.index})
    rows = [
        {
            "shard": name,
            "tokens": len(shards.get(name, ())),
            "index_tokens": int(named.get(name, 0)),
            "torn_bytes": (folder / name).stat().st_size % dtype.itemsize if name in shards else 0,
        }
        for name in names
    ]
    return pd.DataFrame(rows, columns=["shard", "tokens", "index_tokens", "torn_bytes"])


def shard_names(index: pd.DataFrame) -> list[str]:
    """The shard file of each row of the index."""
    return [f"{split}-{shard:05d}.bin" for split, shard in zip(index["split"], index["shard"], strict=True)]


def _documents(
    index: pd.DataFrame, texts: pd.DataFrame, shards: dict[str, Tokens], tokenizer: Tokenizer
) -> pd.DataFrame:
    """The index, with for each document:

    gap: tokens between the end of the document before it and its start (0 where they join).
    out_of_range: how many of its tokens are no id of the vocabulary.
    end_of_text: how many end-of-text tokens it holds; last_is_eos: whether one is its last token.
    text_bytes, text_split: of the document in data/dedupe.
    round_trip: `same`, `changed`, `undecodable`, or `unchecked` (beyond `ROUND_TRIP_BYTES` of train).
    """
    known = texts.drop_duplicates("id").set_index("id")
    text = known["text"].reindex(index["id"])
    table = index.assign(
        text_bytes=utf8_bytes(text), text_split=known["split"].reindex(index["id"]).to_numpy()
    )
    parts = [
        _within(rows, shards.get(name, np.empty(0, "<u2")), tokenizer)
        for name, rows in table.groupby(np.array(shard_names(index), dtype=object), sort=True)
    ]
    table = pd.concat(parts).sort_index() if parts else _within(table, np.empty(0, "<u2"), tokenizer)
    table["round_trip"] = _round_trips(table, text.tolist(), shards, tokenizer)
    return table


def _within(rows: pd.DataFrame, tokens: Tokens, tokenizer: Tokenizer) -> pd.DataFrame:
    """What one shard's tokens say about its documents."""
    rows = rows.sort_values("start")
    start, end = rows["start"].to_numpy(), (rows["start"] + rows["tokens"]).to_numpy()
    strange = np.flatnonzero(tokens >= tokenizer.vocab_size)
    eos = np.flatnonzero(tokens == tokenizer.eos_id)
    return rows.assign(
        gap=start - np.concatenate(([0], end[:-1])),
        out_of_range=np.searchsorted(strange, end) - np.searchsorted(strange, start),
        end_of_text=np.searchsorted(eos, end) - np.searchsorted(eos, start),
        last_is_eos=np.isin(end - 1, eos),
    )


def _round_trips(
    table: pd.DataFrame, texts: list[Any], shards: dict[str, Tokens], tokenizer: Tokenizer
) -> list[str]:
    """Decode what the shards hold of each document and compare it with the document's text."""
    budget, outcomes = ROUND_TRIP_BYTES, []
    rows = zip(table["split"], shard_names(table), table["start"], table["tokens"], texts, strict=True)
    for split, name, start, count, text in rows:
        if split == "train":
            budget -= len(text) if isinstance(text, str) else 0
            if budget < 0:
                outcomes.append("unchecked")
                continue
        tokens = shards[name][start : start + count].tolist() if name in shards else []
        try:
            outcomes.append("same" if tokenizer.decode(tokens) == text else "changed")
        except IndexError:  # SentencePiece's word for an id outside the vocabulary
            outcomes.append("undecodable")
    return outcomes
