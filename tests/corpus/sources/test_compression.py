from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gptmill.corpus.sources import compression
from gptmill.corpus.sources.compression import read_chunks, read_lines
from gptmill.corpus.sources.units import Unreadable

DATA = bytes(range(256)) * 400
COMPRESS = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_reads_members_one_after_the_other(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(COMPRESS[suffix](DATA) + COMPRESS[suffix](b"more"))
    assert b"".join(read_chunks(str(path), 200)) == DATA + b"more"


@pytest.mark.parametrize("suffix", COMPRESS)
def test_no_chunk_is_empty(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a stream takes an empty chunk for its end; a piece may end in a header, or in a block."""
    monkeypatch.setattr(compression, "PIECE", 7)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(COMPRESS[suffix](b"some bytes") * 20)
    chunks = list(read_chunks(str(path), 200))
    assert b"".join(chunks) == b"some bytes" * 20
    assert all(chunks)


def test_gzip_may_be_padded_with_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(DATA) + bytes(100))
    assert b"".join(read_chunks(str(path), 200)) == DATA


@pytest.mark.parametrize("suffix", COMPRESS)
def test_every_truncation_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    whole = COMPRESS[suffix](DATA[:3000])
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable, match="truncated"):
            list(read_chunks(str(path), 200))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_other_bytes_are_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"no compressed data at all")
    with pytest.raises(Unreadable, match="broken"):
        list(read_chunks(str(path), 200))


@given(st.binary(max_size=60).map(lambda data: data.replace(b"\x01", b"\n")), st.integers(1, 9))
def test_lines_do_not_depend_on_chunks(data: bytes, size: int) -> None:
    chunks = (data[i : i + size] for i in range(0, len(data), size))
    lines = data.split(b"\n")
    assert list(read_lines(chunks, 1 << 20)) == (lines if lines[-1] else lines[:-1])
