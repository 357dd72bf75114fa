"""The observer of a running stage: takes what it is told, sends it from a thread, never stops the stage.

Training calls `log_metrics`, which only puts numbers into a buffer. A daemon thread opens the run and
sends batches every few seconds. When the server is down, dies or hangs, there is one warning; the buffer
is kept and tried again, and what is still missing at the end is left to `gptmill publish`, which finds
the torn run by its fingerprint and fills it up from the stage's files.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.fingerprint import Inputs
from gptmill.outs import is_first_process
from gptmill.tracking.buffer import Buffer, Timed
from gptmill.tracking.client import connect, project_root, reason, tracking_uri
from gptmill.tracking.content import Description, Point, describe, flatten, results
from gptmill.tracking.runs import (
    fill_run,
    find_runs,
    is_complete,
    log_inputs,
    log_points,
    logged_steps,
    open_run,
)
from gptmill.tracking.system import System

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTERVAL = 3.0  # seconds between two batches
RETRY = 10.0  # seconds before a server that failed is tried again
PATIENCE = 20.0  # seconds without an answer after which the end of a stage waits no longer
LONGEST_END = {"FINISHED": 60.0, "FAILED": 5.0, "KILLED": 5.0}  # seconds that the end waits at all


@contextmanager
def tracked_run(
    stage: str,
    inputs: Inputs,
    *,
    root: Path | None = None,
    uri: str | None = None,
) -> Iterator[Run]:
    """Observe the body as the run of `stage`; at its end, the stage's reports must be in place.

    So it stands around `new_outs`, not within. With several processes of one training, only the first is
    observed.
    """
    root = root or project_root()
    steps = flatten(inputs.params).get(f"{stage}.max_steps")
    run = Run(stage, inputs, root, uri or tracking_uri(root), steps)
    if not is_first_process():
        yield run
        return
    run.start()
    try:
        yield run
    except Exception:
        run.finish("FAILED")
        raise
    except BaseException:  # Ctrl-C, SIGTERM
        run.finish("KILLED")
        raise
    run.finish("FINISHED")


class Run:
    """The observer of one stage. What training calls returns at once and raises nothing."""

    def __init__(self, stage: str, inputs: Inputs, root: Path, uri: str, total_steps: int | None) -> None:
        self.stage, self.inputs, self.root, self.uri = stage, inputs, root, uri
        self._buffer = Buffer(total_steps)
        self._status = "FINISHED"
        self._ending = threading.Event()
        self._answered = time.monotonic()
        self._warned = False
        self._thread = threading.Thread(target=self._work, name="gptmill-tracking", daemon=True)

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Remember values of metrics at a step; curves are thinned to 2,000 points."""
        self._buffer.add_metrics(values, step)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def finish(self, status: str) -> None:
        """Send the rest and end the run (FINISHED, FAILED or KILLED); waits for a bounded time."""
        self._status = status
        self._ending.set()
        start = time.monotonic()
        self._answered = max(self._answered, start - PATIENCE / 2)
        while self._thread.is_alive():
            self._thread.join(0.05)
            now = time.monotonic()
            if now - self._answered > PATIENCE or now - start > LONGEST_END[status]:
                return self._warn("it does not answer")
        return None

    def _work(self) -> None:
        """The thread: open the run, send until the end, complete it; after a failure, again later."""
        system = System()
        session: Session | None = None
        last = False
        while True:
            try:
                session = session or Session(self.stage, self.inputs, self.root, self.uri)
                while not self._ending.wait(INTERVAL):
                    session.sample(self._buffer, system)
                    self._send(session)
                session.sample(self._buffer, system)
                self._send(session)
                session.end(self._status, self._heard)
                return
            except Exception as error:  # whatever MLflow or the network raises must not reach the stage
                self._warn(reason(error))
            if last:
                return
            last = self._ending.wait(RETRY)  # the stage's end is one more chance: the server may be back

    def _send(self, session: Session) -> None:
        points = self._buffer.take()
        try:
            session.send(points)
        except BaseException:
            self._buffer.put_back(points)
            raise
        self._heard()

    def _heard(self) -> None:
        self._answered = time.monotonic()

    def _warn(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            print(
                f"gptmill: warning: tracking at {self.uri} failed ({why}). {self.stage} goes on without it; "
                "`gptmill publish` sends what is missing later.",
                file=sys.stderr,
                flush=True,
            )


class Session:
    """One run on one server, used by the thread only. A run that a killed process left is gone on with."""

    def __init__(self, stage: str, inputs: Inputs, root: Path, uri: str) -> None:
        self.stage, self.root = stage, root
        self.client: MlflowClient = connect(uri)
        self.description: Description = describe(stage, inputs, root)
        # A stage that was forced to run again has its run: the same inputs give the same results.
        self.done = any(is_complete(run) for run in find_runs(self.client, inputs.fingerprint))
        self.last_steps: dict[str, int] = {}
        self.samples = 0
        if not self.done:
            self.run_id = open_run(self.client, self.description)
            for key in self.client.get_run(self.run_id).data.metrics:
                self.last_steps[key] = max(logged_steps(self.client, self.run_id, key))
            self.samples = 1 + max(
                (step for key, step in self.last_steps.items() if key.startswith("system/")), default=-1
            )
            log_inputs(self.client, self.run_id, self.description)

    def sample(self, buffer: Buffer, system: System) -> None:
        """Add the machine's load to the buffer when it is time."""
        if figures := system.sample():
            now = int(time.time() * 1000)
            buffer.add([(Point(key, value, self.samples), now) for key, value in figures.items()])
            self.samples += 1

    def send(self, points: list[Timed]) -> None:
        """Log all points but those that an earlier process has logged."""
        if not self.done:
            new = [(point, at) for point, at in points if point.step > self.last_steps.get(point.key, -1)]
            log_points(self.client, self.run_id, new)

    def end(self, status: str, heard: Any) -> None:
        """Complete the run from the stage's files, or mark it as failed or killed."""
        if self.done:
            return
        if status == "FINISHED":
            fill_run(
                self.client,
                self.run_id,
                self.description,
                results(self.stage, self.description, self.root),
                heard,
            )
        else:
            self.client.set_terminated(self.run_id, status)
