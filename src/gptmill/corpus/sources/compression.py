"""The bytes of a plain, gzip or Zstandard file in chunks; a truncated one is an error, never a short read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from gptmill.corpus.sources.stores import opened
from gptmill.corpus.sources.units import Unreadable

CHUNK = 1 << 20
# Compressed bytes at a time: what a few KB can unfold to, hundreds of times as much, memory still holds.
PIECE = 8 << 10
UNSUSPICIOUS = 16 << 20  # unpacked bytes that no limit on the ratio concerns
COMPRESSIONS = (".gz", ".zst")


def read_chunks(path: str, max_ratio: float) -> Iterator[bytes]:
    """The content of `path`, decompressed as its last suffix says, in chunks that are never empty.

    Raises:
        Unreadable: when the compressed data is truncated or broken, or unpacks to more than `max_ratio`
            times its size.
    """
    suffix = PurePath(path).suffix.lower()
    with opened(path) as file:
        if suffix in COMPRESSIONS:
            raw = iter(lambda: file.read(CHUNK), b"")
            yield from _decompressed(_pieces(raw), suffix, max_ratio)
        else:
            yield from iter(lambda: file.read(CHUNK), b"")


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]


def _decompressed(raw: Iterator[bytes], suffix: str, max_ratio: float) -> Iterator[bytes]:
    """Both formats may hold several members (frames), one after the other, each ending in its own check."""
    name = {".gz": "gzip", ".zst": "Zstandard"}[suffix]
    stream, n_read, n_made = None, 0, 0
    for chunk in raw:
        n_read += len(chunk)
        pending = chunk
        while pending:
            if stream is None:
                if suffix == ".gz" and n_read > len(pending) and not (pending := pending.lstrip(b"\0")):
                    break  # gzip files may be padded with zeros, as on tape
                stream = _decompressor(suffix)
            try:
                made = stream.decompress(pending)
            except Exception as error:
                # zlib.error and zstandard.ZstdError share no base class of their own.
                if not isinstance(error, zlib.error) and type(error).__name__ != "ZstdError":
                    raise
                raise Unreadable(f"broken {name} data before byte {n_read}: {error}") from None
            n_made += len(made)
            if n_made > max(max_ratio * n_read, UNSUSPICIOUS):
                raise Unreadable(
                    f"its first {n_read:,} bytes unpack to {n_made:,}, more than {max_ratio:g} times as much: "
                    f"a {name} bomb? If it is sound, raise collect.max_ratio; else remove it."
                )
            # Nothing yet, while a header or a block isn't whole: a reader would take it for the end.
            if made:
                yield made
            pending = stream.unused_data if stream.eof else b""
            stream = None if stream.eof else stream
    if stream is not None or not n_read:
        raise Unreadable(f"truncated: the {name} data ends in the middle, after {n_read} bytes")


def _decompressor(suffix: str) -> Any:
    if suffix == ".gz":
        return zlib.decompressobj(wbits=31)  # 31: a gzip header and a CRC at the end
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


def read_whole(chunks: Iterator[bytes], max_bytes: int) -> bytes:
    """All of a stream at once.

    Raises:
        Unreadable: when it is longer than `max_bytes`.
    """
    parts, size = [], 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise Unreadable(
                f"it holds more than {max_bytes:,} bytes, and a file of this kind is read whole. Split it, or "
                "raise collect.max_text_bytes (a worker needs about six times as much memory)."
            )
    return b"".join(parts)


def read_lines(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    """The lines of a stream of bytes, without their line feeds.

    Raises:
        Unreadable: when a line is longer than `max_bytes`.
    """
    rest: list[bytes] = []
    size, number = 0, 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        size += len(first)
        if size > max_bytes:
            raise Unreadable(
                f"line {number + 1} is longer than {max_bytes:,} bytes. Mend or remove it, or raise "
                "collect.max_text_bytes (a worker needs about six times as much memory)."
            )
        if others:
            yield b"".join(rest)
            yield from others[:-1]
            number += len(others)
            rest, size = [others[-1]], len(others[-1])
    if last := b"".join(rest):
        yield last
