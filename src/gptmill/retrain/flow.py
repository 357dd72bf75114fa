"""The retraining itself: look, run what has changed, share, register, decide, commit, report.

The order is such that each step may fail and leave nothing half-shared: data are pushed before the commit
that names them, the commit before the model that names it, and a champion is only made of what is there
for everybody. What a failed run has computed stays in the run cache, which is pushed even then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from gptmill.errors import UserError
from gptmill.fingerprint import locked_inputs, locked_stages
from gptmill.params import load
from gptmill.params.register import Register
from gptmill.retrain.commit import check_clean, commit, current_branch, push
from gptmill.retrain.report import failed_stage, report
from gptmill.retrain.shell import dvc, git, run_dvc, stream_dvc

COMMIT_TAG = "gptmill.commit"


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    overrides: list[str] = field(default_factory=list)  # key=value, as `dvc exp run -S` takes them
    base: str | None = None  # what the report compares with; default: the commit that we start from
    promote: bool = True  # else the decision is only reported
    commit: bool = True
    report: Path | None = None


def retrain(root: Path, options: Options) -> str:
    """Retrain what has changed; the headline of what came of it.

    Raises:
        UserError: when something is in the way, or a stage or gate failed; the report is written first.
    """
    check_clean(root)
    branch = current_branch(root) if options.commit else None
    if not _has_remote(root):
        raise UserError(
            "DVC has no default remote to share data with; add one: `dvc remote add -d <name> <url>`"
        )
    start = git(root, "rev-parse", "HEAD")
    base = git(root, "rev-parse", options.base) if options.base else start
    _apply(root, options.overrides)

    if not _has_changes(root):
        return _nothing_changed(root, base, options)
    code, output = stream_dvc(root, "repro", "--pull")
    if code != 0:
        stage, said = failed_stage(output)
        stream_dvc(root, "push", "--quiet", "--run-cache")
        _write(root, base, options, f"failed at {stage}", [], said)
        raise UserError(f"retraining failed at {stage}; nothing was committed or promoted. It said:\n{said}")
    dvc(root, "push", "--run-cache")

    facts = [("stages run", ", ".join(_stages(output)) or "none: all were in the run cache")]
    sha = None
    if branch is not None:
        what = ", ".join(options.overrides) or "what has changed"
        sha = commit(root, f"Retrain: {what}") and push(root, branch)
        facts.append(("commit", sha or "none: dvc.lock is as it was"))
    headline, decided = _register(root, options, sha)
    _write(root, base, options, headline, facts + decided)
    return headline


def _has_remote(root: Path) -> bool:
    from dvc.config import Config

    return bool(Config(str(root / ".dvc")).get("core", {}).get("remote"))


def _has_changes(root: Path) -> bool:
    """Would a stage run? Judged by dvc.lock alone, without the data.

    Where one would, DVC may fail to look ahead, for what that stage makes isn't there yet.
    """
    code, output = run_dvc(root, "repro", "--dry", "--allow-missing")
    return code != 0 or bool(_stages(output))


def _nothing_changed(root: Path, base: str, options: Options) -> str:
    """Stop early; but a model that an outage kept from the registry gets there now."""
    if _registered(root):
        headline = "nothing has changed"
        _write(root, base, options, headline, [])
        return headline
    dvc(root, "pull", "models/package")
    headline, decided = _register(root, options, None)
    _write(root, base, options, headline, [("stages run", "none: nothing has changed"), *decided])
    return headline


def _registered(root: Path) -> bool:
    from gptmill.tracking.client import answering, connect, tracking_uri
    from gptmill.tracking.registry import has_version

    rules = load("register", Register, root / "params.yaml")
    with answering(uri := tracking_uri(root)):
        fingerprint = locked_inputs("register", root).fingerprint
        return has_version(connect(uri), rules.name, fingerprint)


def _register(root: Path, options: Options, sha: str | None) -> tuple[str, list[tuple[str, str]]]:
    """Publish, and promote by the rule."""
    from gptmill.tracking.client import answering, connect, tracking_uri
    from gptmill.tracking.promotion import promote
    from gptmill.tracking.publish import publish
    from gptmill.tracking.registry import find_version

    uri = tracking_uri(root)
    skipped = [item for item in publish(root, uri) if item.action == "skipped"]
    if skipped:
        raise UserError(f"not published: {'; '.join(f'{item.stage}: {item.detail}' for item in skipped)}")
    if "register" not in locked_stages(root):
        return "done, with no model to register", []
    rules = load("register", Register, root / "params.yaml")
    with answering(uri):
        client = connect(uri)
        found = find_version(client, rules.name, locked_inputs("register", root).fingerprint)
        if sha is not None:
            client.set_model_version_tag(rules.name, str(found.version), COMMIT_TAG, sha)
        decision = promote(client, uri, rules, root, str(found.version), dry_run=not options.promote)
    if decision.champion is not None and decision.champion.number == decision.version.number:
        headline = f"version {found.version} is champion"
    elif decision.wins:
        headline = f"version {found.version} {'was' if options.promote else 'would be'} promoted"
    else:
        headline = f"version {found.version} was not promoted"
    return headline, [("reason", decision.reason)]


def _apply(root: Path, overrides: list[str]) -> None:
    """Set parameters as `dvc exp run -S` does; the flow's first stage checks them."""
    from dvc.exceptions import DvcException
    from dvc.utils.hydra import apply_overrides

    if overrides:
        try:
            apply_overrides(str(root / "params.yaml"), overrides)
        except DvcException as error:
            raise UserError(f"-S {' '.join(overrides)}: {error.__cause__ or error}") from None


def _stages(output: str) -> list[str]:
    """The stages that `dvc repro` ran, or would run."""
    return re.findall(r"^Running stage '([^']+)'", output, re.MULTILINE)


def _write(
    root: Path, base: str, options: Options, headline: str, facts: list[tuple[str, str]], failure: str = ""
) -> None:
    if options.report is not None:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(report(root, base, headline, facts, failure), encoding="utf-8")
