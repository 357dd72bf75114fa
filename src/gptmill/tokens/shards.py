"""Packed token shards: one stream of ids for a split, each document followed by the end-of-text token.

`<split>-00000.bin`, `-00001.bin`, … hold little-endian uint16 (uint32 for vocabularies over 65,536) and
nothing else, so that training maps them into memory. `documents.parquet` says where each document stands
and `meta.json` what the numbers must add up to. A document never spans two shards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gptmill.errors import UserError
from gptmill.outs import read_json

SPLITS = ("train", "validation", "test")
REDO = "Run `dvc checkout` or `dvc repro tokenize`, which put it back"
LARGEST_HASHED = 1 << 30  # bytes; reading a larger shard at every start would cost more than it is worth


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smallest of uint16 and uint32 (little-endian) that holds every id."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


def write_shards(
    documents: Iterable[tuple[str, bytes, int]], folder: Path, split: str, itemsize: int, shard_tokens: int
) -> Iterator[dict[str, Any]]:
    """Append documents to the split's shards and yield the index row of each.

    Args:
        documents: (id, tokens as little-endian bytes with the end-of-text token, UTF-8 bytes of the text).
        shard_tokens: a new shard begins with the document that would pass this size.
    """
    shard, position = 0, 0
    file = (folder / f"{split}-{shard:05d}.bin").open("wb")
    try:
        for id_, tokens, n_bytes in documents:
            n_tokens = len(tokens) // itemsize
            if position and position + n_tokens > shard_tokens:
                file.close()
                shard, position = shard + 1, 0
                file = (folder / f"{split}-{shard:05d}.bin").open("wb")
            file.write(tokens)
            yield {
                "id": id_,
                "split": split,
                "shard": shard,
                "start": position,
                "tokens": n_tokens,
                "bytes": n_bytes,
            }
            position += n_tokens
    finally:
        file.close()


def describe(path: Path) -> dict[str, Any]:
    """Size and BLAKE2b-128 of a shard, as `meta.json` keeps them under `files`."""
    return {"bytes": path.stat().st_size, "blake2b": _digest(path)}


def verify(path: Path, expected: dict[str, Any] | None) -> None:
    """Is a shard what `tokenize` wrote? Its content is read up to `LARGEST_HASHED`, its size always compared.

    Raises:
        UserError: naming the file, and what was expected and found.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing. {REDO}")
    if expected is None:  # tokens made before shards were described
        return
    if (size := path.stat().st_size) != expected["bytes"]:
        change = "was truncated" if size < expected["bytes"] else "has grown"
        raise UserError(
            f"{path} {change}: {size} bytes, where meta.json has {expected['bytes']} "
            f"(BLAKE2b {expected['blake2b']}). {REDO}"
        )
    if size <= LARGEST_HASHED and (found := _digest(path)) != expected["blake2b"]:
        raise UserError(
            f"{path} was changed: its BLAKE2b is {found}, where meta.json has {expected['blake2b']}. {REDO}"
        )


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _read_meta(path: Path) -> dict[str, Any]:
    """meta.json, or a `UserError` where it is missing or is no JSON."""
    try:
        return dict(read_json(path))
    except FileNotFoundError:
        raise UserError(f"{path} is missing. Run `dvc repro tokenize`, which writes it") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}). Run `dvc checkout`, which puts it back") from None


class TokenStream:
    """The tokens of a split as one sequence, memory-mapped: nothing is read before it is used."""

    def __init__(self, folder: str | Path, split: str) -> None:
        folder = Path(folder)
        meta = _read_meta(folder / "meta.json")
        dtype = np.dtype(meta["dtype"])
        paths = [folder / f"{split}-{i:05d}.bin" for i in range(meta["splits"][split]["shards"])]
        self.vocab_size: int = meta["vocab_size"]
        self.eos_id: int = meta["eos_id"]
        self.bytes: int = meta["splits"][split]["bytes"]
        for path in paths:
            verify(path, meta.get("files", {}).get(path.name))
            if path.stat().st_size % dtype.itemsize:
                raise UserError(
                    f"{path} has {path.stat().st_size} bytes, no whole number of {dtype.itemsize}-byte tokens. {REDO}"
                )
        self._shards = [np.memmap(path, dtype=dtype, mode="r") for path in paths if path.stat().st_size]
        self._starts = np.cumsum([0] + [len(shard) for shard in self._shards])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def window(self, start: int, length: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """`length` tokens from position `start`, as int64; shards join without a seam."""
        parts = []
        shard = int(np.searchsorted(self._starts, start, side="right")) - 1
        while length > 0:
            offset = start - int(self._starts[shard])
            part = self._shards[shard][offset : offset + length]
            parts.append(part.astype(np.int64))
            start, length, shard = start + len(part), length - len(part), shard + 1
        return np.concatenate(parts)

    def counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How often each id occurs, `(vocab_size,)`."""
        total = np.zeros(self.vocab_size, dtype=np.int64)
        for shard in self._shards:
            for start in range(0, len(shard), 1 << 22):
                total += np.bincount(shard[start : start + (1 << 22)], minlength=self.vocab_size)
        return total
