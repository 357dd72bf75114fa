"""The systems of lineage/dvc.yaml beside each other: one run each, in an experiment of their own.

Their trainings and scorings are runs among those of all stages. Here a system is one row, with its size, its time
and its scores, which is what MLflow's table and charts compare.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gptmill.fingerprint import Inputs
from gptmill.tracking.client import EXPERIMENT, connect, experiment_id, reason
from gptmill.tracking.content import COMPLETE, FINGERPRINT, STAGE, Point, flatten
from gptmill.tracking.runs import find_runs, log_points
from gptmill.translation.facts import SystemFacts

if TYPE_CHECKING:
    from mlflow import MlflowClient

SYSTEMS = f"{EXPERIMENT}-lineage"
TIME = "processor_seconds"  # of a training: in its run alone, for no out may hold a time


def log_systems(systems: Sequence[SystemFacts], inputs: Callable[[str], Inputs], uri: str) -> None:
    """A run for each system whose results have none yet; a server that is down costs a warning.

    Args:
        inputs: of a stage such as translate@rnnsearch.
        uri: of the tracking server or database.
    """
    try:
        client = connect(uri, SYSTEMS)
        connect(uri)  # the experiment of the trainings
        for facts in systems:
            _log_system(client, facts, inputs)
    except Exception as error:  # whatever MLflow or the network raises must not reach the stage
        print(
            f"gptmill: warning: tracking at {uri} failed ({reason(error)}), so the experiment {SYSTEMS} lacks systems. "
            "`dvc repro -f -s lineage/dvc.yaml:lineage` tries again.",
            file=sys.stderr,
        )


def _log_system(client: MlflowClient, facts: SystemFacts, inputs: Callable[[str], Inputs]) -> None:
    from mlflow.entities import Param, RunTag

    name, experiment = facts.name, experiment_id(client, SYSTEMS)
    training, scoring = inputs(f"translate@{name}"), inputs(f"score@{name}")
    both = hashlib.sha256((training.fingerprint + scoring.fingerprint).encode()).hexdigest()
    tagged = f"tags.`{FINGERPRINT}` = '{both}'"
    if client.search_runs([experiment], f"{tagged} and tags.`{COMPLETE}` = 'true'"):
        return
    for torn in client.search_runs([experiment], tagged):
        client.delete_run(torn.info.run_id)
    seconds = [
        run.data.metrics[TIME] for run in find_runs(client, training.fingerprint) if TIME in run.data.metrics
    ]
    tags = {STAGE: "lineage", FINGERPRINT: both, "mlflow.source.name": "pipeline/lineage.py"}
    run_id = client.create_run(experiment, tags=tags, run_name=name).info.run_id
    params = {"system": name, "parameters": facts.metrics["parameters"], "pairs": facts.training["pairs"]}
    params |= flatten(training.params[f"translate.systems.{name}"])
    now = int(time.time() * 1000)
    points = [*_points(facts), *(Point(TIME, value, 0) for value in seconds[:1])]
    log_points(client, run_id, [(point, now) for point in points])
    client.log_batch(
        run_id,
        params=[Param(key, str(value)) for key, value in params.items()],
        tags=[RunTag(COMPLETE, "true")],
    )
    client.set_terminated(run_id, "FINISHED")


def _points(facts: SystemFacts) -> Iterator[Point]:
    """Size, losses and scores; the score by source length as a curve, with the length in place of the step."""
    figures: dict[str, Any] = {
        "parameters": facts.metrics["parameters"],
        "train_loss": facts.training["train_loss"],
        "val_loss": facts.metrics["val_loss"],
    }
    for metric, found in facts.metrics["scores"].items():
        figures |= {metric: found["score"], f"{metric}_low": found["low"], f"{metric}_high": found["high"]}
    for key, value in figures.items():
        yield Point(key, float(value), 0)
    for row in facts.by_length:
        for key in ("score", "low", "high"):
            yield Point(f"by_length/{key}", row[key], round(row["mean_tokens"]))
