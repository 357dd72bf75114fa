"""deploy/ fits together: variables, files that the images copy, scripts that are bash."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def test_every_variable_is_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    services = YAML(typ="safe").load(text)["services"]
    assert set(services) == {"database", "store", "mlflow"}
    asked = set(re.findall(r"\$\{(\w+)", text))
    offered = set(re.findall(r"^(?:# )?([A-Z_0-9]+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
    assert asked - offered <= {"STORE_IMAGE"}
    given = set(services["mlflow"]["environment"])
    needed = set(re.findall(r'"\$\{(\w+):\?', (DEPLOY / "server").read_text()))
    assert needed <= given


@pytest.mark.parametrize("name", ["mlflow.Dockerfile", "Dockerfile"])
def test_images_copy_what_is_there(name: str) -> None:
    context = DEPLOY if name.startswith("mlflow") else ROOT
    for line in re.findall(r"^COPY (.*)$", (DEPLOY / name).read_text(), re.MULTILINE):
        for source in [word for word in line.split() if not word.startswith("--")][:-1]:
            assert (context / source).exists(), source


@pytest.mark.parametrize("name", ["server", "backup", "restore"])
def test_the_scripts_are_bash(name: str) -> None:
    subprocess.run(["bash", "-n", str(DEPLOY / name)], check=True)


def test_the_devcontainer_is_json() -> None:
    assert json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())["onCreateCommand"]
