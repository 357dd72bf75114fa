"""translate SYSTEM: pairs → an encoder–decoder, models/translate/SYSTEM, and its curve, reports/translate/SYSTEM."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs
from gptmill.params import load, load_seed
from gptmill.params.translate import Translate, system_named
from gptmill.threads import share_cores


def main() -> None:
    params, seed = load("translate", Translate), load_seed()
    system = system_named(sys.argv[1:])

    share_cores()
    from gptmill.tracking.observer import tracked_run
    from gptmill.translation.inputs import lineage_inputs
    from gptmill.translation.training import train_system

    stage = f"translate@{system}"
    inputs = lineage_inputs(stage)
    resume = Path(".gptmill/resume") / inputs.fingerprint
    with (
        tracked_run(stage, inputs) as observer,
        new_outs(f"models/translate/{system}", f"reports/translate/{system}") as (model, reports),
    ):
        train_system(
            system,
            params,
            seed,
            Path("data/pairs"),
            model_out=model,
            reports_out=reports,
            resume=resume,
            observe=observer.log_metrics,
        )
    shutil.rmtree(resume, ignore_errors=True)


if __name__ == "__main__":
    run(main)
