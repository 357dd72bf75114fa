"""Each stage depends on exactly the project modules that it imports, through data/code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gptmill.code import digests, modules, stage_modules
from gptmill.errors import UserError
from gptmill.params.finetune import Finetune

ROOT = Path(__file__).parents[2]


def test_every_stage_depends_on_its_code() -> None:
    files = (ROOT / "dvc.yaml", ROOT / "lineage/dvc.yaml")
    stages = [item for file in files for item in YAML(typ="safe").load(file.read_text())["stages"].items()]
    seen = {"code"}
    for name, stage in stages:
        body = stage.get("do", stage)  # of a foreach; a matrix has no such level
        module = re.findall(r"python -m pipeline\.(\w+)", body["cmd"])
        assert len(module) == 1, name
        if module != ["code"]:
            assert f"data/code/{module[0]}.json" in body["deps"], name
        assert not [dep for dep in body["deps"] if dep.endswith(".py")], name
        seen.add(module[0])
    assert seen == {"code", *stage_modules(ROOT)}


def test_training_does_not_stand_on_evaluation_or_tracking() -> None:
    deps = modules("pipeline.pretrain", ROOT)
    assert "src/gptmill/training/pretrain.py" in deps
    assert "src/gptmill/models/gpt.py" in deps
    assert not [dep for dep in deps if "/evaluation/" in dep or "/tracking/" in dep or "/corpus/" in dep]


def test_imports_are_followed_everywhere(tmp_path: Path) -> None:
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
    assert modules("pipeline.go", tmp_path) == [
        *followed,
        "src/gptmill/a/x.py",
        "src/gptmill/b.py",
    ]


def test_a_digest_changes_with_what_is_imported_only(tmp_path: Path) -> None:
    for name, text in {
        "pipeline/__init__.py": "",
        "pipeline/go.py": "import gptmill.b\n",
        "src/gptmill/__init__.py": "",
        "src/gptmill/b.py": "",
        "src/gptmill/other.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = digests("pipeline.go", tmp_path)
    (tmp_path / "src/gptmill/other.py").write_text("x = 1\n")
    assert digests("pipeline.go", tmp_path) == before
    (tmp_path / "src/gptmill/b.py").write_text("x = 1\n")
    assert digests("pipeline.go", tmp_path) != before


@pytest.mark.parametrize(("text", "message"), [("from . import b\n", "relative import"), ("def\n", "line 1")])
def test_code_that_cannot_be_followed(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/go.py").write_text(text)
    with pytest.raises(UserError, match=message):
        modules("pipeline.go", tmp_path)


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
