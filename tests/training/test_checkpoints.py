"""Checkpoints prove themselves; few are kept, and abandoned ones go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from gptmill.training.checkpoints import CheckpointFiles, prune


def save(files: CheckpointFiles, step: int) -> None:
    files.save_checkpoint({"global_step": step, "x": torch.arange(100)}, "ignored")


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path)
    for step in (5, 10, 100, 20):
        save(files, step)
    assert [path.name[:13] for path in files.found()] == ["step-00000100", "step-00000020"]
    assert not (tmp_path / "partial").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_one_falls_back_with_a_warning(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = CheckpointFiles(tmp_path)
    save(files, 5)
    save(files, 10)
    newest = files.found()[0]
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[300] ^= 1
    newest.write_bytes(content)
    found = files.newest()
    assert found is not None
    assert found.name.startswith("step-00000005")
    assert torch.load(found, weights_only=True)["global_step"] == 5
    assert f"{newest} is damaged" in capsys.readouterr().err


def test_a_disk_that_is_full_is_remembered_not_raised(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path)
    save(files, 5)
    (tmp_path / "partial").symlink_to("/dev/full")
    save(files, 10)
    assert files.error is not None
    assert "No space left" in str(files.error)
    assert [path.name[:13] for path in files.found()] == ["step-00000005"]
    save(files, 10)
    assert files.error is None


def test_files_that_another_process_removes(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path / "mine")
    save(files, 5)
    gone = tmp_path / "mine/step-00000010-00000000.ckpt"
    gone.symlink_to("nowhere")
    found = files.newest()
    assert found is not None
    assert found.name.startswith("step-00000005")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/step-00000010-00000000.ckpt").symlink_to("nowhere")
    prune(tmp_path, keep=tmp_path / "mine")
    assert (tmp_path / "other").is_dir()


def test_abandoned_runs_are_pruned(tmp_path: Path) -> None:
    now = time.time()
    for name, days in (("mine", 30), ("a", 1), ("b", 2), ("c", 3), ("d", 4), ("old", 20)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "x.ckpt").touch()
        for path in (folder / "x.ckpt", folder):
            os.utime(path, (now - days * 86400,) * 2)
    prune(tmp_path, keep=tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "mine"]
