"""evaluate: the pretrained GPT on the test split, beside references, and the tasks' scores, reports/evaluate."""

from __future__ import annotations

from pathlib import Path

from gptmill.bidirectional import require_left_to_right
from gptmill.errors import run
from gptmill.fingerprint import stage_inputs
from gptmill.outs import new_outs, read_json
from gptmill.params import load, load_seed
from gptmill.params.evaluate import Evaluate
from gptmill.params.finetune import Finetune
from gptmill.threads import share_cores


def main() -> None:
    params, seed = load("evaluate", Evaluate), load_seed()
    tasks = load("finetune", Finetune).tasks
    require_left_to_right("models/pretrain", "be evaluated by bits per byte and samples")
    inputs = stage_inputs("evaluate")

    share_cores()
    from gptmill.evaluation.evaluate import evaluate
    from gptmill.tracking.observer import tracked_run

    with tracked_run("evaluate", inputs), new_outs("reports/evaluate") as (reports,):
        evaluate(
            params,
            seed,
            documents=Path("data/dedupe"),
            tokens=Path("data/tokens"),
            model=Path("models/pretrain"),
            examples={name: Path(f"data/tasks/{name}") for name in tasks},
            tasks={name: Path(f"reports/finetune/{name}/metrics.json") for name in tasks},
            reports_out=reports,
        )
    metrics = read_json("reports/evaluate/metrics.json")
    print(
        f"bits per byte {metrics['bits_per_byte']:.3f}   "
        f"xz -9 {metrics['xz_bits_per_byte']:.3f}   unigram {metrics['unigram_bits_per_byte']:.3f}"
    )


if __name__ == "__main__":
    run(main)
