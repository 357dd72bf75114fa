"""`gptmill export`: a folder that transformers reads without us, or a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gptmill.cli import main
from gptmill.models import build_model, save_model
from gptmill.models.generate import generate
from gptmill.tokens.tokenizer import train_tokenizer
from gptmill.tracking.package import Package

TEXTS = [f"The array number {i} is returned by the function {i % 7}." for i in range(200)]
# What a user runs who has transformers only: any import of gptmill would fail.
ALONE = """
import sys
sys.modules["gptmill"] = None
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer, model = AutoTokenizer.from_pretrained(sys.argv[1]), AutoModelForCausalLM.from_pretrained(sys.argv[1])
ids = tokenizer("The array\\n  is", return_tensors="pt")
new = model.generate(**ids, max_new_tokens=8, do_sample=False)
torch.save((ids["input_ids"], model(**ids).logits, new), sys.argv[2])
"""


def package(folder: Path, preset: str = "modern") -> Path:
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(train_tokenizer(TEXTS, 300, "bpe", 0.9995))
    torch.manual_seed(0)
    model = build_model(preset, vocab_size=300, block_size=32, n_layer=2, n_head=2, n_embd=16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save_model(model, folder)
    (folder / "README.md").write_text("# card\n")
    return folder


def export(*args: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["export", *args])
    return int(end.value.code or 0)


def test_transformers_alone_reads_the_folder(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    source = package(tmp_path / "package")
    assert export("--format", "hf", str(tmp_path / "out"), "--model", str(source)) == 0
    command = [sys.executable, "-c", ALONE, str(tmp_path / "out"), str(tmp_path / "found.pt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    ids, logits, new = torch.load(tmp_path / "found.pt", weights_only=True)
    ours = Package.load(source)
    assert ids[0].tolist() == ours.tokenizer.encode("The array\n  is")
    torch.testing.assert_close(ours.model(ids), logits, rtol=0, atol=1e-4)
    ours_new = generate(
        ours.model, ids[0].tolist(), max_new_tokens=8, temperature=0.0, stop_id=ours.tokenizer.eos_id
    )
    assert new[0].tolist() == ids[0].tolist() + ours_new
    assert (tmp_path / "out/README.md").read_text() == "# card\n"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("preset", ["gpt3", "lstm"])
def test_presets_that_transformers_has_not(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = package(tmp_path / "package", preset)
    assert export(str(tmp_path / "out"), "--model", str(source)) == 1
    assert f"no architecture that equals preset {preset}; gpt1, gpt2 and modern" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = package(tmp_path / "package")
    assert export(str(source), "--model", str(source)) == 1
    assert "exists and is not empty" in capsys.readouterr().err
    assert (source / "README.md").is_file()
