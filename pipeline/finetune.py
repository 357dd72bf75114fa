"""finetune TASK: the pretrained GPT → a classifier, models/finetune/TASK, and its scores, reports/finetune/TASK."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from gptmill.errors import UserError, nearest, run
from gptmill.fingerprint import stage_inputs
from gptmill.outs import new_outs
from gptmill.params import load, load_seed
from gptmill.params.finetune import Finetune
from gptmill.threads import share_cores


def main() -> None:
    params, seed = load("finetune", Finetune), load_seed()
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in params.tasks:
        raise UserError(f'no task "{name}"{nearest(name, params.tasks)} Tasks: {", ".join(params.tasks)}')
    stage = f"finetune@{name}"
    inputs = stage_inputs(stage)

    share_cores()
    from gptmill.tasks.finetune import finetune
    from gptmill.tracking.observer import tracked_run

    resume = Path(".gptmill/resume") / inputs.fingerprint
    with (
        tracked_run(stage, inputs) as observer,
        new_outs(f"models/finetune/{name}", f"reports/finetune/{name}") as (model, reports),
    ):
        finetune(
            name,
            params,
            seed,
            examples=Path(f"data/tasks/{name}"),
            tokens=Path("data/tokens"),
            pretrained=Path("models/pretrain"),
            model_out=model,
            reports_out=reports,
            resume=resume,
            observe=observer.log_metrics,
        )
    shutil.rmtree(resume, ignore_errors=True)


if __name__ == "__main__":
    run(main)
