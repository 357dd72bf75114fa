"""Outs appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptmill.outs import new_outs, read_json, write_json


def test_outs_appear_together_and_replace_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_text("x")
    with new_outs(tmp_path / "a", tmp_path / "deep/b") as (a, b):
        (a / "new").write_text("1")
        (b / "new").write_text("2")
        assert (tmp_path / "a/old").exists()
        assert not (tmp_path / "deep/b").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["new"]
    assert (tmp_path / "deep/b/new").read_text() == "2"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_text("x")
    with pytest.raises(ZeroDivisionError):
        write_half(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    assert (tmp_path / "a/old").exists()


def write_half(folder: Path) -> None:
    with new_outs(folder / "a", folder / "b") as (a, _):
        (a / "half").write_text(str(1 / 0))


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.partial").mkdir()
    (tmp_path / ".a.partial/half").write_text("1")
    with new_outs(tmp_path / "a") as (a,):
        assert list(a.iterdir()) == []


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_other_processes_of_a_training_touch_no_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with new_outs(tmp_path / "a") as (first,):
        (first / "weights").write_text("1")
        with monkeypatch.context() as other:
            other.setenv(name, "1")
            with new_outs(tmp_path / "a") as (second,):
                (second / "weights").write_text("2")
    assert (tmp_path / "a/weights").read_text() == "1"


def test_json_depends_on_the_value_only(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": [1.5, "é"]})
    write_json(tmp_path / "b", {"a": [1.5, "é"], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_json(tmp_path / "a") == {"a": [1.5, "é"], "b": 1}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "c", float("nan"))
