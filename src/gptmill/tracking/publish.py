"""Put what stages left in files on a tracking server, once each, by fingerprint.

It fills up what the observer could not send (the server was down), and makes the runs of stages that
never ran here because DVC took their outs from its run cache. Nothing that is there is sent twice.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptmill.errors import UserError
from gptmill.fingerprint import Inputs, dvc_md5, locked_inputs, locked_stages
from gptmill.params import load
from gptmill.params.register import Register
from gptmill.tracking.client import absolute, connect, is_full, project_root, reason, store_root, tracking_uri
from gptmill.tracking.content import Description, describe, results
from gptmill.tracking.lineage import locked_outs
from gptmill.tracking.registry import has_version, register
from gptmill.tracking.runs import fill_run, find_runs, is_complete, open_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRACKED = ("pretrain", "finetune", "evaluate", "register")
LINEAGE, TRACKED_THERE = "lineage", ("translate", "score")  # a dvc.lock of its own in that folder


@dataclass(frozen=True)
class Published:
    """What became of a stage: `action` is published, present or skipped."""

    stage: str
    fingerprint: str
    action: str
    detail: str


def publish(root: Path | None = None, uri: str | None = None) -> list[Published]:
    """Bring every tracked stage, of lineage/dvc.lock too, to the server at `uri` (default: the project's own).

    Raises:
        UserError: when the server can't be reached; what was sent until then stays, and is not sent again.
    """
    root = root or project_root()
    uri = absolute(uri, store_root(root)) if uri else tracking_uri(root)
    stages = [(stage, root) for stage in _tracked(root, TRACKED)]
    stages += [(stage, root / LINEAGE) for stage in _tracked(root / LINEAGE, TRACKED_THERE)]
    if not stages:
        return []
    try:
        client = connect(uri)
        return [_publish_locked(client, uri, stage, root, home) for stage, home in stages]
    except UserError:
        raise
    except Exception as error:
        todo = "Free some space there" if is_full(error) else "Start the server or set MLFLOW_TRACKING_URI"
        raise UserError(
            f"could not publish to {uri}: {reason(error)}. {todo}, "
            "and run `gptmill publish` again: it goes on where it stopped."
        ) from error


def track_register(inputs: Inputs, params: Register, root: Path | None = None) -> None:
    """At the end of the stage register: its run and its version; a server that is down costs a warning."""
    root = root or project_root()
    uri = tracking_uri(root)
    try:
        client = connect(uri)
        description = describe("register", inputs, root)
        run_id = _ensure_run(client, "register", description, root)
        number = register(client, uri, params, description, run_id, root)
        tags = client.get_model_version(params.name, number).tags
        print(f"{params.name} version {number}: {tags['gptmill.reason']}")
    except Exception as error:
        why = str(error) if isinstance(error, UserError) else reason(error)
        print(
            f"gptmill: warning: the model is packaged but not registered at {uri} ({why}); "
            "`gptmill publish` does it later.",
            file=sys.stderr,
        )


def _tracked(home: Path, names: tuple[str, ...]) -> list[str]:
    """Stages in the dvc.lock of `home` that have a run, in the order of `names`."""
    stages = [stage for stage in locked_stages(home) if stage.partition("@")[0] in names]
    return sorted(stages, key=lambda stage: names.index(stage.partition("@")[0]))


def _publish_locked(client: MlflowClient, uri: str, stage: str, root: Path, home: Path) -> Published:
    """One stage of the dvc.lock in `home`."""
    inputs = locked_inputs(stage, home)
    print_ = inputs.fingerprint
    if stale := stale_outs(stage, root, home):
        return Published(
            stage, print_, "skipped", f"{stale} is not what dvc.lock records; run `dvc repro` or `dvc pull`"
        )
    description = describe(stage, inputs, root)
    there = any(is_complete(run) for run in find_runs(client, print_))
    if stage == "register":
        rules = load("register", Register, root / "params.yaml")
        there = there and has_version(client, rules.name, print_)
    if there:
        _remove_torn(client, print_)
        return Published(stage, print_, "present", "")
    run_id = _ensure_run(client, stage, description, root)
    _remove_torn(client, print_)
    if stage == "register":
        number = register(client, uri, rules, description, run_id, root)
        return Published(stage, print_, "published", f"run {run_id}, {rules.name} version {number}")
    return Published(stage, print_, "published", f"run {run_id}")


def _ensure_run(client: MlflowClient, stage: str, description: Description, root: Path) -> str:
    """The id of the stage's complete run, after filling up a torn one or making one."""
    for run in find_runs(client, description.tags["gptmill.fingerprint"]):
        if is_complete(run):
            return str(run.info.run_id)
    run_id = open_run(client, description)
    fill_run(client, run_id, description, results(stage, description, root))
    return run_id


def _remove_torn(client: MlflowClient, fingerprint: str) -> None:
    """Delete the unfinished attempts beside a complete run, where we may: on a team's server a writer may not."""
    from mlflow.exceptions import MlflowException

    for run in find_runs(client, fingerprint):
        if not is_complete(run):
            try:
                client.delete_run(run.info.run_id)
            except MlflowException as error:
                if error.error_code != "PERMISSION_DENIED":
                    raise


def stale_outs(stage: str, root: Path, home: Path | None = None) -> str | None:
    """The first of the stage's outs that a run is made from and that is missing or not as recorded in `home`."""
    for path, md5 in locked_outs(home or root)[stage].items():
        if path.startswith(("reports/", "models/package")) and dvc_md5(root / path) != md5:
            return path
    return None
