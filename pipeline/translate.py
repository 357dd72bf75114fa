"""translate SYSTEM: pairs → an encoder–decoder, models/translate/SYSTEM, and its scores, reports/translate/SYSTEM."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from gptmill.errors import UserError, nearest, run
from gptmill.outs import new_outs, read_json
from gptmill.params import load, load_seed
from gptmill.params.translate import Systems, Translate
from gptmill.threads import share_cores


def main() -> None:
    params, seed = load("translate", Translate), load_seed()
    system = sys.argv[1] if len(sys.argv) == 2 else ""
    if system not in Systems.model_fields:
        raise UserError(
            f'no system "{system}"{nearest(system, Systems.model_fields)} Systems: {", ".join(Systems.model_fields)}'
        )

    share_cores()
    from gptmill.tracking.observer import tracked_run
    from gptmill.translation.inputs import lineage_inputs
    from gptmill.translation.run import translate_system

    stage = f"translate@{system}"
    inputs = lineage_inputs(stage)
    resume = Path(".gptmill/resume") / inputs.fingerprint
    with (
        tracked_run(stage, inputs) as observer,
        new_outs(f"models/translate/{system}", f"reports/translate/{system}") as (model, reports),
    ):
        translate_system(
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
    metrics = read_json(f"reports/translate/{system}/metrics.json")
    for name, found in metrics["scores"].items():
        print(f"{system}  {name} {found['score']:.4g} [{found['low']:.4g}, {found['high']:.4g}]")


if __name__ == "__main__":
    run(main)
