"""corpus: what came into the corpus, what left it and why, reports/corpus.html and reports/corpus.json."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.params import load
from gptmill.params.clean import Clean


def main() -> None:
    params = load("clean", Clean)

    from gptmill.corpus.report.report import report

    report(params, Path("data"), page=Path("reports/corpus.html"), metrics=Path("reports/corpus.json"))


if __name__ == "__main__":
    run(main)
