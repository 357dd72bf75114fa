"""expectations/<stage>.yaml: for each table a list of expectations, by Great Expectations' own names.

    documents:
      - expect_column_values_to_be_unique: {column: id}
      - expect_table_row_count_to_be_between: {min_value: 1}

Everything wrong in the file is one message that names the entry and what would be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError, nearest
from gptmill.params import read_yaml

if TYPE_CHECKING:
    import pandas as pd

# Arguments of every expectation that are ours to set: what is reported, and that a failure is a failure.
_OURS = {"id", "batch_id", "result_format", "catch_exceptions", "rendered_content", "severity", "windows"}
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")
_NAMES_A_MISSING_COLUMN = "expect_column_to_exist"


@dataclass(frozen=True)
class Entry:
    """One expectation of a suite."""

    where: str  # "expectations/clean.yaml: documents[2]"
    table: str
    type: str
    kwargs: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        named = [self.kwargs.get(argument) for argument in _COLUMN_ARGUMENTS]
        return [column for some in named if some for column in (some if isinstance(some, list) else [some])]


def read_suite(path: Path, shown: str) -> list[Entry]:
    """The entries of a suite file, their form checked. `shown` is the path for messages.

    Raises:
        UserError: when the file is missing, no YAML or not of the form above.
    """
    if not path.is_file():
        raise UserError(f"{shown} does not exist in {Path.cwd()}; every gate needs its suite")
    problems, entries = [], []
    for table, items in read_yaml(path).items():
        if not isinstance(items, list):
            problems.append(f"{table}: expected a list of expectations, found {items!r}")
            continue
        for n, item in enumerate(items):
            where = f"{table}[{n}]"
            if isinstance(item, str):
                item = {item: None}
            if not isinstance(item, dict) or len(item) != 1:
                problems.append(f"{where}: expected `expectation_name: {{arguments}}`, found {item!r}")
                continue
            (name, kwargs), *_ = item.items()
            if not isinstance(kwargs, dict | None):
                problems.append(f"{where}: {name}: expected a mapping of arguments, found {kwargs!r}")
                continue
            entries.append(Entry(where, str(table), str(name), dict(kwargs or {})))
    _raise(
        shown,
        problems or ([] if entries else ["no expectation in the file: such a gate would pass anything"]),
    )
    return entries


def check_suite(entries: list[Entry], tables: dict[str, pd.DataFrame], shown: str) -> list[Any]:
    """The entries as Great Expectations' objects, in their order.

    Raises:
        UserError: with a line for each unknown table, column, expectation or argument, and each wrong value.
    """
    problems, built = [], []
    for entry in entries:
        problem = _wrong_place(entry, tables)
        expectation = None if problem else _build(entry)
        if isinstance(expectation, str):
            problem = expectation
        if problem:
            problems.append(f"{entry.where}: {problem}")
        built.append(expectation)
    _raise(shown, problems)
    return built


def _raise(shown: str, problems: list[str]) -> None:
    if problems:
        raise UserError(f"{shown}:\n  " + "\n  ".join(problems))


def _wrong_place(entry: Entry, tables: dict[str, pd.DataFrame]) -> str | None:
    if entry.table not in tables:
        hint = nearest(entry.table, tables)
        return f'no table "{entry.table}"{hint} Tables of this gate: {", ".join(tables)}'
    columns = list(map(str, tables[entry.table].columns))
    for column in entry.columns:
        if column not in columns and entry.type != _NAMES_A_MISSING_COLUMN:
            return (
                f'{entry.type}: the table "{entry.table}" has no column "{column}"'
                f"{nearest(str(column), columns)} Columns: {', '.join(columns)}"
            )
    return None


def _build(entry: Entry) -> Any:
    """The expectation, or what is wrong with it as a `str`."""
    from great_expectations.expectations import registry
    from pydantic.v1 import ValidationError

    names = registry.list_registered_expectation_implementations()
    if entry.type not in names:
        return f'"{entry.type}" is no expectation of Great Expectations{nearest(entry.type, names)}'
    kind = registry.get_expectation_impl(entry.type)
    allowed = sorted(set(kind.__fields__) - _OURS)
    for argument in entry.kwargs:
        if argument not in allowed:
            hint = nearest(argument, allowed)
            return f'{entry.type}: no argument "{argument}"{hint} Arguments: {", ".join(allowed)}'
    try:
        return kind(**entry.kwargs)
    except ValidationError as error:
        return f"{entry.type}: {_condensed(error, entry.kwargs)}"


def _condensed(error: Any, kwargs: dict[str, Any]) -> str:
    """Pydantic's errors in one line; of the members of a union the first speaks for all."""
    said: dict[str, str] = {}
    for problem in error.errors():
        argument = str(problem["loc"][0])
        if argument == "__root__":
            said.setdefault(argument, problem["msg"])
        elif problem["type"] == "value_error.missing":
            said.setdefault(argument, f"{argument} is missing")
        else:
            said.setdefault(argument, f"{argument}: {problem['msg']}; found {kwargs.get(argument)!r}")
    about_arguments = [text for argument, text in said.items() if argument != "__root__"]
    return "; ".join(about_arguments or said.values())
