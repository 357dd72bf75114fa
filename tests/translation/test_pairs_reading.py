"""Parallel files: read line by line, or refused with the place of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gptmill.errors import UserError
from gptmill.params.translate import HuggingFacePairs, Lines, Tsv
from gptmill.translation.reading import read_pairs


def write(folder: Path, **files: str | bytes) -> dict[str, str]:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return {name: str(folder / name) for name in files}


def tsv(folder: Path, train: str | bytes) -> Tsv:
    paths = write(folder, train=train, validation="c\td\n", test="e\tf\n")
    return Tsv(kind="tsv", **paths)


def test_tsv(tmp_path: Path) -> None:
    rows, counts = read_pairs(tsv(tmp_path, "\ufeffein Haus\ta house\r\nU+2028:\u2028bleibt\tstays"), 0)
    assert rows == [
        ("ein Haus", "a house", "train"),
        ("U+2028:\u2028bleibt", "stays", "train"),
        ("c", "d", "validation"),
        ("e", "f", "test"),
    ]
    assert counts == {"train": (2, 2), "validation": (1, 1), "test": (1, 1)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\nno tab\n", r"train, line 2: expected a source, one tab and a target; found 0 tabs: 'no tab'"),
        ("a\tb\tc\n", r"line 1: .* found 2 tabs"),
        (b"a\tb\n\xff\tc\n", r"line 2: not UTF-8"),
    ],
)
def test_a_line_that_is_no_pair(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_pairs(tsv(tmp_path, content), 0)


def lines(folder: Path, source: str, target: str) -> Lines:
    paths = write(folder, de=source, en=target)
    both = [paths["de"], paths["en"]]
    return Lines(kind="lines", train=both, validation=both, test=both)


def test_aligned_files(tmp_path: Path) -> None:
    rows, _ = read_pairs(lines(tmp_path, "eins\nzwei\n", "one\ntwo"), 0)
    assert rows[:2] == [("eins", "one", "train"), ("zwei", "two", "train")]


def test_misaligned_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train: .*de has 3 lines and .*en has 2\. Line n of one must be"):
        read_pairs(lines(tmp_path, "eins\nzwei\ndrei\n", "one\nthree\n"), 0)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train: .*nowhere does not exist"):
        read_pairs(tsv(tmp_path, "a\tb").model_copy(update={"train": "nowhere"}), 0)


def test_a_dataset_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the network: what the client would have fetched lies in a folder."""
    for split in ("train", "validation", "test"):
        record = {"translation": {"de": f"ein {split}", "en": f"a {split}"}}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(record) + "\n")
    monkeypatch.setattr("gptmill.corpus.sources.huggingface.snapshot", lambda *_: tmp_path)
    names = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}
    pairs = HuggingFacePairs(
        kind="huggingface",
        dataset="a/b",
        revision="0" * 40,
        source="translation.de",
        target="translation.en",
        **names,
    )
    assert read_pairs(pairs, 0)[0][0] == ("ein train", "a train", "train")
    wrong = pairs.model_copy(update={"target": "translation.fr"})
    with pytest.raises(UserError, match=r'train\.jsonl, row 1: no column "translation\.fr"; found de, en'):
        read_pairs(wrong, 0)
