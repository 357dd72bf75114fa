"""The fingerprint of a stage: one hash over its command, the content of its deps and its parameters.

Resume state, MLflow runs and model versions are found again by it, never by a name or a time. While a
stage runs, `stage_inputs` computes it from dvc.yaml and the files as they are; afterwards
`locked_inputs` computes the same from dvc.lock alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gptmill.errors import UserError
from gptmill.params import read_yaml


@dataclass(frozen=True)
class Inputs:
    """What a stage was made from."""

    cmd: str
    deps: dict[str, str]  # path → MD5, as DVC writes it (".dir" after a folder's)
    params: dict[str, Any]  # as named in dvc.yaml: dotted key → value

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex."""
        canonical = json.dumps([self.cmd, self.deps, self.params], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def stage_inputs(stage: str, root: str | Path = ".") -> Inputs:
    """The inputs of a stage as they are now; deps made by earlier stages are taken from dvc.lock."""
    root = Path(root)
    entry = _entry(stage, read_yaml(root / "dvc.yaml")["stages"])
    lock = read_lock(root)
    made = {out["path"]: out["md5"] for locked in lock.values() for out in locked.get("outs", [])}
    params = read_yaml(root / "params.yaml")
    return Inputs(
        cmd=entry["cmd"],
        deps={
            path: made[path] if path in made else _md5(root / path) for path in sorted(entry.get("deps", []))
        },
        params={key: _lookup(params, key) for key in sorted(entry.get("params", []))},
    )


def locked_inputs(stage: str, root: str | Path = ".") -> Inputs:
    """The inputs with which a stage last finished.

    Raises:
        UserError: when dvc.lock does not hold the stage.
    """
    lock = read_lock(Path(root))
    if stage not in lock:
        raise UserError(f'dvc.lock holds no finished stage "{stage}"; run `dvc repro` first')
    entry = lock[stage]
    return Inputs(
        cmd=entry["cmd"],
        deps={dep["path"]: dep["md5"] for dep in sorted(entry.get("deps", []), key=lambda dep: dep["path"])},
        params=dict(sorted(entry.get("params", {}).get("params.yaml", {}).items())),
    )


def locked_stages(root: str | Path = ".") -> list[str]:
    """Names of the stages in dvc.lock."""
    return sorted(read_lock(Path(root)))


def read_lock(root: Path) -> dict[str, Any]:
    """The stages in dvc.lock; the file is parsed again only when it has changed."""
    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    stat = path.stat()
    return _parse_lock(path.absolute(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _parse_lock(path: Path, _mtime: int, _size: int) -> dict[str, Any]:
    return dict(read_yaml(path)["stages"])


def _entry(stage: str, stages: dict[str, Any]) -> dict[str, Any]:
    """A stage of dvc.yaml with `${key}` and `${item.…}` of a `foreach` filled in."""
    name, _, key = stage.partition("@")
    entry = stages[name]
    if not key:
        return dict(entry)
    items = entry["foreach"]
    item = items.get(key, {}) if isinstance(items, dict) else {}
    text = json.dumps(entry["do"]).replace("${key}", key)
    text = re.sub(r"\$\{item\.(\w+)\}", lambda found: str(item[found[1]]), text)
    return dict(json.loads(text))


def _lookup(params: dict[str, Any], key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = value[part]
    return value


def _md5(path: Path) -> str:
    md5 = dvc_md5(path)
    if md5 is None:
        raise UserError(
            f"{path} is missing: an earlier stage makes it. Run `dvc repro`, which runs what is needed"
        )
    return md5


def dvc_md5(path: Path) -> str | None:
    """The hash that DVC gives a file, or a folder: the MD5 of its files' list, with ".dir" after it."""
    if path.is_file():
        with path.open("rb") as file:  # a model's weights needn't fit into memory
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if not path.is_dir():
        return None
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listing = json.dumps(
        [{"md5": dvc_md5(files[name]), "relpath": name} for name in sorted(files)], sort_keys=True
    )
    return hashlib.md5(listing.encode("utf-8"), usedforsecurity=False).hexdigest() + ".dir"
