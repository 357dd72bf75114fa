"""What a stage was made from, back to the sources, as dvc.lock records it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gptmill.fingerprint import Inputs, locked_inputs, read_lock


def locked_outs(root: Path) -> dict[str, dict[str, str]]:
    """Stage → path → MD5 of everything that dvc.lock records as made."""
    return {
        stage: {out["path"]: out["md5"] for out in entry.get("outs", [])}
        for stage, entry in read_lock(root).items()
    }


def locked_deps(root: Path) -> dict[str, list[str]]:
    """Stage → paths that it read, as dvc.lock records them."""
    return {stage: [dep["path"] for dep in entry.get("deps", [])] for stage, entry in read_lock(root).items()}


def upstream(deps: Iterable[str], root: Path) -> list[str]:
    """The finished stages that made `deps`, those that made theirs, and so on; sorted by name."""
    outs, read = locked_outs(root), locked_deps(root)
    found: set[str] = set()
    paths = list(deps)
    while paths:
        path = paths.pop()
        makers = {stage for stage, made in outs.items() if any(overlap(path, out) for out in made)}
        for stage in makers - found:
            found.add(stage)
            paths += read[stage]
    return sorted(found)


def lineage(inputs: Inputs, root: Path) -> dict[str, Any]:
    """Every upstream stage with its fingerprint, deps, params and outs: enough to say what is in a model."""
    stages = {stage: locked_inputs(stage, root) for stage in upstream(inputs.deps, root)}
    outs = locked_outs(root)
    return {
        stage: {
            "fingerprint": made.fingerprint,
            "cmd": made.cmd,
            "deps": made.deps,
            "params": made.params,
            "outs": outs[stage],
        }
        for stage, made in stages.items()
    }


def overlap(dep: str, out: str) -> bool:
    """Whether reading `dep` reads (part of) `out`."""
    return dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/")
