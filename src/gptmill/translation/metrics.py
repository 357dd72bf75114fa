"""Which metrics can be had here. Apart from their code, on which no training depends."""

from __future__ import annotations

from collections.abc import Sequence

from gptmill.errors import UserError


def check_metrics(metrics: Sequence[str]) -> None:
    """Is what the metrics need installed?

    Raises:
        UserError: when it is not.
    """
    if {"bleu", "chrf"} & set(metrics):
        try:
            import sacrebleu  # noqa: F401
        except ImportError:
            raise UserError(
                "translate.evaluate.metrics: bleu and chrf need sacrebleu: `pip install gptmill[translation]`"
            ) from None
