"""The task comes from the corpus, keeps its splits, and can't be read off."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptmill.errors import UserError
from gptmill.params.finetune import Provenance
from gptmill.tasks.provenance import MASK, mask, masked_terms, provenance

TASK = Provenance(kind="provenance", max_labels=2, max_train=3, max_eval=2, max_tokens=16)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("split", pa.string()),
        ("meta", pa.map_(pa.string(), pa.string())),
    ]
)


def corpus(folder: Path, groups: dict[str, int]) -> Path:
    rows = []
    for split in ("train", "validation", "test"):
        for group, size in groups.items():
            for i in range(size):
                meta = [("group", group), ("module", f"{group}.linalg._decomp")]
                text = f"{group} {group.upper()} np.x {group}.linalg._decomp.svd solves the equation"
                rows.append({"id": f"{i}-{group}-{split}", "text": text, "split": split, "meta": meta})
    rows.sort(key=lambda row: row["id"])
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "documents.parquet")
    return folder


def test_largest_groups_their_splits_and_the_limits(tmp_path: Path) -> None:
    data = provenance(TASK, "t", corpus(tmp_path, {"small": 1, "scipy": 4, "numpy": 3}))
    assert data.labels == ["numpy", "scipy"]
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 3,
        "dev": 2,
        "test": 2,
    }
    for split, suffix in (("train", "train"), ("dev", "validation"), ("test", "test")):
        assert all(example.id.endswith(suffix) for example in data.splits[split])
        assert all(example.label in example.id for example in data.splits[split])


def test_names_are_masked(tmp_path: Path) -> None:
    data = provenance(TASK, "t", corpus(tmp_path, {"scipy": 4, "numpy": 3}))
    for examples in data.splits.values():
        for example in examples:
            text = f"{MASK} {MASK} {MASK}.x {MASK}.{MASK}._{MASK}.svd solves the equation"
            assert example.texts == (text,)


@given(st.text(), st.sampled_from(["numpy", "NumPy", "linalg", "np", "scikit", "Learn", "decomp"]), st.text())
def test_no_masked_word_is_left_anywhere(before: str, word: str, after: str) -> None:
    terms = masked_terms(
        [{"group": "scikit-learn", "module": "sklearn.linalg"}, {"group": "numpy", "module": "a._decomp"}]
    )
    masked = mask(f"{before} {word} {after}", terms)
    assert word.lower() not in [part.lower() for part in masked.split()]


def test_words_of_a_books_title() -> None:
    terms = masked_terms([{"group": "A-Tale-of-Two-Cities_98-0"}, {"group": "Emma_158-0"}])
    assert {"tale", "two", "cities", "emma"} <= terms
    assert not {"of", "98", "a"} & terms
    assert mask("Emma's two cities", terms) == f"{MASK}'s {MASK} {MASK}"


def test_one_group_is_no_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"finetune\.tasks\.t .*only \['numpy'\].*add a source"):
        provenance(TASK, "t", corpus(tmp_path, {"numpy": 3}))
