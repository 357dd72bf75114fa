"""Files (first: text only)."""
from __future__ import annotations
from collections.abc import Iterator
from gptmill.corpus.sources.units import Text, Unit
def read_file(unit: Unit) -> Iterator[Text]:
    yield Text(open(unit.path, encoding="utf-8").read())
