"""What the page shows is what the model computes, for every preset, and the page needs nothing else."""

from __future__ import annotations

import base64
import math
import re
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import torch.nn.functional as F

from gptmill.cli import main
from gptmill.errors import UserError
from gptmill.inspection.embeddings import Space
from gptmill.inspection.page import inspection_page
from gptmill.inspection.pictures import LARGEST, png
from gptmill.inspection.trace import trace
from gptmill.models import build_model, save_model
from gptmill.models.language_model import LanguageModel
from gptmill.tokens.tokenizer import Tokenizer, train_tokenizer

TEXTS = [f"The king and the queen, a man and a woman, number {i} of {i % 7}." for i in range(200)]
PROMPT = "The king's <b>man</b>\n\tnaïve \u2581 end"
PRESETS = ["gpt1", "gpt2", "gpt3", "modern", "lstm"]
decoders = pytest.mark.parametrize("preset", PRESETS[:-1])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(train_tokenizer(TEXTS, 330, "bpe", 0.9995))


def make(preset: str) -> LanguageModel:
    torch.manual_seed(1)
    model = build_model(preset, vocab_size=330, block_size=48, n_layer=3, n_head=2, n_embd=16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


@decoders
def test_attention_is_what_the_model_mixes_its_values_with(preset: str) -> None:
    model, ids = make(preset), list(range(5, 40))
    mixed: list[torch.Tensor] = []
    values: list[torch.Tensor] = []
    for block in model.blocks:  # type: ignore[union-attr]
        block.attention.proj.register_forward_pre_hook(lambda _, args: mixed.append(args[0][0]))
        block.attention.qkv.register_forward_hook(lambda _, __, out: values.append(out[0].chunk(3, -1)[2]))
    attention = trace(model, ids, 1).attention
    assert attention is not None
    assert attention.shape == (3, 2, 36, 36)
    for layer in range(3):
        v = values[layer].unflatten(1, (2, -1)).transpose(0, 1)
        expected = (attention[layer] @ v).transpose(0, 1).flatten(1)
        torch.testing.assert_close(expected, mixed[layer], rtol=1e-4, atol=1e-5)
    assert not attention.triu(1).any()


@pytest.mark.parametrize("preset", PRESETS)
def test_losses_and_the_last_layer_are_the_model_s(preset: str) -> None:
    model, ids = make(preset), [7, 9, 200, 31, 8]
    found = trace(model, ids, 1)
    tokens = torch.tensor([[1, *ids]])
    logits = model(tokens)[0]
    torch.testing.assert_close(
        torch.tensor(found.nats), F.cross_entropy(logits[:-1], tokens[0, 1:], reduction="none")
    )
    assert found.lens.shape == (4, 330)
    torch.testing.assert_close(found.lens[-1], logits[-1].softmax(-1), rtol=1e-4, atol=1e-6)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_is_whole_and_fetches_nothing(preset: str, tokenizer: Tokenizer) -> None:
    html = inspection_page(make(preset), tokenizer, PROMPT, [], ["king - man + woman"])
    ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))
    assert html == inspection_page(make(preset), tokenizer, PROMPT, [], ["king - man + woman"])
    assert not re.search(r"""(src|href)="(?!#|data:)|<script|url\(|@import""", html)
    assert "<b>man" not in html
    assert ("no attention" in html) == (preset == "lstm")
    assert html.count("data:image/png;base64,") == (0 if preset == "lstm" else 3 * 3)


def test_neighbours_and_analogies(tokenizer: Tokenizer) -> None:
    def one(word: str) -> int:
        (token,) = space.tokens_of(word)
        return token

    embedding = torch.randn(330, 12, generator=torch.Generator().manual_seed(0))
    space = Space(embedding, tokenizer)
    king, man, woman, queen = (one(word) for word in ("king", "man", "woman", "queen"))
    directions = F.normalize(embedding, dim=1)
    embedding[queen] = directions[king] - directions[man] + directions[woman]
    embedding[one("number")] = embedding[king] * 3 + 0.01
    space = Space(embedding, tokenizer)
    assert space.analogy("king - man + woman", 3).found[0] == (queen, pytest.approx(1.0))
    token, cosine = space.neighbours("king", [king], 4).found[0]
    assert (token, round(cosine, 2)) == (one("number"), 1.0)
    for expression in ("king", "king - ", "king man", "king + + man", "king-man"):
        with pytest.raises(UserError, match=f'"{re.escape(expression)}" is no analogy'):
            space.analogy(expression, 3)


def test_pictures_hold_the_weights() -> None:
    def opacities(weights: torch.Tensor) -> list[bytes]:
        data = base64.b64decode(png(weights).partition(",")[2])
        at = data.index(b"IDAT")
        rows = zlib.decompress(data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")])
        width = int.from_bytes(data[16:20], "big")
        return [rows[i + 1 : i + 1 + width] for i in range(0, len(rows), width + 1)]

    assert opacities(torch.tensor([[1.0, 0.0], [0.25, 0.75]])) == [
        bytes([255, 0]),
        bytes([128, round(255 * math.sqrt(0.75))]),
    ]
    large = torch.zeros(400, 400)
    large[399, 0] = 1.0
    shrunk = opacities(large)
    assert (len(shrunk), shrunk[-1][0]) == (LARGEST, 255)


def test_the_command(tmp_path: Path, tokenizer: Tokenizer, capsys: pytest.CaptureFixture[str]) -> None:
    model = tokenizer._processor.serialized_model_proto()
    (tmp_path / "tokenizer.model").write_bytes(model)
    save_model(make("modern"), tmp_path)
    out = tmp_path / "page.html"
    for prompt, code in (("The king", 0), ("xyz " * 30, 1)):
        with pytest.raises(SystemExit) as end:
            main(["inspect", prompt, "--model", str(tmp_path), "--out", str(out), "--word", "man"])
        assert int(end.value.code or 0) == code
    assert "and at most 47 can be looked at" in capsys.readouterr().err
    assert "king - man + woman" in out.read_text(encoding="utf-8")
