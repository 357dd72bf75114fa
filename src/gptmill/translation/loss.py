"""The loss of translating: of training, and of judging what was trained."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gptmill.translation.batches import NO_LOSS


def token_loss(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats over the labels `(B, T)` that are tokens.

    With smoothing, that share of each label is spread evenly over the vocabulary (Vaswani et al., section 5.4).
    """
    return F.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=NO_LOSS, label_smoothing=label_smoothing
    )
