"""Which words the training text has, and how much of another text they cover."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+")
MAX_BYTES = 100_000_000  # of training text that is read for its words
NEW, SEVERAL = "", "*"  # no unit of the training text has these names


def words(text: str) -> list[str]:
    """Runs of letters, in lower case."""
    return _WORD.findall(text.lower())


class Vocabulary:
    """The words of the training text; for a word of one unit only, also which.

    A held-out piece of a book would find the book's own names in the training text, a new book can't: so a
    text is covered by the words of *other* units than its own, and both are measured alike.
    """

    def __init__(self, documents: Iterable[tuple[str, str]]) -> None:
        """Args: documents: text and unit of each."""
        self._unit: dict[str, str] = {}
        size = 0
        for text, unit in documents:
            for word in set(words(text)):
                if self._unit.setdefault(word, unit) != unit:
                    self._unit[word] = SEVERAL
            size += len(text)
            if size > MAX_BYTES:
                break

    def __len__(self) -> int:
        return len(self._unit)

    def coverage(self, text: str, unit: str = NEW) -> float:
        """The share of the text's words that units other than `unit` have, too; 1 for a text without words.

        Args:
            unit: what the text is of, if that is in the training text.
        """
        found = words(text)
        return sum(self.knows(word, unit) for word in found) / len(found) if found else 1.0

    def knows(self, word: str, unit: str = NEW) -> bool:
        """Does a unit other than `unit` have the word?"""
        return self._unit.get(word, unit) != unit

    def missing(self, texts: Iterable[str], most: int = 20) -> list[tuple[str, int]]:
        """The words that no training text has, with the number of texts they are in, the most frequent first."""
        counts = Counter(word for text in texts for word in set(words(text)) if word not in self._unit)
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
