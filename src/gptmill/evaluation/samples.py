"""Text samples at fixed seeds."""

from __future__ import annotations

from typing import Any

from gptmill.models.generate import generate
from gptmill.models.language_model import LanguageModel
from gptmill.params.evaluate import Evaluate
from gptmill.tokens.tokenizer import Tokenizer


def draw_samples(
    params: Evaluate, seed: int, model: LanguageModel, tokenizer: Tokenizer
) -> list[dict[str, Any]]:
    """One continuation for each prompt: prompt, seed, text (the prompt included)."""
    samples = []
    for prompt in params.prompts:
        ids = tokenizer.encode(prompt)
        new = generate(
            model,
            ids,
            max_new_tokens=params.sample_tokens,
            temperature=params.temperature,
            top_k=params.top_k,
            seed=seed,
            stop_id=tokenizer.eos_id,
        )
        samples.append({"prompt": prompt, "seed": seed, "text": tokenizer.decode(ids + new)})
    return samples


def samples_as_markdown(samples: list[dict[str, Any]]) -> str:
    """The samples for people to read."""
    parts = [f"## {sample['prompt']} …\n\n```text\n{sample['text']}\n```\n" for sample in samples]
    return "# Samples\n\n" + "\n".join(parts)
