"""Masks: bands and documents against a mask written out, FlexAttention against the dense one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gptmill.models import build_model
from gptmill.models.attention import attend, make_mask

CPU = torch.device("cpu")


def written_out(length: int, start: int, window: int, documents: list[int] | None) -> torch.Tensor:
    rows = []
    for q in range(start, start + length):
        row = [k <= q and (not window or q - k < window) for k in range(start + length)]
        if documents:
            row = [seen and documents[q] == documents[k] for k, seen in enumerate(row)]
        rows.append(row)
    return torch.tensor(rows)


@pytest.mark.parametrize(
    ("length", "start", "window"), [(6, 0, 3), (1, 5, 3), (2, 4, 3), (3, 2, 0), (6, 0, 1)]
)
def test_bands(length: int, start: int, window: int) -> None:
    mask = make_mask(length, start, device=CPU, window=window)
    assert torch.equal(mask, written_out(length, start, window, None))


def test_no_mask_where_nothing_is_hidden_but_the_future() -> None:
    assert make_mask(6, 0, device=CPU) is None
    assert make_mask(6, 0, device=CPU, window=6) is None
    assert make_mask(1, 5, device=CPU) is None


@pytest.mark.parametrize("window", [0, 3])
def test_documents_and_flex_attention(window: int) -> None:
    torch.manual_seed(0)
    numbers = [[0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 1, 1, 1, 1, 1, 1]]
    documents = torch.tensor(numbers)
    mask = make_mask(8, 0, device=CPU, window=window, documents=documents)
    for row, ids in enumerate(numbers):
        assert torch.equal(mask[row, 0], written_out(8, 0, window, ids))
    q, k, v = (torch.randn(2, 2, 8, 16) for _ in range(3))
    flex = make_mask(8, 0, device=CPU, window=window, documents=documents, flex=True)
    torch.testing.assert_close(attend(q, k, v, flex, 0.0), attend(q, k, v, mask, 0.0))


def test_gpt3_is_gpt2_with_every_other_layer_under_a_band() -> None:
    sizes = {"vocab_size": 97, "block_size": 24, "n_layer": 4, "n_head": 4, "n_embd": 32}
    torch.manual_seed(0)
    gpt3 = build_model("gpt3", **sizes)
    gpt2 = build_model("gpt2", **sizes)
    gpt2.load_state_dict(gpt3.state_dict())
    tokens = torch.randint(0, 97, (3, 20))
    window = 3  # an eighth of the context
    x = gpt2.token_embedding(tokens) + gpt2.position_embedding.weight[:20]
    for layer, block in enumerate(gpt2.blocks):
        q, k, v = (
            part.view(3, 20, 4, 8).transpose(1, 2)
            for part in block.attention.qkv(block.norm_1(x)).chunk(3, 2)
        )
        mask = written_out(20, 0, window if layer % 2 else 0, None)
        scores = (q @ k.transpose(2, 3) / 8**0.5).masked_fill(~mask, -torch.inf)
        x = x + block.attention.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(3, 20, 32))
        x = x + block.mlp(block.norm_2(x))
    expected = F.linear(gpt2.final_norm(x), gpt2.token_embedding.weight)
    torch.testing.assert_close(gpt3(tokens), expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(gpt3(tokens), gpt2(tokens), atol=1e-4)


def test_residual_weights_start_smaller() -> None:
    model = build_model("gpt2", vocab_size=97, block_size=24, n_layer=8, n_head=4, n_embd=64)
    assert model.blocks[3].contract.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert model.blocks[3].expand.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_lstm_equals_cells_step_by_step() -> None:
    torch.manual_seed(0)
    model = build_model("lstm", vocab_size=50, block_size=16, n_layer=2, n_head=1, n_embd=12)
    tokens = torch.randint(0, 50, (3, 9))
    cells = []
    for layer in range(2):
        cell = torch.nn.LSTMCell(12, 12)
        cell.load_state_dict({name: getattr(model.lstm, f"{name}_l{layer}") for name in cell.state_dict()})
        cells.append(cell)
    states: list[tuple[torch.Tensor, torch.Tensor] | None] = [None, None]
    for step in range(9):
        x = model.token_embedding(tokens[:, step])
        for layer, cell in enumerate(cells):
            states[layer] = cell(x, states[layer])
            x = states[layer][0]
        logits = F.linear(x, model.token_embedding.weight)
        torch.testing.assert_close(model(tokens)[:, step], logits, rtol=1e-5, atol=1e-6)
