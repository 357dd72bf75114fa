"""The commit gets to a branch where others push, too, or says why not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gptmill.errors import UserError
from gptmill.retrain.commit import check_clean, commit, push


def git(cwd: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    (tmp_path / "gitconfig").write_text("[user]\n\tname = t\n\temail = t@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(tmp_path, "clone", "-q", "origin.git", "ours")
    ours = tmp_path / "ours"
    (ours / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    (ours / "README.md").write_text("hello\n")
    git(ours, "checkout", "-q", "-b", "main")
    git(ours, "add", "-A")
    git(ours, "commit", "-qm", "first")
    git(ours, "push", "-q", "origin", "main")
    git(tmp_path, "clone", "-q", "origin.git", "theirs")
    return ours, tmp_path / "theirs"


def test_nothing_new_makes_no_commit(clones: tuple[Path, Path]) -> None:
    assert commit(clones[0], "Retrain: nothing") is None


def test_a_race_is_won_on_top_of_the_other(clones: tuple[Path, Path]) -> None:
    ours, theirs = clones
    (theirs / "README.md").write_text("changed meanwhile\n")
    git(theirs, "commit", "-qam", "theirs")
    git(theirs, "push", "-q")
    (ours / "dvc.lock").write_text("schema: '2.0'\nstages: {a: 1}\n")
    mine = commit(ours, "Retrain: a")
    pushed = push(ours, "main")
    assert pushed != mine, "it was put on top"
    log = git(ours, "log", "--format=%s", "origin/main")
    assert log.splitlines() == ["Retrain: a [skip ci]", "theirs", "first"]


def test_two_retrainings_of_the_same_are_a_message(clones: tuple[Path, Path]) -> None:
    ours, theirs = clones
    for root, text in ((theirs, "theirs"), (ours, "ours")):
        (root / "dvc.lock").write_text(f"schema: '2.0'\nstages: {{{text}: 1}}\n")
        commit(root, f"Retrain: {text}")
    assert push(theirs, "main")
    with pytest.raises(
        UserError, match=r"main has moved to \w+ Retrain: theirs .*which changes the same: dvc\.lock"
    ):
        push(ours, "main")
    assert git(ours, "status", "--porcelain") == "", "no rebase is left half-way"
    assert git(ours, "log", "-1", "--format=%s") == "Retrain: ours [skip ci]"


def test_a_remote_that_refuses_is_a_message(clones: tuple[Path, Path]) -> None:
    ours, _ = clones
    hook = ours.parent / "origin.git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected branch >&2\nexit 1\n")
    hook.chmod(0o755)
    (ours / "dvc.lock").write_text("changed\n")
    commit(ours, "Retrain: a")
    with pytest.raises(UserError, match=r"(?s)origin refuses the push to main: .*protected branch"):
        push(ours, "main")


def test_a_merge_that_is_not_finished_is_a_message(clones: tuple[Path, Path]) -> None:
    ours, theirs = clones
    for root, text in ((theirs, "theirs"), (ours, "ours")):
        (root / "dvc.lock").write_text(f"{text}\n")
        commit(root, text)
    push(theirs, "main")
    subprocess.run(["git", "pull", "-q", "--no-rebase"], cwd=ours, capture_output=True)
    with pytest.raises(UserError, match=r"a merge is not finished: dvc\.lock"):
        check_clean(ours)
