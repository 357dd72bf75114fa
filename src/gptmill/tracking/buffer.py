"""What training has told the observer and the server doesn't have yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gptmill.tracking.content import MAX_KEYS, MAX_POINTS, Point, bucket, key_name


@dataclass
class Pending:
    """Points with their time in milliseconds, parameters, tags, and files with their folder."""

    points: list[tuple[Point, int]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: list[tuple[Path, str]] = field(default_factory=list)


class Buffer:
    """Filled by training, emptied by the thread that sends; bounded by 2,000 points of 40 metrics."""

    def __init__(self, total_steps: int | None) -> None:
        self.total_steps = total_steps
        self._lock = threading.Lock()
        self._pending = Pending()
        self._kept: dict[str, tuple[int, int]] = {}  # metric → bucket of its last point, number of points

    def add_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep the values that begin a bucket of their curve (see `content.bucket`)."""
        now, here = int(time.time() * 1000), bucket(step, self.total_steps)
        with self._lock:
            for key, value in values.items():
                if self._begins(key, here):
                    self._pending.points.append((Point(key_name(key), float(value), step), now))

    def add(self, more: Pending) -> None:
        """Keep everything in `more` as it is."""
        with self._lock:
            self._pending.points += more.points
            self._pending.params |= more.params
            self._pending.tags |= more.tags
            self._pending.files += more.files

    def take(self) -> Pending:
        """All of it; `put_back` when it could not be sent."""
        with self._lock:
            pending, self._pending = self._pending, Pending()
            return pending

    def put_back(self, unsent: Pending) -> None:
        """Undo `take`: what came since then stays behind it, and wins."""
        with self._lock:
            newer = self._pending
            self._pending = Pending(
                unsent.points + newer.points,
                unsent.params | newer.params,
                unsent.tags | newer.tags,
                unsent.files + newer.files,
            )

    def _begins(self, key: str, here: int) -> bool:
        if key not in self._kept and len(self._kept) >= MAX_KEYS:
            return False
        last, count = self._kept.get(key, (-1, 0))
        if here <= last or count >= MAX_POINTS:
            return False
        self._kept[key] = (here, count + 1)
        return True
