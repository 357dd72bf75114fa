"""gate@pairs: good pairs pass, each planted fault stops the flow and is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptmill.errors import UserError
from gptmill.gates.run import gate
from gptmill.outs import read_json, write_json

ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


@pytest.fixture
def project(pairs: Path, tmp_path: Path) -> Path:
    shutil.copytree(pairs, tmp_path / "data/pairs")
    shutil.copytree(ROOT / "expectations", tmp_path / "expectations")
    return tmp_path


def edit(project: Path, change: Callable[[Rows], Rows | None]) -> None:
    path = project / "data/pairs/pairs.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    pq.write_table(pa.Table.from_pylist(change(rows) or rows, table.schema), path)


def test_good_pairs_pass_and_the_report_stays_out_of_the_flow(project: Path) -> None:
    gate("pairs", project)
    assert set(read_json(project / "data/gates/pairs.json")["outs"]) == {"data/pairs"}
    assert read_json(project / "reports/translate/gates/pairs.json")["success"]
    assert not (project / "reports/gates").exists()


def empty(rows: Rows) -> None:
    rows[0]["target"] = " "


def leak(rows: Rows) -> None:
    train, test = (next(row for row in rows if row["split"] == split) for split in ("train", "test"))
    test["source"] = train["source"]


def long(rows: Rows) -> None:
    rows[0]["ratio"] = 30.0


def unknown(rows: Rows) -> None:
    for row in rows[:5]:
        row["unknown"] = len(row["source"] + row["target"])


def lost(rows: Rows) -> Rows:
    return rows[1:]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (empty, "pairs.target_chars"),
        (leak, "pairs.in_splits"),
        (long, "pairs.ratio"),
        (unknown, "pairs.unknown_share"),
        (lost, "splits.missing"),
    ],
)
def test_a_fault_is_named(project: Path, fault: Callable[[Rows], Rows | None], expected: str) -> None:
    edit(project, fault)
    with pytest.raises(UserError, match=expected.replace(".", r"\.")) as stopped:
        gate("pairs", project)
    assert "gate@pairs failed: 1 of " in str(stopped.value)
    assert not (project / "data/gates/pairs.json").exists()


def test_sides_of_different_length(project: Path) -> None:
    meta = read_json(project / "data/pairs/meta.json")
    meta["lines"]["test"]["target"] -= 1
    write_json(project / "data/pairs/meta.json", meta)
    with pytest.raises(UserError, match=r"files\.difference"):
        gate("pairs", project)
