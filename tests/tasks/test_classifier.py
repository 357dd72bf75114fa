"""GPT-1's classifier: where it looks, what it ignores, what it takes over."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gptmill.models import build_model
from gptmill.tasks.classifier import Classifier, pack


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)
    gpt = build_model("gpt1", vocab_size=20, block_size=12, n_layer=2, n_head=2, n_embd=8)
    for parameter in gpt.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    ours = Classifier(gpt.config, n_labels=3, dropout=0.0)
    ours.load_pretrained(gpt)
    torch.nn.init.normal_(ours.head.weight)
    ours.reference = gpt
    return ours


def test_packing_keeps_the_special_tokens() -> None:
    tokens, ends = pack([[1, 2], [3] * 9, []], start_id=20, extract_id=21, max_tokens=6)
    assert tokens.tolist() == [[20, 1, 2, 21, 21, 21], [20, 3, 3, 3, 3, 21], [20, 21, 21, 21, 21, 21]]
    assert ends.tolist() == [3, 5, 1]


def test_pretrained_weights_are_taken_over(classifier: Classifier) -> None:
    text = torch.randint(0, 20, (2, 9))
    torch.testing.assert_close(classifier.gpt(text)[..., :20], classifier.reference(text))


def test_scores_do_not_depend_on_padding(classifier: Classifier) -> None:
    alone = classifier(*pack([[4, 5]], 20, 21, 12))[0]
    beside = classifier(*pack([[4, 5], [6] * 10], 20, 21, 12))[0]
    torch.testing.assert_close(alone[0], beside[0])


def test_loss_is_labels_plus_weighted_text(classifier: Classifier) -> None:
    texts, labels = [[4, 5, 6], [7] * 8], torch.tensor([2, 0])
    tokens, ends = pack(texts, 20, 21, 12)
    scores, _ = classifier(tokens, ends)
    nats, count = 0.0, 0
    for text in texts:  # each text alone: the start token and the text before give the next token of the text
        logits = classifier.gpt(torch.tensor([[20, *text]]))[0, :-1]
        nats += float(F.cross_entropy(logits, torch.tensor(text), reduction="sum").detach())
        count += len(text)
    expected = float(F.cross_entropy(scores, labels).detach()) + 0.5 * nats / count
    assert float(classifier.loss(tokens, ends, labels, 0.5).detach()) == pytest.approx(expected, rel=1e-5)
