"""The bytes of a plain, gzip or Zstandard file in chunks; a truncated one is an error, never a short read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptmill.corpus.sources.units import Unreadable

CHUNK = 1 << 20
COMPRESSIONS = (".gz", ".zst")


def read_chunks(path: Path) -> Iterator[bytes]:
    """The content of `path`, decompressed as its last suffix says.

    Raises:
        Unreadable: when the compressed data is truncated or broken.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        raw = iter(lambda: file.read(CHUNK), b"")
        if suffix in COMPRESSIONS:
            yield from _decompressed(raw, suffix)
        else:
            yield from raw


def _decompressed(raw: Iterator[bytes], suffix: str) -> Iterator[bytes]:
    """Both formats may hold several members (frames), one after the other, each ending in its own check."""
    name = {".gz": "gzip", ".zst": "Zstandard"}[suffix]
    stream, pending, n_read = None, b"", 0
    for chunk in raw:
        n_read += len(chunk)
        pending = chunk
        while pending:
            if stream is None:
                if suffix == ".gz" and n_read > len(pending) and not (pending := pending.lstrip(b"\0")):
                    break  # gzip files may be padded with zeros, as on tape
                stream = _decompressor(suffix)
            try:
                yield stream.decompress(pending)
            except Exception as error:
                # zlib.error and zstandard.ZstdError share no base class of their own.
                if not isinstance(error, zlib.error) and type(error).__name__ != "ZstdError":
                    raise
                raise Unreadable(f"broken {name} data before byte {n_read}: {error}") from None
            pending = stream.unused_data if stream.eof else b""
            stream = None if stream.eof else stream
    if stream is not None or not n_read:
        raise Unreadable(f"truncated: the {name} data ends in the middle, after {n_read} bytes")


def _decompressor(suffix: str) -> Any:
    if suffix == ".gz":
        return zlib.decompressobj(wbits=31)  # 31: a gzip header and a CRC at the end
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


def read_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a stream of bytes, without their line feeds."""
    rest: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if others:
            yield b"".join(rest)
            yield from others[:-1]
            rest = [others[-1]]
    if last := b"".join(rest):
        yield last
