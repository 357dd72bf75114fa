"""tasks: the examples of every task in params.yaml, checked, before anything is trained."""

from __future__ import annotations

from pathlib import Path

from gptmill.params.finetune import Finetune, Provenance, ReadTask, Task
from gptmill.tasks.examples import Dataset, write_dataset
from gptmill.tasks.overlap import with_overlap
from gptmill.tasks.passages import passages_task
from gptmill.tasks.provenance import provenance
from gptmill.tasks.read import read_task


def prepare(params: Finetune, documents: Path, out: Path) -> dict[str, dict[str, object]]:
    """Write each task's examples to `out/<task>`; the counts of what was written, for people.

    Args:
        documents: the folder with documents.parquet (columns id, text, meta, split).

    Raises:
        UserError: when a task can't be made, or breaks one of the rules of its kind.
    """
    counts: dict[str, dict[str, object]] = {}
    for name, task in sorted(params.tasks.items()):
        data = dataset(task, name, documents)
        (out / name).mkdir(parents=True)
        write_dataset(data, out / name)
        sizes = {split: len(examples) for split, examples in data.splits.items()}
        counts[name] = {"form": data.form, **sizes, **data.notes}
    return counts


def dataset(task: Task, name: str, documents: Path) -> Dataset:
    """One task's examples."""
    if isinstance(task, ReadTask):
        data = read_task(task, name)
        where = f"finetune.tasks.{name}"
        return with_overlap(data, documents / "documents.parquet", where, task.allow_overlap)
    # Made from the corpus, whose near-duplicates lie on one side: the split itself keeps them apart.
    if isinstance(task, Provenance):
        return provenance(task, name, documents)
    return passages_task(task, name, documents)
