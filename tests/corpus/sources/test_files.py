from __future__ import annotations

import errno
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from gptmill.corpus.sources import files
from gptmill.corpus.sources.files import file_format, read_file
from gptmill.corpus.sources.reading import read_result, read_unit
from gptmill.corpus.sources.units import Text, Unit, Unreadable


def unit(path: Path, **options: object) -> Unit:
    given = {"text_column": "text", "max_chars": 1000} | options
    return Unit("s", 0, "files", str(path), f"file:{path.name}", path.stem, "MIT", **given)  # type: ignore[arg-type]


def read(path: Path, **options: object) -> list[Text]:
    return list(read_file(unit(path, **options)))


def test_format_is_the_suffix_before_the_compression() -> None:
    names = ["a.txt", "a.TXT", "a.b.jsonl.gz", "a.parquet.zst", "a.gz", "a", "txt"]
    assert [file_format(name) for name in names] == [".txt", ".txt", ".jsonl", ".parquet", "", "", ""]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_the_same_text_from_each_compression(tmp_path: Path, suffix: str) -> None:
    compress = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[suffix]
    path = tmp_path / f"a.md{suffix}"
    path.write_bytes(compress("Grüße\r\n".encode()))
    assert read(path) == [Text("Grüße\r\n", "", {"encoding": "utf-8"})]


def test_long_text_in_numbered_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    text = "A paragraph of words.\r\n\r\n" * 100
    path.write_bytes(text.encode())
    parts = read(path)
    assert "".join(part.text for part in parts) == text
    assert [(part.fragment, part.meta["part"]) for part in parts] == [
        ("1", "1/3"),
        ("2", "2/3"),
        ("3", "3/3"),
    ]


def test_jsonl_rows_are_documents_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\ufeff{"body": "one\\n"}\n\n  \r\n{"body": "' + "x" * 5000 + '"}', encoding="utf-8")
    texts = read(path, text_column="body")
    assert [(text.fragment, len(text.text)) for text in texts] == [("1", 4), ("4", 5000)]


def test_parquet_rows_are_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        pq.write_table(pa.table({"text": pa.array(["one", "two"], kind), "n": [1, 2]}), path)
        assert read(path) == [Text("one", "1"), Text("two", "2")]
    (tmp_path / "b.parquet.zst").write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
    assert read(tmp_path / "b.parquet.zst") == [Text("one", "1"), Text("two", "2")]


def _write_parquet(table: pa.Table) -> Callable[[Path], None]:
    return lambda path: pq.write_table(table, path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"\n', r"line 2 is not JSON.*delimiter"),
        ("a.jsonl", b'{"text": "a"}\n\n["b"]\n', r"line 3 holds a list; each line must be an object"),
        ("a.jsonl", b'{"txt": "a", "id": 1}\n', r'line 1: no column "text". Columns found: txt, id'),
        ("a.jsonl", b'{"text": 7}\n', r'line 1: "text" is a number, not a string\. Mend or remove'),
        (
            "a.jsonl",
            b'{"text": "a"}\n{"text": null}\n',
            r'line 2: "text" is null, not a string\. Mend or remove',
        ),
        ("a.jsonl", b'{"text": "a"}\n{"n": ' + b"9" * 5000 + b"}", r"line 2 can't be read: .*4300 digits"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xe9"}\n', r"line 2: byte 0xe9 at its offset 10"),
        ("a.jsonl", b'{"text": "a"}\n' + b"[" * 100_000, r"line 2 is nested too deeply"),
        ("a.txt", b"ab\x00", r"offset 2"),
        ("a.txt.gz", gzip.compress(b"abc" * 99, mtime=0)[:-5], r"truncated"),
        ("a.parquet", b"PAR1 and no more", r"not a whole Parquet file"),
        ("a.parquet", b"", r"not a whole Parquet file"),
        ("a.parquet", _write_parquet(pa.table({"body": ["a"]})), r'no column "text". Columns found: body'),
        ("a.parquet", _write_parquet(pa.table({"text": [1]})), r'column "text" is of type int64'),
        (
            "a.parquet",
            _write_parquet(pa.table({"text": ["a", None]})),
            r'row 2: "text" is null.*Fill or remove',
        ),
    ],
)
def test_broken_files_say_where(
    tmp_path: Path, name: str, content: bytes | Callable[[Path], None], said: str
) -> None:
    path = tmp_path / name
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    with pytest.raises(Unreadable, match=said):
        read(path)


def test_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["some text"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Unreadable, match="not a whole Parquet file"):
        read(path)


def test_a_unit_comes_back_as_rows_or_as_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in ["one", " \n", "\ud800"]))
    part = tmp_path / "part.parquet"
    result = read_unit(unit(path), part)
    assert result == {"read": 2, "empty": 1, "broken": 0, "error": None, "skipped": None, "full": False}
    assert read_result(part) == result
    rows = pq.read_table(part).to_pylist()
    assert [(row["uri"], row["text"], row["size"]) for row in rows] == [
        ("file:a.jsonl#1", "one", 3),
        ("file:a.jsonl#3", "\ufffd", 3),
    ]
    assert dict(rows[0]["meta"]) == {"group": "a", "kind": "files"}
    for size in (200, 9, 0):  # as a power cut leaves it: to be read again
        os.truncate(part, size)
        assert read_result(part) is None
    part.unlink()
    path.write_text('{"text": "one"}\n{')
    assert "line 2 is not JSON: column 2" in read_unit(unit(path), part)["error"]
    assert read_unit(unit(tmp_path / "none.txt"), part)["error"] == "No such file or directory"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_message_may_quote_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"\\ud800": "a"}')
    assert "Columns found: \ufffd." in read_unit(unit(path), tmp_path / "part")["error"]


def test_large_rows_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"{i} " * 1000 for i in range(100)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=30, use_dictionary=False)
    monkeypatch.setattr(files, "BYTES", 20_000)
    with pq.ParquetFile(path) as file:
        sizes = [len(batch) for batch in files._batches(file, "text")]
    assert max(sizes) < 20
    assert [text.text for text in read(path)] == texts


def test_a_full_disk_is_not_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.txt").write_text("One.")
    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    result = read_unit(unit(tmp_path / "a.txt"), tmp_path / "part")
    assert result["full"]
