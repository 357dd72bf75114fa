"""The README's figures are those of the committed reports, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gptmill.outs import read_json

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_figures_are_the_reports() -> None:
    evaluate = read_json(ROOT / "reports/evaluate/metrics.json")
    pretrain = read_json(ROOT / "reports/pretrain/metrics.json")
    tasks = [
        f"| {task['score']:.3f} | {task['score_low']:.3f} to {task['score_high']:.3f} | {task['baseline']:.3f} |"
        for task in evaluate["tasks"].values()
    ]
    for figure in (
        f"**{evaluate['bits_per_byte']:.3f}**",
        f"{evaluate['xz_bits_per_byte']:.3f}",
        f"{evaluate['unigram_bits_per_byte']:.3f}",
        f"{evaluate['test_bytes']:,} bytes",
        f"{pretrain['parameters']:,} parameters",
        f"{pretrain['tokens']:,} tokens",
        *tasks,
    ):
        assert figure in README, figure


def test_the_sample_is_one_of_the_reports() -> None:
    samples = [sample["text"].strip() for sample in read_json(ROOT / "reports/evaluate/samples.json")]
    assert any(sample in README for sample in samples)


PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (folder / target).exists(), target
