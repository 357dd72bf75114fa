"""A packaged model that continues text; all that a served model imports of tracking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.bidirectional import require_left_to_right
from gptmill.errors import UserError

if TYPE_CHECKING:
    from gptmill.models.language_model import LanguageModel
    from gptmill.tokens.tokenizer import Tokenizer


@dataclass
class Package:
    """A packaged model that is ready to continue text."""

    model: LanguageModel
    tokenizer: Tokenizer
    card: str = ""  # Markdown: what it was made from

    @classmethod
    def load(cls, folder: str | Path) -> Package:
        """Read a package, or any folder with model.safetensors, config.json and tokenizer.model.

        Raises:
            UserError: when a file is missing, or the model can't continue text (bert).
        """
        from gptmill.models import load_model
        from gptmill.tokens.tokenizer import Tokenizer

        folder = Path(folder)
        require_left_to_right(folder, "be asked for text (generate, inspect, serve, export, lm_eval)")
        if not (folder / "tokenizer.model").is_file():
            raise UserError(
                f"{folder} is no gptmill package: tokenizer.model is missing; run `dvc repro` to make one"
            )
        card = folder / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        return cls(load_model(folder), Tokenizer.load(folder / "tokenizer.model"), text)

    def complete(
        self, prompt: str, max_new_tokens: int = 64, temperature: float = 0.8, **options: Any
    ) -> str:
        """`prompt` with its continuation; the same arguments give the same text.

        Args:
            options: those of `completion.complete`, such as top_k, top_p, stop and seed.

        Raises:
            UserError: for a setting out of range, or a prompt longer than the model's context.
        """
        return self.complete_all([prompt], max_new_tokens, temperature=temperature, **options)[0]

    def complete_all(self, prompts: Sequence[str], max_new_tokens: int = 64, **options: Any) -> list[str]:
        """`complete` for several prompts, which go through the model together."""
        from gptmill.completion import complete

        texts = complete(self.model, self.tokenizer, prompts, max_new_tokens=int(max_new_tokens), **options)
        return [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
