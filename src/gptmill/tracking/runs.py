"""Runs on a server, found by fingerprint: open one, fill it up, mark it whole.

Every function here may be called again after it failed half-way: what is there already is not sent twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from gptmill.tracking.client import experiment_id
from gptmill.tracking.content import (
    COMPLETE,
    FINGERPRINT,
    MAX_KEYS,
    MAX_POINTS,
    PARENT,
    Description,
    Point,
    Results,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")


def find_runs(client: MlflowClient, fingerprint: str) -> list[Any]:
    """The runs with this fingerprint: whole ones first, then the newest."""
    found = client.search_runs(
        [experiment_id(client)],
        f"tags.`{FINGERPRINT}` = '{fingerprint}'",
        order_by=["attributes.start_time DESC"],
    )
    return sorted(found, key=lambda run: not is_complete(run))


def is_complete(run: Any) -> bool:
    """Whether a run holds all that its stage gives."""
    return bool(run.data.tags.get(COMPLETE) == "true")


def open_run(client: MlflowClient, description: Description) -> str:
    """The id of an unfinished run with this fingerprint, or else of a new one."""
    for run in find_runs(client, description.tags[FINGERPRINT]):
        if not is_complete(run):
            client.update_run(run.info.run_id, status="RUNNING")
            return str(run.info.run_id)
    tags = dict(description.tags)
    if PARENT in tags and (parents := find_runs(client, tags[PARENT])):
        tags["mlflow.parentRunId"] = parents[0].info.run_id
    tags["mlflow.source.name"] = f"pipeline/{description.name.partition('@')[0].split()[0]}.py"
    run = client.create_run(experiment_id(client), tags=tags, run_name=description.name)
    return str(run.info.run_id)


def log_points(client: MlflowClient, run_id: str, points: Iterable[tuple[Point, int]]) -> None:
    """Send points, each with its time in milliseconds, 1,000 a request."""
    from mlflow.entities import Metric

    metrics = (Metric(point.key, point.value, at, point.step) for point, at in points)
    for batch in _chunks(metrics, 1000):
        client.log_batch(run_id, metrics=batch)


def log_inputs(client: MlflowClient, run_id: str, description: Description) -> None:
    """Parameters, and the data sets by their DVC hash; both may be logged again, unchanged."""
    from mlflow.entities import DatasetInput, InputTag, Param

    for batch in _chunks(description.params.items(), 100):
        client.log_batch(run_id, params=[Param(key, value) for key, value in batch])
    if description.datasets:
        tags = [InputTag("mlflow.data.context", description.tags["gptmill.stage"])]
        datasets = [_dataset(path, md5) for path, md5 in description.datasets.items()]
        client.log_inputs(run_id, [DatasetInput(dataset, tags) for dataset in datasets])


def fill_run(
    client: MlflowClient,
    run_id: str,
    description: Description,
    results: Results,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Log whatever the run still lacks, and only then mark it complete."""
    from mlflow.entities import RunTag

    log_inputs(client, run_id, description)
    progress()
    there = set(client.get_run(run_id).data.metrics)
    now = int(time.time() * 1000)
    for key, points in _by_key(results.points, there).items():
        progress()
        logged = logged_steps(client, run_id, key) if key in there else set()
        missing = [point for point in points if point.step not in logged]
        log_points(client, run_id, [(point, now) for point in missing[: MAX_POINTS - len(logged)]])
    client.log_dict(run_id, description.lineage, "lineage.json")
    for path, folder in results.files:
        progress()
        client.log_artifact(run_id, str(path), folder)
    progress()
    tags = {**results.tags, COMPLETE: "true"}
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    client.set_terminated(run_id, "FINISHED")


def logged_steps(client: MlflowClient, run_id: str, key: str) -> set[int]:
    """The steps at which a run has a value of this metric."""
    return {metric.step for metric in client.get_metric_history(run_id, key)}


def _dataset(path: str, md5: str) -> Any:
    """A data set that is only named, as a `MetaDataset` writes it; nothing reads or hashes the data again."""
    from mlflow.entities import Dataset

    return Dataset(name=path, digest=md5, source_type="local", source=json.dumps({"uri": path}))


def _by_key(points: Iterable[Point], there: set[str]) -> dict[str, list[Point]]:
    """Points by metric, each step once; metrics beyond `MAX_KEYS`, with those of the run, are left out."""
    by_key: dict[str, dict[int, Point]] = {}
    for point in points:
        by_key.setdefault(point.key, {}).setdefault(point.step, point)
    new = [key for key in by_key if key not in there][: max(0, MAX_KEYS - len(there))]
    return {key: list(steps.values()) for key, steps in by_key.items() if key in there or key in new}


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
