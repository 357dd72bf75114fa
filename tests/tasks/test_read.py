"""Tasks of files: every form is read, TSV without quoting, and each mistake is named by file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptmill.errors import UserError
from gptmill.params import check
from gptmill.params.finetune import Finetune
from gptmill.tasks.examples import read_dataset, write_dataset
from gptmill.tasks.prepare import prepare
from gptmill.tasks.read import read_task

SPLITS = ("train", "dev", "test")


def task(root: Path, suffix: str = "tsv", /, **options):
    files = {split: f"{split}.{suffix}" for split in SPLITS}
    raw = {"folder": str(root), "files": files, "kind": "classification", "labels": [0, 1]} | options
    return check(Finetune, {"tasks": {"t": raw}}, "params.yaml").tasks["t"]


def tsv(folder: Path, **tables: str) -> None:
    default = 'text\tlabel\na "quote\t0\nb\t1\n'
    for split in SPLITS:
        (folder / f"{split}.tsv").write_text(tables.get(split, default), encoding="utf-8")


def texts(data, split="train"):
    return [(example.id, example.texts, example.label) for example in data.splits[split]]


def test_tsv_has_no_quoting(tmp_path: Path) -> None:
    rows = 'label\ttext\r\n0\t"one\r\n1\ttwo" \\t \u2028 "three"\r\n0\t\r\n'
    tsv(tmp_path, train="\ufeff" + rows)
    assert texts(read_task(task(tmp_path), "t")) == [
        ("train.tsv:2", ('"one',), "0"),
        ("train.tsv:3", ('two" \\t \u2028 "three"',), "1"),
        ("train.tsv:4", ("",), "0"),
    ]


def test_jsonl_parquet_globs_and_joined_columns(tmp_path: Path) -> None:
    rows = [{"a": "x", "b": "y", "label": 1}, {"a": "z", "b": "w", "label": 0}]
    for split in SPLITS:
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{split}-0.parquet")
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{split}-1.parquet")
    found = read_task(task(tmp_path, "jsonl", text=["a", "b"]), "t")
    assert texts(found) == [("train.jsonl:1", ("x y",), "1"), ("train.jsonl:2", ("z w",), "0")]
    files = {split: f"{split}-*.parquet" for split in SPLITS}
    found = read_task(task(tmp_path, text="a", files=files), "t")
    assert [example.id for example in found.splits["test"]] == [
        f"test-{n}.parquet:{i}" for n in "01" for i in "01"
    ]


def test_every_kind_is_read(tmp_path: Path) -> None:
    row = {"c": "ctx", "q": "why", "a": "one", "b": "two", "list": ["one", "two"], "label": "B", "score": 3}
    for split in SPLITS:
        (tmp_path / f"{split}.jsonl").write_text(
            "".join(json.dumps(row | {"label": label}) + "\n" for label in "AB")
        )

    def first(**options):
        return read_task(task(tmp_path, "jsonl", **{"labels": ["A", "B"]} | options), "t").splits["train"][1]

    assert first(kind="entailment", premise="a", hypothesis="b").texts == ("one", "two")
    assert first(kind="similarity", first="a", second="b").texts == ("one", "two")
    choice = {"kind": "multiple_choice", "context": "c"}
    assert first(**choice, answers=["a", "b"]).texts == ("ctx", "", "one", "two")
    assert first(**choice, answers="list", question="q").texts == ("ctx", "why", "one", "two")
    raw = {"kind": "regression", "folder": str(tmp_path), "files": {s: f"{s}.jsonl" for s in SPLITS}}
    number = check(Finetune, {"tasks": {"t": raw | {"first": "a", "second": None}}}, "p").tasks["t"]
    example = read_task(number, "t").splits["train"][0]
    assert (example.texts, example.label) == (("one",), "3.0")


def test_without_dev_a_tenth_of_train_becomes_it(tmp_path: Path) -> None:
    tsv(tmp_path, train="text\tlabel\n" + "".join(f"t{i}\t{i % 2}\n" for i in range(100)))
    files = {"train": "train.tsv", "test": "test.tsv"}
    data = read_task(task(tmp_path, files=files, max_train=50), "t")
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 50,
        "dev": 10,
        "test": 2,
    }
    assert not {e.id for e in data.splits["train"]} & {e.id for e in data.splits["dev"]}
    assert read_task(task(tmp_path, files=files, max_train=50), "t") == data
    (tmp_path / "out").mkdir()
    write_dataset(data, tmp_path / "out")
    assert read_dataset(tmp_path / "out") == data


@pytest.mark.parametrize(
    ("tables", "options", "message"),
    [
        ({"dev": "text\tlabel\na\t0\nb\t2\n"}, {}, r"t\.labels: dev\.tsv:3: label is '2', .*Allowed: 0, 1"),
        ({"train": "text\tlabel\na\t0\n"}, {}, r"no train example is labelled '1'.*\{'0': 1\}"),
        (
            {"train": "txt\tlabel\na\t0\n"},
            {},
            r't\.text = text: train\.tsv:2 .*did you mean "txt"\? Found: txt',
        ),
        ({"train": "text\tlabel\na\tb\t0\n"}, {}, r"train\.tsv, line 2: 3 fields, but the header has 2"),
        ({"train": "text\ttext\n"}, {}, r"line 1: the header names a column twice"),
        ({"test": "text\tlabel\n"}, {}, r"the test split has no example"),
        (
            {},
            {"files": {"train": "tarin.tsv", "test": "test.tsv"}},
            r"files\.train: no file matches 'tarin\.tsv'",
        ),
        ({}, {"folder": "nowhere"}, r"t\.folder: nowhere is no folder"),
        (
            {"test": "sentence1\tsentence2\tscore\na\tb\t1.5\na\tb\tn/a\n"},
            {"kind": "regression", "files": {"train": "test.tsv", "test": "test.tsv"}},
            r"t\.score: test\.tsv:3: score is 'n/a', which is no finite number",
        ),
    ],
)
def test_mistakes_in_files(tmp_path: Path, tables, options, message) -> None:
    tsv(tmp_path, **tables)
    if options.get("kind") == "regression":
        raw = {"folder": str(tmp_path), **options}
        made = check(Finetune, {"tasks": {"t": raw}}, "params.yaml").tasks["t"]
    else:
        made = task(tmp_path, **options)
    with pytest.raises(UserError, match=message):
        read_task(made, "t")


def test_mistakes_in_jsonl_and_parquet(tmp_path: Path) -> None:
    for split in SPLITS:
        (tmp_path / f"{split}.jsonl").write_text('{"text": "a", "label": 0}\n{"text": null, "label": 1}\n')
    with pytest.raises(UserError, match=r"t\.text: train\.jsonl:2: text is null"):
        read_task(task(tmp_path, "jsonl"), "t")
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": 0}\n{"text": 3, "label": 1}\n[]\n')
    with pytest.raises(UserError, match=r"train\.jsonl, line 3: each line must be an object"):
        read_task(task(tmp_path, "jsonl"), "t")
    (tmp_path / "train.jsonl").write_text('{"text": 3, "label": 1}\n')
    with pytest.raises(UserError, match=r"text is of type int, not a text"):
        read_task(task(tmp_path, "jsonl"), "t")
    (tmp_path / "train.jsonl").write_text('{"sentence1": "a", "score": true}\n')
    files = dict.fromkeys(("train", "test"), "train.jsonl")
    number = {"kind": "regression", "folder": str(tmp_path), "files": files, "second": None}
    with pytest.raises(UserError, match=r"train\.jsonl:1: score is True, which is no finite number"):
        read_task(check(Finetune, {"tasks": {"t": number}}, "params.yaml").tasks["t"], "t")
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"train\.parquet: not a whole Parquet file"):
        read_task(task(tmp_path, "parquet"), "t")
    (tmp_path / "train.tsv").write_bytes(b"text\tlabel\n\xff\t1\n")
    with pytest.raises(UserError, match=r"train\.tsv, line 2: not UTF-8"):
        read_task(task(tmp_path), "t")
    (tmp_path / "train.csv").write_text("text,label\n")
    with pytest.raises(UserError, match=r"train\.csv: no such format can be read"):
        read_task(task(tmp_path, "csv"), "t")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folder": None}, "give either folder, or dataset and revision"),
        ({"folder": None, "dataset": "a/b"}, "dataset and revision go together"),
        ({"labels": [0, 0]}, "holds a label twice"),
        ({"positive": 2}, "positive = '2' is not among labels"),
        ({"primary": "pearson"}, "primary: .*found 'pearson'"),
        ({"kind": "multiple_choice", "answers": ["a", "b", "c"]}, "3 answers need as many labels"),
        ({"kind": "clasification"}, 'is no kind; did you mean "classification"'),
        ({"txt": "a"}, 'tasks.t.txt: unknown key; did you mean "text"'),
    ],
)
def test_mistakes_in_params(tmp_path: Path, options, message) -> None:
    with pytest.raises(UserError, match=message):
        task(tmp_path, **options)


CORPUS = pa.schema([("id", pa.string()), ("text", pa.string()), ("split", pa.string())])
LINE = "the quick brown fox jumps over the lazy dog and then sleeps for a while"


def overlapping(folder: Path, allow: bool = False) -> dict:
    documents = [
        {"id": "d1", "text": "Some words. " + LINE.upper() + "! More.", "split": "train"},
        {"id": "d2", "text": "never seen in training by anyone at all", "split": "test"},
    ]
    pq.write_table(pa.Table.from_pylist(documents, CORPUS), folder / "documents.parquet")
    test = [
        "Same, row",
        LINE + " in the sun",
        "never seen in training by anyone at all",
        "short text",
        "words more",
    ]
    rows = "".join(f"{text}\t0\n" for text in test)
    tsv(folder, train="text\tlabel\nsame row!\t0\nb\t1\n", test="text\tlabel\n" + rows)
    out = folder / "out"
    out.mkdir()
    params = Finetune(tasks={"t": task(folder, allow_overlap=allow)})
    prepare(params, folder, out)
    return read_dataset(out / "t")


def test_overlap_is_named_counted_and_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        overlapping(tmp_path)
    message = str(error.value)
    assert "1 of 5 test examples are also in its train split: test.tsv:2 is train.tsv:2" in message
    assert "1 of 5 test examples have text in the pretraining corpus: test.tsv:3 in document d1" in message
    assert "finetune.tasks.t.allow_overlap: true" in message


def test_overlap_that_is_allowed_is_reported(tmp_path: Path) -> None:
    data = overlapping(tmp_path, allow=True)
    assert data.notes == {"test_in_train": 1, "test_in_pretraining": 1}
    assert data.seen == ["test.tsv:2", "test.tsv:3"]
