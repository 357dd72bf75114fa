"""What a run holds, as plain data."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gptmill.fingerprint import dvc_md5, locked_inputs
from gptmill.tracking.content import MAX_POINTS, Point, bucket, describe, flatten, key_name, results, thin
from gptmill.tracking.lineage import upstream


def test_thinned_curves_are_even_and_bounded() -> None:
    points = [Point(key, float(step), step) for key in ("a", "b") for step in range(0, 100_001, 7)]
    kept = thin(points, 100_000)
    for key in ("a", "b"):
        steps = [point.step for point in kept if point.key == key]
        assert len(steps) == MAX_POINTS
        assert max(b - a for a, b in itertools.pairwise(steps)) <= 100_000 / MAX_POINTS + 7
    short = [Point("a", 1.0, step) for step in range(MAX_POINTS)]
    assert thin(short, MAX_POINTS - 1) == short, "nothing is lost where nothing must be"


def test_unknown_length_still_makes_few_points() -> None:
    buckets = [bucket(step, None) for step in range(200_000)]
    assert buckets == sorted(buckets)
    assert len(set(buckets)) < MAX_POINTS
    assert bucket(10**7, None) < MAX_POINTS


def test_flatten_keeps_lists_whole() -> None:
    assert flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}) == {"a.b": 1, "a.c": [1, 2], "d": None}


@pytest.mark.parametrize("name", ["gptmill.gate@clean", "kind=x", "a{b}", "tasks.provenance"])
def test_names_are_what_mlflow_allows(name: str) -> None:
    assert re.fullmatch(r"[/\w.\- :]*", key_name(name))


def test_a_gate_that_failed_and_a_value_that_is_no_number(project: Path) -> None:
    (project / "reports/gates/tokenize.json").write_text(
        '{"success": false, "expectations": {"evaluated": 9, "failed": 2}}'
    )
    (project / "reports/pretrain/metrics.json").write_text('{"val_loss": 1.5, "note": "x", "ok": true}')
    description = describe("pretrain", locked_inputs("pretrain", project), project)
    found = results("pretrain", description, project)
    assert found.tags == {"gptmill.gate/tokenize": "failed, 7 of 9 expectations"}
    figures = [point for point in found.points if point.key not in ("train_loss",)]
    assert figures[-1] == Point("val_loss", 1.5, 20)
    assert {point.key for point in found.points} == {"train_loss", "val_loss"}


def test_dirty_means_code_or_parameters(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = locked_inputs("evaluate", project)
    (project / "dvc.lock").write_text((project / "dvc.lock").read_text() + "\n")
    (project / "scratch.txt").write_text("x")
    assert describe("evaluate", inputs, project).tags["gptmill.dirty"] == "false"
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "\n")
    monkeypatch.setenv("DVC_EXP_NAME", "wavy-cat")
    tags = describe("evaluate", inputs, project).tags
    assert tags["gptmill.dirty"] == "true"
    assert tags["gptmill.dvc_experiment"] == "wavy-cat"


def test_upstream_follows_folders_and_files(project: Path) -> None:
    assert upstream(["data/tokens/tokenizer.model"], project) == ["dedupe", "tokenize"]
    assert "finetune@provenance" in upstream(["models/finetune"], project)
    assert upstream(["prepared/model"], project) == []


def test_md5_is_dvc_s_own(project: Path) -> None:
    from gptmill.tracking.lineage import locked_outs

    outs = {path: md5 for made in locked_outs(project).values() for path, md5 in made.items()}
    assert any(md5.endswith(".dir") for md5 in outs.values())
    assert {path: dvc_md5(project / path) for path in outs} == outs


def test_nothing_of_mlflow_or_torch_is_imported_to_describe() -> None:
    code = (
        "import sys, gptmill.tracking.observer, gptmill.tracking.publish, gptmill.cli;"
        "print([m for m in ('mlflow', 'torch', 'pandas', 'psutil', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
