"""BERT against GPT-1 of equal size and tokens, on CoLA and SICK-E.

    python -m benchmarks.bert --tokens data/tokens --tasks TASKS --out reports/bert.md [--seeds 3] [--max-steps N]

TASKS holds the folders cola and sick_e with train.tsv, dev.tsv and test.tsv (docs/tasks.md). Model, pretraining
and recipe are those of params.yaml, but for the preset and the options given; both see the same windows of the
same tokens in the same order. Each seed pretrains and fine-tunes every variant. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.table5 import settings
from gptmill.errors import UserError, run
from gptmill.outs import new_outs, read_json
from gptmill.params import check, read_yaml
from gptmill.params.finetune import Finetune
from gptmill.params.model import Model
from gptmill.params.pretrain import LENGTHS, Pretrain
from gptmill.planning import parameters
from gptmill.threads import share_cores

FILES = {split: f"{split}.tsv" for split in ("train", "dev", "test")}
TASKS: dict[str, dict[str, Any]] = {
    "cola": {"kind": "classification", "text": "sentence", "labels": ["0", "1"], "primary": "matthews"},
    "sick_e": {"kind": "entailment", "labels": ["NEUTRAL", "ENTAILMENT", "CONTRADICTION"]},
}
LEGEND = """\
Test splits; mean over {seeds} seed(s), each of which pretrains and fine-tunes, ± their standard deviation, and the
95 % bootstrap interval over the test examples. A star: differs from gpt1 on the same examples, paired bootstrap,
p < 0.05 (not corrected for the number of comparisons). gpt1 has the auxiliary loss of its paper, which BERT can't
have; the row without it is trained on the task alone, as BERT is. {tokens:,} tokens of pretraining; {sizes}.
"""


def main() -> None:
    args = parse()
    pretraining, finetuning = chosen(args)
    meta = read_json(args.tokens / "meta.json")

    share_cores()
    from gptmill.tasks.ablation import Variant, ablate, table
    from gptmill.tasks.examples import write_dataset
    from gptmill.tasks.read import read_task

    examples = args.work / "tasks"
    for name, task in finetuning.tasks.items():
        with new_outs(examples / name) as (out,):
            write_dataset(read_task(task, name), out)  # type: ignore[arg-type]
    bert = {"preset": "bert"}
    rows = [
        Variant("gpt1", {}),
        Variant("gpt1, no auxiliary LM", {}, auxiliary=False),
        Variant("bert", bert, auxiliary=False),
        Variant("bert, no pre-training", bert, pretrained=False, auxiliary=False),
    ]
    cells = ablate(
        pretraining,
        finetuning,
        list(range(args.seed, args.seed + args.seeds)),
        tokens=args.tokens,
        examples=examples,
        work=args.work,
        tell=lambda variant, seed, task, score: print(
            f"{variant}, seed {seed}, {task}: {score:.3f}", flush=True
        ),
        rows=rows,
        pretrain_each=True,
    )
    sizes = ", ".join(f"{preset} {count:,} parameters" for preset, count in counts(pretraining, meta).items())
    steps = pretraining.max_steps or 0
    seen = steps * pretraining.sequences * pretraining.model.block_size
    text = "# BERT against GPT-1\n\n" + "\n".join(table(cells, finetuning, examples)) + "\n\n"
    text += LEGEND.format(seeds=args.seeds, tokens=seen, sizes=sizes)
    text += "\n```yaml\n" + settings(pretraining, finetuning) + "```\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(text)


def chosen(args: argparse.Namespace) -> tuple[Pretrain, Finetune]:
    """The parameters of params.yaml with the options' in their place."""
    raw = read_yaml("params.yaml")
    p, f = raw["pretrain"], raw["finetune"]
    names = ("block_size", "n_layer", "n_head", "n_embd", "dropout")
    model = {"preset": "gpt1"} | {name: given(args, name, p["model"].get(name)) for name in names}
    p |= dict.fromkeys((*LENGTHS, "batch_tokens", "patience", "init_from"))
    p |= {
        "model": model,
        "max_steps": args.max_steps,
        "batch_size": given(args, "batch_size", p["batch_size"]),
    }
    p["optimizer"] |= dict.fromkeys(("name", "learning_rate", "schedule", "warmup_steps"), "auto")
    p["optimizer"] |= dict.fromkeys(("matrix_learning_rate", "embedding_learning_rate"), "auto")
    if args.learning_rate:
        p["optimizer"]["learning_rate"] = args.learning_rate
    limits = {"max_train": args.max_train, "max_eval": args.max_eval}
    f["tasks"] = {
        name: {**task, **limits, "folder": str(args.tasks / name), "files": FILES, "allow_overlap": True}
        for name, task in TASKS.items()
    }
    f["epochs"] = given(args, "epochs", f["epochs"])
    f["learning_rate"] = given(args, "finetune_learning_rate", f["learning_rate"])
    if not (args.tokens / "meta.json").is_file():
        raise UserError(f"--tokens {args.tokens}: meta.json is not there; name the data/tokens of a flow")
    return check(Pretrain, p, "benchmarks.bert: pretrain"), check(Finetune, f, "benchmarks.bert: finetune")


def given(args: argparse.Namespace, name: str, default: Any) -> Any:
    value = getattr(args, name)
    return default if value is None else value


def counts(params: Pretrain, meta: dict[str, Any]) -> dict[str, int]:
    """Parameters by preset."""
    models = {
        preset: Model.model_validate(params.model.model_dump() | {"preset": preset})
        for preset in ("gpt1", "bert")
    }
    return {preset: parameters(model, meta["vocab_size"]) for preset, model in models.items()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bert", description=__doc__)
    add = parser.add_argument
    add("--tokens", type=Path, default=Path("data/tokens"))
    add("--tasks", type=Path, required=True, help="holds cola and sick_e")
    add("--out", type=Path, default=Path("reports/bert.md"))
    add("--work", type=Path, default=Path(".gptmill/bert"), help="what has been computed")
    add("--seeds", type=int, default=3)
    add("--seed", type=int, default=1337, help="the first")
    add("--max-steps", type=int, default=2000, help="of pretraining")
    for name in ("batch-size", "block-size", "n-layer", "n-head", "n-embd"):
        add(f"--{name}", type=int, help="default: of params.yaml")
    add("--dropout", type=float)
    add("--learning-rate", type=float, help="of pretraining; default: auto, which is the same for both")
    add("--epochs", type=int, help="of fine-tuning")
    add("--finetune-learning-rate", type=float)
    add("--max-train", type=int, help="examples a task, to try it out")
    add("--max-eval", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
