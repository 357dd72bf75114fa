"""translate: train one system on the pairs, write it, and judge it on the test split."""

from __future__ import annotations

import time
from pathlib import Path

from gptmill.models.systems import save_system
from gptmill.outs import read_json
from gptmill.params.translate import Recipe, Translate
from gptmill.tokens.tokenizer import Tokenizer
from gptmill.training.curves import write_curve
from gptmill.translation.batches import load_pairs
from gptmill.translation.evaluate import evaluate
from gptmill.translation.scores import check_metrics
from gptmill.translation.training import Observe, train


def translate_system(
    system: str,
    params: Translate,
    seed: int,
    pairs: Path,
    *,
    model_out: Path,
    reports_out: Path,
    resume: Path,
    observe: Observe,
) -> None:
    """Write the model and its predictions (`model_out`), figures, curve and alignments (`reports_out`).

    Args:
        observe: told metrics by name and step, CPU seconds among them, which no out may hold; must not raise.

    Raises:
        UserError: when a metric's package is missing, the loss is no longer finite, or no checkpoint can be written.
    """
    check_metrics(params.evaluate.metrics)  # before any training
    recipe: Recipe = getattr(params.systems, system)
    tokenizer = Tokenizer.load(pairs / "tokenizer.model")
    training_pairs = load_pairs(pairs, tokenizer, "train")
    start = time.process_time()
    model, curve = train(
        system,
        recipe,
        params.training,
        training_pairs,
        seed,
        vocab_size=tokenizer.vocab_size,
        eos_id=tokenizer.eos_id,
        resume=resume,
        observe=observe,
    )
    observe({"train_cpu_seconds": time.process_time() - start}, recipe.max_steps)
    save_system(system, model, model_out)
    write_curve(curve, reports_out / "train.csv")
    evaluate(
        model,
        tokenizer,
        load_pairs(pairs, tokenizer, "validation"),
        load_pairs(pairs, tokenizer, "test"),
        params.evaluate,
        {
            "kind": read_json(pairs / "meta.json")["kind"],
            "train_pairs": len(training_pairs),
            "steps": recipe.max_steps,
            "epochs": round(recipe.max_steps * params.training.batch_size / len(training_pairs), 4),
            "train_loss": curve[-1]["train_loss"],
        },
        model_out,
        reports_out,
    )
