"""What a stage of lineage/dvc.yaml is made from, as `gptmill.fingerprint` says it of dvc.yaml's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gptmill.errors import UserError
from gptmill.fingerprint import Inputs, dvc_md5
from gptmill.params import read_yaml

DVC_YAML = "lineage/dvc.yaml"


def lineage_inputs(stage: str, root: Path = Path()) -> Inputs:
    """The command, the deps' hashes as the files are now, and the parameters of a stage such as translate@rnnsearch.

    Raises:
        UserError: when a dep is missing.
    """
    name, _, system = stage.partition("@")
    entry = read_yaml(root / DVC_YAML)["stages"][name]
    if system:
        entry = json.loads(json.dumps(entry).replace("${item.system}", system))
    deps = {}
    for path in sorted(entry["deps"]):
        md5 = dvc_md5(root / path)
        if md5 is None:
            raise UserError(f"{path} is missing: an earlier stage makes it. Run `dvc repro {DVC_YAML}`")
        deps[path] = md5
    params = read_yaml(root / "params.yaml")
    return Inputs(
        cmd=entry["cmd"], deps=deps, params={key: _lookup(params, key) for key in sorted(entry["params"])}
    )


def _lookup(params: dict[str, Any], key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = value[part]
    return value
