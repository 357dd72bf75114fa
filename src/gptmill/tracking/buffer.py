"""What training has told the observer and the server doesn't have yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from gptmill.tracking.content import MAX_KEYS, MAX_POINTS, Point, bucket, key_name

Timed = tuple[Point, int]  # a point and when it was measured, in milliseconds


class Buffer:
    """Filled by training, emptied by the thread that sends; bounded by 2,000 points of 40 metrics."""

    def __init__(self, total_steps: int | None) -> None:
        self.total_steps = total_steps
        self._lock = threading.Lock()
        self._points: list[Timed] = []
        self._kept: dict[str, tuple[int, int]] = {}  # metric → bucket of its last point, number of points

    def add_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep the values that begin a bucket of their curve (see `content.bucket`)."""
        now, here = int(time.time() * 1000), bucket(step, self.total_steps)
        with self._lock:
            for key, value in values.items():
                if self._begins(key, here):
                    self._points.append((Point(key_name(key), float(value), step), now))

    def add(self, more: list[Timed]) -> None:
        """Keep all of `more`."""
        with self._lock:
            self._points += more

    def take(self) -> list[Timed]:
        """All of it; `put_back` when it could not be sent."""
        with self._lock:
            points, self._points = self._points, []
            return points

    def put_back(self, unsent: list[Timed]) -> None:
        """Undo `take`; what came since then stays behind it."""
        with self._lock:
            self._points = unsent + self._points

    def _begins(self, key: str, here: int) -> bool:
        if key not in self._kept and len(self._kept) >= MAX_KEYS:
            return False
        last, count = self._kept.get(key, (-1, 0))
        if here <= last or count >= MAX_POINTS:
            return False
        self._kept[key] = (here, count + 1)
        return True
