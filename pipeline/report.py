"""report: all reports of a run as one page, reports/index.html."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.outs import write_text
from gptmill.params import load
from gptmill.params.finetune import Finetune


def main() -> None:
    tasks = load("finetune", Finetune).tasks

    from gptmill.run_report.facts import gather
    from gptmill.run_report.page import run_page

    facts = gather(Path(), {name: task.kind for name, task in tasks.items()})
    write_text("reports/index.html", run_page(facts))


if __name__ == "__main__":
    run(main)
