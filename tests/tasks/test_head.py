"""The head reads the state at the extract token: equal to transformers' double-headed GPT, on every preset."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from gptmill.models import build_model
from gptmill.tasks.head import TaskModel
from gptmill.tasks.inputs import pack, sequences

SIZES = {"vocab_size": 20, "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 8}
PRESETS = ["gpt1", "gpt2", "gpt3", "modern", "lstm", "bert"]
TEXTS = {
    "classification": [[[4, 5, 6]], [[7] * 9]],
    "entailment": [[[4, 5, 6], [1]], [[7] * 5, [2, 3]]],
    "similarity": [[[4, 5, 6], [1]], [[7] * 5, [2, 3]]],
    "multiple_choice": [[[4, 5], [6], [1], [2, 3], []], [[7] * 6, [], [2, 3], [8], [9] * 3]],
    "regression": [[[4, 5, 6], [1]], [[7] * 5, [2, 3]]],
}
OUTPUTS = {"classification": 3, "entailment": 3, "similarity": 2, "multiple_choice": 1, "regression": 1}


def make(preset: str, form: str, dropout: float = 0.0) -> TaskModel:
    torch.manual_seed(0)
    gpt = build_model(preset, **SIZES)
    for parameter in gpt.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model = TaskModel(gpt, form, OUTPUTS[form], dropout)
    torch.nn.init.normal_(model.head.weight)
    torch.nn.init.normal_(model.head.bias)
    return model


def batch(model: TaskModel, form: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    rows = [sequences(form, texts, model.special, 16) for texts in TEXTS[form]]
    return *pack([row for each in rows for row in each], model.special), len(rows[0])


def double_heads(model: TaskModel, form: str) -> torch.nn.Module:
    """transformers' model with the same weights, special tokens included."""
    transformers = pytest.importorskip("transformers")
    config = transformers.OpenAIGPTConfig(
        vocab_size=23,
        n_positions=16,
        n_layer=2,
        n_head=2,
        n_embd=8,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        summary_type="cls_index",
        summary_first_dropout=0,
    )
    theirs = transformers.OpenAIGPTDoubleHeadsModel(config)
    theirs.multiple_choice_head.summary = torch.nn.Linear(8, OUTPUTS[form])  # theirs has one output always
    ours = model.gpt.state_dict()
    state = {
        "transformer.tokens_embed.weight": ours["token_embedding.weight"],
        "transformer.positions_embed.weight": ours["position_embedding.weight"],
        "lm_head.weight": ours["token_embedding.weight"],
        "multiple_choice_head.summary.weight": model.head.weight,
        "multiple_choice_head.summary.bias": model.head.bias,
    }
    names = {
        "attn.c_attn": "attention.qkv",
        "attn.c_proj": "attention.proj",
        "ln_1": "norm_1",
        "mlp.c_fc": "expand",
        "mlp.c_proj": "contract",
        "ln_2": "norm_2",
    }
    for layer in range(2):
        for their, our in names.items():
            weight = ours[f"blocks.{layer}.{our}.weight"]
            state[f"transformer.h.{layer}.{their}.weight"] = weight.T if weight.ndim == 2 else weight
            state[f"transformer.h.{layer}.{their}.bias"] = ours[f"blocks.{layer}.{our}.bias"]
    _, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected
    return theirs.eval()


@pytest.mark.parametrize("form", TEXTS)
def test_scores_equal_the_reference(form: str) -> None:
    model = make("gpt1", form)
    tokens, ends, k = batch(model, form)
    reference = double_heads(model, form)
    each = reference(tokens.unflatten(0, (-1, k)), mc_token_ids=ends.unflatten(0, (-1, k))).mc_logits
    if form == "multiple_choice":
        expected = each
    else:  # the states of both orders are added, the bias once
        each = each.unflatten(1, (k, -1)) if each.ndim == 2 else each
        expected = each.sum(dim=1) - (k - 1) * model.head.bias
    torch.testing.assert_close(model(tokens, ends, k)[0], expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_pretrained_model_is_still_in_there(preset: str) -> None:
    torch.manual_seed(0)
    gpt = build_model(preset, **SIZES)
    for parameter in gpt.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    before = copy.deepcopy(gpt)
    model = TaskModel(gpt, "classification", 2, 0.0)
    text = torch.randint(0, 20, (2, 9))
    torch.testing.assert_close(model.gpt(text)[..., :20], before(text))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("form", TEXTS)
def test_scores_depend_on_the_texts_alone(preset: str, form: str) -> None:
    model = make(preset, form).eval()
    together = model(*batch(model, form))[0]
    for i, texts in enumerate(TEXTS[form]):
        rows = sequences(form, texts, model.special, 16)
        alone = model(*pack(rows, model.special), len(rows))[0]
        torch.testing.assert_close(alone[0], together[i])


def test_similarity_has_no_first_and_second() -> None:
    model = make("gpt1", "similarity").eval()
    rows = [sequences("similarity", pair, model.special, 16) for pair in ([[1, 2], [3]], [[3], [1, 2]])]
    scores = model(*pack([row for each in rows for row in each], model.special), 2)[0]
    torch.testing.assert_close(scores[0], scores[1])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_learns_every_new_token(preset: str) -> None:
    model = make(preset, "multiple_choice")
    tokens, ends, k = batch(model, "multiple_choice")
    model.loss(tokens, ends, k, torch.tensor([0, 2]), 0.5).backward()
    assert (model.gpt.token_embedding.weight.grad[model.special.start :].abs().sum(dim=1) > 0).all()


def test_loss_is_the_labels_plus_the_weighted_texts() -> None:
    model = make("gpt1", "entailment")
    tokens, ends, k = batch(model, "entailment")
    labels = torch.tensor([2, 0])
    nats = count = 0.0
    for premise, hypothesis in TEXTS["entailment"]:
        row = [model.special.start, *premise, model.special.delimiter, *hypothesis]
        logits = model.gpt(torch.tensor([row]))[0]
        for place, token in enumerate(row[1:]):
            if token < 20:  # special tokens are no targets
                nats += float(F.cross_entropy(logits[place], torch.tensor(token)).detach())
                count += 1
    scores = model(tokens, ends, k)[0]
    expected = float(F.cross_entropy(scores, labels).detach()) + 0.5 * nats / count
    found = float(model.loss(tokens, ends, k, labels, 0.5).detach())
    assert found == pytest.approx(expected, rel=1e-5)
    numbers = make("gpt1", "regression")
    tokens, ends, k = batch(numbers, "regression")
    squares = (numbers(tokens, ends, k)[0][:, 0] - torch.tensor([0.5, -1.0])) ** 2
    found = numbers.loss(tokens, ends, k, torch.tensor([0.5, -1.0]), 0.0)
    torch.testing.assert_close(found, squares.mean())


def test_bert_reads_the_first_token_tells_the_texts_apart_and_has_no_auxiliary_loss() -> None:
    model = make("bert", "entailment").eval()
    assert model.special.start == 21  # 20 is [MASK]
    tokens, ends, k = batch(model, "entailment")
    first, second = tokens[0, : ends[0] + 1], [0, 0, 0, 0, 0, 1, 1]  # start 4 5 6 delimiter | 1 extract
    assert len(first) == len(second)
    hidden = model.gpt.hidden(first[None], types=torch.tensor([second]))
    scores = model(tokens, ends, k)[0]
    torch.testing.assert_close(scores[:1], model.head(hidden[:, 0]))
    labels = torch.tensor([2, 0])
    assert torch.equal(model.loss(tokens, ends, k, labels, 0.5), F.cross_entropy(scores, labels))


def test_answers_of_an_example_share_the_dropout() -> None:
    model = make("gpt1", "multiple_choice", dropout=0.5).train()
    torch.nn.init.zeros_(model.head.bias)
    rows = [sequences("multiple_choice", [[4], [], [1], [1], [1]], model.special, 16)] * 2
    scores = model(*pack([row for each in rows for row in each], model.special), 3)[0]
    torch.testing.assert_close(scores[0], scores[0, :1].expand(3))
    assert not torch.allclose(scores[0], scores[1])
