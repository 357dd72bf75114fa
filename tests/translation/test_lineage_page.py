"""The page: whole, well-formed, the same twice, and with the figures of the reports."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_translation import SYSTEMS

from gptmill.errors import UserError
from gptmill.outs import read_json
from gptmill.translation.facts import gained, gather
from gptmill.translation.page import lineage_page


def test_the_page_has_the_figures(trained: Path) -> None:
    facts = gather(trained, list(SYSTEMS))
    text = lineage_page(facts)
    assert text == lineage_page(gather(trained, list(SYSTEMS)))
    ET.fromstring(text.split("\n", 1)[1])  # well-formed
    assert "http" not in text.replace("http://www.w3.org", "")
    metrics = read_json(trained / "reports/score/transformer/metrics.json")
    assert f"{metrics['parameters']:,}" in text
    assert f"{metrics['val_loss']:.4f}" in text
    # Two maps each of the two systems that look, in the same places.
    assert text.count("<rect") > 20
    assert text.count("rotate(-60") > 20


def test_an_untrained_step_buys_nothing(trained: Path) -> None:
    before, after, *_ = gather(trained, list(SYSTEMS))
    found = gained(before, after)
    assert found.low <= found.difference <= found.high
    assert found.difference == pytest.approx(after.right.mean() - before.right.mean())


def test_a_report_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"seq2seq/train\.csv does not exist; `dvc repro lineage/dvc.yaml`"):
        gather(tmp_path, list(SYSTEMS))


def test_systems_judged_on_other_pairs(trained: Path, tmp_path: Path) -> None:
    for name in ("data", "reports"):
        shutil.copytree(trained / name, tmp_path / name)
    path = tmp_path / "data/translations/rnnsearch/predictions.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(UserError, match="rnnsearch was judged on other pairs than seq2seq"):
        gather(tmp_path, list(SYSTEMS))
