"""Valid outs pass every gate, and what a gate writes depends on them alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from gptmill.errors import UserError
from gptmill.gates.report import content_hash
from gptmill.gates.run import gate
from gptmill.gates.views import STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_valid_outs_pass(project, stage):
    report = project.passes(stage)
    assert report["success"]
    assert report["expectations"]["failed"] == 0
    assert report["expectations"]["evaluated"] == len(report["results"]) > 4


@pytest.mark.parametrize(("stage", "before"), [("clean", "collect"), ("dedupe", "clean")])
def test_where_nothing_was_dropped(project, stage, before):
    """Books have no duplicates, and a hand-picked corpus no bad documents."""
    path, source = (
        project.root / f"data/{name}.parquet" for name in (f"{stage}/dropped", f"{before}/documents")
    )
    gone, rows = pq.read_table(path), pq.read_table(source)
    pq.write_table(gone.slice(0, 0), path)
    pq.write_table(rows.filter(pc.invert(pc.is_in(rows["id"], gone["id"].combine_chunks()))), source)
    project.passes(stage)


def test_token_and_report_are_the_same_bytes_elsewhere_and_later(project, tmp_path):
    project.passes("dedupe")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(project.root, elsewhere)
    gate("dedupe", elsewhere)
    for path in ("data/gates/dedupe.json", "reports/gates/dedupe.json"):
        assert (project.root / path).read_bytes() == (elsewhere / path).read_bytes()
    text = (elsewhere / "reports/gates/dedupe.json").read_text()
    assert str(tmp_path) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d|[0-9a-f]{8}-[0-9a-f]{4}-", text)  # times, UUIDs


def test_token_holds_the_stage_and_the_hashes_only(project):
    project.passes("finetune")
    token = json.loads((project.root / "data/gates/finetune.json").read_text())
    out = "models/finetune/provenance"
    assert token == {"stage": "finetune", "outs": {out: content_hash(project.root / out)}}


def test_a_changed_threshold_that_passes_leaves_the_token(project):
    project.passes("clean")
    token = (project.root / "data/gates/clean.json").read_bytes()
    suite = project.root / "expectations/clean.yaml"
    suite.write_text(suite.read_text().replace("min_value: 0.1", "min_value: 0.2"))
    project.passes("clean")
    assert (project.root / "data/gates/clean.json").read_bytes() == token


def test_a_changed_out_changes_the_token(project):
    before = content_hash(project.root / "data/tokens")
    (project.root / "data/tokens/train-00000.bin").rename(project.root / "data/tokens/train-00009.bin")
    assert content_hash(project.root / "data/tokens") != before


def test_content_hash_tells_names_from_bytes(tmp_path):
    for folder, name, data in (("a", "x", b"yz"), ("b", "xy", b"z")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(data)
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")


def test_a_failure_withdraws_an_older_token(project):
    project.passes("pretrain")
    project.edit_json("reports/pretrain/metrics.json", lambda metrics: metrics.update(val_loss=9.0))
    project.fails("pretrain")  # asserts that no token is left


def test_data_docs_are_written_and_replaced(project):
    for _ in range(2):
        project.passes("evaluate")
    docs = project.root / ".gptmill/data_docs/evaluate"
    assert (docs / "index.html").is_file()
    assert len(list(docs.glob("validations/metrics/*/*/*.html"))) == 1


def test_unknown_gate():
    with pytest.raises(UserError, match='no gate "tokenise"; did you mean "tokenize"'):
        gate("tokenise", Path())


def test_missing_out(project):
    (project.root / "data/clean/dropped.parquet").unlink()
    assert "data/clean/dropped.parquet does not exist" in project.fails("clean")


def test_truncated_out(project):
    path = project.root / "data/clean/dropped.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert "data/clean/dropped.parquet is no readable Parquet file" in project.fails("clean")
