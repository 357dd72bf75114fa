"""The same inputs in another place give the same bytes."""

from __future__ import annotations

from pathlib import Path

from conftest import first_run, make_project


def test_another_clone_gives_the_same_lock(shared: Path, tmp_path: Path) -> None:
    other = make_project(tmp_path / "elsewhere" / "clone")
    env = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = other.run("dvc", "repro", **env)
    assert done.returncode == 0, done.stdout
    _, lock = first_run(shared)
    assert (other.root / "dvc.lock").read_text() == lock
