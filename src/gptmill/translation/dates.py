"""Dates as people write them in twenty locales, with what ISO 8601 writes for them.

Formats and names are CLDR's, as Babel has them: `3 de abr. de 1987`, `1987年4月3日(金)`,
`Mon, Jan 5 – Thu, Feb 12, 1987`. The locale stands before the date, for `03/04/1987` alone is two dates. A year is
in one split only, and so is every date in it: a model that answers for the test years has read the date and
remembers none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

import numpy as np

from gptmill.errors import UserError
from gptmill.params.translate import Dates
from gptmill.tokens.shards import SPLITS

LOCALES = (
    *("en_US", "en_GB", "de", "fr", "es", "it", "pt_BR", "nl", "sv", "pl"),
    *("cs", "ru", "uk", "el", "tr", "fi", "hu", "vi", "ja", "ko"),
)
SKELETONS = ("yMd", "yMEd", "yMMMd", "yMMMEd")  # CLDR's, with the year in full
INTERVALS = ("yMd", "yMMMd", "yMMMEd")
LONGEST = 300  # days of an interval
Row = tuple[str, str, str]  # source, target, split


def date_pairs(params: Dates, seed: int) -> list[Row]:
    """As many pairs a split as `params` says, no two of the same source.

    Raises:
        UserError: when there are not so many different ones.
    """
    rng = np.random.default_rng((seed, 0))
    years = rng.permutation(np.arange(params.first_year, params.last_year + 1))
    tenth = len(years) // 10
    held_out = {"test": years[:tenth], "validation": years[tenth : 2 * tenth], "train": years[2 * tenth :]}
    rows = []
    for number, split in enumerate(SPLITS, start=1):
        wanted: int = getattr(params, split)
        rng = np.random.default_rng((seed, number))
        found: dict[str, str] = {}
        for _ in range(5 * wanted + 1000):
            if len(found) == wanted:
                break
            source, target = _draw(rng, held_out[split], params.interval_fraction)
            found.setdefault(source, target)
        else:
            raise UserError(
                f"translate.pairs.{split} = {wanted}: only {len(found)} different dates came up in "
                f"{len(held_out[split])} years; lower it, or widen first_year and last_year"
            )
        rows += [(source, target, split) for source, target in found.items()]
    return rows


def _draw(rng: np.random.Generator, years: np.ndarray, interval_fraction: float) -> tuple[str, str]:
    locale = LOCALES[rng.integers(len(LOCALES))]
    year = int(rng.choice(years))
    first, days = date(year, 1, 1), (date(year, 12, 31) - date(year, 1, 1)).days + 1
    start = int(rng.integers(days))
    day = first + timedelta(days=start)
    tag = locale.replace("_", "-")
    if start < days - 1 and rng.random() < interval_fraction:
        length = int(rng.integers(1, min(LONGEST, days - 1 - start) + 1))
        end = day + timedelta(days=length)
        skeleton = INTERVALS[rng.integers(len(INTERVALS))]
        return f"{tag} {_interval(day, end, skeleton, locale)}", f"{day.isoformat()}/{end.isoformat()}"
    write = _writers()[rng.integers(len(SKELETONS) + 2)]
    return f"{tag} {write(day, locale)}", day.isoformat()


def _writers() -> list[Callable[[date, str], str]]:
    from babel.dates import format_date

    return [
        *(partial(_skeleton, skeleton=skeleton) for skeleton in SKELETONS),
        lambda day, locale: format_date(day, "long", locale=locale),
        lambda day, locale: format_date(day, "full", locale=locale),
    ]


def _skeleton(day: date, locale: str, skeleton: str) -> str:
    from babel.dates import format_skeleton

    return format_skeleton(skeleton, datetime(day.year, day.month, day.day), locale=locale)


def _interval(start: date, end: date, skeleton: str, locale: str) -> str:
    from babel.dates import format_interval

    return str(format_interval(start, end, skeleton=skeleton, locale=locale))
