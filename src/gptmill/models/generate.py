"""Continue a prompt, one token at a time, with a key/value cache."""

from __future__ import annotations

import torch

from gptmill.models.language_model import LanguageModel


@torch.no_grad()
def generate(
    model: LanguageModel,
    ids: list[int],
    *,
    max_new_tokens: int,
    temperature: float = 0.8,
    top_k: int = 40,
    seed: int = 0,
    stop_id: int | None = None,
) -> list[int]:
    """New token ids that continue `ids`, at most `max_new_tokens` of them, `stop_id` left out.

    `temperature` 0 always takes the likeliest token; `top_k` 0 considers every token. The draws come from
    a generator of their own, so the same arguments give the same text whatever else has drawn.

    A model has learned from `block_size` tokens at a time and reads no more at once. When they are full, the
    second half of the window is read again from the start and generation goes on.
    """
    block_size = model.config.block_size
    generator = torch.Generator(device="cpu").manual_seed(seed)
    device = model.token_embedding.weight.device
    window = list(ids[-block_size:]) or [stop_id or 0]
    new: list[int] = []
    cache = model.new_cache()
    unread = window
    for _ in range(max_new_tokens):
        if cache.length + len(unread) > block_size:
            window = window[-(block_size // 2) :]
            cache, unread = model.new_cache(), window
        hidden = model.hidden(torch.tensor([unread], device=device), cache)
        logits = model.logits(hidden[:, -1])[0].float().cpu()
        token = _draw(logits, temperature, top_k, generator)
        if token == stop_id:
            break
        new.append(token)
        window = [*window, token]
        unread = [token]
    return new


def _draw(logits: torch.Tensor, temperature: float, top_k: int, generator: torch.Generator) -> int:
    """One id from `logits` `(V,)`."""
    if temperature == 0.0:
        return int(logits.argmax())
    if 0 < top_k < len(logits):
        values, ids = logits.topk(top_k)
    else:
        values, ids = logits, torch.arange(len(logits))
    chosen = torch.multinomial(torch.softmax(values / temperature, dim=0), 1, generator=generator)
    return int(ids[chosen])
