"""pairs: parallel text checked, with one vocabulary for both sides. What is left out is kept aside, with the reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.errors import UserError
from gptmill.outs import write_json
from gptmill.params.translate import Pairs, Vocabulary
from gptmill.tokens.shards import SPLITS
from gptmill.tokens.tokenizer import SPACE_MARK, Tokenizer, train_tokenizer
from gptmill.translation.dates import Row
from gptmill.translation.reading import read_pairs

TEXT = [("id", pa.string()), ("split", pa.string()), ("source", pa.string()), ("target", pa.string())]
PAIRS = pa.schema(
    [
        *TEXT,
        ("source_tokens", pa.int32()),
        ("target_tokens", pa.int32()),
        ("ratio", pa.float64()),  # of the longer side's characters to the shorter one's
        ("unknown", pa.int32()),  # characters that the vocabulary writes as bytes
    ]
)
DROPPED = pa.schema([*TEXT, ("reason", pa.string())])


def prepare(pairs: Pairs, vocabulary: Vocabulary, seed: int, out: Path) -> dict[str, dict[str, int]]:
    """Write `pairs.parquet`, `dropped.parquet`, `tokenizer.model` and `meta.json`; how many each split has.

    Raises:
        UserError: when files can't be read, nothing is left of a split, or the text is too little for the vocabulary.
    """
    read, lines = read_pairs(pairs, seed)
    kept, dropped = sift(read, vocabulary.max_ratio)
    train = [text for source, target, split in kept if split == "train" for text in (source, target)]
    if not train:
        raise UserError(
            "translate.pairs: no pair of the train split is left; see the reasons that its file gives"
        )
    model = _vocabulary(train, vocabulary)
    tokenizer = Tokenizer(model)
    known = {char for piece, score in tokenizer.scored_pieces() if score is not None for char in piece}
    known = (known - {SPACE_MARK}) | {" "}

    rows: list[dict[str, Any]] = []
    for source, target, split in kept:
        tokens = len(tokenizer.encode(source)), len(tokenizer.encode(target))
        if max(tokens) > vocabulary.max_tokens:
            dropped.append(((source, target, split), "too long"))
            continue
        rows.append(
            _text((source, target, split))
            | {
                "source_tokens": tokens[0],
                "target_tokens": tokens[1],
                "ratio": _ratio(source, target),
                "unknown": sum(char not in known for char in source + target),
            }
        )
    counts = {split: {"read": lines[split][0], "kept": 0, "dropped": 0} for split in SPLITS}
    for row in rows:
        counts[row["split"]]["kept"] += 1
    for (_, _, split), _ in dropped:
        counts[split]["dropped"] += 1
    if empty := [split for split in SPLITS if not counts[split]["kept"]]:
        reasons = Counter(reason for row, reason in dropped if row[2] == empty[0])
        told = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items())) or "the file is empty"
        raise UserError(f"translate.pairs: nothing is left of the {empty[0]} split ({told})")

    (out / "tokenizer.model").write_bytes(model)
    _write(rows, PAIRS, out / "pairs.parquet")
    _write([_text(row) | {"reason": reason} for row, reason in dropped], DROPPED, out / "dropped.parquet")
    write_json(
        out / "meta.json",
        {
            "kind": pairs.kind,
            "vocab_size": tokenizer.vocab_size,
            "eos_id": tokenizer.eos_id,
            "splits": counts,
            "lines": {split: {"source": n[0], "target": n[1]} for split, n in lines.items()},
        },
    )
    return counts


def sift(rows: list[Row], max_ratio: float) -> tuple[list[Row], list[tuple[Row, str]]]:
    """Rows to keep, and the others with their reason, before anything is known of tokens.

    A source is in one split only: what is to be tested stays there, and leaves the others.
    """
    kept: list[Row] = []
    dropped: list[tuple[Row, str]] = []
    where = {source: split for split in SPLITS for source, _, of in rows if of == split}
    seen: set[Row] = set()
    for row in rows:
        source, target, split = row
        if not source or not target:
            reason = "empty source" if not source else "empty target"
        elif _ratio(source, target) > max_ratio:
            reason = "length ratio"
        elif where[source] != split:
            reason = f"source is in {where[source]}"
        elif row in seen:
            reason = "duplicate"
        else:
            seen.add(row)
            kept.append(row)
            continue
        dropped.append((row, reason))
    return kept, dropped


def _vocabulary(texts: list[str], params: Vocabulary) -> bytes:
    try:
        return train_tokenizer(texts, params.vocab_size, params.model_type, params.character_coverage)
    except UserError as error:
        raise UserError(str(error).replace("tokenize.", "translate.vocabulary.")) from None


def _ratio(source: str, target: str) -> float:
    short, long = sorted((len(source), len(target)))
    return long / short


def _text(row: Row) -> dict[str, Any]:
    source, target, split = row
    digest = hashlib.blake2b(f"{split}\0{source}\0{target}".encode(), digest_size=16).hexdigest()
    return {"id": digest, "split": split, "source": source, "target": target}


def _write(rows: list[dict[str, Any]], schema: pa.Schema, path: Path) -> None:
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]), schema)
    pq.write_table(table, path, compression="zstd")
