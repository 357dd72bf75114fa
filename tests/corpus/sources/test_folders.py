from __future__ import annotations

import os
from pathlib import Path

import pytest

from gptmill.corpus.sources.folders import file_units, stem
from gptmill.errors import UserError
from gptmill.params.collect import Files


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.txt", "a b.txt.gz", "deep/er/c.JSONL", "deep/d.md", "x.pdf", ".hidden.txt", ".git/e.txt"):
        path = tmp_path / "books" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def uris(path: str) -> tuple[list[str], int]:
    units, ignored = file_units(Files(name="s", kind="files", path=path, licence="MIT"), 0)
    return [unit.uri for unit in units], ignored


ALL = ["file:a%20b.txt.gz", "file:b.txt", "file:deep/d.md", "file:deep/er/c.JSONL"]


def test_a_folder_in_order_and_what_is_ignored(library: Path) -> None:
    assert uris("books") == (ALL, 1)
    assert uris(str(library / "books")) == (ALL, 1)


@pytest.mark.usefixtures("library")
def test_globs_and_single_files() -> None:
    assert uris("books/**/*") == (ALL, 1)
    assert uris("books/deep/**/*.md") == (["file:d.md"], 0)
    assert uris("b*/*.txt*") == (["file:books/a%20b.txt.gz", "file:books/b.txt"], 0)
    assert uris("books/b.txt") == (["file:b.txt"], 0)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("boks", r'no such path.*did you mean "books"'),
        ("empty", r"no file is in the folder.*links to folders aren.t followed"),
        ("books/*.md", r"no file matches"),
        ("books/x.pdf", r"Suffixes found: \.pdf \(1\)\. Allowed: \.txt, \.md, \.jsonl, \.parquet"),
    ],
)
def test_nothing_to_read_says_what_is_there(path: str, said: str) -> None:
    with pytest.raises(UserError, match=f'collect.sources "s": path .*{said}'):
        uris(path)


def test_links_to_folders_and_pipes_are_named(library: Path) -> None:
    (library / "empty" / "link").symlink_to(library / "books")
    with pytest.raises(UserError, match="links to folders aren't followed"):
        uris("empty")
    os.mkfifo(library / "books" / "pipe.txt")
    with pytest.raises(UserError, match=r"books/pipe\.txt is a pipe"):
        uris("books")
    os.mkfifo(library / "books" / "pipe")  # nobody would open it
    (library / "books" / "pipe.txt").unlink()
    assert uris("books") == (ALL, 2)


def test_stem() -> None:
    assert [stem(name) for name in ("a.txt", "a.b.jsonl.gz", "a.parquet.zst")] == ["a", "a.b", "a"]
