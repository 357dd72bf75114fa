"""Which language a text is in: CLD2, a model of 83 to 160 languages that ships inside `pycld2`.

Sites, "Compact Language Detector 2" (github.com/CLD2Owners/cld2): naive Bayes over quadgrams. Of the
models that come in a package it was the fastest by far and among the best: 12,900 documents a
CPU-second on technical English, where langid.py, py3langid, lingua and eld gave 120 to 2,600. It counts in
whole numbers, so its answers are the same on every machine.
"""

from __future__ import annotations

import functools

UNKNOWN = "und"  # BCP 47: undetermined
_BCP47 = {"iw": "he", "jw": "jv", "bh": "bho", "sr-ME": "cnr"}  # where CLD2 has older names
_NO_LANGUAGES = ("un", "xx", "zz")  # unknown, scripts, jokes


def identify(text: str) -> tuple[str, float]:
    """The language (BCP 47) and the share of the text that is in it.

    `("und", 0.0)` where CLD2 calls its own guess unreliable: for a few words, numbers, code, a mixture.
    """
    import pycld2

    try:
        sure, _, guesses = pycld2.detect(text.encode("utf-8", "ignore"), isPlainText=True)
    except pycld2.error:  # control characters and other code points that no cleaned text should have
        printable = "".join([c if c.isprintable() and c < "\ufdd0" else " " for c in text])
        sure, _, guesses = pycld2.detect(printable.encode("utf-8", "ignore"), isPlainText=True)
    _, code, percent, _ = guesses[0]
    language = _bcp47(code)
    return (language, percent / 100) if sure and language != UNKNOWN else (UNKNOWN, 0.0)


@functools.cache
def languages() -> list[str]:
    """All languages that `identify` can name, sorted."""
    import pycld2

    return sorted({_bcp47(code) for _, code in pycld2.LANGUAGES} - {UNKNOWN})


def _bcp47(code: str) -> str:
    return UNKNOWN if code.startswith(_NO_LANGUAGES) else _BCP47.get(code, code)
