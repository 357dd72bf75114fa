"""The command `gptmill`, as a user types it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gptmill.models import build_model, save_model
from gptmill.tokens.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "models" / "package"
    folder.mkdir(parents=True)
    texts = [f"The array number {i} is returned by the function {i % 7}." for i in range(200)]
    (folder / "tokenizer.model").write_bytes(train_tokenizer(texts, 300, "bpe", 0.9995))
    torch.manual_seed(0)
    save_model(
        build_model("gpt1", vocab_size=300, block_size=16, n_layer=1, n_head=2, n_embd=16, dropout=0.0),
        folder,
    )
    return folder


def gptmill(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "DVC_ROOT")
    }
    command = [sys.executable, "-c", "from gptmill.cli import main; main()", *args]
    return subprocess.run(command, cwd=cwd, env={**clean, **env}, capture_output=True, text=True, timeout=120)


def test_generate_continues_the_prompt_the_same_way_each_time(package: Path, tmp_path: Path) -> None:
    args = ("generate", "The array is", "--model", str(package), "--max-new-tokens", "30", "--seed", "5")
    done = gptmill(*args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The array is")
    assert len(done.stdout) > len("The array is\n")
    assert gptmill(*args, cwd=tmp_path).stdout == done.stdout
    assert gptmill(*args[:-1], "6", cwd=tmp_path).stdout != done.stdout
    assert not list(tmp_path.iterdir()), "asking for a text makes no database"


def test_without_a_champion_the_project_s_own_package_is_used(package: Path, tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    missing = gptmill("generate", "The", cwd=tmp_path)
    assert missing.returncode == 1
    assert "nothing is registered yet" in missing.stderr
    assert "run `dvc repro` first" in missing.stderr
    shutil.copytree(package, tmp_path / "models" / "package")
    done = gptmill("generate", "The", "--temperature", "0", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("The")
    assert "using models/package" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


def test_outside_a_project_the_server_alone_is_asked(tmp_path: Path) -> None:
    done = gptmill("generate", "The", cwd=tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "dvc.yaml" not in done.stderr


def test_a_dead_server_is_no_reason_to_fail_where_there_is_a_package(package: Path, tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    shutil.copytree(package, tmp_path / "models" / "package")
    done = gptmill("generate", "The", cwd=tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("generate", "a", "--model", "nowhere"), "--model nowhere: no such folder"),
        (("generate", "a", "--model", "."), "is no gptmill package: tokenizer.model is missing"),
        (("generate", "a", "--model", "models:/gptmill@champion"), "nothing is registered yet"),
        (("publish",), "dvc.lock holds no tracked stage yet; run `dvc repro` first"),
    ],
)
def test_mistakes_are_messages(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    (tmp_path / "dvc.yaml").touch()
    done = gptmill(*args, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("gptmill: error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


def test_an_impossible_setting_is_a_message(package: Path, tmp_path: Path) -> None:
    done = gptmill("generate", "a", "--model", str(package), "--temperature", "-1", cwd=tmp_path)
    assert done.returncode == 1
    assert "temperature = -1.0 is not possible" in done.stderr


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom gptmill.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'mlflow', 'pydantic', 'daft') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
