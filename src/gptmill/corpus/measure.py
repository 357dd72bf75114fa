"""Every signal of a batch of documents, in one pass; words are split once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gptmill.corpus import lines
from gptmill.corpus.marks import MARKS
from gptmill.corpus.repetition import repetition
from gptmill.corpus.signals import STOP_WORDS
from gptmill.corpus.words import Ints, Words, number_words

Columns = dict[str, np.ndarray]

_MARKS = "".join(sorted(MARKS))
_ASCII_MARKS = "".join(sorted(filter(str.isascii, MARKS)))  # a fifth of them, and so as much faster to strip
_STOP_WORDS = {word: 1 << i for i, word in enumerate(sorted(STOP_WORDS))}
_LONGEST_STOP_WORD = max(map(len, STOP_WORDS))
# A word's traits as bits: two flags; from these places on, a bit for each stop word.
_REAL, _LETTER = 1, 2
_EXACT, _ANY_FORM = 2, 2 + len(STOP_WORDS)


def measure(texts: Sequence[str], split: Sequence[Sequence[str]] | None = None) -> Columns:
    """The signals of all presets: an array with a number for each text, by signal.

    Args:
        texts: cleaned texts.
        split: their words, where they are not what stands between white space.
    """
    words = number_words([text.split() for text in texts] if split is None else split)
    return quality(texts, words) | repeats(texts, words) | fineweb(texts, words) | c4(texts)


def quality(texts: Sequence[str], words: Words) -> Columns:
    """Gopher's document statistics (section A1.1)."""
    n = np.diff(words.starts)
    traits = words.each(_traits)
    real = traits & _REAL
    n_real = words.total(real)
    symbols = _ints([max(text.count("#"), text.count("...") + text.count("…")) for text in texts])
    occurring = words.united(traits)
    shares = _columns(map(lines.bullets_and_ellipses, texts), 2)
    return {
        "n_words": n_real,
        "mean_word_length": words.total(words.lengths * real) / _some(n_real),
        "symbol_word_ratio": symbols / _some(n),
        "bullet_lines_ratio": shares[0],
        "ellipsis_lines_ratio": shares[1],
        "alphabetic_words_ratio": words.total((traits & _LETTER) != 0) / _some(n),
        "stop_words": np.bitwise_count(occurring >> _EXACT & ((1 << len(STOP_WORDS)) - 1)),
        "stop_words_any_case": np.bitwise_count(occurring >> _ANY_FORM),
    }


def repeats(texts: Sequence[str], words: Words) -> Columns:
    """Gopher's repetition (table A1)."""
    names = [f"duplicate_{part}{of}" for part in ("line", "paragraph") for of in ("_ratio", "_char_ratio")]
    shares = dict(zip(names, _columns(map(lines.repeated_parts, texts), 4), strict=True))
    return shares | repetition(words, _ints(list(map(len, texts))))


def fineweb(texts: Sequence[str], words: Words) -> Columns:
    """FineWeb's own rules (section 3.6)."""
    ends, closes, short, repeated = _columns(map(lines.fineweb, texts), 4)
    newlines = _ints([text.count("\n") for text in texts])
    return {
        "terminal_punctuation_lines_ratio": ends,
        "sentence_lines_ratio": closes,
        "short_lines_ratio": short,
        "line_char_duplicates_ratio": repeated,
        "newline_word_ratio": newlines / _some(np.diff(words.starts)),
    }


def c4(texts: Sequence[str]) -> Columns:
    """What C4 decides documents by."""
    counts = [lines.c4(text) for text in texts]
    return {f"c4_{name}": _ints([getattr(c, name) for c in counts]) for name in lines.C4._fields}


def _traits(word: str) -> int:
    """Whether a word is more than punctuation, has a letter, and which stop word it is."""
    if word.isalpha():  # two distinct words in five
        flags, bare = _REAL | _LETTER, word
    else:
        bare = word.strip(_ASCII_MARKS if word.isascii() else _MARKS)
        letter = bare.isalpha() or any(map(str.isalpha, word))
        flags = bool(bare) * _REAL | letter * _LETTER
    if len(bare) > _LONGEST_STOP_WORD:
        return flags
    return flags | _STOP_WORDS.get(word, 0) << _EXACT | _STOP_WORDS.get(bare.lower(), 0) << _ANY_FORM


def _columns(rows: Iterable[tuple[float, ...]], width: int) -> np.ndarray:
    """(width, d) from a tuple a document."""
    return np.array(list(rows), np.float64).reshape(-1, width).T


def _ints(values: list[int]) -> Ints:
    return np.array(values, np.int64)


def _some(counts: Ints) -> Ints:
    """Divisors: at least 1."""
    return np.maximum(counts, 1)
