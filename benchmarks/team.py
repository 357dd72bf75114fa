"""A team's server under load: 20 trainings log 2,000 points each at once, and the server is away for a minute.

    python -m benchmarks.team --project FOLDER --json OUT [--outage 60]

PostgreSQL, an S3 endpoint and deploy/server as processes (see tests/deploy/pieces.py). Each training is an
observer, as the stage pretrain has one, told a loss every few hundredths of a second; while they run, the
server is killed with SIGKILL and started again after `--outage` seconds. Then every point is looked for.

FOLDER is a project that `dvc repro` has finished; it is only read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/deploy"))

from pieces import ADMIN, Team

from gptmill.fingerprint import Inputs, locked_inputs
from gptmill.tracking.client import connect
from gptmill.tracking.observer import tracked_run
from gptmill.tracking.runs import find_runs, is_complete

RUNS, POINTS = 20, 2000
KEY = "load"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--outage", type=float, default=60.0)
    args = parser.parse_args()
    pause = (args.outage + 40) / POINTS
    inputs = locked_inputs("pretrain", args.project)
    each = [
        replace(inputs, params={**inputs.params, "pretrain.max_steps": POINTS, "load.run": number})
        for number in range(RUNS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        team = Team(Path(folder))
        os.environ |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": ADMIN}
        try:
            team.start()
            connect(team.uri)
            threads = [
                threading.Thread(target=train, args=(one, args.project, team.uri, pause)) for one in each
            ]
            begin = time.monotonic()
            for thread in threads:
                thread.start()
            time.sleep(15)
            team.kill("server")
            time.sleep(args.outage)
            team.start_server()
            for thread in threads:
                thread.join()
            seconds = time.monotonic() - begin
            counts, complete = found(each, team.uri)
        finally:
            team.kill()
    report = {
        "runs": RUNS,
        "points told": RUNS * POINTS,
        "points found": sum(counts),
        "fewest of a run": min(counts),
        "runs complete": complete,
        "outage s": args.outage,
        "seconds": round(seconds),
    }
    args.json.write_text(json.dumps(report, indent=2) + "\n")
    print(report)


def train(inputs: Inputs, project: Path, uri: str, pause: float) -> None:
    with tracked_run("pretrain", inputs, root=project, uri=uri) as run:
        for step in range(1, POINTS + 1):
            run.log_metrics({KEY: step / POINTS}, step)
            time.sleep(pause)


def found(each: list[Inputs], uri: str) -> tuple[list[int], int]:
    """Points of each run that are as told, and how many runs are complete."""
    client = connect(uri)
    counts, complete = [], 0
    for inputs in each:
        runs = find_runs(client, inputs.fingerprint)
        points = {(p.step, p.value) for run in runs for p in client.get_metric_history(run.info.run_id, KEY)}
        counts.append(len(points & {(step, step / POINTS) for step in range(1, POINTS + 1)}))
        complete += any(is_complete(run) for run in runs)
    return counts, complete


if __name__ == "__main__":
    main()
