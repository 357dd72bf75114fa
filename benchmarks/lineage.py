"""Training speed of our encoder–decoders beside torch's own modules with the same work.

    python benchmarks/lineage.py >> benchmarks/results/lineage.md

A step is a forward and a backward pass from ids to the loss, on one thread, by the processor's time, which other
programs disturb less than the clock's; ours and torch's take turns. The figure is the median of the ratios, the claim
that it is at most 1.1.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptmill.models.encoder_decoder import PAD
from gptmill.models.seq2seq import Seq2Seq, Seq2SeqConfig
from gptmill.models.transformer import Transformer, TransformerConfig, sinusoids

VOCAB, BATCH, SOURCE, TARGET = 640, 64, 20, 16
ROUNDS, WARM_UP = 15, 3


class TorchTransformer(nn.Module):
    """torch.nn.Transformer between one embedding and its transpose, as ours has it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.width = config.n_embd
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        sizes = {"dim_feedforward": config.n_ff, "dropout": config.dropout, "batch_first": True}
        encoder = nn.TransformerEncoderLayer(config.n_embd, config.n_head, **sizes)
        decoder = nn.TransformerDecoderLayer(config.n_embd, config.n_head, **sizes)
        self.inner = nn.Transformer(
            config.n_embd,
            config.n_head,
            # Without the norms that torch adds behind both stacks.
            custom_encoder=nn.TransformerEncoder(encoder, config.n_layer, enable_nested_tensor=False),
            custom_decoder=nn.TransformerDecoder(decoder, config.n_layer),
            batch_first=True,
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        hidden = source == PAD
        causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        x = self.inner(
            self._embed(source),
            self._embed(target),
            tgt_mask=causal,
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_is_causal=True,
        )
        return F.linear(x, self.embed.weight)

    def _embed(self, tokens: Tensor) -> Tensor:
        return self.embed(tokens) * self.width**0.5 + sinusoids(0, tokens.shape[1], self.width, tokens.device)


class TorchSeq2Seq(nn.Module):
    """Two of torch's LSTMs, the rows of the batch all as long as the longest: less work than ours, which stops at each
    row's end."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        width = config.n_embd
        self.source, self.target = nn.Embedding(VOCAB, width), nn.Embedding(VOCAB, width)
        self.encoder = nn.LSTM(width, width, config.n_layer, batch_first=True)
        self.decoder = nn.LSTM(width, width, config.n_layer, batch_first=True)
        self.head = nn.Linear(width, VOCAB)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        hidden = self.encoder(self.source(source.flip(1)))[1]
        return self.head(self.decoder(self.target(target), hidden)[0])


def step(model: nn.Module, source: Tensor, target: Tensor) -> float:
    """The processor's seconds for a forward and a backward pass."""
    start = time.process_time()
    F.cross_entropy(model(source, target).flatten(0, 1), target.flatten()).backward()
    model.zero_grad()
    return time.process_time() - start


def compare(name: str, ours: nn.Module, reference: nn.Module) -> None:
    source = torch.randint(2, VOCAB, (BATCH, SOURCE))
    for row in range(BATCH):  # lengths from 15 to 20: a batch has rows of like length
        source[row, SOURCE - row % 6 :] = PAD
    target = torch.randint(2, VOCAB, (BATCH, TARGET))
    for _ in range(WARM_UP):
        step(ours, source, target), step(reference, source, target)
    pairs = [(step(ours, source, target), step(reference, source, target)) for _ in range(ROUNDS)]
    mine, theirs = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"| {name} | {mine:.1f} | {theirs:.1f} | {ratio:.2f} |", flush=True)


def transformers(n_layer: int, n_embd: int, n_ff: int) -> Callable[[], tuple[nn.Module, nn.Module]]:
    config = TransformerConfig(VOCAB, n_layer, n_embd // 32, n_embd, n_ff, dropout=0.1)
    return lambda: (Transformer(config), TorchTransformer(config))


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"\ntorch {torch.__version__}, {platform.machine()}, one thread; batch {BATCH}, ", end="")
    print(f"{SOURCE} source and {TARGET} target tokens, vocabulary {VOCAB}, fp32\n")
    print("| model | ours, ms a step | torch's, ms | ratio (median of the rounds) |\n|---|---|---|---|")
    compare("transformer, 2 × 128", *transformers(2, 128, 320)())
    compare("transformer, 3 × 256", *transformers(3, 256, 1024)())
    config = Seq2SeqConfig(VOCAB, 2, 128)
    compare("seq2seq, 2 × 128", Seq2Seq(config), TorchSeq2Seq(config))


if __name__ == "__main__":
    main()
