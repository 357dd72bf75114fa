"""corpus: what came into the corpus, what left it and why, reports/corpus.html and reports/corpus.json."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.params import load
from gptmill.params.clean import Clean
from gptmill.params.dedupe import Dedupe


def main() -> None:
    clean, dedupe = load("clean", Clean), load("dedupe", Dedupe)

    from gptmill.corpus.report.report import report

    report(clean, dedupe, Path("data"), page=Path("reports/corpus.html"), metrics=Path("reports/corpus.json"))


if __name__ == "__main__":
    run(main)
