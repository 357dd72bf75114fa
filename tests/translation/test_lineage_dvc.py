"""lineage/dvc.yaml: apart from the flow, and as its stages see it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tiny_translation import SYSTEMS

from gptmill.code import modules
from gptmill.errors import UserError
from gptmill.fingerprint import dvc_md5
from gptmill.params.translate import Systems, Translate
from gptmill.translation.inputs import lineage_inputs

ROOT = Path(__file__).parents[2]


def stages(path: str) -> dict[str, Any]:
    return dict(YAML(typ="safe").load((ROOT / path).read_text())["stages"])


def body(stage: dict[str, Any]) -> dict[str, Any]:
    return stage.get("do", stage)


def paths(entries: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def test_no_stage_of_the_flow_reads_what_the_lineage_makes() -> None:
    """DVC would run the maker, too: also for a folder that holds the file somewhere below."""
    made = [
        path.replace("${item.system}", system)
        for stage in stages("lineage/dvc.yaml").values()
        for kind in ("outs", "metrics", "plots")
        for path in paths(stage.get(kind, []))
        for system in SYSTEMS
    ]
    assert "models/translate/seq2seq" in made
    for name, stage in stages("dvc.yaml").items():
        for dep in body(stage)["deps"]:
            for out in made:
                assert not f"{out}/".startswith(f"{dep}/"), (name, dep, out)
                assert not dep.startswith(f"{out}/"), (name, dep, out)


def test_every_parameter_is_a_parameter_of_a_stage() -> None:
    found = {key for stage in stages("lineage/dvc.yaml").values() for key in stage.get("params", [])}
    expected = {f"translate.{name}" for name in Translate.model_fields if name != "systems"}
    assert found == {"seed", "translate.systems.${item.system}", *expected}
    for name in ("translate", "score"):
        matrix = stages("lineage/dvc.yaml")[name]["matrix"]["system"]
        assert tuple(matrix) == tuple(Systems.model_fields) == SYSTEMS


def test_a_change_of_the_evaluation_trains_nothing() -> None:
    trains = modules("pipeline.translate", ROOT)
    assert "src/gptmill/translation/training.py" in trains
    assert not [path for path in trains if "evaluat" in path or "/scores" in path or "/search" in path]
    assert "translate.evaluate" not in stages("lineage/dvc.yaml")["translate"]["params"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("lineage/dvc.yaml", "params.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "data/pairs").mkdir(parents=True)
    (tmp_path / "data/pairs/pairs.parquet").write_text("x")
    for name in ("data/gates/pairs.json", "data/code/translate.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_the_inputs_of_a_system(project: Path) -> None:
    inputs = lineage_inputs("translate@rnnsearch", project)
    assert inputs.cmd == "python -m pipeline.translate rnnsearch"
    assert inputs.deps["data/pairs"] == dvc_md5(project / "data/pairs")
    assert inputs.params["translate.systems.rnnsearch"]["n_embd"] == 128
    before = inputs.fingerprint
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("reverse_source: true", "reverse_source: false"))
    assert lineage_inputs("translate@rnnsearch", project).fingerprint == before
    (project / "data/pairs/pairs.parquet").write_text("y")
    assert lineage_inputs("translate@rnnsearch", project).fingerprint != before


def test_an_input_is_missing(project: Path) -> None:
    (project / "data/gates/pairs.json").unlink()
    with pytest.raises(
        UserError, match=r"data/gates/pairs\.json is missing: .* `dvc repro lineage/dvc.yaml`"
    ):
        lineage_inputs("translate@seq2seq", project)
