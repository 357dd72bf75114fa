"""What a person sees while a model trains: one live line on a terminal, a line a look elsewhere."""

from __future__ import annotations

import time
from typing import Any


class Progress:
    """Steps, tokens seen, loss, speed and time left. Draws nothing where nobody looks at a terminal."""

    def __init__(self, total: int, tokens_per_step: int) -> None:
        self.total, self.tokens_per_step = total, tokens_per_step
        self._bar: Any = None
        self._task: Any = None
        self._drawn = 0.0

    @property
    def live(self) -> bool:
        """Is there a terminal, and a line on it?"""
        return self._bar is not None

    def start(self, step: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if not console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("pretrain {task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=self.total, completed=step, told="")
        self._bar.start()

    def update(self, step: int, loss: float, tokens_per_second: float) -> None:
        """At most twice a second."""
        now = time.monotonic()
        if self._bar is None or now - self._drawn < 0.5:
            return
        self._drawn = now
        tokens = step * self.tokens_per_step
        told = f"{tokens / 1e6:.2f}M tokens  loss {loss:.4f}  {tokens_per_second:,.0f} tokens/s"
        self._bar.update(self._task, completed=step, told=told, refresh=True)

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, flush=True)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.stop()
            self._bar = None
