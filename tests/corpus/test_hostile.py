"""Input that breaks pipelines: each is read, or refused with its name, in bounded memory and time."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from gptmill.corpus.collect import find_units
from gptmill.corpus.sources.files import read_file
from gptmill.corpus.sources.reading import read_unit
from gptmill.corpus.sources.units import Text, Unit, Unreadable
from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.collect import Collect


def units(path: Path, **options: Any) -> list[Unit]:
    source = {"name": "s", "kind": "files", "path": str(path), "licence": "MIT"}
    params = check(Collect, {"sources": [source]} | options, "collect")
    return find_units(params.sources[0], 0, params)[0]


def texts(path: Path, **options: Any) -> list[Text]:
    return list(read_file(units(path, **options)[0]))


def test_a_line_of_200_mb(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        file.write('{"text": "one"}\n{"text": "')
        for _ in range(200):
            file.write("a line ends some time. " * 43_479)
        file.write('"}\n{"text": "three"}\n')
    assert path.stat().st_size > 200_000_000
    found = texts(path)
    assert [len(text.text) // 10**6 for text in found] == [0, 200, 0]
    with pytest.raises(Unreadable, match=r"line 2 is longer than 100,000,000 bytes.*collect\.max_text_bytes"):
        texts(path, max_text_bytes=100_000_000)
    text = tmp_path / "a.txt"
    path.rename(text)
    with pytest.raises(
        Unreadable, match="more than 100,000,000 bytes, and a file of this kind is read whole"
    ):
        texts(text, max_text_bytes=100_000_000)


def test_ten_million_empty_lines(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(b"\n" * 10_000_000 + b'{"text": "last"}')
    assert texts(lines) == [Text("last", "10000001")]
    text = tmp_path / "a.txt"
    text.write_bytes(b"\n" * 10_000_000)
    result = read_unit(units(text)[0], tmp_path / "part")
    assert (result["read"], result["empty"], result["error"]) == (0, 500, None)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.gz", "a.parquet.gz", "a.txt.zst"])
def test_a_bomb_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    mega = bytes(1 << 20)
    if path.suffix == ".gz":
        with gzip.open(path, "wb") as file:
            for _ in range(64):
                file.write(mega)
    else:
        with path.open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as file:
            for _ in range(64):
                file.write(mega)
    kind = "gzip" if path.suffix == ".gz" else "Zstandard"
    with pytest.raises(
        Unreadable, match=rf"more than 200 times as much: a {kind} bomb\?.*collect\.max_ratio"
    ):
        texts(path)
    if name == "a.txt.gz":
        with pytest.raises(Unreadable, match="0x00 at offset 0 is not text"):
            texts(path, max_ratio=2000.0)


def test_nul_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\0two")
    with pytest.raises(Unreadable, match="byte 0x00 at offset 3 is not text"):
        texts(tmp_path / "a.txt")
    (tmp_path / "b.jsonl").write_text('{"text": "one\\u0000two"}')
    part = tmp_path / "part"
    assert read_unit(units(tmp_path / "b.jsonl")[0], part)["read"] == 1
    assert pq.read_table(part)["text"].to_pylist() == ["one\0two"]
    (tmp_path / "c.jsonl").write_bytes(b'{"text": "one\0two"}')
    with pytest.raises(Unreadable, match="line 1 is not JSON: column 14: Invalid control character"):
        texts(tmp_path / "c.jsonl")


def test_lone_surrogates(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "\\ud800"}\n{"text": "a\\udfffb"}\n{"text": "\\ud83d\\ude00"}')
    part = tmp_path / "part"
    assert read_unit(units(path)[0], part)["error"] is None
    assert pq.read_table(part)["text"].to_pylist() == ["\ufffd", "a\ufffdb", "\U0001f600"]


def test_links_in_loops(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "one.txt").write_text("One.")
    (folder / "loop").symlink_to(folder)
    (folder / "self.txt").symlink_to(folder / "self.txt")
    found = units(folder)
    assert [Path(unit.path).name for unit in found] == ["one.txt", "self.txt"]
    assert read_unit(found[1], tmp_path / "part")["error"] == "Too many levels of symbolic links"
    (folder / "self.txt").unlink()
    assert [unit.uri for unit in units(folder / "**" / "*.txt")] == ["file:one.txt"]


def test_paths_of_any_characters(tmp_path: Path) -> None:
    names = ["a b.txt", "ü 中 🙂.txt", "100%#1.txt", "quote'\".txt", "new\nline.txt"]
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / os.fsdecode(b"bad\xff.txt")).write_text("bytes")
    found = units(tmp_path)
    assert [next(read_file(unit)).text for unit in found] == [
        "100%#1.txt",
        "a b.txt",
        "bytes",
        *names[4:2:-1],
        names[1],
    ]
    assert {unit.uri for unit in found} >= {"file:a%20b.txt", "file:100%25%231.txt", "file:bad%FF.txt"}


def test_parquet_of_other_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"content": ["a"], "n": [1]}), tmp_path / "a.parquet")
    result = read_unit(units(tmp_path / "a.parquet")[0], tmp_path / "part")
    assert 'no column "text". Columns found: content, n.' in result["error"]
    pq.write_table(pa.table({"text": [1]}), tmp_path / "b.parquet")
    assert (
        'column "text" is of type int64'
        in read_unit(units(tmp_path / "b.parquet")[0], tmp_path / "p")["error"]
    )


def test_ids_of_the_input_are_not_ours(tmp_path: Path) -> None:
    """Rows that share an id are documents of their own: an id is the hash of a text."""
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"id": 7, "text": text}) for text in ("one", "two", "one")))
    part = tmp_path / "part"
    assert read_unit(units(path)[0], part)["read"] == 3
    ids = pq.read_table(part)["id"].to_pylist()
    assert ids[0] == ids[2] != ids[1]


def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o000)
    if os.access(tmp_path / "a", os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(UserError, match="can't be read"):
        units(tmp_path)
