"""The three encoder–decoders: equal to torch's, the same in one go and step by step, and what only one of them does."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from gptmill.errors import UserError
from gptmill.models.encoder_decoder import PAD, EncoderDecoder
from gptmill.models.prompted_gpt import PromptedGPT, PromptedGPTConfig
from gptmill.models.rnnsearch import RNNSearch, RNNSearchConfig
from gptmill.models.search import beam_search, greedy
from gptmill.models.seq2seq import Seq2Seq, Seq2SeqConfig
from gptmill.models.transformer import Transformer, TransformerConfig

V, EOS = 8, 1
SIZES = {"vocab_size": V, "n_layer": 2, "n_head": 2, "n_embd": 16, "n_ff": 24}


def make(name: str) -> EncoderDecoder:
    torch.manual_seed(0)
    models = {
        "seq2seq": lambda: Seq2Seq(Seq2SeqConfig(V, 2, 16)),
        "seq2seq-gru": lambda: Seq2Seq(Seq2SeqConfig(V, 2, 16, cell="gru")),
        "rnnsearch": lambda: RNNSearch(RNNSearchConfig(V, 16)),
        "transformer": lambda: Transformer(TransformerConfig(**SIZES)),
        "gpt": lambda: PromptedGPT(PromptedGPTConfig(V, 32, 2, 2, 16)),
        "transformer-learned": lambda: Transformer(TransformerConfig(**SIZES, positions="learned")),
    }
    model = models[name]().eval()
    for weights in model.parameters():  # far from uniform, so that a wrong token shows
        nn.init.normal_(weights, std=0.5)
    return model


ALL = ("seq2seq", "seq2seq-gru", "rnnsearch", "transformer", "transformer-learned", "gpt")
each = pytest.mark.parametrize("name", ALL)


def sources() -> Tensor:
    torch.manual_seed(1)
    source = torch.randint(2, V, (4, 7))
    for row, length in enumerate((7, 5, 2, 1)):
        source[row, length:] = PAD
    return source


def targets() -> Tensor:
    torch.manual_seed(2)
    return torch.cat((torch.full((4, 1), EOS), torch.randint(2, V, (4, 5))), dim=1)


@each
def test_steps_give_what_one_pass_gives(name: str) -> None:
    model, source, target = make(name), sources(), targets()
    whole = model(source, target)
    assert whole.shape == (4, 6, V)
    state = model.encode(source, source != PAD)
    for t in range(target.shape[1]):
        logits, state = model.step(target[:, t], state)
        torch.testing.assert_close(logits, whole[:, t])


@each
def test_padding_changes_nothing(name: str) -> None:
    model, source, target = make(name), sources(), targets()
    whole = model(source, target)
    for row, length in enumerate((7, 5, 2, 1)):
        alone = model(source[row : row + 1, :length], target[row : row + 1])
        torch.testing.assert_close(alone[0], whole[row])


@each
def test_a_token_does_not_see_those_after_it(name: str) -> None:
    model, source, target = make(name), sources(), targets()
    changed = target.clone()
    changed[:, 4] = (changed[:, 4] - 1) % (V - 2) + 2
    before, after = model(source, target), model(source, changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])


@pytest.mark.parametrize("name", ["rnnsearch", "transformer", "gpt"])
def test_alignment_is_over_the_source(name: str) -> None:
    model, source, target = make(name), sources(), targets()
    weights = model.align(source, target)
    assert weights.shape == (4, 6, 7)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(4, 6))
    assert (weights.masked_select((source == PAD)[:, None].expand_as(weights)) == 0).all()


def test_a_fixed_context_has_no_alignment() -> None:
    with pytest.raises(TypeError, match="no attention"):
        make("seq2seq").align(sources(), targets())


def test_the_source_is_read_backwards() -> None:
    torch.manual_seed(0)
    backwards = Seq2Seq(Seq2SeqConfig(V, 1, 8)).eval()
    forwards = Seq2Seq(Seq2SeqConfig(V, 1, 8, reverse_source=False)).eval()
    forwards.load_state_dict(backwards.state_dict())
    source = torch.tensor([[3, 4, 5, PAD]])
    torch.testing.assert_close(
        backwards(source, targets()[:1]), forwards(torch.tensor([[5, 4, 3]]), targets()[:1])
    )


def torch_transformer(model: Transformer) -> nn.Transformer:
    """torch's own, without the norms that it adds at the end of both stacks, with the weights of `model`."""
    c = model.config
    sizes = {"dim_feedforward": c.n_ff, "dropout": 0.0, "batch_first": True}
    reference = nn.Transformer(
        c.n_embd,
        c.n_head,
        custom_encoder=nn.TransformerEncoder(
            nn.TransformerEncoderLayer(c.n_embd, c.n_head, **sizes), c.n_layer, enable_nested_tensor=False
        ),
        custom_decoder=nn.TransformerDecoder(
            nn.TransformerDecoderLayer(c.n_embd, c.n_head, **sizes), c.n_layer
        ),
        batch_first=True,
    ).eval()
    ours = model.state_dict()
    names = {
        "encoder": {"self_attn": "attend", "norm1": "after_attend.norm", "norm2": "after_feed.norm"},
        "decoder": {
            "self_attn": "attend",
            "multihead_attn": "cross",
            "norm1": "after_attend.norm",
            "norm2": "after_cross.norm",
            "norm3": "after_feed.norm",
        },
    }
    weights: dict[str, Tensor] = {}
    for side, parts in names.items():
        for layer, kind in itertools.product(range(c.n_layer), ("weight", "bias")):
            for theirs, mine in parts.items():
                there, here = f"{side}.layers.{layer}.{theirs}", f"{side}.{layer}.{mine}"
                if "norm" in theirs:
                    weights[f"{there}.{kind}"] = ours[f"{here}.{kind}"]
                else:
                    together = [ours[f"{here}.{name}.{kind}"] for name in ("q", "kv")]
                    weights[f"{there}.in_proj_{kind}"] = torch.cat(together)
                    weights[f"{there}.out_proj.{kind}"] = ours[f"{here}.proj.{kind}"]
            for n, mine in ((1, "up"), (2, "down")):
                weights[f"{side}.layers.{layer}.linear{n}.{kind}"] = ours[
                    f"{side}.{layer}.feed.{mine}.{kind}"
                ]
    reference.load_state_dict(weights)
    return reference


def test_transformer_equals_torch() -> None:
    model = make("transformer")
    assert isinstance(model, Transformer)
    reference, source, target = torch_transformer(model), sources(), targets()
    x, y = model._embed(source, 0), model._embed(target, 0)
    causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
    hidden = source == PAD
    out = reference(
        x, y, tgt_mask=causal, src_key_padding_mask=hidden, memory_key_padding_mask=hidden, tgt_is_causal=True
    )
    torch.testing.assert_close(model(source, target), out @ model.embed.weight.T)


def test_a_prompted_gpt_is_the_projects_gpt_on_one_text() -> None:
    model, source, target = make("gpt"), sources(), targets()
    assert isinstance(model, PromptedGPT)
    for row, length in enumerate((7, 5, 2, 1)):
        text = torch.cat((source[row : row + 1, :length], target[row : row + 1]), dim=1)
        torch.testing.assert_close(model(source, target)[row], model.gpt(text)[0, length:])
    with pytest.raises(
        UserError, match="source and target have 34 tokens together, more than block_size = 32"
    ):
        model(torch.full((1, 28), 5), target[:1])


def test_learned_positions_end_and_sinusoids_do_not() -> None:
    long = torch.full((1, 600), 5)
    assert make("transformer")(long, targets()[:1]).isfinite().all()
    with pytest.raises(UserError, match="600 tokens are more than the 512 learned positions"):
        make("transformer-learned")(long, targets()[:1])


@torch.inference_mode()
def score(model: EncoderDecoder, source: Tensor, text: list[int], length_penalty: float) -> float:
    target = torch.tensor([[EOS, *text]])
    chances = model(source, target)[0].log_softmax(dim=1)
    after = [*text, EOS]
    return sum(chances[t, token].item() for t, token in enumerate(after)) / len(after) ** length_penalty


@each
def test_one_beam_is_greedy(name: str) -> None:
    model, source = make(name), sources()
    settings = {"eos_id": EOS, "max_new_tokens": 8}
    assert beam_search(model, source, beams=1, **settings) == greedy(model, source, **settings)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@each
def test_wide_beams_find_the_best_of_all(name: str, length_penalty: float) -> None:
    """Every target of up to two tokens, scored one by one; as many beams as there are tokens miss none."""
    model, source = make(name), sources()[1:3]
    found = beam_search(
        model, source, beams=V * V, eos_id=EOS, max_new_tokens=3, length_penalty=length_penalty
    )
    tokens = [token for token in range(V) if token != EOS]
    ended = [list(text) for n in range(3) for text in itertools.product(tokens, repeat=n)]
    for row in range(len(source)):
        one = source[row : row + 1][:, source[row] != PAD]
        best = max(ended, key=lambda text: score(model, one, text, length_penalty))
        if len(found[row]) < 3:  # else cut off by max_new_tokens
            assert score(model, one, found[row], length_penalty) == pytest.approx(
                score(model, one, best, length_penalty)
            )
        else:
            chances = model(one, torch.tensor([[EOS, *found[row]]]))[0, :3].log_softmax(dim=1)
            cut = sum(chances[t, token].item() for t, token in enumerate(found[row])) / 3**length_penalty
            assert cut >= score(model, one, best, length_penalty) - 1e-5


@each
def test_a_batch_is_searched_as_its_rows(name: str) -> None:
    model, source = make(name), sources()
    settings = {"beams": 3, "eos_id": EOS, "max_new_tokens": 8}
    together = beam_search(model, source, **settings)
    for row in range(len(source)):
        one = source[row : row + 1][:, source[row] != PAD]
        assert beam_search(model, one, **settings) == [together[row]]
