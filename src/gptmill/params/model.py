"""`pretrain.model`: the preset and its sizes, given one by one, by depth or by a published size."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gptmill.errors import nearest
from gptmill.params import PositiveInt, Section
from gptmill.params.depth import Dial, from_depth
from gptmill.params.sizes import SIZES

NAMES = ("n_layer", "n_head", "n_embd")


class Modern(Section):
    """The switches of the preset `modern`; off is what GPT-2 does."""

    rope: bool = True
    rms_norm: bool = True
    embedding_norm: bool = True
    qk_norm: bool = True
    relu2: bool = True
    bias: bool = False
    tied_head: bool = False
    zero_init: bool = True
    value_residual: bool = False
    logit_cap: Annotated[float, Field(ge=0.0)] = 15.0


class Model(Section):
    """Sizes of a model, in nanoGPT's names.

    `depth` (see `params.depth`) or `size` (see `params.sizes`) stands in for the sizes that are left out or null.
    """

    preset: Literal["gpt1", "gpt2", "gpt3", "modern", "lstm", "bert"]
    depth: Annotated[int, Field(ge=1, le=128)] | None = None
    size: str | None = None
    block_size: Annotated[int, Field(ge=2)]
    n_layer: PositiveInt
    n_head: PositiveInt
    n_embd: PositiveInt
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    window: PositiveInt | None = None  # gpt3: what its banded layers see; by default block_size / 8
    modern: Modern | None = None

    @model_validator(mode="before")
    @classmethod
    def fills_in_sizes(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        raw = {key: value for key, value in raw.items() if value is not None}
        depth, size = raw.get("depth"), raw.get("size")
        if depth is not None and size is not None:
            raise ValueError(f"depth = {depth} and size = {size!r} both stand for sizes; set one of them")
        if depth is None and size is None:
            return raw
        if all(name in raw for name in NAMES):
            given = f"depth = {depth}" if size is None else f"size = {size!r}"
            more = ", and pretrain.batch_size too for the depth's batch" if size is None else ""
            raise ValueError(
                f"{given} changes nothing, for {', '.join(NAMES)} are all set; set them to null{more}"
            )
        if depth is not None:
            sizes = from_depth(depth) if isinstance(depth, int) and 1 <= depth <= 128 else None
        else:
            sizes = published_size(raw.get("preset"), size)
        # A wrong depth, or the size of a preset that isn't there, is told as such, not as missing sizes.
        found = {name: getattr(sizes, name) if sizes else 1 for name in NAMES}
        if not isinstance(sizes, Dial) and depth is None:
            found["block_size"] = sizes.block_size if sizes else 2
        return found | raw

    @model_validator(mode="after")
    def heads_divide_width(self) -> Model:
        if self.preset == "lstm":
            return self
        if self.n_embd % self.n_head:
            divisors = [n for n in range(1, self.n_embd + 1) if self.n_embd % n == 0]
            close = sorted(sorted(divisors, key=lambda n: abs(n - self.n_head))[:4])
            raise ValueError(
                f"n_embd = {self.n_embd} is not divisible by n_head = {self.n_head}; "
                f"with this n_embd, n_head can be {', '.join(map(str, close))}"
            )
        rope = self.preset == "modern" and (self.modern or Modern()).rope
        if rope and self.n_embd // self.n_head % 2:
            raise ValueError(
                f"n_embd / n_head = {self.n_embd // self.n_head} is odd, and rope turns pairs; "
                "change n_head or set modern.rope: false"
            )
        return self

    @model_validator(mode="after")
    def settings_belong_to_the_preset(self) -> Model:
        for name, preset in (("modern", "modern"), ("window", "gpt3")):
            if getattr(self, name) is not None and self.preset != preset:
                raise ValueError(f"{name} belongs to preset {preset}, and preset is {self.preset}; remove it")
        return self

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `models.build_model`, without `vocab_size`."""
        names = ("preset", "block_size", *NAMES, "dropout")
        switches: dict[str, Any] = self.modern.model_dump() if self.modern else {}
        if self.window is not None:
            switches["window"] = self.window
        return {name: getattr(self, name) for name in names} | switches


def published_size(preset: Any, size: Any) -> Any:
    """The published `size` of a preset; nothing for a preset that does not exist, which is told elsewhere."""
    if preset not in SIZES:
        return None
    sizes = SIZES[preset]
    if not sizes:
        raise ValueError(f"preset {preset} has no published sizes; set depth, or {', '.join(NAMES)}")
    if size not in sizes:
        raise ValueError(
            f"size {size!r} is none of preset {preset}{nearest(str(size), sizes)} Allowed: {', '.join(sizes)}"
        )
    return sizes[size]
