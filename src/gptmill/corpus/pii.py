"""Personal data and secrets in text → tokens such as [EMAIL]; counted by kind, the values never kept.

Keys, e-mail addresses, public IP addresses, bank accounts, payment cards, telephone numbers. Precision
first: a technical text is full of numbers that only look like telephones, and a corpus loses more by a
mangled matrix than by a missed number. E-mail alone is complete: a gate looks for leftovers. Two cheap
tests let most texts pass unread: substrings for keys and e-mail, seven digits in a row for numbers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from operator import add
from typing import NamedTuple

from gptmill.corpus.checksums import cards, ibans
from gptmill.corpus.keys import keys
from gptmill.corpus.signals import PII_KINDS

# The lookbehind makes a match start at the beginning of a run, or a long run would cost its square.
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@[\w.-]+\.[A-Za-z]{2,}")

# Not part of a longer dotted number, and not announced as a version ("v", "version", "==", "-", "name/"),
# unless announced as an address ("http://", "remote_ip=").
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)(?!\.\d)")
_VERSION_BEFORE = re.compile(r"(?:version|ver\.?|release|since|v|[=<>~])\s*\Z|/\Z", re.IGNORECASE)
_ADDRESS_BEFORE = re.compile(
    r"(?://|(?<![^\W_])(?:ip|ipv4|addr|address|host|hostname|server|peer|client|src|dst) ?= ?)\Z",
    re.IGNORECASE,
)
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{4,35}(?![\w:])")

# North America: (801) 596-1887, 801-596-1887, +1 801.596.1887; area and exchange begin with 2-9.
# Without parentheses only hyphens count: "512.256.1024" and "512 256 1024" are shapes and versions.
_NANP = re.compile(
    r"(?<![\w.+-])(?:(?:\+?1[-. ]?)?\([2-9]\d\d\) ?[2-9]\d\d[-. ]\d{4}"
    r"|\+1[-. ][2-9]\d\d[-. ][2-9]\d\d[-. ]\d{4}"
    r"|(?:1-)?[2-9]\d\d-[2-9]\d\d-\d{4})(?![\w-]|\.\d)"
)
# What every telephone, card and account number contains: looking for it first is five times as fast.
_SEVEN_DIGITS = re.compile(
    r"\d[-. ()]{0,3}\d[-. ()]{0,3}\d[-. ()]{0,3}\d[-. ()]{0,3}\d[-. ()]{0,3}\d[-. ()]{0,3}\d"
)
_IP_LIKE = re.compile(r"\d\.\d{1,3}\.\d|[23][0-9A-Fa-f]{3}:")
# Elsewhere: + and a country code, then two groups or more: +44 20 7946 0958, +41 (0)22 730 5111.
_INTERNATIONAL = re.compile(
    r"(?<![\w.+)\]])\+[1-9]\d{0,2}(?:[-. ]?\(\d{1,4}\))?(?:[-. ]?\d{2,5}){2,5}(?![\w-]|\.\d)"
)
# The same in one piece (E.164): North America's shape, or as many digits as no 32-bit number has.
_E164 = re.compile(r"(?<![\w.+)\]])\+(?:1[2-9]\d\d[2-9]\d{6}|[2-9]\d{10,13})(?![\w-]|\.\d)")
# Announced: "Tel: 01223 350 8911", "phone 555-1234", "tel:+4512345678".
_ANNOUNCED = re.compile(
    r"\b(?:(?:tele)?phone|tel|fax|mobile)(?:\s+(?:number|no))?[.:]*\s{0,3}"
    r"(\+?(?:\(\d{1,5}\)|\d)[\d() .-]{5,16}\d)(?![\w-]|\.\d)",
    re.IGNORECASE,
)


class Redacted(NamedTuple):
    """The text without personal data, and how many of each kind (order of `PII_KINDS`) were replaced."""

    text: str
    counts: tuple[int, ...]


NOTHING = (0,) * len(PII_KINDS)


def redact(text: str) -> Redacted:
    """Replace what is found by [KEY], [EMAIL], [IP], [IBAN], [CARD] and [PHONE].

    Redacting redacted text changes nothing: one that begins inside another is found in a second round.
    """
    counts = NOTHING
    while True:
        text, found = _round(text)
        if not any(found):
            return Redacted(text, counts)
        counts = tuple(map(add, counts, found))


def _round(text: str) -> Redacted:
    text, n_keys = _replace(text, "[KEY]", keys)
    emails, ips, accounts, payment, phones = 0, 0, 0, 0, 0
    if "@" in text:
        text, emails = _EMAIL.subn("[EMAIL]", text)
    if _IP_LIKE.search(text):
        text, ips = _replace(text, "[IP]", _addresses)
    if _SEVEN_DIGITS.search(text):
        text, accounts = _replace(text, "[IBAN]", ibans)
        text, payment = _replace(text, "[CARD]", cards)
        text, phones = _replace(text, "[PHONE]", _telephones)
    return Redacted(text, (n_keys, emails, ips, accounts, payment, phones))


def _replace(text: str, token: str, find: Callable[[str], Iterator[tuple[int, int]]]) -> tuple[str, int]:
    """Put `token` in place of the spans that `find` gives, which may overlap; also their number."""
    spans = sorted(find(text))
    if not spans:
        return text, 0
    pieces, end, count = [], 0, 0
    for start, stop in spans:
        if start >= end:
            pieces += [text[end:start], token]
            end, count = stop, count + 1
    return "".join([*pieces, text[end:]]), count


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Spans of IP addresses that can belong to someone: private and documentation ranges are not."""
    for match in _IPV4.finditer(text):
        # 1.2.3.4 and 10.1.0.2 are sections and versions far more often than addresses.
        long_parts = sum(len(part) > 1 for part in match[0].split("."))
        before = text[max(0, match.start() - 12) : match.start()]
        version = _VERSION_BEFORE.search(before) and not _ADDRESS_BEFORE.search(before)
        if long_parts >= 2 and not version and _is_public(match[0]):
            yield match.span()
    for match in _IPV6.finditer(text):
        if match[0].count(":") >= 2 and _is_public(match[0]):
            yield match.span()


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _telephones(text: str) -> Iterator[tuple[int, int]]:
    """Spans of telephone numbers."""
    for match in _NANP.finditer(text):
        yield match.span()
    if "+" in text:
        for match in _E164.finditer(text):
            yield match.span()
        for match in _INTERNATIONAL.finditer(text):
            if 9 <= sum(char.isdigit() for char in match[0]) <= 15 and len(re.findall(r"\d+", match[0])) >= 3:
                yield match.span()
    for match in _ANNOUNCED.finditer(text):
        if 7 <= sum(char.isdigit() for char in match[1]) <= 15:
            yield match.span(1)
