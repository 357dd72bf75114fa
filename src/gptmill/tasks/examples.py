"""What a task is to the rest of the code, however it came about; and the checks that all tasks share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from gptmill.errors import UserError
from gptmill.outs import read_json, write_json

SPLITS = ("train", "dev", "test")
Form = Literal["classification", "entailment", "similarity", "multiple_choice", "regression"]
SCHEMA = pa.schema(
    [("id", pa.string()), ("split", pa.string()), ("texts", pa.list_(pa.string())), ("label", pa.string())]
)


@dataclass(frozen=True)
class Example:
    """One example.

    `texts` are the text (classification), premise and hypothesis (entailment), the two sides
    (similarity, regression), or context, question and the answers (multiple choice; the question may
    be empty). `label` is one of the task's labels, or a number's text (regression).
    """

    id: str
    texts: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class Dataset:
    """All examples of a task; `form` says how they are put to the model (section 3.3 of the paper)."""

    form: Form
    labels: list[str]  # empty for regression
    splits: dict[str, list[Example]]  # train, dev, test
    notes: dict[str, int] = field(default_factory=dict)  # counts worth reporting, such as overlaps
    seen: list[str] = field(default_factory=list)  # ids of test examples that overlap what was trained on


def checked(data: Dataset, where: str) -> Dataset:
    """`data`, if every split has examples and train has every label.

    Raises:
        UserError: naming the empty split, or the label without an example.
    """
    for split in SPLITS:
        if not data.splits[split]:
            raise UserError(f"{where}: the {split} split has no example")
    seen = Counter(example.label for example in data.splits["train"])
    if missing := [label for label in data.labels if not seen[label]]:
        raise UserError(
            f"{where}: no train example is labelled {', '.join(map(repr, missing))}, so it can't be learned. "
            f"Train has {dict(sorted(seen.items()))}: add examples, raise max_train, or remove the label."
        )
    return data


def sample(examples: list[Example], limit: int | None) -> list[Example]:
    """At most `limit` examples, drawn by the hashes of their ids, in the order they came."""
    if limit is None or len(examples) <= limit:
        return examples
    kept = set(sorted(range(len(examples)), key=lambda i: rank(examples[i].id))[:limit])
    return [example for i, example in enumerate(examples) if i in kept]


def rank(name: str) -> bytes:
    """A place in an order that has nothing to do with what `name` says, and never changes."""
    return blake2b(name.encode(), digest_size=8).digest()


def write_dataset(data: Dataset, folder: Path) -> None:
    """`examples.parquet` and `task.json`."""
    rows = [
        {"id": example.id, "split": split, "texts": list(example.texts), "label": example.label}
        for split in SPLITS
        for example in data.splits[split]
    ]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "examples.parquet", compression="zstd")
    about = {"form": data.form, "labels": data.labels, "notes": data.notes, "seen": data.seen}
    write_json(folder / "task.json", about)


def read_dataset(folder: Path) -> Dataset:
    """What `write_dataset` wrote."""
    task: dict[str, Any] = read_json(folder / "task.json")
    splits: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for row in pq.read_table(folder / "examples.parquet").to_pylist():
        splits[row["split"]].append(Example(row["id"], tuple(row["texts"]), row["label"]))
    return Dataset(task["form"], task["labels"], splits, task["notes"], task["seen"])
