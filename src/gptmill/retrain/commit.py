"""The commit of a retraining, and how it gets to the branch when others push there, too."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gptmill.errors import UserError
from gptmill.retrain.shell import git

TRIES = 5
COMMITTED = ("dvc.lock", "params.yaml", "reports")
SKIP = "[skip ci]"  # or the commit would start the next retraining


def check_clean(root: Path) -> None:
    """Nothing that is tracked may be changed: the commit must say what the model was made from.

    Raises:
        UserError: naming the files.
    """
    if conflicts := git(root, "diff", "--name-only", "--diff-filter=U").splitlines():
        raise UserError(
            f"a merge is not finished: {', '.join(conflicts)}. "
            "For dvc.lock and reports/, docs/retrain.md has the commands that resolve it."
        )
    if changed := git(root, "diff", "--name-only", "HEAD").splitlines():
        raise UserError(
            f"changes that are in no commit: {', '.join(changed)}. Commit or stash "
            "them first, or set parameters with -S, which commits them with the result."
        )


def current_branch(root: Path) -> str:
    """The branch that is checked out.

    Raises:
        UserError: on a detached HEAD.
    """
    done = subprocess.run(
        ["git", "symbolic-ref", "--short", "HEAD"], cwd=root, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise UserError("no branch is checked out, so there is nowhere to commit to: use --no-commit")
    return done.stdout.strip()


def commit(root: Path, message: str) -> str | None:
    """Commit what a retraining changes; the commit's hash, or None where nothing differs."""
    there = [name for name in COMMITTED if (root / name).exists()]
    git(root, "add", "--", *there)
    if not git(root, "diff", "--cached", "--name-only"):
        return None
    git(root, "commit", "--quiet", "-m", f"{message} {SKIP}")
    return git(root, "rev-parse", "HEAD")


def push(root: Path, branch: str) -> str:
    """Push HEAD to `origin`'s `branch`, on top of what others pushed meanwhile; the hash that got there.

    Raises:
        UserError: when Git is refused for another reason than a race, or when somebody else's retraining
            of the same stages was quicker.
    """
    for _ in range(TRIES):
        done = subprocess.run(
            ["git", "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}"],
            cwd=root,
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            return git(root, "rev-parse", "HEAD")
        if "fetch first" not in done.stderr and "non-fast-forward" not in done.stderr:
            if "cannot lock ref" not in done.stderr:
                raise UserError(f"origin refuses the push to {branch}: {done.stderr.strip()}")
            continue  # another push in the same instant
        git(root, "fetch", "--quiet", "origin", branch)
        _rebase(root, branch)
    raise UserError(f"{branch} moved {TRIES} times while we pushed; run `gptmill retrain` again")


def _rebase(root: Path, branch: str) -> None:
    done = subprocess.run(
        ["git", "rebase", "--quiet", "FETCH_HEAD"], cwd=root, capture_output=True, text=True
    )
    if done.returncode == 0:
        return
    theirs = git(root, "log", "-1", "--format=%h %s", "FETCH_HEAD")
    conflicts = git(root, "diff", "--name-only", "--diff-filter=U") or done.stderr.strip()
    git(root, "rebase", "--abort")
    raise UserError(
        f"{branch} has moved to {theirs}, which changes the same: {', '.join(conflicts.splitlines())}. "
        "Nothing was pushed to Git. What was computed is in DVC's run cache: "
        f"`git reset --hard origin/{branch}` and `gptmill retrain` use what still fits."
    )
