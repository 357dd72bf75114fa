"""The paper's Table 5 on any tasks: what pretraining, the auxiliary loss and the architecture are worth.

Variants differ from `full`, the first, in one thing each. A variant is pretrained once (or with each seed) and
fine-tuned on every task with each seed; all see the same tokens, examples and recipe. What has been computed is
kept in a folder named by all that it depends on, so that an ablation of hours may be stopped and goes on with
the same command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from gptmill.evaluation.statistics import Comparison, Statistic, compare, interval
from gptmill.models import build_model, load_model
from gptmill.models.language_model import LanguageModel
from gptmill.outs import new_outs, read_json, write_json
from gptmill.params.finetune import Finetune, LabelledTask
from gptmill.params.pretrain import Pretrain
from gptmill.tasks.examples import Dataset, read_dataset
from gptmill.tasks.finetune import answers_of, train
from gptmill.tasks.scores import baseline_answers, metrics, statistic, truth
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.training.pretrain import pretrain

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Variant:
    name: str
    model: dict[str, Any]  # what of pretrain.model is different
    pretrained: bool = True
    auxiliary: bool = True


def variants(params: Pretrain) -> list[Variant]:
    """The rows of the table. The LSTM has, as in the paper, one layer 8/3 as wide (2,048 to 768)."""
    own = params.model
    width = round(own.n_embd * 8 / 3 / own.n_head) * own.n_head
    rows = [
        Variant("full", {}),
        Variant("no pre-training", {}, pretrained=False),
        Variant("no auxiliary LM", {}, auxiliary=False),
        Variant("LSTM", {"preset": "lstm", "n_layer": 1, "n_embd": width, "modern": None, "window": None}),
    ]
    if own.preset != "modern":
        rows.append(Variant("modern", {"preset": "modern", "window": None}))
    return rows


@dataclass(frozen=True)
class Cell:
    """One variant on one task: the mean score over the seeds, its interval, and the comparison with `full`."""

    scores: list[float]
    low: float
    high: float
    against_full: Comparison | None

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))


def ablate(
    pretraining: Pretrain,
    finetuning: Finetune,
    seeds: list[int],
    *,
    tokens: Path,
    examples: Path,
    work: Path,
    tell: Callable[[str, int, str, float], None],
    rows: list[Variant] | None = None,
    pretrain_each: bool = False,
) -> dict[str, dict[str, Cell]]:
    """Train what is not in `work` yet; cells by variant and task.

    Args:
        tokens: data/tokens of the flow.
        examples: data/tasks of the flow.
        tell: told variant, seed, task and score as soon as there is one; must not raise.
        rows: the variants, the first of which the others are compared with; by default the paper's.
        pretrain_each: also pretrain with each seed, not with the first alone.
    """
    encode = Tokenizer.load(tokens / "tokenizer.model").encode
    sets = {name: read_dataset(examples / name) for name in sorted(finetuning.tasks)}
    answers: dict[str, dict[str, list[Array]]] = {}
    rows = variants(pretraining) if rows is None else rows
    full = rows[0].name
    for variant in rows:
        params = _changed(pretraining, variant)
        recipe = finetuning if variant.auxiliary else finetuning.model_copy(update={"lm_weight": 0.0})
        answers[variant.name] = {name: [] for name in sets}
        for (name, data), seed in ((item, seed) for item in sets.items() for seed in seeds):
            task = finetuning.tasks[name]
            first = seed if pretrain_each else seeds[0]
            base = {"pretrain": params.model_dump(), "tokens": read_json(tokens / "meta.json"), "seed": first}
            load = _loader(variant, params, base, tokens, work)
            key = {
                "base": base if variant.pretrained else params.model.model_dump(),
                "recipe": recipe.model_dump(exclude={"tasks"}),
                "task": task.model_dump(),
                "examples": blake2b((examples / name / "examples.parquet").read_bytes()).hexdigest(),
                "seed": seed,
            }
            folder = work / _digest(key)
            if not (folder / "scores.json").is_file():
                _, outcome = train(
                    data,
                    task,
                    recipe,
                    seed,
                    load=load,
                    encode=encode,
                    label=f"{variant.name}, {name}, seed {seed}",
                    resume=folder / "resume",
                    observe=lambda _metrics, _step: None,
                )
                write_json(folder / "scores.json", outcome.scores["test"].tolist())
            answer, _ = answers_of(data, np.array(read_json(folder / "scores.json")))
            answers[variant.name][name].append(answer)
            positive = task.positive if isinstance(task, LabelledTask) else None
            tell(variant.name, seed, name, metrics(data, truth(data, "test"), answer, positive)[task.primary])
    return {
        variant: {
            name: _cell(sets[name], finetuning, name, found, answers[full][name], variant == full)
            for name, found in each.items()
        }
        for variant, each in answers.items()
    }


def _changed(params: Pretrain, variant: Variant) -> Pretrain:
    raw = params.model_dump()
    raw["model"] |= variant.model
    return Pretrain.model_validate(raw)


def _loader(
    variant: Variant, params: Pretrain, base: dict[str, Any], tokens: Path, work: Path
) -> Callable[[], LanguageModel]:
    """Gives the variant's model, new each time; pretrains it first where that has not been done."""
    if not variant.pretrained:
        vocab_size = base["tokens"]["vocab_size"]

        def fresh() -> LanguageModel:
            return build_model(vocab_size=vocab_size, **params.model.arguments())

        return fresh
    folder = work / _digest(base)
    if not (folder / "model").is_dir():
        with new_outs(folder / "model", folder / "reports") as (model, reports):
            print(f"pretraining: {variant.name}", flush=True)
            pretrain(
                params,
                base["seed"],
                tokens,
                model,
                reports,
                folder / "speed",
                folder / "resume",
                lambda _m, _s: None,
            )
    return lambda: load_model(folder / "model")


def _digest(key: Any) -> str:
    return blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=8).hexdigest()


def _cell(
    data: Dataset, params: Finetune, name: str, ours: list[Array], full: list[Array], is_full: bool
) -> Cell:
    task, true = params.tasks[name], truth(data, "test")
    positive = task.positive if isinstance(task, LabelledTask) else None
    scores = [metrics(data, true, answer, positive)[task.primary] for answer in ours]
    mean = mean_of([statistic(data, task.primary, true, answer, positive) for answer in ours])
    low, high = interval(mean, len(true))
    other = mean_of([statistic(data, task.primary, true, answer, positive) for answer in full])
    return Cell(scores, low, high, None if is_full else compare(mean, other, len(true)))


def mean_of(statistics: list[Statistic]) -> Statistic:
    """The mean over the seeds, of each resample of the examples."""

    def score(weights: Array) -> Array:
        mean: Array = np.mean([statistic(weights) for statistic in statistics], axis=0)
        return mean

    return score


def table(cells: dict[str, dict[str, Cell]], params: Finetune, examples: Path) -> Iterator[str]:
    """The lines of a Markdown table: variants by tasks, baselines last; a star: the first differs (p < 0.05)."""
    tasks = sorted(params.tasks)
    heads = [f"{name} ({params.tasks[name].primary})" for name in tasks]
    yield f"| variant | mean | {' | '.join(heads)} |"
    yield "|---" * (len(tasks) + 2) + "|"
    for variant, each in cells.items():
        mean = np.mean([each[name].mean for name in tasks])
        shown = [_shown(each[name]) for name in tasks]
        yield f"| {variant} | {mean:.3f} | {' | '.join(shown)} |"
    bases = []
    for name in tasks:
        data, task = read_dataset(examples / name), params.tasks[name]
        positive = task.positive if isinstance(task, LabelledTask) else None
        guess = baseline_answers(data, "test")
        bases.append(metrics(data, truth(data, "test"), guess, positive)[task.primary])
    yield f"| always the commonest answer | {np.mean(bases):.3f} | {' | '.join(f'{b:.3f}' for b in bases)} |"


def _shown(cell: Cell) -> str:
    star = "*" if cell.against_full is not None and cell.against_full.p < 0.05 else ""
    spread = f" ± {np.std(cell.scores, ddof=1):.3f}" if len(cell.scores) > 1 else ""
    return f"{cell.mean:.3f}{star}{spread} [{cell.low:.3f}, {cell.high:.3f}]"
