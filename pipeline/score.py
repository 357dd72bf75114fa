"""score SYSTEM: a trained encoder–decoder on the test pairs → data/translations/SYSTEM and reports/score/SYSTEM."""

from __future__ import annotations

import sys
from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs, read_json
from gptmill.params import load
from gptmill.params.translate import Translate, system_named
from gptmill.threads import share_cores


def main() -> None:
    params = load("translate", Translate)
    system = system_named(sys.argv[1:])

    share_cores()
    from gptmill.tracking.observer import tracked_run
    from gptmill.translation.evaluate import evaluate
    from gptmill.translation.inputs import lineage_inputs
    from gptmill.translation.threads import threads

    stage = f"score@{system}"
    with (
        tracked_run(stage, lineage_inputs(stage)),
        threads(params.evaluate.threads),
        new_outs(f"data/translations/{system}", f"reports/score/{system}") as (translations, reports),
    ):
        evaluate(
            params.evaluate,
            Path("data/pairs"),
            Path("models/translate") / system,
            translations_out=translations,
            reports_out=reports,
        )
    for name, found in read_json(f"reports/score/{system}/metrics.json")["scores"].items():
        print(f"{system}  {name} {found['score']:.4g} [{found['low']:.4g}, {found['high']:.4g}]")


if __name__ == "__main__":
    run(main)
