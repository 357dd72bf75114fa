"""What the pretrained model makes of a task from the corpus: fine-tuned, and by likelihood alone.

    dvc repro pretrain
    python -m benchmarks.tasks summary_of_body --same-group 0 --max-train 2000 --json OUT

One training with the recipe of params.yaml; nothing of the project is changed.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

from gptmill.errors import run
from gptmill.outs import write_json
from gptmill.params import check, load, load_seed
from gptmill.params.finetune import Finetune
from gptmill.threads import share_cores

DOCUMENTS, TOKENS, MODEL = Path("data/dedupe"), Path("data/tokens"), Path("models/pretrain")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tasks", description=__doc__)
    parser.add_argument("kind", choices=("summary_of_body", "same_object", "which_body"))
    parser.add_argument("--same-group", type=float, default=1.0)
    parser.add_argument("--max-train", type=int, default=2000)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--max-eval", type=int, default=1000)
    parser.add_argument("--seed", type=int, help="instead of that of params.yaml")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument(
        "--zero-shot", type=int, default=0, metavar="N", help="test examples answered untrained"
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    names = (
        "kind",
        "same_group",
        "max_train",
        "max_eval",
        "max_tokens",
        "epochs",
        "batch_size",
        "learning_rate",
    )
    settings = {name: value for name in names if (value := getattr(args, name)) is not None}
    recipe = load("finetune", Finetune).model_dump(exclude={"tasks"})
    params = check(Finetune, recipe | {"tasks": {"task": settings}}, "benchmarks.tasks")

    share_cores()
    from gptmill.evaluation.zero_shot import zero_shot
    from gptmill.models import load_model
    from gptmill.tasks.finetune import answers_of, train
    from gptmill.tasks.passages import passages_task
    from gptmill.tasks.scores import report
    from gptmill.tokens.tokenizer import Tokenizer

    task = params.tasks["task"]
    data = passages_task(task, "task", DOCUMENTS)  # type: ignore[arg-type]
    tokenizer = Tokenizer.load(TOKENS / "tokenizer.model")
    found: dict[str, object] = {"settings": settings}
    if args.zero_shot:
        found["zero_shot"] = zero_shot(
            data, load_model(MODEL), tokenizer.encode, tokenizer.eos_id, limit=args.zero_shot, batch_size=64
        )
    before = cpu_seconds()
    with tempfile.TemporaryDirectory() as scratch:
        _, outcome = train(
            data,
            task,
            params,
            load_seed() if args.seed is None else args.seed,
            load=lambda: load_model(MODEL),
            encode=tokenizer.encode,
            label=args.kind,
            resume=Path(scratch),
            observe=lambda _metrics, _step: None,
        )
    found["cpu_seconds"] = round(cpu_seconds() - before, 1)
    answers = {split: [answers_of(data, scores)[0]] for split, scores in outcome.scores.items()}
    found |= report(data, answers, "accuracy", None) | {"steps": outcome.steps}
    print(found)
    if args.json:
        write_json(args.json, found)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    run(main)
