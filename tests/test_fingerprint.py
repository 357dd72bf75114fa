"""A stage's fingerprint: the same while it runs and afterwards, another when anything it stands on changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gptmill.errors import UserError
from gptmill.fingerprint import Inputs, locked_inputs, locked_stages, stage_inputs

PIPELINE = """
stages:
  make:
    cmd: mkdir -p out && cp params.yaml out/a && mkdir out/b.d out/b && cp code.py out/b/c && cp code.py out/b.d/c
    deps: [code.py]
    outs: [out]
  train:
    foreach: ${tasks}
    do:
      cmd: cp code.py model-${key}
      deps: [code.py, out, folder]
      params: [seed, "tasks.${key}"]
      outs: ["model-${key}"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text(
        "seed: 1\ntasks:\n  x: {rate: 1e-3, names: [a, b]}\n  y: {rate: 2}\n"
    )
    (tmp_path / "code.py").write_text("print()\n")
    for name in ("folder/z", "folder/a/b", "folder/a.x"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
    dvc(tmp_path, "init", "--no-scm", "-q")
    dvc(tmp_path, "repro", "-q")
    return tmp_path


def dvc(folder: Path, *args: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *args], cwd=folder, check=True)


def test_now_equals_what_dvc_locked(project: Path) -> None:
    assert locked_stages(project) == ["make", "train@x", "train@y"]
    for stage in locked_stages(project):
        now, locked = stage_inputs(stage, project), locked_inputs(stage, project)
        assert now == locked
        assert now.fingerprint == locked.fingerprint
    assert stage_inputs("train@x", project).params == {
        "seed": 1,
        "tasks.x": {"rate": 0.001, "names": ["a", "b"]},
    }


def test_anything_the_stage_stands_on_changes_it(project: Path) -> None:
    before = {stage: stage_inputs(stage, project).fingerprint for stage in ("train@x", "train@y")}
    assert before["train@x"] != before["train@y"]
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("1e-3", "2e-3"))
    assert stage_inputs("train@x", project).fingerprint != before["train@x"]
    assert stage_inputs("train@y", project).fingerprint == before["train@y"]
    (project / "folder/a/b").write_text("other weights")
    assert stage_inputs("train@y", project).fingerprint != before["train@y"]
    (project / "folder/a/b").write_text("folder/a/b")
    assert stage_inputs("train@y", project).fingerprint == before["train@y"]
    (project / "code.py").write_text("print(1)\n")
    assert stage_inputs("train@y", project).fingerprint != before["train@y"]


def test_order_of_keys_does_not_matter() -> None:
    first = Inputs("c", {"a": "1", "b": "2"}, {"x": {"p": 1, "q": 2}})
    assert first.fingerprint == Inputs("c", {"b": "2", "a": "1"}, {"x": {"q": 2, "p": 1}}).fingerprint


def test_errors(project: Path) -> None:
    with pytest.raises(UserError, match=r'no finished stage "nope"'):
        locked_inputs("nope", project)
    (project / "code.py").unlink()
    with pytest.raises(UserError, match=r"code\.py is missing"):
        stage_inputs("make", project)
