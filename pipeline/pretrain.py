"""pretrain: token shards → a GPT trained from scratch, models/pretrain, and its curves, reports/pretrain."""

from __future__ import annotations

import shutil
from pathlib import Path

from gptmill.errors import run
from gptmill.fingerprint import stage_inputs
from gptmill.outs import is_first_process, new_outs
from gptmill.params import load, load_seed
from gptmill.params.pretrain import Pretrain
from gptmill.threads import share_cores


def main() -> None:
    params, seed = load("pretrain", Pretrain), load_seed()
    inputs = stage_inputs("pretrain")

    share_cores()
    from gptmill.tracking.observer import tracked_run
    from gptmill.training.pretrain import pretrain

    resume = Path(".gptmill/resume") / inputs.fingerprint
    with (
        tracked_run("pretrain", inputs) as observer,
        new_outs("models/pretrain", "reports/pretrain") as (model, reports),
    ):
        pretrain(
            params,
            seed,
            Path("data/tokens"),
            model_out=model,
            reports_out=reports,
            speed_out=Path(".gptmill/pretrain"),
            resume=resume,
            observe=observer.log_metrics,
        )
    if is_first_process():  # the last to be done
        shutil.rmtree(resume, ignore_errors=True)


if __name__ == "__main__":
    run(main)
