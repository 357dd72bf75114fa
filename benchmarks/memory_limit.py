"""A limit on memory that the kernel keeps: a cgroup of our own, version 1 or 2, below the one that we are in.

A process that needs more than the limit is killed. Pages of files that were read or written count, but the
kernel takes them back when others need room; what cannot be taken back is `anon`: heaps, stacks, arrays.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from types import TracebackType

MOUNT = Path("/sys/fs/cgroup")


class MemoryLimit:
    """Processes that call `enter` and all that they start have `limit_bytes` together.

    Raises:
        OSError: where no memory cgroup may be made; its message says which was tried.
    """

    def __init__(self, limit_bytes: int) -> None:
        parent, version = _parent()
        self.limit_bytes = limit_bytes
        self.folder = parent / f"gptmill-{os.getpid()}-{limit_bytes}"
        names = {
            1: ("memory.limit_in_bytes", "memory.oom_control", "total_rss"),
            2: ("memory.max", "memory.events", "anon"),
        }
        limit, self._events, self._anon = names[version]
        try:
            self.folder.mkdir()
            (self.folder / limit).write_text(str(limit_bytes))
        except OSError as error:
            raise OSError(f"no memory cgroup can be made at {self.folder}: {error.strerror}") from None

    def enter(self) -> None:
        """Move the calling process into the group; what it starts from then on is in it."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def anon(self) -> int:
        """Bytes that cannot be taken back, of all processes in the group, now."""
        return _field(self.folder / "memory.stat", self._anon)

    def kills(self) -> int:
        """How many processes the kernel has killed here for want of memory."""
        return _field(self.folder / self._events, "oom_kill")

    def __enter__(self) -> MemoryLimit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in range(50):  # the last of its processes may still be on their way out
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.1)


def _parent() -> tuple[Path, int]:
    """The folder to make a group in, and the version of cgroups there."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    own = {name: path for _, name, path in (line.split(":", 2) for line in lines)}
    if "memory" in own:
        return MOUNT / "memory" / own["memory"].lstrip("/"), 1
    # Version 2: a group that holds processes has no children with limits, so the nearest above that has.
    here = MOUNT / own[""].lstrip("/")
    for folder in (here, *here.parents):
        control = folder / "cgroup.subtree_control"
        if control.is_file() and "memory" in control.read_text().split():
            return folder, 2
    return here, 2


def _field(path: Path, name: str) -> int:
    rows = (line.split() for line in path.read_text().splitlines())
    return next((int(row[1]) for row in rows if row[0] == name), 0)
