"""The ablation of the GPT-1 paper (its Table 5) on this project's corpus and tasks.

    dvc repro tokenize tasks          # data/tokens and data/tasks, of params.yaml
    python -m benchmarks.table5 --seeds 3 --out reports/ablation.md

Model, pretraining, tasks and recipe are those of params.yaml. Every score also goes to the MLflow
experiment `ablation`, a run for each variant and seed. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gptmill.errors import UserError, run
from gptmill.params import load, load_seed
from gptmill.params.finetune import Finetune
from gptmill.params.pretrain import Pretrain
from gptmill.threads import share_cores

EXPERIMENT = "ablation"
LEGEND = """\
Mean over {seeds} seed(s) of fine-tuning ± their standard deviation, and the 95 % bootstrap interval over the test
examples. A star: differs from `full` on the same examples, paired bootstrap, p < 0.05 (not corrected for the number of
comparisons). Each variant is pretrained once.

Command: `python -m benchmarks.table5 --seeds {seeds}`; parameters: params.yaml as below.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table5", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("reports/ablation.md"))
    parser.add_argument("--no-mlflow", action="store_true", help="write the table only")
    args = parser.parse_args()
    pretraining, finetuning, seed = load("pretrain", Pretrain), load("finetune", Finetune), load_seed()
    tokens, examples = Path("data/tokens"), Path("data/tasks")
    for folder in (tokens, *(examples / name for name in finetuning.tasks)):
        if not folder.is_dir():
            raise UserError(f"{folder} is not there: run `dvc repro tokenize tasks` first")
    if not finetuning.tasks:
        raise UserError("finetune.tasks is empty: an ablation needs tasks")

    share_cores()
    from gptmill.tasks.ablation import ablate, table

    found: dict[tuple[str, int], dict[str, float]] = {}

    def tell(variant: str, seed: int, task: str, score: float) -> None:
        print(f"{variant}, seed {seed}, {task}: {score:.3f}", flush=True)
        found.setdefault((variant, seed), {})[task] = score

    seeds = list(range(seed, seed + args.seeds))
    cells = ablate(
        pretraining,
        finetuning,
        seeds,
        tokens=tokens,
        examples=examples,
        work=Path(".gptmill/ablation"),
        tell=tell,
    )
    text = "# Ablation\n\n" + "\n".join(table(cells, finetuning, examples)) + "\n\n"
    text += LEGEND.format(seeds=args.seeds) + "\n```yaml\n" + settings(pretraining, finetuning) + "```\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(text)
    if not args.no_mlflow:
        log(found)


def settings(pretraining: Pretrain, finetuning: Finetune) -> str:
    """What decides the outcome, as YAML; without the tasks' files, which have names of this machine."""
    import io

    from ruamel.yaml import YAML

    stream = io.StringIO()
    recipe = finetuning.model_dump(exclude={"tasks", "accelerator", "seeds"})
    YAML().dump({"pretrain": pretraining.model_dump(exclude_none=True), "finetune": recipe}, stream)
    return stream.getvalue()


def log(found: dict[tuple[str, int], dict[str, float]]) -> None:
    """One MLflow run a variant and seed, its tasks' scores as metrics: the UI's table compares them."""
    from gptmill.tracking.client import connect, project_root, tracking_uri

    client = connect(tracking_uri(project_root()))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    id = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    for (variant, seed), scores in found.items():
        one = client.create_run(id, run_name=f"{variant}, seed {seed}")
        client.log_param(one.info.run_id, "variant", variant)
        client.log_param(one.info.run_id, "seed", seed)
        for task, score in scores.items():
            client.log_metric(one.info.run_id, task, score)
        client.log_metric(one.info.run_id, "mean", sum(scores.values()) / len(scores))
        client.set_terminated(one.info.run_id)


if __name__ == "__main__":
    run(main)
