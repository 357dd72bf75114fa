from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gptmill import code
from gptmill.corpus.collect import collect
from gptmill.corpus.documents import DOCUMENT, document_id
from gptmill.errors import UserError
from gptmill.outs import new_outs, read_json
from gptmill.params import check
from gptmill.params.collect import Collect
from pipeline.collect import unwatched


def run(out: Path, *sources: dict[str, Any]) -> None:
    params = check(Collect, {"sources": list(sources)}, "params.yaml: collect")
    with new_outs(out) as (folder,):
        collect(params, folder)


def files(name: str, path: Path, **options: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "files",
        "path": str(path),
        "licence": "CC0-1.0",
        "max_chars": 1000,
    } | options


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "b.txt").write_text("A text that stands in two files.")
    (folder / "a.md").write_text("A text that stands in two files.")
    (folder / "long.txt").write_bytes(
        ("Ünequal paragraph %d of a long file.\r\n\r\n" * 90 % tuple(range(90))).encode("latin-1")
    )
    rows = [{"text": "A row."}, {"text": "A row."}, {"text": ""}, {"text": "Another row."}]
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    (folder / "notes.pdf").write_text("%PDF")
    return folder


def test_documents_repeats_and_counts(tmp_path: Path, texts: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("A row.")
    run(tmp_path / "out", files("second", texts), files("first", other))

    table = pq.read_table(tmp_path / "out" / "documents.parquet")
    assert table.schema.equals(DOCUMENT)
    documents = table.to_pylist()
    ids = [row["id"] for row in documents]
    assert ids == sorted(set(ids))
    assert all(row["id"] == document_id(row["text"]) for row in documents)
    assert all(
        (row["origin"], row["lang"], row["licence"]) == ("real", "und", "CC0-1.0") for row in documents
    )

    repeats = pq.read_table(tmp_path / "out" / "repeats.parquet").to_pylist()
    kept = {row["text"]: (row["source"], row["uri"]) for row in documents}
    # Of equal texts the first source in params is kept, within it the first uri.
    assert kept["A row."] == ("second", "file:rows.jsonl.gz#1")
    assert kept["A text that stands in two files."] == ("second", "file:a.md")
    assert sorted((row["source"], row["uri"]) for row in repeats) == [
        ("first", "file:other.txt"),
        ("second", "file:b.txt"),
        ("second", "file:rows.jsonl.gz#2"),
    ]
    assert {row["id"] for row in repeats} < set(ids)

    long = sorted((row for row in documents if "long.txt" in row["uri"]), key=lambda row: row["uri"])
    assert "".join(row["text"] for row in long) == (texts / "long.txt").read_bytes().decode("latin-1")
    assert dict(long[0]["meta"]) == {
        "encoding": "latin-1",
        "group": "long",
        "kind": "files",
        "part": f"1/{len(long)}",
    }

    assert list(read_json(tmp_path / "out" / "sources.json")) == ["first", "second"]
    counts = read_json(tmp_path / "out" / "sources.json")["second"]
    size = sum(len(row["text"].encode()) for row in documents)
    assert counts == {
        "kind": "files",
        "files": 4,
        "ignored": 1,
        "unreadable": 0,
        "empty": 1,
        "read": len(documents) + 2,
        "documents": len(documents),
        "repeats": 2,
        "dropped": 0,
        "bytes": size,
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "documents.parquet",
        "dropped.parquet",
        "repeats.parquet",
        "sources.json",
    ]


def test_the_same_bytes_wherever_the_files_are(tmp_path: Path, texts: Path) -> None:
    run(tmp_path / "one", files("s", texts))
    moved = texts.rename(tmp_path / "elsewhere")
    run(tmp_path / "two", files("s", moved))
    for name in ("documents.parquet", "repeats.parquet", "dropped.parquet", "sources.json"):
        data = (tmp_path / "one" / name).read_bytes()
        assert data == (tmp_path / "two" / name).read_bytes()
        assert str(tmp_path).encode() not in data


def test_every_broken_file_is_named_and_nothing_is_written(tmp_path: Path, texts: Path) -> None:
    for i in range(7):
        (texts / f"broken{i}.jsonl").write_text('{"text": "fine"}\n{"text": ')
    out = tmp_path / "out"
    out.mkdir()
    (out / "earlier").write_text("stays")
    with pytest.raises(UserError) as caught:
        run(out, files("s", texts))
    message = str(caught.value)
    assert "7 of 11 files cannot be read" in message
    assert f"{texts}/broken0.jsonl: line 2 is not JSON" in message
    assert message.count(".jsonl: line 2") == 5
    assert "and 2 more" in message
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert [path.name for path in out.iterdir()] == ["earlier"]


def test_docstrings_of_an_installed_package(tmp_path: Path) -> None:
    import networkx

    run(
        tmp_path / "out",
        {"name": "networkx", "kind": "docstrings", "package": f"networkx=={networkx.__version__}"},
    )
    rows = pq.read_table(tmp_path / "out" / "documents.parquet").to_pylist()
    assert len(rows) > 1500
    by_uri = {row["uri"]: row for row in rows}
    path = f"pkg:pypi/networkx@{networkx.__version__}/networkx/algorithms/dag.py#topological_sort"
    assert by_uri[path]["text"].startswith("Returns a generator of nodes in topologically sorted order.")
    assert by_uri[path]["licence"] == "BSD-3-Clause"
    assert dict(by_uri[path]["meta"]) == {
        "group": "networkx",
        "kind": "docstrings",
        "module": "networkx.algorithms.dag",
        "object": "topological_sort",
    }


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"name": "s", "kind": "files", "path": "x"}, "sources.0.licence: missing"),
        (
            {"name": "s", "kind": "file", "path": "x", "licence": "MIT"},
            "Allowed: docstrings, files, huggingface, url",
        ),
        (files("s", Path("x"), encoding="utf8-8"), 'unknown encoding.*did you mean "utf-?8"'),
        (files("s", Path("x"), encoding="hex"), "unknown encoding 'hex'"),
        (files("s", Path("x"), licnce="MIT"), 'licnce: unknown key; did you mean "licence"'),
    ],
)
def test_params_are_checked_before_any_work(tmp_path: Path, source: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(tmp_path / "out", source)


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def collected(out: Path, parts: Path | None, *sources: dict[str, Any]) -> dict[str, bytes]:
    out.mkdir()
    collect(check(Collect, {"sources": list(sources)}, "collect"), out, parts)
    return contents(out)


def test_unchanged_files_are_not_read_again(tmp_path: Path, texts: Path) -> None:
    """With parts and without: the same bytes; parts of changed and removed files go."""
    for path in texts.iterdir():
        os.utime(path, (1e9, 1e9))
    parts = tmp_path / "parts"
    expected = collected(tmp_path / "none", None, files("s", texts))
    assert collected(tmp_path / "first", parts, files("s", texts)) == expected
    before = {path.name: path.stat().st_ino for path in parts.iterdir()}
    assert len(before) == 4
    assert collected(tmp_path / "again", parts, files("s", texts)) == expected
    assert {path.name: path.stat().st_ino for path in parts.iterdir()} == before

    (texts / "b.txt").write_text("A text that stands in two filez.")  # as long as before
    os.utime(texts / "b.txt", (1e9 + 1, 1e9 + 1))
    changed = collected(tmp_path / "changed", parts, files("s", texts))
    assert changed != expected
    kept = {path.name: path.stat().st_ino for path in parts.iterdir()}
    assert len(kept) == 4
    assert len(kept.items() & before.items()) == 3


def test_a_file_just_written_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.")
    collected(tmp_path / "out", tmp_path / "parts", files("s", tmp_path / "a.txt"))
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_full_disk_is_named_and_no_file_is_blamed(
    tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {"read": 0, "empty": 0, "broken": 0, "error": "No space left", "skipped": None, "full": True}
    monkeypatch.setattr("gptmill.corpus.collect._read", lambda units, _: ((unit, full) for unit in units))
    with pytest.raises(OSError, match="No space left on device") as caught:
        collected(tmp_path / "out", tmp_path / "parts", files("s", texts))
    assert caught.value.filename == str(tmp_path / "parts")


def test_names_that_are_no_text_and_broken_records(
    tmp_path: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fastwarc", reason="the reader of WARC files is an optional extra")
    (texts / os.fsdecode(b"bad\xff.txt")).write_text("Bytes.")
    http = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br\r\n\r\nnot so"
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: {len(http)}"
    (texts / "a.warc").write_bytes(f"{head}\r\n\r\n{http}\r\n\r\n".encode() * 2)
    collected(tmp_path / "out", None, files("s", texts))
    assert "file:bad%FF.txt" in pq.read_table(tmp_path / "out/documents.parquet")["uri"].to_pylist()
    assert f"left out 2 of the records of {texts}/a.warc: record 1: " in capsys.readouterr().err
    assert read_json(tmp_path / "out/sources.json")["s"]["unreadable"] == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("raw", ""),
        ("raw/a.txt", ""),
        ("raw/*/*.txt", ""),
        ("my/books/*/*.txt", r"add my/books to the deps of collect"),
        ("my/books", r"add my/books to the deps of collect"),
        ("**/*.txt", r"`dvc repro -f collect`"),
        ("s3://bucket/*", r"`dvc repro -f collect`"),
    ],
)
def test_what_dvc_can_watch(path: str, said: str) -> None:
    remedy = unwatched(path, ["data/gates/params.json", "raw"])
    assert bool(remedy) == bool(said)
    assert said in remedy


def test_what_reads_is_part_of_a_parts_name() -> None:
    """Every project module that can change what a reader gives is hashed into the names of parts."""
    root = Path(__file__).parents[2]
    leads_to = set(code.modules("gptmill.corpus.sources.files", root))
    leads_to |= set(code.modules("gptmill.corpus.sources.docstrings", root))
    of_texts = {path for path in leads_to if "/corpus/" in path and not path.endswith("corpus/__init__.py")}
    hashed = {f"src/gptmill/corpus/{name}.py" for name in ("documents", "gutenberg")}
    assert all(path in hashed or "/corpus/sources/" in path for path in of_texts)


def test_how_texts_are_cut_into_files_changes_addresses_alone(tmp_path: Path) -> None:
    texts = [f"Text {i % 70}" for i in range(100)]
    for name, order in (("one", texts), ("other", texts[::-1])):
        (tmp_path / name).mkdir()
        for i in range(0, 100, 100 if name == "one" else 9):
            lines = "".join(
                json.dumps({"text": text}) + "\n" for text in order[i : i + (100 if name == "one" else 9)]
            )
            (tmp_path / name / f"{100 - i}.jsonl").write_text(lines)
        collected(tmp_path / f"out-{name}", None, files("s", tmp_path / name))
    tables = [pq.read_table(tmp_path / f"out-{name}/documents.parquet") for name in ("one", "other")]
    addresses = ["uri", "meta"]
    assert tables[0].drop(addresses).equals(tables[1].drop(addresses))
    assert read_json(tmp_path / "out-one/sources.json")["s"]["repeats"] == 30
