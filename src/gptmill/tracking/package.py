"""A packaged model that continues text; all that a served model imports of tracking."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptmill.errors import UserError

if TYPE_CHECKING:
    from gptmill.models.language_model import LanguageModel
    from gptmill.tokens.tokenizer import Tokenizer


@dataclass
class Package:
    """A packaged model that is ready to continue text."""

    model: LanguageModel
    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: str | Path) -> Package:
        """Read a package, or any folder with model.safetensors, config.json and tokenizer.model.

        Raises:
            UserError: when a file is missing.
        """
        from gptmill.models import load_model
        from gptmill.tokens.tokenizer import Tokenizer

        folder = Path(folder)
        if not (folder / "tokenizer.model").is_file():
            raise UserError(
                f"{folder} is no gptmill package: tokenizer.model is missing; run `dvc repro` to make one"
            )
        return cls(load_model(folder), Tokenizer.load(folder / "tokenizer.model"))

    def complete(
        self, prompt: str, max_new_tokens: int = 64, temperature: float = 0.8, top_k: int = 40, seed: int = 0
    ) -> str:
        """`prompt` with its continuation; the same arguments give the same text.

        Raises:
            UserError: for a setting out of range.
        """
        new = continuation(self.model, self.ids(prompt), max_new_tokens, temperature, top_k, seed, self.eos)
        return prompt + self.tokenizer.decode(new)

    def ids(self, prompt: str) -> list[int]:
        """What the model reads of a prompt: an empty one is the end of a text before."""
        return self.tokenizer.encode(prompt) or [self.eos]

    @property
    def eos(self) -> int:
        return self.tokenizer.eos_id


def continuation(
    model: LanguageModel,
    ids: list[int],
    max_new_tokens: int,
    temperature: float,
    top_k: int,
    seed: int,
    stop_id: int,
) -> list[int]:
    """The tokens that follow `ids`, with every setting checked.

    Raises:
        UserError: for a setting out of range.
    """
    _check("max_new_tokens", max_new_tokens, max_new_tokens >= 0, "0 or more")
    _check("temperature", temperature, 0 <= temperature < math.inf, "0 or more (0 takes the likeliest token)")
    _check("top_k", top_k, top_k >= 0, "0 (every token) or more")
    _check("seed", seed, 0 <= seed < 2**63, "from 0 to 2^63 - 1")
    from gptmill.models.generate import generate

    return generate(
        model,
        ids,
        max_new_tokens=int(max_new_tokens),
        temperature=float(temperature),
        top_k=int(top_k),
        seed=int(seed),
        stop_id=stop_id,
    )


def _check(name: str, value: float, ok: bool, allowed: str) -> None:
    if not ok:
        raise UserError(f"{name} = {value} is not possible; allowed: {allowed}")
