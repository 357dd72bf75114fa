"""`gptmill translate` in a project that has trained, and in one that has not."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from gptmill.cli import main
from gptmill.models.systems import load_system
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.translation.evaluate import translate

TEXTS = ["en-US May 5, 1987", "de 3.4.1987"]


def test_prints_what_the_library_gives(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    with contextlib.suppress(SystemExit):  # where Daft was imported a command ends by leaving
        main(["translate", *TEXTS, "--system", "rnnsearch", "--max-new-tokens", "6"])
    model = load_system(trained / "models/translate/rnnsearch")
    tokenizer = Tokenizer.load(trained / "data/pairs/tokenizer.model")
    expected = translate(model, tokenizer, TEXTS, beams=4, max_new_tokens=6)
    assert capsys.readouterr().out == "\n".join(expected) + "\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "lineage/dvc.yaml:translate@transformer"), (["--beams", "0"], "--beams 0: at least 1")],
)
def test_mistakes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["translate", "x", *options])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
