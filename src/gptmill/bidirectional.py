"""Presets that read a text in both directions: what they are trained on, and what can't be asked of them.

Without torch, so that a stage can refuse before it loads anything.
"""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import UserError
from gptmill.outs import read_json

BIDIRECTIONAL = ("bert",)
MASKED = 0.15  # of the tokens are to be found again (Devlin et al. 2018, section 3.1)


def masked_per_row(length: int) -> int:
    """How many of `length` tokens are to be found again; the same for every row, and at least one."""
    return max(1, round(MASKED * length))


def require_left_to_right(folder: str | Path, purpose: str) -> None:
    """Refuse the model in `folder` where it can't tell the next token; a folder without a model passes.

    Raises:
        UserError: naming the preset, what it can't be used for, and what can be done with it.
    """
    config = Path(folder) / "config.json"
    preset = read_json(config).get("preset") if config.is_file() else None
    if preset in BIDIRECTIONAL:
        raise UserError(
            f"{folder} is of preset {preset}, which reads in both directions and has no next token: it can't "
            f"{purpose}. Fine-tune it (`dvc repro gate@finetune` stops there), or write it for transformers "
            "(gptmill.models.huggingface.export). For a model that continues text set pretrain.model.preset "
            "to gpt1, gpt2, gpt3, modern or lstm"
        )
