"""The package as an MLflow model: served from code and files, without pickle (see `served`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE, CHAIN = "artifacts/package", "lineage.json"  # in the model's folder
REQUIREMENTS = ("mlflow", "torch", "numpy", "pandas", "sentencepiece", "safetensors")
EXAMPLE = ["The array is"]
PATIENCE = 300  # seconds that a smoke prompt may take

SMOKE = """
import sys, mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
(text,) = model.predict([sys.argv[2]], params={"max_new_tokens": 8, "temperature": 0.0})
sys.exit(0 if text.startswith(sys.argv[2]) else f"the prompt was answered with {text!r}")
"""


def save_pyfunc(package: Path, folder: Path) -> None:
    """Write the package as an MLflow model into `folder`, which must not exist."""
    from mlflow.pyfunc import save_model

    import gptmill
    from gptmill.tracking import served

    library = Path(gptmill.__file__).parent
    save_model(
        folder,
        python_model=served.__file__,
        artifacts={"package": str(package)},
        code_paths=[str(library)],
        pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
        signature=served_signature(),
        input_example=EXAMPLE,
    )


def served_signature(max_new_tokens: int = 64) -> Any:
    """What a served model takes and gives: prompts and settings in, texts out.

    Args:
        max_new_tokens: what a request that doesn't name it gets.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec("string")]),
        outputs=Schema([ColSpec("string")]),
        params=ParamSchema(
            [
                ParamSpec("max_new_tokens", "long", max_new_tokens),
                ParamSpec("temperature", "double", 0.8),
                ParamSpec("top_k", "long", 40),
                ParamSpec("top_p", "double", 1.0),
                ParamSpec("min_p", "double", 0.0),
                ParamSpec("repetition_penalty", "double", 1.0),
                ParamSpec("beams", "long", 1),
                ParamSpec("length_penalty", "double", 1.0),
                ParamSpec("stop", "string", [], shape=(-1,)),
                ParamSpec("seed", "long", 0),
            ]
        ),
    )


def signature(folder: Path) -> dict[str, Any]:
    """Inputs, outputs and parameters of the MLflow model in `folder`; empty where it has none."""
    from gptmill.params import read_yaml

    found = read_yaml(folder / "MLmodel").get("signature") or {}
    return {part: json.loads(found.get(part) or "null") for part in ("inputs", "outputs", "params")}


def incompatible(ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """What a caller of the model with signature `theirs` would miss in `ours`; None where nothing."""
    for part in ("inputs", "outputs"):
        if ours[part] != theirs[part]:
            return f"{part} {json.dumps(ours[part])} instead of {json.dumps(theirs[part])}"
    offered = {param["name"]: param["type"] for param in ours["params"] or []}
    for param in theirs["params"] or []:
        if offered.get(param["name"]) != param["type"]:
            return f"the parameter {param['name']} ({param['type']}) is not taken"
    return None


def smoke(folder: Path, prompt: str) -> str | None:
    """Serve the model in `folder` as MLflow would, in a process of its own; what went wrong, or None."""
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            done = subprocess.run(
                [sys.executable, "-c", SMOKE, str(folder), prompt],
                cwd=elsewhere,
                env={**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {PATIENCE} s"
    lines = done.stderr.strip().splitlines() or ["no message"]
    return None if done.returncode == 0 else lines[-1][:300]
