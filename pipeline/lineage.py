"""lineage: the systems beside each other, from a fixed vector to GPT: reports/lineage.html, and runs to compare."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.outs import write_text
from gptmill.params.translate import Systems


def main() -> None:
    from gptmill.tracking.client import project_root, tracking_uri
    from gptmill.tracking.systems import log_systems
    from gptmill.translation.facts import gather
    from gptmill.translation.inputs import lineage_inputs
    from gptmill.translation.page import lineage_page

    facts = gather(Path(), list(Systems.model_fields))
    write_text("reports/lineage.html", lineage_page(facts))
    log_systems(facts, lineage_inputs, tracking_uri(project_root()))


if __name__ == "__main__":
    run(main)
