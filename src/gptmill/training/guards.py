"""What must not pass unseen: a loss that is not finite, a loss that jumps."""

from __future__ import annotations

import statistics
from collections import deque
from pathlib import Path
from typing import Any

from gptmill.errors import UserError
from gptmill.outs import is_first_process, write_json

RECENT, ENOUGH = 100, 30  # steps that a spike is judged by, and how many there must be
DEVIATIONS, NATS = 6.0, 0.5  # a spike is this far above the mean of the recent losses


class Spikes:
    """Counts steps whose loss stands out from those before it."""

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.count = 0

    def see(self, loss: float) -> bool:
        """Is this step's loss a spike?"""
        spike = False
        if len(self.recent) >= ENOUGH:
            mean = sum(self.recent) / len(self.recent)
            if loss > mean + NATS:  # rare, so that the deviation is rarely needed
                spike = loss > mean + DEVIATIONS * statistics.pstdev(self.recent)
        self.recent.append(loss)
        self.count += spike
        return spike

    def state_dict(self) -> dict[str, Any]:
        return {"recent": list(self.recent), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.recent, self.count = deque(state["recent"], maxlen=RECENT), state["count"]


def diverged(
    what: str,
    value: float,
    step: int,
    learning_rate: float,
    documents: list[str],
    notes: Path,
    good: Path | None,
) -> UserError:
    """The error of a run that is no longer finite; the ids of the step's documents go to a file in `notes`."""
    told = ""
    if documents:
        path = notes / f"not-finite-{step:08d}.json"
        if is_first_process():
            write_json(path, {"step": step, what: str(value), "documents": documents})
        first = ", ".join(documents[:3])
        told = f" Its batch has {len(documents)} documents ({first}{', …' if documents[3:] else ''}), all in {path}."
    last = f"The last good checkpoint is {good}." if good else "There is no checkpoint yet."
    return UserError(
        f"the {what} is {value} at step {step}: training has diverged.{told} {last} "
        f"Lower pretrain.optimizer.learning_rate (now {learning_rate:g}), or raise warmup_steps."
    )
