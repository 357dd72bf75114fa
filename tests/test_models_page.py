"""docs/models.md: its commands and its Python do what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from gptmill.cli import main
from gptmill.commands.generate import SETTINGS
from gptmill.models import build_model, save_model
from gptmill.models.config import CONFIGS
from gptmill.tokens.tokenizer import train_tokenizer

PAGE = (Path(__file__).parents[1] / "docs/models.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    gptmill (.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that has made a package, and a BERT, and registered nothing."""
    package, bert = tmp_path / "models/package", tmp_path / "models/pretrain"
    for folder in (package, bert):
        folder.mkdir(parents=True)
    (tmp_path / "dvc.yaml").touch()
    texts = [f"The array number {i} is sorted, one of several arrays; {i % 7}." for i in range(200)]
    (package / "tokenizer.model").write_bytes(train_tokenizer(texts, 300, "bpe", 0.9995))
    torch.manual_seed(0)
    sizes = {"vocab_size": 300, "block_size": 64, "n_layer": 1, "n_head": 2, "n_embd": 16}
    save_model(build_model("modern", **sizes), package)
    save_model(build_model("bert", **sizes), bert)
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_commands(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) == 8
    for command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(command))
        assert not end.value.code, (command, capsys.readouterr().err)
        if command.startswith("generate"):
            assert capsys.readouterr().out.startswith("The array is"), command
    assert {path.name for path in (project / "my/model").iterdir()} >= {"config.json", "tokenizer.json"}
    assert (project / "page.html").is_file()
    assert (project / "inspect.html").is_file()


@pytest.mark.usefixtures("project")
def test_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {})


def test_every_preset_and_option_is_there() -> None:
    assert [preset for preset in CONFIGS if f"| `{preset}` |" not in PAGE] == []
    options = [f"--{name.replace('_', '-')}" for name in SETTINGS if name != "max_new_tokens"]
    assert [option for option in options if f"`{option}`" not in PAGE] == []
