"""`gptmill plan`: what a training will cost, before it starts; pure functions on sizes, without torch.

Parameters are exact. FLOPs are the convention that MFU is told in: 6 per parameter that multiplies and token,
forward and backward together, and 12 · layers · width · context for attention (PaLM, Chowdhery et al. 2022,
appendix B), of which a banded layer has its window's share. Memory is an estimate from the tensors that
autograd keeps; tests hold it against what it does keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gptmill.bidirectional import masked_per_row
from gptmill.errors import UserError
from gptmill.params.model import Model, Modern

Optimizer = Literal["adamw", "muon"]
GIB = 2**30
# Chinchilla's rule of thumb (Hoffmann et al. 2022, table 3): compute-optimal tokens a parameter.
TOKENS_PER_PARAMETER = 20


@dataclass(frozen=True)
class Memory:
    """Bytes on one device."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


def parameters(model: Model, vocab_size: int) -> int:
    """All weights, a tied head once."""
    embeddings, head, layers = _weights(model, vocab_size)
    return embeddings + head + layers


def multiplying_parameters(model: Model, vocab_size: int) -> int:
    """The weights that a token is multiplied with: the layers' and the head's, not what is looked up."""
    return vocab_size * model.n_embd + _weights(model, vocab_size)[2]


def flops_per_token(model: Model, vocab_size: int) -> float:
    """Forward and backward: 6N, and 12 · C · (tokens looked back over) a layer.

    Of BERT's tokens only those that were masked go through its head.
    """
    if model.preset == "lstm":
        return 6.0 * multiplying_parameters(model, vocab_size)
    spans = [model.block_size] * model.n_layer
    if model.preset == "gpt3":
        spans[1::2] = [band(model)] * len(spans[1::2])
    multiplying = float(multiplying_parameters(model, vocab_size))
    if model.preset == "bert":
        unmasked = 1 - masked_per_row(model.block_size) / model.block_size
        multiplying -= unmasked * (vocab_size * model.n_embd + _masked_head(model, vocab_size))
    return 6.0 * multiplying + 12.0 * model.n_embd * sum(spans)


def band(model: Model) -> int:
    """How many tokens gpt3's banded layers look back over."""
    return min(model.block_size, model.window or max(1, model.block_size // 8))


def memory(
    model: Model,
    vocab_size: int,
    *,
    sequences: int,
    optimizer: Optimizer = "adamw",
    bf16: bool = False,
    activation_checkpointing: bool = False,
) -> Memory:
    """Bytes that training holds at its peak, with `sequences` of `block_size` tokens at once on the device."""
    count = parameters(model, vocab_size)
    in_layers = _weights(model, vocab_size)[2]
    states = 8 * count if optimizer == "adamw" else 8 * count - 4 * in_layers
    tokens = sequences * model.block_size
    width = 2 if bf16 else 4
    a_layer = tokens * model.n_embd * _kept(model) * width
    if activation_checkpointing and model.preset != "lstm":
        layers = a_layer + tokens * model.n_embd * 4 * model.n_layer
    else:
        layers = a_layer * model.n_layer
    ends = tokens * model.n_embd * 4 * 4  # embedding, last norm, the state's gradient, the loss's
    chunk = 3 * 4 * min(tokens * vocab_size, 2**26 if bf16 else 2**19)  # logits, probabilities, a copy
    casts = 2 * count if bf16 else 0
    return Memory(4 * count + casts, 4 * count, states, layers + ends + chunk)


def most_sequences(
    model: Model, vocab_size: int, available: int, *, optimizer: Optimizer, bf16: bool, checkpointing: bool
) -> int:
    """The most sequences at once that fit into `available` bytes; 0 if not even one does."""

    def total(sequences: int) -> int:
        return memory(
            model,
            vocab_size,
            sequences=sequences,
            optimizer=optimizer,
            bf16=bf16,
            activation_checkpointing=checkpointing,
        ).total

    low, high = 0, 1
    while high < 2**20 and total(high) <= available:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total(middle) <= available else (low, middle)
    return low


def check_fits(
    model: Model,
    vocab_size: int,
    *,
    sequences: int,
    available: int,
    optimizer: Optimizer = "adamw",
    bf16: bool = False,
    activation_checkpointing: bool = False,
) -> None:
    """Refuse a training that can't fit, before it starts.

    Args:
        sequences: at once on one device, so the micro-batch where gradients are accumulated.
        available: bytes of the device.

    Raises:
        UserError: with what it needs, what there is, and what would fit.
    """
    needed = memory(
        model,
        vocab_size,
        sequences=sequences,
        optimizer=optimizer,
        bf16=bf16,
        activation_checkpointing=activation_checkpointing,
    )
    if needed.total <= available:
        return
    fits = {
        on: most_sequences(model, vocab_size, available, optimizer=optimizer, bf16=bf16, checkpointing=on)
        for on in (activation_checkpointing, True)
    }
    fixed = needed.total - needed.activations
    if fits[activation_checkpointing]:
        advice = f"What fits: micro_batch_size = {fits[activation_checkpointing]}"
    elif fits[True]:
        advice = f"What fits: activation_checkpointing: true with micro_batch_size = {fits[True]}"
    else:
        advice = (
            f"Not even one sequence fits, for weights, gradients and optimizer alone need {fixed / GIB:.1f} GiB: "
            "lower pretrain.model.n_layer, n_embd or block_size, or train on several devices with strategy: fsdp"
        )
    raise UserError(
        f"the model is too large for this device: {parameters(model, vocab_size):,} parameters with {sequences} "
        f"sequences of {model.block_size} tokens need about {needed.total / GIB:.1f} GiB, and it has "
        f"{available / GIB:.1f} GiB. {advice}."
    )


def seconds(flops: float, flops_per_second: float) -> float:
    """Time for `flops` at what the device really does."""
    return flops / flops_per_second


def suggest_depth(minutes: float, flops_per_second: float, block_size: int, vocab_size: int) -> int:
    """The depth (`params.depth`) whose compute-optimal training comes nearest to a budget from below.

    Compute-optimal is 20 tokens for each parameter that multiplies.
    """
    depth = 1
    while depth < 128:
        model = Model(preset="modern", depth=depth + 1, block_size=block_size)  # type: ignore[call-arg]
        tokens = TOKENS_PER_PARAMETER * multiplying_parameters(model, vocab_size)
        if seconds(tokens * flops_per_token(model, vocab_size), flops_per_second) > 60 * minutes:
            return depth
        depth += 1
    return depth


def _weights(model: Model, vocab_size: int) -> tuple[int, int, int]:
    """Weights that are looked up, of an own head, and of the layers with their norms."""
    c, n = model.n_embd, model.n_layer
    if model.preset == "lstm":
        return vocab_size * c, 0, n * (8 * c * c + 8 * c)
    if model.preset == "bert":  # [MASK], two token types and a norm are looked up as well
        looked_up = (vocab_size + 1 + model.block_size + 2 + 2) * c
        return looked_up, 0, n * (12 * c * c + 13 * c) + _masked_head(model, vocab_size)
    if model.preset != "modern":
        final_norm = 0 if model.preset == "gpt1" else 2 * c
        return (vocab_size + model.block_size) * c, 0, n * (12 * c * c + 13 * c) + final_norm
    m = model.modern or Modern()
    norm = 0 if m.rms_norm else c * (1 + m.bias)
    layers = n * (12 * c * c + 9 * c * m.bias + 2 * norm) + norm
    looked_up = (vocab_size + (0 if m.rope else model.block_size)) * c + norm * m.embedding_norm
    return looked_up, 0 if m.tied_head else vocab_size * c, layers + (n - 1) * m.value_residual


def _masked_head(model: Model, vocab_size: int) -> int:
    """What BERT has before and beside the tied matrix: a layer, its norm, and a bias for each token."""
    return model.n_embd**2 + 3 * model.n_embd + vocab_size


def _kept(model: Model) -> int:
    """Numbers that one layer keeps for its gradients, per token and unit of width."""
    # Queries, keys and values, what attention gives, the inputs of the two norms and of the two matrices
    # behind them, and the feed-forward's 4 before and 4 after its non-linearity. The LSTM happens to have as
    # many: gates, states and their inputs.
    kept = 16
    if model.preset == "modern":
        m = model.modern or Modern()
        kept += m.value_residual + (0 if m.rms_norm else 2)
    if model.dropout and model.preset != "lstm":
        kept += 8
    return kept
