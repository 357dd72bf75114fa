"""Checkpoints as files: written whole or not at all, checked before they are trusted, few kept.

`step-00001200-1a2b3c4d.ckpt` ends in the CRC-32 of its content, so one rename makes a checkpoint that
proves itself: a file cut short by a crash of the machine, or with a flipped bit, is passed over.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

KEPT = 2
NEWEST, DAYS = 3, 14.0  # folders of abandoned runs: how many stay, and how long


class CheckpointFiles(TorchCheckpointIO):
    """Writes Lightning's checkpoints into `folder` and keeps the last two.

    A write that fails (a full disk) leaves its reason in `error` and raises nothing: Lightning's other
    processes wait behind it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.error: OSError | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `folder/step-<step>-<crc>.ckpt`; of `path` only the folder counts."""
        try:
            self._write(checkpoint)
        except OSError as error:
            self.error = error
        else:
            self.error = None
            for old in self.found()[KEPT:]:
                old.unlink(missing_ok=True)

    def _write(self, checkpoint: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "partial"
        try:
            with partial.open("wb") as file:
                sink = _Sink(file)
                try:
                    torch.save(checkpoint, sink)  # type: ignore[arg-type]
                except Exception:
                    # What torch raises about a failed write doesn't say why.
                    raise (sink.error or sys.exc_info()[1]) from None  # type: ignore[misc]
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self.folder / f"step-{checkpoint['global_step']:08d}-{sink.crc:08x}.ckpt")
        finally:
            partial.unlink(missing_ok=True)

    def found(self) -> list[Path]:
        """The checkpoints there are, newest first."""
        return sorted(self.folder.glob("step-*.ckpt"), reverse=True)

    def newest(self) -> Path | None:
        """The newest checkpoint whose content is what was written; damaged ones are removed with a warning."""
        for path in self.found():
            try:
                found = f"{_crc(path):08x}"
            except FileNotFoundError:  # another process has found it damaged
                continue
            if found == path.stem.rpartition("-")[2]:
                return path
            print(
                f"gptmill: warning: {path} is damaged (its content is not what was written); "
                "going back to the checkpoint before it",
                file=sys.stderr,
            )
            path.unlink(missing_ok=True)
        return None


class _Sink:
    """A file that sums up what is written to it, and remembers why a write failed."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.crc = file, 0
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            written = self.file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.crc = zlib.crc32(data, self.crc)
        return written

    def flush(self) -> None:
        self.file.flush()


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return crc


def prune(root: Path, keep: Path) -> None:
    """Remove the folders of abandoned runs under `root`: all but the newest three, and any older than two weeks."""
    if not root.is_dir():
        return
    others = [path for path in root.iterdir() if path.is_dir() and path != keep]
    ages = {path: time.time() - _changed(path) for path in others}
    for place, path in enumerate(sorted(others, key=lambda path: ages[path])):
        if place >= NEWEST or ages[path] > DAYS * 86400:
            shutil.rmtree(path, ignore_errors=True)


def _changed(folder: Path) -> float:
    """When something in `folder` was last written. Another process may be writing or removing it meanwhile."""
    times = [0.0]
    for root, _, names in os.walk(folder):
        for path in (Path(root), *(Path(root, name) for name in names)):
            with suppress(FileNotFoundError):
                times.append(path.stat().st_mtime)
    return max(times)
