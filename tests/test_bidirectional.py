"""What needs a next token refuses BERT at once, with one message that says what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gptmill.bidirectional import masked_per_row, require_left_to_right
from gptmill.cli import main
from gptmill.errors import UserError
from gptmill.fingerprint import Inputs
from gptmill.models import build_model, save_model
from gptmill.params import check
from gptmill.params.model import Model
from gptmill.planning import flops_per_token, multiplying_parameters
from gptmill.tokens.tokenizer import train_tokenizer
from gptmill.tracking.packing import build_package

ROOT = Path(__file__).parents[1]
REFUSED = r"preset bert, which reads in both directions and has no next token: it can't .*Fine-tune it .*gpt1"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    texts = [f"The array number {i} is returned." for i in range(200)]
    (folder / "tokenizer.model").write_bytes(train_tokenizer(texts, 300, "bpe", 0.9995))
    save_model(build_model("bert", vocab_size=300, block_size=32, n_layer=1, n_head=2, n_embd=16), folder)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["generate", "The array"],
        ["inspect", "The array", "--out", "page.html"],
        ["export", "out"],
    ],
)
def test_commands_that_need_a_next_token(
    command: list[str],
    package: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gptmill.models.load_model", None)  # refused before the weights are read
    with pytest.raises(SystemExit) as end:
        main([*command, "--model", str(package)])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert "preset bert" in said
    assert "can't be asked for text" in said
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_serving(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version with such a model, however it came into the registry, is refused when the server starts."""
    from gptmill.serving.app import make_app
    from gptmill.serving.model import Limits
    from gptmill.tracking.client import connect
    from gptmill.tracking.pyfunc import PACKAGE

    monkeypatch.setattr("gptmill.serving.app.incompatible", lambda _ours, _theirs: None)
    monkeypatch.setattr("gptmill.serving.app.signature", lambda _folder: {})
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = connect(uri)
    shutil.copytree(package, tmp_path / "model" / PACKAGE)
    client.create_registered_model("gptmill")
    client.create_model_version("gptmill", (tmp_path / "model").as_uri())
    with pytest.raises(UserError, match=REFUSED):
        make_app("models:/gptmill/1", uri, Limits(), 1, None)


def test_registering(package: Path, tmp_path: Path) -> None:
    shutil.copytree(package, tmp_path / "models/pretrain")
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"models/pretrain is of preset bert.* can't be registered"):
        build_package(Inputs("", {}, {}), tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_evaluating(package: Path, tmp_path: Path) -> None:
    """The stage refuses before it opens a run or reads a document, neither of which is there."""
    shutil.copytree(package, tmp_path / "models/pretrain")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    code = "import runpy, sys; sys.path.insert(0, sys.argv[1])\n"
    code += "runpy.run_module('pipeline.evaluate', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("gptmill: error: models/pretrain is of preset bert")
    assert "can't be evaluated by bits per byte" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_others_and_missing_models_pass(tmp_path: Path) -> None:
    require_left_to_right(tmp_path, "be asked")
    (tmp_path / "config.json").write_text('{"preset": "gpt1"}')
    require_left_to_right(tmp_path, "be asked")


def test_plan_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    model = check(Model, {"preset": "bert", "size": "110M"}, "here")
    assert (model.n_layer, model.n_head, model.n_embd, model.block_size) == (12, 12, 768, 512)
    # A quarter less than GPT-1 of its size, for the head reads only what was masked.
    head = 30_521 * 768 + 768**2 + 3 * 768 + 30_521
    unmasked = 1 - masked_per_row(512) / 512
    everything = 6 * multiplying_parameters(model, 30_521) + 12 * 12 * 768 * 512
    assert flops_per_token(model, 30_521) == pytest.approx(everything - 6 * unmasked * head)
    main_args = ["plan", "--preset", "bert", "--size", "110M", "--device", "H100", "--vocab-size", "30521"]
    with pytest.raises(SystemExit) as end:
        main(main_args)
    assert not end.value.code
    assert "parameters   109,514,297" in capsys.readouterr().out
