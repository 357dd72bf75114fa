"""Numbers that prove themselves: bank accounts (IBAN) and payment cards."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Country code and length, as SWIFT's IBAN registry gives them.
_REGISTRY = """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28
    EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27
    JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18
    NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28
    TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _REGISTRY.split()}
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,29}")

# 4-4-4-4, 4-6-5 (American Express), or the digits in one piece; not part of a longer number or name,
# nor of a row of numbers, but the month and year up to which it is valid may follow.
_CARD = re.compile(
    r"(?<![\w.+-])(?:[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}"
    r"|3[47][0-9]{2}([ -])[0-9]{6}\2[0-9]{5}"
    r"|3[47][0-9]{13}|[2-6][0-9]{15})(?![\w-]|\.[0-9]| (?!(?:0[1-9]|1[0-2])/[0-9])[0-9])"
)
# First digits that issuers use: Visa, Mastercard, American Express, Discover, JCB, UnionPay.
_ISSUERS = re.compile(
    r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|6011|64[4-9]|65|35(?:2[89]|[3-8])|62"
)


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Spans of account numbers whose length fits their country and whose check digits fit the rest."""
    for match in _IBAN.finditer(text):
        start, length = match.start(), _IBAN_LENGTHS.get(match[0][:2], 0)
        end, count = start, 0
        while count < length and end < match.end():
            count += text[end] != " "
            end += 1
        follows = text[end : end + 1]
        if count == length and not (follows.isalnum() or follows == "_") and _mod97(text[start:end]):
            yield start, end


def _mod97(iban: str) -> bool:
    """ISO 7064 MOD 97-10, letters as 10 to 35, country and check digits last."""
    plain = iban.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Spans of card numbers: an issuer's first digits, its length, and the check digit of Luhn's formula."""
    for match in _CARD.finditer(text):
        digits = re.sub("[ -]", "", match[0])
        if _ISSUERS.match(digits) and luhn(digits):
            yield match.span()


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1)."""
    total = 0
    for i, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + i % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0
