"""Dates of twenty locales: real formats, no year on two sides, the same at every run."""

from __future__ import annotations

from datetime import date

import pytest

from gptmill.errors import UserError
from gptmill.params.translate import Dates
from gptmill.translation.dates import LOCALES, _interval, _skeleton, date_pairs

PARAMS = Dates(kind="dates", train=600, validation=60, test=60)


def test_no_year_is_in_two_splits() -> None:
    rows = date_pairs(PARAMS, seed=1)
    years = {split: {target[:4] for _, target, of in rows if of == split} for split in ("train", "test")}
    years["validation"] = {target[:4] for _, target, of in rows if of == "validation"}
    assert all(years.values())
    assert not (years["train"] & years["test"])
    assert not (years["train"] & years["validation"])
    assert not years["validation"] & years["test"]
    # An interval stays within its year, or a train year could show up in a test target.
    assert all(target[:4] == target[-10:-6] for _, target, _ in rows)


def test_every_locale_and_valid_iso_dates() -> None:
    rows = date_pairs(PARAMS, seed=1)
    assert {source.split()[0] for source, _, _ in rows} == {name.replace("_", "-") for name in LOCALES}
    assert len(LOCALES) == 20
    for _, target, _ in rows:
        days = [date.fromisoformat(part) for part in target.split("/")]
        assert days == sorted(days)
    assert any("/" in target for _, target, _ in rows)


def test_the_seed_decides() -> None:
    assert date_pairs(PARAMS, seed=1) == date_pairs(PARAMS, seed=1)
    assert date_pairs(PARAMS, seed=1) != date_pairs(PARAMS, seed=2)


def test_as_people_write_them() -> None:
    day, end = date(1987, 4, 3), date(1987, 6, 12)
    assert _skeleton(day, "de", "yMMMEd") == "Fr., 3. Apr. 1987"
    assert _skeleton(day, "en_US", "yMd") == "4/3/1987"
    assert _interval(day, end, "yMMMd", "ja") == "1987年4月3日～6月12日"


def test_more_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptmill.translation.dates.LOCALES", ("ja",))
    years = {"first_year": 2000, "last_year": 2019}
    few = Dates(kind="dates", train=60, validation=60, test=4000, interval_fraction=0.0, **years)
    with pytest.raises(
        UserError, match=r"translate\.pairs\.test = 4000: only \d+ different dates .* 2 years"
    ):
        date_pairs(few, seed=1)


def test_too_few_years_to_set_some_aside() -> None:
    with pytest.raises(ValueError, match="fewer than 20 years"):
        Dates(kind="dates", train=1, validation=1, test=1, first_year=2000, last_year=2010)
