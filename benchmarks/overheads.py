"""What the pipeline costs before it does anything: the start of a data stage, and an idle `dvc repro`.

    python benchmarks/overheads.py [--rounds 7] [--json OUT]

- *start-up*: CPU seconds (user + system, all threads) of a fresh interpreter that runs a stage's `main`
  up to its first line of work, where it opens its outs: every import and the reading of params.yaml.
- *tiny*: CPU seconds of the whole stage, worker processes included, on a corpus of three documents. What
  a stage imports only when it works is in here.
- *idle repro*: CPU and wall seconds of `dvc repro` when nothing has changed, in this checkout (run `dvc repro` once
  before), and of the same graph with nothing in it: the same stages, `foreach` and edges in an empty
  repository, each out one line long, no code or params to look at. The two take turns, so that another
  load on the machine falls on both; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("collect", "clean", "dedupe", "tokenize")
KINDS = ("outs", "metrics", "plots")  # where a stage of dvc.yaml names what it makes
IDLE = "Data and pipelines are up to date."

START = """
import sys
import pipeline.{stage} as stage
def work_begins(*outs):
    sys.exit(0)
stage.new_outs = work_begins
stage.main()
sys.exit("the stage never opened its outs")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="what the pipeline costs before it does anything")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = {
        "load_average_before": round(os.getloadavg()[0], 2),
        "stages": stages(arguments.rounds),
        "idle_repro": idle_repro(arguments.rounds),
        "load_average_after": round(os.getloadavg()[0], 2),
    }
    text = json.dumps(report, indent=2, sort_keys=True)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


def stages(rounds: int) -> dict[str, dict[str, float]]:
    """Median CPU seconds of each data stage: up to its first line of work, and whole on three documents."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        tiny_project(Path(folder))
        for stage in STAGES:
            start = [sys.executable, "-c", START.format(stage=stage)]
            whole = [sys.executable, "-m", f"pipeline.{stage}"]
            figures[stage] = {
                "startup_cpu_s": round(statistics.median(cpu(start, folder) for _ in range(rounds)), 2),
                "tiny_cpu_s": round(statistics.median(cpu(whole, folder) for _ in range(rounds)), 2),
            }
    return figures


def tiny_project(folder: Path) -> None:
    """A project whose corpus is the repository's licence in three parts."""
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    source = {"name": "licence", "kind": "files", "path": "licence.txt", "licence": "Apache-2.0"}
    shutil.copy(ROOT / "LICENSE", folder / "licence.txt")
    params["collect"] = {"sources": [source | {"max_chars": 4000}]}
    params["tokenize"]["vocab_size"] = 400
    shutil.copy(ROOT / "dvc.yaml", folder)  # collect looks for its own deps there
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(params, file)


def cpu(command: list[str], folder: str) -> float:
    """User and system seconds of a command and of all its children that it waited for."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": path})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[-1]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def idle_repro(rounds: int) -> dict[str, Any]:
    """Median seconds of an idle `dvc repro` here and on the same graph with nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder)
        empty_project(empty)
        graph, bare = (sorted(dvc(project, "dag", "--dot").splitlines()) for project in (ROOT, empty))
        if graph != bare:
            sys.exit("the two graphs differ")
        ours, theirs = [], []
        for _ in range(rounds + 1):
            ours.append(idle(ROOT))
            theirs.append(idle(empty))
    figures: dict[str, Any] = {"stages": len(dvc(ROOT, "stage", "list", "--name-only").split())}
    for i, clock in enumerate(("wall", "cpu")):
        real, trivial = (
            statistics.median(run[i] for run in runs[1:]) for runs in (ours, theirs)
        )  # 0 warms up
        figures[f"dvc_repro_{clock}_s"] = round(real, 2)
        figures[f"same_graph_empty_{clock}_s"] = round(trivial, 2)
        figures[f"ratio_{clock}"] = round(real / trivial, 2)
    return figures


def empty_project(folder: Path) -> None:
    """The stages of dvc.yaml with their edges alone, made once."""
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    made = [out for stage in stages.values() for out in out_paths(stage.get("do", stage))]
    tasks = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["finetune"]["tasks"]
    deps = [dep for stage in stages.values() for dep in stage.get("do", stage)["deps"]]
    read = [dep.replace("${key}", task) for dep in deps for task in (tasks if "${key}" in dep else [""])]
    bare = {name: bare_stage(stage, made, read) for name, stage in stages.items()}
    with (folder / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump({"stages": bare}, file)
    shutil.copy(ROOT / "params.yaml", folder)  # what `foreach` goes over
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    dvc(folder, "init", "--quiet")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    dvc(folder, "repro", "--quiet")


def bare_stage(stage: dict[str, Any], made: list[str], read: list[str]) -> dict[str, Any]:
    """A stage with the deps that other stages make, its outs, and a command that writes a line to each.

    An out that other stages `read` files of is a folder with those files.
    """
    if "foreach" in stage:
        return {"foreach": stage["foreach"], "do": bare_stage(stage["do"], made, read)}
    outs = out_paths(stage)
    files = [file for out in outs for file in [dep for dep in read if dep.startswith(f"{out}/")] or [out]]
    command = " && ".join(
        f"mkdir -p $(dirname {file}) && echo {file} > {file}" for file in dict.fromkeys(files)
    )
    deps = [dep for dep in stage["deps"] if dep.startswith("${") or any(related(dep, out) for out in made)]
    kinds = {kind: stage[kind] for kind in KINDS if kind in stage}
    return {"cmd": command, "deps": deps} | kinds


def out_paths(stage: dict[str, Any]) -> list[str]:
    """The paths under `outs`, `metrics` and `plots`; an entry is a path, or a mapping of it to options."""
    entries = [entry for kind in KINDS for entry in stage.get(kind, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def related(dep: str, out: str) -> bool:
    """Whether a dep is an out, lies in one or holds one; `${key}` stands for any name."""
    fixed = out.split("${")[0].rstrip("/")
    return dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/") or dep.startswith(f"{fixed}/")


def idle(folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a `dvc repro` that finds nothing to do."""
    before, used = time.perf_counter(), children()
    said = dvc(folder, "repro")
    after = time.perf_counter()
    if IDLE not in said:
        sys.exit(f"`dvc repro` had something to do:\n{said}\nRun it once more, then this.")
    return after - before, children() - used


def children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def dvc(folder: Path, *arguments: str) -> str:
    """What a dvc command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"dvc {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
