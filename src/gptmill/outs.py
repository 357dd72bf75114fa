"""Outs of a stage: all of them appear at once, complete, or none does.

A stage writes into temporary siblings which are renamed when it has finished. A killed stage leaves
only hidden `.<name>.partial` folders, which its next run removes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def new_outs(*paths: str | Path) -> Iterator[list[Path]]:
    """Yield one new, empty folder for each out in `paths`; rename all to their names on success.

    Existing outs are replaced only then. If the body raises, they stay and the new ones are removed.
    Where several processes train together, only what the first one writes counts.
    """
    if not is_first_process():
        with tempfile.TemporaryDirectory() as scratch:
            yield [Path(tempfile.mkdtemp(dir=scratch)) for _ in paths]
        return
    finals = [Path(path) for path in paths]
    partials = [final.with_name(f".{final.name}.partial") for final in finals]
    for partial in partials:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        yield partials
        for partial, final in zip(partials, finals, strict=True):
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
    finally:
        for partial in partials:
            shutil.rmtree(partial, ignore_errors=True)


def is_first_process() -> bool:
    """Is this the only process of the stage, or the first of those that train together?"""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON that depends on nothing but the value: sorted keys, a closing newline."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a file in UTF-8; a reader sees all of it or none."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(text.encode("utf-8"))
    partial.replace(path)


def read_json(path: str | Path) -> Any:
    """Read a JSON file of ours."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
