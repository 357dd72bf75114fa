"""Write reports/corpus.html and reports/corpus.json from the outs of collect, clean and dedupe."""

from __future__ import annotations

from pathlib import Path

from gptmill.corpus.report.clusters import largest_clusters
from gptmill.corpus.report.figures import figures
from gptmill.corpus.report.histograms import length_histogram, signal_histogram, signals_of
from gptmill.corpus.report.page import corpus_page
from gptmill.corpus.signals import SIGNALS
from gptmill.outs import write_json, write_text
from gptmill.params.clean import Clean
from gptmill.params.dedupe import Dedupe


def report(clean: Clean, dedupe: Dedupe, data: Path, page: Path, metrics: Path) -> None:
    """Read `data`/collect, clean and dedupe; write the page and its numbers.

    Raises:
        UserError: when a stage has not run, or the outs do not belong together.
    """
    against = dedupe.decontaminate
    tasks = [*against.splits, *(task.name for task in against.against)] if against else []
    numbers = figures(data, tasks)
    limits = clean.resolved_rules()
    signals = [
        signal_histogram(data / "clean", name, limits.get(name)) for name in signals_of(data / "clean")
    ]
    html = corpus_page(numbers, signals, SIGNALS, length_histogram(data), largest_clusters(data))
    write_text(page, html)
    write_json(metrics, numbers)
