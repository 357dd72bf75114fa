"""A gate: read a stage's outs and its suite, judge, report, and pass or stop."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import UserError
from gptmill.gates.engine import start_great_expectations, validate
from gptmill.gates.report import failure, report, token
from gptmill.gates.suite import check_suite, read_suite
from gptmill.gates.views import view
from gptmill.outs import new_outs, write_json


def gate(stage: str, root: Path = Path()) -> None:
    """Judge the outs of `stage` by expectations/<stage>.yaml.

    Writes Data Docs, the report and, only if every expectation is met, the pass token on which the next
    stage depends.

    Raises:
        UserError: naming what is wrong in the suite, or what failed, how, and where to read more.
    """
    looked_at = view(stage)
    suite = f"expectations/{stage}.yaml"
    docs = f".gptmill/data_docs/{stage}"
    report_path, token_path = f"{looked_at.reports}/{stage}.json", f"data/gates/{stage}.json"
    (root / token_path).unlink(missing_ok=True)  # an older pass says nothing about these outs

    entries = read_suite(root / suite, suite)
    tables = looked_at.tables(root)
    start_great_expectations()
    expectations = check_suite(entries, tables, suite)
    with new_outs(root / docs) as (folder,):
        findings = validate(entries, expectations, tables, folder, suite)
    rows = {name: len(table) for name, table in tables.items()}
    write_json(root / report_path, report(stage, findings, rows))
    if not all(finding.success for finding in findings):
        raise UserError(failure(stage, findings, f"{docs}/index.html", report_path, suite))
    write_json(root / token_path, token(stage, root, looked_at.passes(root)))
