"""Rules: thresholds on signals, as one Daft expression that names the first rule a document fails."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daft import Expression

    from gptmill.params.clean import Threshold


def reason(named: dict[str, Expression], rules: dict[str, Threshold]) -> Expression:
    """Why a document goes: the first true condition of `named`, else the first failing rule, else null.

    Args:
        named: conditions that come before the rules, by the reason they give.
        rules: signal → threshold, in the order in which they are asked.
    """
    from daft import DataType, lit
    from daft.functions import when

    conditions = named | {signal: fails(signal, threshold) for signal, threshold in rules.items()}
    kept = lit(None).cast(DataType.string())
    # From the last to the first, so that the first stands outermost.
    return reduce(
        lambda rest, item: when(item[1], lit(item[0])).otherwise(rest), reversed(conditions.items()), kept
    )


def fails(signal: str, threshold: Threshold) -> Expression:
    """Whether the signal's column lies outside the threshold; both bounds are inside."""
    from daft import col, lit

    sides: list[Expression] = []
    if threshold.min is not None:
        sides.append(col(signal) < lit(threshold.min))
    if threshold.max is not None:
        sides.append(col(signal) > lit(threshold.max))
    return reduce(lambda one, other: one | other, sides)
