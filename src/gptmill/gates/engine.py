"""Great Expectations at work: expectations on tables in, findings and Data Docs out.

Nothing of it outlives the call: the context is ephemeral (Great Expectations refuses to add a name
twice), and suites come from our files. Its import is most of a gate's time, so it happens here, once.
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError
from gptmill.gates.report import plain

if TYPE_CHECKING:
    import pandas as pd

    from gptmill.gates.suite import Entry

SHOWN = 5  # examples in a report
SHOWN_IN_DOCS = 20
# Columns whose values never leave the gate: a report that quotes the address it found spreads it.
PRIVATE = {"text"}
HIDDEN = "(not shown)"


@dataclass(frozen=True)
class Finding:
    """What came of one expectation. `rows` and `unexpected` are None where it looks at a whole column."""

    entry: Entry
    success: bool
    observed: Any  # the figure of an expectation on a whole column or table
    rows: int | None
    unexpected: int | None
    values: list[Any]  # up to `SHOWN` distinct unexpected values
    examples: list[str]  # up to `SHOWN` rows by the table's first column


def start_great_expectations() -> Any:
    """The module, imported without telemetry and without its log messages."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations

    return great_expectations


def validate(
    entries: list[Entry], expectations: list[Any], tables: dict[str, pd.DataFrame], docs: Path, shown: str
) -> list[Finding]:
    """Run each expectation on its table, and write Data Docs into the folder `docs`.

    Args:
        expectations: Great Expectations' objects, one for each of `entries`.
        shown: the suite's path for messages.

    Returns:
        Findings in the order of `entries`.

    Raises:
        UserError: when an expectation cannot be computed, such as a mean of strings.
    """
    gx = start_great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("gate")
    findings: dict[int, Finding] = {}
    for table in dict.fromkeys(entry.table for entry in entries):
        numbers = [n for n, entry in enumerate(entries) if entry.table == table]
        key = str(tables[table].columns[0])
        suite = gx.ExpectationSuite(name=table, expectations=[expectations[n] for n in numbers])
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        suite = context.suites.add(suite)
        outcome = _run(batch.get_batch({"dataframe": tables[table]}), suite, key)
        # Great Expectations gives results in an order of its own, under the ids that it gave the suite's.
        by_id = {result.expectation_config.id: result for result in outcome.results}
        for n, expectation in zip(numbers, suite.expectations, strict=True):
            result = by_id[expectation.id]
            result.success = bool(result.success)  # NumPy's at times, which JSON refuses
            result.result = plain(without_private_values(result.result, entries[n], key))
            findings[n] = _finding(entries[n], result, key, shown)
        _store(context, table, outcome)
    _write_docs(context, docs)
    return [findings[n] for n in range(len(entries))]


def _run(batch: Any, suite: Any, key: str) -> Any:
    """The suite's results on the batch, rows named by the column `key`. Nothing is stored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return batch.validate(
            suite,
            result_format={
                "result_format": "SUMMARY",
                "unexpected_index_column_names": [key],
                "partial_unexpected_count": SHOWN_IN_DOCS,
            },
        )


def _store(context: Any, table: str, outcome: Any) -> None:
    """Put what may be shown into the context's store, of which the docs are made."""
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    run = RunIdentifier(run_time=datetime.now(UTC))
    outcome.meta["run_id"] = run
    name = ValidationResultIdentifier(
        ExpectationSuiteIdentifier(table), run, batch_identifier=f"gate-{table}"
    )
    context.validation_results_store.set(name, outcome)


def without_private_values(result: dict[str, Any], entry: Entry, key: str) -> dict[str, Any]:
    """The result with counts and row names, and with values unless the expectation reads a private column."""
    # The list is pages long, and says in row numbers what the ids say.
    shown = {name: value for name, value in result.items() if name != "unexpected_index_query"}
    rows = result.get("partial_unexpected_index_list") or []
    private = PRIVATE & set(entry.columns)
    if private:
        rows = [{key: row.get(key)} | dict.fromkeys(private, HIDDEN) for row in rows]
        shown.pop("details", None)
        if isinstance(shown.get("observed_value"), str | list | dict):
            shown["observed_value"] = HIDDEN
        for name in ("partial_unexpected_list", "partial_unexpected_counts"):
            if name in shown:
                shown[name] = []
    if "partial_unexpected_index_list" in shown:
        shown["partial_unexpected_index_list"] = rows
        shown["unexpected_index_list"] = rows  # the docs show row names from this one
    return shown


def _finding(entry: Entry, result: Any, key: str, shown: str) -> Finding:
    if problem := _exception(result.exception_info):
        raise UserError(f"{shown}:\n  {entry.where}: {entry.type}: cannot be computed: {problem}")
    found = result.result
    rows = found.get("partial_unexpected_index_list") or []
    return Finding(
        entry=entry,
        success=bool(result.success),
        observed=found.get("observed_value"),
        rows=found.get("element_count"),
        unexpected=found.get("unexpected_count"),
        values=_distinct(found.get("partial_unexpected_list") or []),
        examples=[str(example) for example in _distinct([row.get(key) for row in rows])],
    )


def _exception(info: dict[str, Any]) -> str | None:
    """The message of the first exception, from either form in which Great Expectations gives them."""
    for one in [info] if "raised_exception" in info else info.values():
        if one.get("raised_exception"):
            return str(one.get("exception_message"))
    return None


def _distinct(values: list[Any]) -> list[Any]:
    """The first `SHOWN` different values, in order."""
    return list({repr(value): value for value in values}.values())[:SHOWN]


def _write_docs(context: Any, folder: Path) -> None:
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site = {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": store}
    context.add_data_docs_site("gate", site)
    context.build_data_docs(site_names=["gate"])  # not the temporary one of an ephemeral context
