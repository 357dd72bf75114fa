"""dvc.yaml names, for each stage, exactly the project modules that it imports."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

from gptmill.params.finetune import Finetune

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("code_deps", ROOT / "scripts/code_deps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dvc_yaml_is_true(script: ModuleType) -> None:
    _, _, changed = script.with_code_deps(ROOT)
    assert not changed, f"run python scripts/code_deps.py: {changed} differ"


def test_training_does_not_stand_on_evaluation_or_tracking(script: ModuleType) -> None:
    deps = script.code_deps("pipeline.pretrain", ROOT)
    assert "src/gptmill/training/pretrain.py" in deps
    assert "src/gptmill/models/gpt.py" in deps
    assert not [dep for dep in deps if "/evaluation/" in dep or "/tracking/" in dep or "/corpus/" in dep]


def test_imports_are_followed_everywhere(script: ModuleType, tmp_path: Path) -> None:
    files = {
        "pipeline/__init__.py": "",
        "pipeline/go.py": "def main():\n    from gptmill.a import x\n",
        "src/gptmill/__init__.py": "",
        "src/gptmill/a/__init__.py": "",
        "src/gptmill/a/x.py": "import gptmill.b\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from gptmill.only_types import T\n",
        "src/gptmill/b.py": "import os\nfrom gptmill.tracking.observer import tracked_run\n",
        "src/gptmill/only_types.py": "",
        "src/gptmill/tracking/__init__.py": "",
        "src/gptmill/tracking/observer.py": "",
        "src/gptmill/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    followed = (
        "pipeline/__init__.py",
        "pipeline/go.py",
        "src/gptmill/__init__.py",
        "src/gptmill/a/__init__.py",
    )
    assert script.code_deps("pipeline.go", tmp_path) == [
        *followed,
        "src/gptmill/a/x.py",
        "src/gptmill/b.py",
    ]


@pytest.mark.parametrize("stage", ["params", "collect", "clean", "dedupe", "tokenize"])
def test_data_stages_start_light(stage: str) -> None:
    """No torch, Lightning, MLflow or Great Expectations behind a data stage (design, invariant 9)."""
    code = (
        "import sys\n"
        f"import pipeline.{stage}\n"
        "import gptmill.corpus.collect, gptmill.corpus.clean, gptmill.corpus.dedupe, gptmill.tokens.tokenize\n"
        "heavy = {'torch', 'lightning', 'mlflow', 'great_expectations', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_finetune_depends_on_every_field_of_its_recipe() -> None:
    """dvc.yaml lists them one by one, so that a new task doesn't train the others again."""
    entry = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]["finetune"]["do"]
    fields = {f"finetune.{name}" for name in Finetune.model_fields if name != "tasks"}
    assert set(entry["params"]) == {"seed", "finetune.tasks.${key}", *fields}
