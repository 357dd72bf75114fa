"""What all tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A first import inside a test, or a busy machine, is no failure.
settings.register_profile("gptmill", deadline=None)
settings.load_profile("gptmill")


# Those that take minutes come first, so that no process is left alone with one of them at the end.
LONGEST = [
    "test_flow.py",
    "test_again.py",
    "test_resume.py",
    "test_retrain.py",
    "test_kills.py",
    "test_promotion.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session", autouse=True)
def commands_end_with_an_exception() -> Iterator[None]:
    """A command called in this process must not end it: where Daft was imported `errors.run` would."""

    def leave(message: str = "", code: int | None = None) -> None:
        if message:
            print(message, file=sys.stderr)
        sys.exit(code if code is not None else int(bool(message)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gptmill.errors._leave", leave)
        yield
