"""Results come in order, few items are taken ahead, and an error is the caller's."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gptmill.corpus.ahead import ahead


def test_order_is_that_of_the_items() -> None:
    def late(i: int) -> int:
        time.sleep(0.02 if i % 2 == 0 else 0)
        return i * i

    assert list(ahead(late, range(20))) == [i * i for i in range(20)]


def test_no_more_is_taken_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(10):
            taken.append(i)
            yield i

    results = ahead(str, items())
    assert next(results) == "0"
    assert taken == [0, 1, 2]


def test_an_error_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda i: 1 // i, [1, 0, 2]))
