"""Tasks from the corpus: real labels, splits kept, false partners from the same group, books too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptmill.errors import UserError
from gptmill.params.finetune import SameObject, SummaryOfBody, WhichBody
from gptmill.tasks.passages import passages_task

META = pa.map_(pa.string(), pa.string())
SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("split", pa.string()), ("meta", META)])
KINDS = {"summary_of_body": SummaryOfBody, "same_object": SameObject, "which_body": WhichBody}


def corpus(folder: Path, n: int = 80, groups: int = 2) -> Path:
    rows = []
    for split in ("train", "validation", "test"):
        for i in range(n):
            group = f"g{i % groups}"
            key = f"{split} {group} n{i}"
            summary = f"Summary of the thing {key}."
            second = f"It is what one would call the second paragraph {key}."
            third = f"Parameters of it are these and those, all of {key}."
            meta = [("group", group), ("kind", "docstrings")]
            rows.append(
                {"id": key, "text": "\n\n".join((summary, second, third)), "split": split, "meta": meta}
            )
    rows.append({"id": "x", "text": "One paragraph alone is of no use here.", "split": "train", "meta": meta})
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "documents.parquet")
    return folder


def about(text: str) -> str:
    return text.rstrip(".").split("thing ")[-1].split("paragraph ")[-1].split("all of ")[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_true_and_partners_of_the_same_group(tmp_path: Path, kind: str) -> None:
    data = passages_task(KINDS[kind](kind=kind, max_eval=50), "t", corpus(tmp_path))
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 80,
        "dev": 50,
        "test": 50,
    }
    for split, own_split in (("train", "train"), ("dev", "validation"), ("test", "test")):
        labels = Counter()
        for example in data.splits[split]:
            labels[example.label] += 1
            keys = [about(text) for text in example.texts if text]
            assert {key.split()[0] for key in keys} == {own_split}  # no text crosses the splits
            assert len({key.split()[1] for key in keys}) == 1  # nor the groups
            if kind == "which_body":
                context, _, *bodies = example.texts
                assert [about(body) == about(context) for body in bodies].index(True) == "ABCD".index(
                    example.label
                )
                assert len(set(bodies)) == 4
            else:
                assert (keys[0] == keys[1]) == (example.label == "yes")
        assert min(labels.values()) > len(data.splits[split]) / len(data.labels) / 3
        assert set(labels) == set(data.labels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("same_group", [0.0, 0.5])
def test_partners_of_other_groups(tmp_path: Path, kind: str, same_group: float) -> None:
    task = KINDS[kind](kind=kind, same_group=same_group)
    data = passages_task(task, "t", corpus(tmp_path, n=120, groups=5))
    own = others = 0
    for example in data.splits["test"]:
        keys = [about(text) for text in example.texts if text]
        assert len(set(example.texts[2:])) in (0, 4)
        if kind == "which_body":
            context, *bodies = keys
            assert bodies["ABCD".index(example.label)] == context
            false = [body for body in bodies if body != context]
        else:
            context = keys[0]
            assert (keys[0] == keys[1]) == (example.label == "yes")
            false = keys[1:] if example.label == "no" else []
        own += sum(key.split()[1] == context.split()[1] for key in false)
        others += len(false)
    assert own / others == pytest.approx(same_group, abs=0.2 if same_group else 0)


def test_one_group_has_no_strangers(tmp_path: Path) -> None:
    task = WhichBody(kind="which_body", same_group=0.0)
    data = passages_task(task, "t", corpus(tmp_path, groups=1))
    assert all(len(set(example.texts[2:])) == 4 for example in data.splits["test"])


def test_the_summary_is_not_in_the_body(tmp_path: Path) -> None:
    for example in passages_task(SummaryOfBody(kind="summary_of_body"), "t", corpus(tmp_path)).splits[
        "train"
    ]:
        premise, hypothesis = example.texts
        assert hypothesis.startswith("Summary")
        assert "Summary" not in premise


def test_a_book_gives_many_passages(tmp_path: Path) -> None:
    rows = []
    for split in ("train", "validation", "test"):
        paragraphs = [
            f"In {split} paragraph {i} of the book " + "there was a word or more " * 8 for i in range(300)
        ]
        rows.append(
            {"id": split, "text": "\n\n".join(paragraphs), "split": split, "meta": [("group", "book")]}
        )
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / "documents.parquet")
    for kind, model in KINDS.items():
        data = passages_task(model(kind=kind), "t", tmp_path)
        assert len(data.splits["test"]) > 40
        assert len({example.id for example in data.splits["test"]}) == len(data.splits["test"])


@pytest.mark.parametrize("kind", KINDS)
def test_too_little_text_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(
        UserError, match=rf"t \(kind {kind}\) needs .* train split gives 10 examples.*remove the task"
    ):
        passages_task(KINDS[kind](kind=kind), "t", corpus(tmp_path, n=10))
