"""Retraining as CI plays it: a bare Git remote, a DVC remote, an MLflow server, and a fresh clone each time.

The tests of this file are one story and run in order.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow_server import Server

from gptmill.errors import UserError
from gptmill.retrain.flow import Options, retrain
from gptmill.tracking.client import connect

HERE, REPOSITORY = Path(__file__).parent, Path(__file__).parents[2]
PARAMS = """
pretrain: {scale: 20.0}
register:
  name: gptmill
  primary: bits_per_byte
  min_gain: 0.0
  margins: {tasks: 0.05}
  confidence: 0.95
  resamples: 200
  smoke_prompt: null
"""


@dataclass
class Workplace:
    """Where the story plays."""

    folder: Path
    uri: str

    def clone(self, name: str) -> Path:
        """A fresh clone, as CI's checkout is."""
        run("git", "clone", "-q", str(self.folder / "origin.git"), str(self.folder / name), cwd=self.folder)
        return self.folder / name

    def change(self, name: str, path: str, text: str) -> None:
        """Somebody pushes a change of a file."""
        clone = self.clone(name)
        (clone / path).write_text(text)
        run("git", "commit", "-qam", f"change {path}", cwd=clone)
        run("git", "push", "-q", cwd=clone)

    @property
    def aliases(self) -> dict[str, str]:
        found = connect(self.uri).get_registered_model("gptmill").aliases
        return {alias: str(number) for alias, number in found.items()}

    def tags(self, number: str) -> dict[str, str]:
        return dict(connect(self.uri).get_model_version("gptmill", number).tags)

    def log(self) -> list[str]:
        return run("git", "log", "--format=%s", "main", cwd=self.folder / "origin.git").splitlines()


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("workplace")
    seed = folder / "seed"
    for name in ("texts", "expectations", "pipeline"):
        (seed / name).mkdir(parents=True)
    lines = [f"The array number {i} is returned by the function {i % 7}." for i in range(200)]
    (seed / "texts/lines.txt").write_text("\n".join(lines) + "\n")
    (seed / "expectations/dedupe.yaml").write_text("documents: 100\n")
    (seed / "params.yaml").write_text(PARAMS)
    (seed / ".gitignore").write_text("/data/\n/models/\n__pycache__/\n/report.md\n")
    shutil.copy(HERE / "tiny.py", seed)
    shutil.copy(HERE / "tiny_dvc.yaml", seed / "dvc.yaml")
    shutil.copy(REPOSITORY / "pipeline/register.py", seed / "pipeline")
    dvc = (sys.executable, "-m", "dvc")
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, folder)
        run("git", "init", "-q", "--bare", "-b", "main", "origin.git", cwd=folder)
        run("git", "init", "-q", "-b", "main", cwd=seed)
        run(*dvc, "init", "-q", cwd=seed)
        run(*dvc, "config", "core.analytics", "false", cwd=seed)
        run(*dvc, "remote", "add", "-d", "store", str(folder / "store"), cwd=seed)
        run("git", "add", "-A", cwd=seed)
        run("git", "commit", "-qm", "project", cwd=seed)
        run("git", "remote", "add", "origin", str(folder / "origin.git"), cwd=seed)
        run("git", "push", "-q", "origin", "main", cwd=seed)
        server = Server(folder)
        try:
            server.start()
            patch.setenv("MLFLOW_TRACKING_URI", server.uri)
            yield Workplace(folder, server.uri)
        finally:
            server.kill()


def environment(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """A user of our own, and the Python that runs the tests."""
    (folder / "gitconfig").write_text("[user]\n\tname = t\n\temail = t@example.org\n")
    patch.setenv("GIT_CONFIG_GLOBAL", str(folder / "gitconfig"))
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    patch.delenv("DVC_ROOT", raising=False)


def again(root: Path, **options: Any) -> tuple[str, str]:
    """Retrain in `root`; the headline and the report."""
    headline = retrain(root, Options(report=root / "report.md", **options))
    return headline, (root / "report.md").read_text()


def test_1_the_first_model_is_champion(workplace: Workplace) -> None:
    headline, report = again(workplace.clone("first"))
    assert headline == "version 1 is champion"
    assert "stages run**: dedupe, gate@dedupe, tokenize, pretrain, evaluate, register" in report
    assert workplace.aliases == {"champion": "1", "challenger": "1"}
    assert workplace.log() == ["Retrain: what has changed [skip ci]", "project"]
    head = run("git", "rev-parse", "main", cwd=workplace.folder / "origin.git").strip()
    assert workplace.tags("1")["gptmill.commit"] == head


def test_2_an_unchanged_push_stops_early(workplace: Workplace) -> None:
    clone = workplace.clone("unchanged")
    assert again(clone)[0] == "nothing has changed"
    assert not (clone / "models").exists(), "nothing was pulled"
    assert len(workplace.log()) == 2


def test_3_a_changed_parameter_is_promoted_on_evidence(workplace: Workplace) -> None:
    headline, report = again(workplace.clone("parameter"), overrides=["pretrain.scale=1.0"])
    assert headline == "version 2 was promoted"
    assert "reason**: champion instead of version 1: bits_per_byte" in report
    assert "stages run**: pretrain, evaluate, register" in report
    assert "| params.yaml | pretrain.scale | 20.0 | 1.0 |" in " ".join(report.split()).replace("--", "")
    assert "| reports/pretrain/train.csv | train_loss | 100 | 5 |" in report
    assert "| dedupe | passed | 1 of 1 |" in report
    assert workplace.aliases == {"champion": "2", "challenger": "2", "previous": "1"}
    assert workplace.log()[0] == "Retrain: pretrain.scale=1.0 [skip ci]"
    assert "scale: 1.0" in run("git", "show", "main:params.yaml", cwd=workplace.folder / "origin.git")


def test_4_a_changed_source_is_judged_and_only_that(workplace: Workplace) -> None:
    lines = (workplace.clone("look") / "texts/lines.txt").read_text()
    workplace.change("writer", "texts/lines.txt", lines + "A new line, about something else.\n" * 1)
    headline, report = again(workplace.clone("source"), promote=False)
    assert headline == "version 3 was not promoted"
    assert "version 2 stays champion: bits_per_byte" in report
    assert workplace.aliases["champion"] == "2"
    assert "gptmill.promotion" not in workplace.tags("3")


def test_4_an_outage_is_made_good(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that has nothing yet, as after an outage: nothing runs, and the model gets there."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workplace.folder}/other.db")
    headline, report = again(workplace.clone("outage"))
    assert headline == "version 1 is champion"
    assert "stages run**: none: nothing has changed" in report
    assert "reason**: it is champion already (champion: there was none)" in report


def test_5_a_failing_gate_fails_the_job_and_says_which(workplace: Workplace) -> None:
    workplace.change("stricter", "expectations/dedupe.yaml", "documents: 1000\n")
    clone, log = workplace.clone("gate"), workplace.log()
    done = subprocess.run(
        [sys.executable, "-c", "from gptmill.cli import main; main()", "retrain", "--report", "report.md"],
        cwd=clone,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "gptmill: error: retraining failed at gate@dedupe; nothing was committed" in done.stderr
    assert "201 documents, at least 1000" in done.stderr
    assert "Traceback" not in done.stderr
    report = (clone / "report.md").read_text()
    assert report.startswith("## Retraining: failed at gate@dedupe")
    assert "| dedupe | **failed** | 0 of 1 |" in report
    assert workplace.log() == log
    assert workplace.aliases["champion"] == "2"


def test_what_is_in_the_way_is_said_first(workplace: Workplace) -> None:
    clone = workplace.clone("dirty")
    (clone / "params.yaml").write_text(PARAMS + "\n# edited\n")
    with pytest.raises(UserError, match=r"changes that are in no commit: params\.yaml"):
        retrain(clone, Options())
    run("git", "stash", "-q", cwd=clone)
    with pytest.raises(UserError, match=r"-S pretrain\.scal=1"):
        retrain(clone, Options(overrides=["pretrain.scal=1"]))
    run("git", "checkout", "-q", "--detach", cwd=clone)
    with pytest.raises(UserError, match="no branch is checked out"):
        retrain(clone, Options())
    run(sys.executable, "-m", "dvc", "remote", "remove", "store", cwd=clone)
    run("git", "commit", "-qam", "no remote", cwd=clone)
    with pytest.raises(UserError, match="DVC has no default remote"):
        retrain(clone, Options(commit=False))
