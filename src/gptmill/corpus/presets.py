"""Presets: the limits that were published, and those that suit documentation and books. Plain data.

A preset maps a signal to its limits `{min, max}`, in the order in which the rules are asked. The sources
are those of `signals.py`; where paper and code differ, the values are those of datatrove's filters,
which made FineWeb, and so are the definitions of the signals.

This file is imported by the typed parameters: standard library only.
"""

from __future__ import annotations

Limits = dict[str, float]

_WORDS_AND_LINES: dict[str, Limits] = {
    "mean_word_length": {"min": 3, "max": 10},
    "symbol_word_ratio": {"max": 0.1},
    "bullet_lines_ratio": {"max": 0.9},
    "ellipsis_lines_ratio": {"max": 0.3},
    "alphabetic_words_ratio": {"min": 0.8},
}
_REPEATED_NGRAMS: dict[str, Limits] = {
    "duplicate_5gram_char_ratio": {"max": 0.15},
    "duplicate_6gram_char_ratio": {"max": 0.14},
    "duplicate_7gram_char_ratio": {"max": 0.13},
    "duplicate_8gram_char_ratio": {"max": 0.12},
    "duplicate_9gram_char_ratio": {"max": 0.11},
    "duplicate_10gram_char_ratio": {"max": 0.1},
}

GOPHER: dict[str, Limits] = {
    # Rae et al. 2021, section A1.1, "quality filtering"
    "n_words": {"min": 50, "max": 100_000},
    **_WORDS_AND_LINES,
    "stop_words": {"min": 2},
    # Table A1, "repetition removal"
    "duplicate_paragraph_ratio": {"max": 0.3},
    "duplicate_paragraph_char_ratio": {"max": 0.2},
    "duplicate_line_ratio": {"max": 0.3},
    "duplicate_line_char_ratio": {"max": 0.2},
    "top_2gram_char_ratio": {"max": 0.2},
    "top_3gram_char_ratio": {"max": 0.18},
    "top_4gram_char_ratio": {"max": 0.16},
    **_REPEATED_NGRAMS,
}

# Raffel et al. 2020. What C4 takes out of a document, line by line, is `c4_lines` of the parameters;
# these signals look at the lines that it would leave, whether or not the others are taken out.
C4: dict[str, Limits] = {
    "c4_lorem_ipsum": {"max": 0},
    "c4_curly_brackets": {"max": 0},
    "c4_sentences": {"min": 5},
}

# Penedo et al. 2024, section 3.6: what FineWeb adds. Its makers ran Gopher's rules and C4's before it.
FINEWEB: dict[str, Limits] = {
    "terminal_punctuation_lines_ratio": {"min": 0.12},
    "short_lines_ratio": {"max": 0.67},
    "line_char_duplicates_ratio": {"max": 0.01},
    "newline_word_ratio": {"max": 0.3},
}

# The limits above were made for web pages, not for docstrings of a few lines or for books wrapped at
# 70 columns. A comment says what was published where this preset is more lenient. Three signals are
# kinder than the published ones of similar names: 190 of 17,748 docstrings more would go by those.
DOCS: dict[str, Limits] = {
    # Gopher, quality
    "n_words": {"min": 20, "max": 100_000},  # 50; half of all docstrings are shorter, and sound
    **_WORDS_AND_LINES,
    "stop_words_any_case": {"min": 2},
    # Gopher, repetition
    "duplicate_line_ratio": {"max": 0.3},
    # FineWeb: 0.01, too strict where each parameter has a type line
    "duplicate_line_char_ratio": {"max": 0.2},
    "duplicate_paragraph_ratio": {"max": 0.4},  # 0.3; scene breaks of novels repeat
    "duplicate_paragraph_char_ratio": {"max": 0.2},
    # 0.20, 0.18, 0.16; a phrase said twice in 30 words is a fifth of them.
    "repeated_top_2gram_char_ratio": {"max": 0.3},
    "repeated_top_3gram_char_ratio": {"max": 0.28},
    "repeated_top_4gram_char_ratio": {"max": 0.26},
    **_REPEATED_NGRAMS,
    # FineWeb
    "sentence_lines_ratio": {"min": 0.02},  # 0.12; wrapped sentences end in few lines
    "short_lines_ratio": {"max": 0.8},  # 0.67; headings, names and types have lines of their own
    "newline_word_ratio": {"max": 0.4},  # 0.3; for the same reason
}

PRESETS: dict[str, dict[str, Limits]] = {
    "gopher": GOPHER,
    "c4": C4,
    "fineweb": FINEWEB,
    "docs": DOCS,
    "none": {},
}
