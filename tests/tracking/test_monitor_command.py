"""`gptmill monitor` on a registered model: exit codes, page and figures, from the registry and DVC's cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gptmill import cli
from gptmill.errors import UserError
from gptmill.outs import read_json
from gptmill.serving.log import RequestLog


def monitor(*args: str) -> int:
    parsed = cli._parser().parse_args(["monitor", *args])
    return int(parsed.command(parsed))


def log(folder: Path, prompts: list[str]) -> str:
    requests = RequestLog(folder, "gptmill/1")
    for i, prompt in enumerate(prompts):
        requests.add(str(i), prompt, 5, 8, 1.0)
    requests.flush()
    return str(folder)


def test_exit_codes(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
) -> None:
    monkeypatch.chdir(published)
    like = log(
        tmp_path / "like", [f"The array number {i} is returned by"[: 12 + i % 20] for i in range(5, 200, 10)]
    )
    assert monitor("--requests", like) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no drift"
    other = log(tmp_path / "other", [f"Wie spät ist es in Stadt {i}, und warum so früh?" for i in range(20)])
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    assert monitor("--requests", other, "--page", str(page), "--json", str(figures)) == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("drift: vocabulary")
    assert read_json(figures)["signals"]["vocabulary"]["drift"] is True
    assert "spät" in read_json(figures)["new_words"]
    ElementTree.fromstring(page.read_text(encoding="utf-8").partition("\n")[2])  # well-formed
    assert "gptmill version 1" in page.read_text(encoding="utf-8")


def test_what_is_wrong_is_said(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(published)
    with pytest.raises(UserError, match="holds no log of requests"):
        monitor("--requests", str(tmp_path))
    with pytest.raises(UserError, match=r"--alpha 1\.5: must lie between 0 and 1"):
        monitor("--requests", str(tmp_path), "--alpha", "1.5")
    few = log(tmp_path / "few", ["The array is"] * 30)
    with pytest.raises(UserError, match=r"the batch has 1 independent texts .*at least 8"):
        monitor("--requests", few)
    with pytest.raises(UserError, match='no alias "champoin"'):
        monitor("--requests", few, "--model", "models:/gptmill@champoin")
