"""The task `provenance`: which group (package, file) does a document come from?

Labels are real and cost nothing: they come with the corpus. Documents keep their split, so no text of
dev or test was in pretraining. What would give the answer away is masked: the words of every group's
name, every name in a dotted module path, and the usual import aliases.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from gptmill.errors import UserError
from gptmill.params.finetune import Provenance
from gptmill.tasks.examples import Dataset, Example, checked

MASK = "____"
ALIASES = {"np", "pd", "plt", "mpl", "nx", "sa", "sp", "sklearn"}
WORD = re.compile(r"[^\W_]+(?:_+[^\W_]+)*")  # as \w+, without underscores at the ends
SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def provenance(task: Provenance, name: str, source: Path) -> Dataset:
    """Make the task from `source/documents.parquet` (columns id, text, meta, split).

    The `max_labels` largest groups are the labels. Of each split the first documents by id are taken:
    ids are hashes, so that is a random sample.

    Raises:
        UserError: when the corpus has fewer than two groups, or a split none of their documents.
    """
    columns = ["id", "text", "meta", "split"]
    rows = pq.read_table(source / "documents.parquet", columns=columns).to_pylist()
    metas = [dict(row["meta"]) for row in rows]
    sizes = Counter(meta["group"] for row, meta in zip(rows, metas, strict=True) if row["split"] == "train")
    labels = sorted(
        group for group, _ in sorted(sizes.items(), key=lambda g: (-g[1], g[0]))[: task.max_labels]
    )
    if len(labels) < 2:
        raise UserError(
            f"finetune.tasks.{name} asks which group (package, file) a document comes from, and the corpus has "
            f"only {labels or 'none'}: add a source or a file, so that there are two to tell apart, "
            "or remove the task from params.yaml"
        )

    terms = masked_terms(metas)
    splits: dict[str, list[Example]] = {}
    for ours, corpus_split in SPLITS.items():
        limit = task.max_train if ours == "train" else task.max_eval
        chosen = [
            (row, meta["group"])
            for row, meta in zip(rows, metas, strict=True)
            if row["split"] == corpus_split and meta["group"] in labels
        ][:limit]
        if not chosen:
            raise UserError(
                f"finetune.tasks.{name}: the {corpus_split} split has no document of {', '.join(labels)}; "
                "collect more documents or raise dedupe.validation_fraction and test_fraction"
            )
        splits[ours] = [Example(row["id"], (mask(row["text"], terms),), group) for row, group in chosen]
    return checked(Dataset("classification", labels, splits), f"finetune.tasks.{name}")


def masked_terms(metas: list[dict[str, str]]) -> frozenset[str]:
    """Lower-case words that name a group or a module anywhere in the corpus."""
    names = {meta["group"] for meta in metas} | {meta.get("module", "") for meta in metas}
    words = {word.lower() for name in names for word in WORD.findall(name)}
    parts = {part for word in words for part in word.split("_")}
    return frozenset(word for word in words | parts if len(word) > 2 and not word.isdigit()) | ALIASES


def mask(text: str, terms: frozenset[str]) -> str:
    """`text` with every word of `terms`, in any case, replaced by `MASK`."""
    return WORD.sub(lambda word: MASK if word[0].lower() in terms else word[0], text)
