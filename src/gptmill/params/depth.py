"""One dial: from the number of layers everything else that grows with a model.

- Width is 64 a layer and heads are 128 wide (karpathy/nanochat's aspect ratio and head size); the
  width is rounded up to whole heads. A width below 256 has heads of 32, four at 128 as in nanoGPT's CPU
  configuration: a single head can look at one place only.
- The batch is 2^19 tokens at 12 layers (GPT-3's and nanochat's) and grows with the compute-optimal tokens
  to the power of 0.383 ("Power Lines", Bergsma et al. 2025, as in nanochat). Those tokens grow with the blocks'
  parameters, so with the cube of the depth. Rounded to a power of two.

Learning rates follow from the width (`params.recipes`).

That batch is for a compute-optimal run. Whoever trains for minutes wants more, smaller steps, and sets it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WIDTH_PER_LAYER = 64
HEAD_SIZE, SMALL_HEAD_SIZE = 128, 32
REFERENCE_DEPTH = 12
REFERENCE_BATCH_TOKENS = 2**19
BATCH_EXPONENT = 0.383


@dataclass(frozen=True)
class Dial:
    """What a depth stands for; `batch_tokens` are tokens an optimizer step."""

    n_layer: int
    n_head: int
    n_embd: int
    batch_tokens: int

    def batch_size(self, block_size: int) -> int:
        """Sequences of `block_size` tokens a step, at least one."""
        return max(1, self.batch_tokens // block_size)


def from_depth(depth: int) -> Dial:
    """The sizes and the batch for `depth` layers."""
    width = WIDTH_PER_LAYER * depth
    head_size = HEAD_SIZE if width >= 2 * HEAD_SIZE else SMALL_HEAD_SIZE
    n_head = math.ceil(width / head_size)
    n_embd = n_head * head_size
    growth = (depth / REFERENCE_DEPTH) ** (3 * BATCH_EXPONENT)
    return Dial(
        n_layer=depth,
        n_head=n_head,
        n_embd=n_embd,
        batch_tokens=2 ** round(math.log2(REFERENCE_BATCH_TOKENS * growth)),
    )
