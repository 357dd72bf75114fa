"""Every pair is kept or dropped with its reason; one vocabulary for both sides; the same bytes at every run."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gptmill.errors import UserError
from gptmill.outs import read_json
from gptmill.params.translate import Dates, Tsv, Vocabulary
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.translation.prepare import prepare, sift

WORDS = "\n".join(
    f"word {n} of the middling sort {n}\tWort {n} von der mittleren Sorte {n}" for n in range(50)
)
VOCABULARY = Vocabulary(model_type="bpe", vocab_size=420, max_tokens=60, max_ratio=6.0)
DATES = Dates(kind="dates", train=300, validation=20, test=20)


def test_what_is_dropped_and_why() -> None:
    rows = [
        ("ein Haus", "a house", "train"),
        ("ein Haus", "a house", "train"),
        ("", "empty", "train"),
        ("leer", "", "train"),
        ("kurz", "far too long to be a translation of it", "train"),
        ("ein Test", "a test", "train"),
        ("ein Test", "a test", "test"),
        ("ein Haus", "the house", "train"),  # the same source, said in another way
    ]
    kept, dropped = sift(rows, max_ratio=6.0)
    assert kept == [rows[0], rows[6], rows[7]]
    assert [reason for _, reason in dropped] == [
        "duplicate",
        "empty source",
        "empty target",
        "length ratio",
        "source is in test",
    ]


def test_dates_prepared_twice_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        prepare(DATES, VOCABULARY, 1, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["dropped.parquet", "meta.json", "pairs.parquet", "tokenizer.model"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = pq.read_table(tmp_path / "one/pairs.parquet").to_pylist()
    assert len(rows) == 340
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    tokenizer = Tokenizer.load(tmp_path / "one/tokenizer.model")
    for row in rows[:20]:
        assert row["source_tokens"] == len(tokenizer.encode(row["source"]))
        assert tokenizer.decode(tokenizer.encode(row["source"])) == row["source"]


def write(folder: Path, train: str) -> Tsv:
    paths = {}
    for name, text in {"train": train, "validation": "b c\td e\n", "test": "f g\th i 漢字\n"}.items():
        (folder / name).write_text(text)
        paths[name] = str(folder / name)
    return Tsv(kind="tsv", **paths)


def test_counts_add_up_and_unknown_characters_are_counted(tmp_path: Path) -> None:
    pairs = write(tmp_path, WORDS + "\n\tempty\n")
    out = tmp_path / "out"
    out.mkdir()
    small = Vocabulary(model_type="bpe", vocab_size=300, max_tokens=60, max_ratio=6.0)
    counts = prepare(pairs, small, 1, out)
    assert counts["train"] == {"read": 51, "kept": 50, "dropped": 1}
    assert read_json(out / "meta.json")["splits"] == counts
    rows = {row["split"]: row for row in pq.read_table(out / "pairs.parquet").to_pylist()}
    assert rows["test"]["unknown"] == 2  # the two ideographs
    assert rows["train"]["unknown"] == 0


def test_too_long_is_dropped_by_tokens(tmp_path: Path) -> None:
    long = "y " * 80
    pairs = write(tmp_path, WORDS + f"\n{long}\t{long}\n")
    out = tmp_path / "out"
    out.mkdir()
    prepare(pairs, Vocabulary(model_type="bpe", vocab_size=300, max_tokens=40, max_ratio=6.0), 1, out)
    (row,) = pq.read_table(out / "dropped.parquet").to_pylist()
    assert (row["split"], row["reason"]) == ("train", "too long")


def test_nothing_left_of_a_split(tmp_path: Path) -> None:
    pairs = write(tmp_path, WORDS)
    Path(pairs.test).write_text("\tx\n")
    with pytest.raises(UserError, match=r"nothing is left of the test split \(empty source 1\)"):
        prepare(
            pairs, Vocabulary(model_type="bpe", vocab_size=300, max_tokens=40, max_ratio=6.0), 1, tmp_path
        )


def test_a_vocabulary_that_the_text_does_not_support(tmp_path: Path) -> None:
    pairs = write(tmp_path, WORDS)
    with pytest.raises(UserError, match=r"translate\.vocabulary\.vocab_size = 90000"):
        prepare(
            pairs, Vocabulary(model_type="bpe", vocab_size=90000, max_tokens=40, max_ratio=6.0), 1, tmp_path
        )
