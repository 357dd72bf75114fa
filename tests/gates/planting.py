"""A project into whose outs faults are planted, and what a gate's message must then say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptmill.errors import UserError
from gptmill.gates.run import gate

REPOSITORY = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


class Project:
    """A project's folder: faults are planted with `edit…`, gates run with `passes` and `fails`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def edit(self, path: str, change: Callable[[Rows], Rows | None]) -> None:
        """Change the rows of a Parquet out; nulls are let in, as a broken writer would."""
        table = pq.read_table(self.root / path)
        rows = table.to_pylist()
        rows = change(rows) or rows
        schema = pa.schema([field.with_nullable(True) for field in table.schema])
        pq.write_table(pa.Table.from_pylist(rows, schema), self.root / path)

    def edit_json(self, path: str, change: Callable[[Any], None]) -> None:
        tree = json.loads((self.root / path).read_text())
        change(tree)
        (self.root / path).write_text(json.dumps(tree))

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def passes(self, stage: str) -> dict[str, Any]:
        """Run the gate; returns its report."""
        gate(stage, self.root)
        assert (self.root / f"data/gates/{stage}.json").is_file()
        return self.report(stage)

    def fails(self, stage: str) -> str:
        """Run the gate, which must stop; returns its message."""
        with pytest.raises(UserError) as stopped:
            gate(stage, self.root)
        assert not (self.root / f"data/gates/{stage}.json").exists()
        return str(stopped.value)

    def report(self, stage: str) -> dict[str, Any]:
        return dict(json.loads((self.root / f"reports/gates/{stage}.json").read_text()))


def caught(message: str, stage: str, place: str, expectation: str, *figures: str) -> None:
    """The message names the stage, and the failed expectation at its place with figures and examples."""
    assert message.startswith(f"gate@{stage} failed: ")
    found = re.search(rf"^  {re.escape(place)}: {expectation}\b.*\n(    .*\n)+", message, re.MULTILINE)
    assert found, message
    for figure in figures:
        assert figure in found[0]
    assert message.endswith(
        f"  Data Docs: .gptmill/data_docs/{stage}/index.html\n  report:    reports/gates/{stage}.json"
    )


def setter(row: int, **values: object):
    def change(rows):
        rows[row].update(values)

    return change
