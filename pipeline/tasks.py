"""tasks: every task of params.yaml → its examples, data/tasks/TASK; a mistake in one stops before training."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.outs import new_outs, write_json
from gptmill.params import load
from gptmill.params.finetune import Finetune


def main() -> None:
    params = load("finetune", Finetune)

    from gptmill.tasks.prepare import prepare

    with new_outs("data/tasks") as (out,):
        counts = prepare(params, Path("data/dedupe"), out)
    for name, found in counts.items():
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in found.items())}")
    # Pretraining waits for this file, and never changes with it: a new task trains no new model.
    write_json("data/gates/tasks.json", {"stage": "tasks"})


if __name__ == "__main__":
    run(main)
