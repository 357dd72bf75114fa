"""Continuations as text: stop strings, pieces as they come, letters of several bytes."""

from __future__ import annotations

import pytest
import torch

from gptmill.completion import complete, stream_text
from gptmill.errors import UserError
from gptmill.models import build_model
from gptmill.models.language_model import LanguageModel
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

TEXTS = [f"The array number {i} is returned by the function {i % 7}, naïve or not." for i in range(200)]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    torch.manual_seed(0)
    model = build_model("gpt2", vocab_size=300, block_size=64, n_layer=1, n_head=2, n_embd=16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(train_tokenizer(TEXTS, 300, "bpe", 0.9995))


def test_text_ends_before_the_first_stop_string(model: LanguageModel, tokenizer: Tokenizer) -> None:
    (whole,) = complete(model, tokenizer, ["The array"], max_new_tokens=60, seed=1)
    stop = [whole[20:23], whole[12:14], "not in there"]
    expected = whole[: min(whole.index(s) for s in stop[:2])]
    assert complete(model, tokenizer, ["The array"], max_new_tokens=60, seed=1, stop=stop) == [expected]
    both = complete(model, tokenizer, ["The", "The array"], max_new_tokens=60, seed=1, stop=stop)
    assert both[1] == expected
    (beam,) = complete(model, tokenizer, ["The"], max_new_tokens=20, beams=2)
    assert complete(model, tokenizer, ["The"], max_new_tokens=20, beams=2, stop=[beam[5:7]]) == [
        beam[: beam.index(beam[5:7])]
    ]


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_pieces_together_are_the_whole(model: LanguageModel, tokenizer: Tokenizer, seed: int) -> None:
    # Flat, so that many bytes that are no UTF-8, and letters of several, are drawn.
    options = {"max_new_tokens": 50, "seed": seed, "temperature": 5.0, "top_k": 0}
    (whole,) = complete(model, tokenizer, ["The array"], **options)
    pieces = list(stream_text(model, tokenizer, "The array", **options))
    assert "".join(pieces) == whole
    assert len(pieces) > 2
    for stop in ([whole[9:12]], [whole[15:30], "x\ufffd"]):
        (cut,) = complete(model, tokenizer, ["The array"], stop=stop, **options)
        assert "".join(stream_text(model, tokenizer, "The array", stop=stop, **options)) == cut
        assert not any(s in cut for s in stop)


@pytest.mark.parametrize("stop", ["text", ["a", ""]])
def test_stop_strings_that_cannot_be(model: LanguageModel, tokenizer: Tokenizer, stop: list[str]) -> None:
    with pytest.raises(UserError, match="a list of strings, none of them empty"):
        complete(model, tokenizer, ["a"], max_new_tokens=1, stop=stop)
