"""Kill collect, clean and dedupe with SIGKILL at random moments: the next `dvc repro` ends with the same bytes.

    python -m benchmarks.kills --kills 30 --json OUT

Every kill forces one stage of a small project to run again, kills it after a random part of the time that
it takes, in turn with everything that it started or by itself (its workers then find themselves alone),
and compares what the next `dvc repro` of that stage leaves with the bytes of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from gptmill.outs import write_json

ROOT = Path(__file__).parents[1]
STAGES = ("collect", "clean", "dedupe")
WORDS = "the of and to a in that have with be is was for on as it by at from this which".split()  # noqa: SIM905


@dataclass(frozen=True)
class Kill:
    stage: str
    after_s: float
    whole_group: bool
    was_running: bool
    exit_code: int
    same_bytes: bool
    left_behind: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills = kill_often(Path(folder), args.kills, args.documents, args.seed)
    same = sum(kill.same_bytes for kill in kills)
    running = sum(kill.was_running for kill in kills)
    print(f"{same} of {len(kills)} ended with the same bytes; {running} were killed while the stage ran")
    if args.json:
        write_json(args.json, {"kills": [asdict(kill) for kill in kills], "same_bytes": same})


def kill_often(folder: Path, n: int, documents: int, seed: int) -> list[Kill]:
    """Make a project in `folder`, and kill its stages `n` times in turn."""
    chance = random.Random(seed)
    make_project(folder, documents, chance)
    run(folder, "dvc", "repro", "-q", "dedupe")
    expected, seconds = {}, {}
    for stage in STAGES:
        expected[stage] = digest(folder / "data" / stage)
        started = time.monotonic()
        run(folder, sys.executable, "-m", f"pipeline.{stage}")
        seconds[stage] = time.monotonic() - started
        if digest(folder / "data" / stage) != expected[stage]:
            raise RuntimeError(f"{stage} gives other bytes without being killed")
    kills = []
    for i in range(n):
        stage = STAGES[i % len(STAGES)]
        if stage == "collect":
            shutil.rmtree(folder / ".gptmill/collect", ignore_errors=True)
        after = chance.uniform(0.0, 0.9) * seconds[stage]
        whole = (i // len(STAGES)) % 2 == 0
        code, running = kill(folder, stage, after, whole)
        # Forced, or DVC would take what it has of an earlier run out of its cache.
        run(folder, "dvc", "repro", "-q", "-s", "-f", "--no-run-cache", stage)
        same = digest(folder / "data" / stage) == expected[stage]
        left = any((folder / "data").glob(".*"))
        kills.append(Kill(stage, round(after, 2), whole, running, code, same, left))
        print(f"{i + 1}/{n} {kills[-1]}", flush=True)
    return kills


def make_project(folder: Path, documents: int, chance: random.Random) -> None:
    """The files that Git knows, a corpus of `documents` texts and the params to read it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(("reports/", "tests/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    texts = folder / "texts"
    texts.mkdir()
    for i in range(documents):
        words = chance.choices(WORDS, k=90) + [f"{chance.randrange(10**9):x}" for _ in range(60)]
        chance.shuffle(words)
        (texts / f"{i}.txt").write_text(
            ". ".join(" ".join(words[j : j + 10]) for j in range(0, 150, 10)) + "."
        )
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text())
    source = {"name": "texts", "kind": "files", "path": "texts", "licence": "CC0-1.0"}
    params["collect"]["sources"] = [source]
    params["clean"]["rules"] = {"n_words": {"min": 20}}
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    run(folder, "git", "init", "-q")


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder / "src")}


def kill(folder: Path, stage: str, after: float, whole_group: bool) -> tuple[int, bool]:
    """Force `stage` to run and kill it so many seconds after its start; DVC's exit code, was the stage running."""
    process = subprocess.Popen(
        ["dvc", "repro", "-q", "-s", "-f", "--no-run-cache", stage],
        cwd=folder, env=environment(folder), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not _stage(process.pid, stage):
        time.sleep(0.02)
    time.sleep(after)
    own = _stage(process.pid, stage)
    if whole_group and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    elif own:
        for child in own:
            child.kill()
    return process.wait(), bool(own)


def _stage(pid: int, stage: str) -> list[psutil.Process]:
    """The processes that DVC, whose id is `pid`, has started to run `stage`."""
    try:
        started = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in started if f"pipeline.{stage}" in _command(process)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def digest(folder: Path) -> str:
    """One hash of all files below `folder` and their names."""
    hashed = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        hashed.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()


if __name__ == "__main__":
    main()
