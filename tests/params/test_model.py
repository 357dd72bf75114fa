"""The model's parameters: sizes by depth or name, and every way to get them wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gptmill.errors import UserError
from gptmill.models.config import CONFIGS, ModernConfig
from gptmill.params import check
from gptmill.params.depth import from_depth
from gptmill.params.model import Model, Modern
from gptmill.params.pretrain import Optimizer
from gptmill.params.recipes import settle
from gptmill.params.sizes import SIZES

SET = {"preset": "modern", "block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128}


def model(**raw: Any) -> Model:
    return check(Model, raw, where="params.yaml: pretrain.model")


def test_sizes_set_one_by_one() -> None:
    assert model(**SET).arguments() == SET | {"dropout": 0.0}
    switched = model(**SET, modern={"qk_norm": False, "logit_cap": 0.0}).arguments()
    assert (switched["qk_norm"], switched["logit_cap"], switched["rope"]) == (False, 0.0, True)


def test_depth_derives_what_is_not_set() -> None:
    derived = model(preset="modern", block_size=64, depth=12, n_embd=None)
    assert (derived.n_layer, derived.n_head, derived.n_embd) == (12, 6, 768)
    wide = model(preset="modern", block_size=64, depth=12, n_head=12)
    assert (wide.n_layer, wide.n_head, wide.n_embd) == (12, 12, 768)


def test_the_dial_goes_through_its_sources() -> None:
    d12 = from_depth(12)
    assert d12.batch_tokens == 2**19
    for depth in range(1, 129):
        dial = from_depth(depth)
        assert dial.n_embd % dial.n_head == 0
        assert 64 * depth <= dial.n_embd < 64 * depth + 128
        assert dial.batch_size(1024) >= 1
    batches = [from_depth(depth).batch_tokens for depth in range(1, 129)]
    assert batches == sorted(batches)


def rates(**raw: Any) -> tuple[float, float, float]:
    sizes = {"block_size": 64} | raw
    optimizer = Optimizer(weight_decay=0.0, beta1=0.9, beta2=0.99, grad_clip=1.0)
    found = settle(optimizer, model(**sizes), steps=100)
    return found.learning_rate, found.embedding_learning_rate, found.matrix_learning_rate


def test_rates_follow_the_width_and_are_capped_at_the_presets() -> None:
    # GPT-3's table 2.1: size and learning rate.
    table = {"125M": 6e-4, "350M": 3e-4, "760M": 2.5e-4, "1.3B": 2e-4, "2.7B": 1.6e-4, "6.7B": 1.2e-4}
    for size, rate in table.items():
        assert 1 / 1.6 < rates(preset="gpt3", size=size)[0] / rate < 1.6
    assert rates(preset="gpt1", size="117M")[0] == pytest.approx(2.5e-4)
    wide = rates(preset="gpt2", depth=12, n_embd=1536)
    assert wide == rates(preset="gpt2", n_layer=2, n_head=2, n_embd=1536) == (3e-4, 3e-4, 3e-4)
    assert rates(preset="modern", depth=48) == (2e-3, 0.05, 0.02)
    small = {preset: rates(**(SET | {"preset": preset})) for preset in CONFIGS}
    assert small.pop("modern") == rates(preset="modern", depth=1) == (4e-3, 0.1, 0.02)
    assert small.pop("gpt1") == small.pop("bert") == rates(preset="gpt1", depth=1) == (1e-3,) * 3
    assert set(small.values()) == {(2e-3,) * 3}


def test_published_sizes() -> None:
    xl = model(preset="gpt2", size="1.5B")
    assert (xl.n_layer, xl.n_head, xl.n_embd, xl.block_size) == (48, 25, 1600, 1024)
    assert model(preset="gpt2", size="1.5B", block_size=256).block_size == 256
    for preset, sizes in SIZES.items():
        for size in sizes:
            model(preset=preset, size=size)


def test_switches_and_presets_are_the_models_own() -> None:
    assert Modern().model_dump() == {
        name: value
        for name, value in vars(ModernConfig("modern", 1, 1, 1, 1, 1)).items()
        if name in Modern.model_fields
    }
    assert set(CONFIGS) == set(SIZES)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (SET | {"preset": "modren"}, "preset: .*'modern'.*found 'modren'"),
        (SET | {"modern": {"qknorm": True}}, 'modern.qknorm: unknown key; did you mean "qk_norm"'),
        (
            SET | {"preset": "gpt2", "modern": {}},
            "modern belongs to preset modern, and preset is gpt2; remove it",
        ),
        (SET | {"window": 8}, "window belongs to preset gpt3"),
        (
            SET | {"depth": 6},
            "depth = 6 changes nothing, for n_layer, n_head, n_embd are all set; .*null, and pretrain.batch_size",
        ),
        ({"preset": "gpt22", "size": "124M"}, "preset: .*found 'gpt22'"),
        (SET | {"lr": 1}, r"lr: unknown key\. Allowed here: preset"),
        (SET | {"depth": 6, "size": "124M"}, "depth = 6 and size = '124M' both stand for sizes"),
        ({"preset": "modern", "block_size": 64, "depth": "6"}, "depth: .*valid integer; found '6'"),
        ({"preset": "modern", "block_size": 64, "depth": 0}, "depth: .*greater than or equal to 1; found 0"),
        ({"preset": "gpt2", "size": "1.5"}, "size '1.5' is none of preset gpt2; did you mean \"1.5B\""),
        ({"preset": "modern", "size": "124M"}, "preset modern has no published sizes; set depth, or n_layer"),
        ({"preset": "modern", "depth": 2}, "block_size: missing"),
        (SET | {"n_head": 5}, "n_embd = 128 is not divisible by n_head = 5"),
        (SET | {"n_head": 128}, "n_embd / n_head = 1 is odd, and rope turns pairs"),
    ],
)
def test_mistakes(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        model(**raw)
    assert re.search(message, str(error.value)), error.value
    assert len(str(error.value).splitlines()) == 2, "one mistake, one line"
