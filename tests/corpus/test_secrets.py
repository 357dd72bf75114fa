"""Bank accounts, cards and keys: found when their checksum or shape says so, and never kept."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptmill.corpus.checksums import _IBAN_LENGTHS, luhn
from gptmill.corpus.pii import NOTHING, redact
from gptmill.corpus.signals import PII_KINDS

# Written in two pieces, so that no scanner takes this file for a leak.
KEYS = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "A1b2C3d4E5" * 3,
    "glpat-" + "x1Y2z3W4v5U6t7S8r9Q0",
    "xoxb-" + "123456789012-abcdefABCDEF",
    "sk-" + "proj-a1B2c3D4e5F6g7H8i9J0",
    "sk_live_" + "a1b2c3d4e5f6g7h8",
    "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    "hf_" + "aBcDeFgHiJ" * 4,
    "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0.abcDEF123_-x",
    "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEpAIBAAKCAQEA\nabcd+/==\n-----END RSA PRIVATE" + " KEY-----",
    "-----BEGIN PRIVATE" + " KEY-----\nMIIEpAIBAAKCAQEA",
]


def counts(**kinds: int) -> tuple[int, ...]:
    return tuple(kinds.get(kind, 0) for kind in PII_KINDS)


@pytest.mark.parametrize("key", KEYS)
def test_keys_go_whole(key: str) -> None:
    assert redact(f"Set it to {key} at once.") == ("Set it to [KEY] at once.", counts(key=1))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Pay to GB82 WEST 1234 5698 7654 32 soon", "Pay to [IBAN] soon"),
        ("DE89370400440532013000, please", "[IBAN], please"),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S.", "[IBAN]."),
        ("card 4111 1111 1111 1111, valid", "card [CARD], valid"),
        ("card 5500-0055-5555-5559.", "card [CARD]."),
        ("Amex 3782 822463 10005", "Amex [CARD]"),
        ("378282246310005", "[CARD]"),
    ],
)
def test_numbers_that_prove_themselves_go(text: str, redacted: str) -> None:
    assert redact(text).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "GB82 WEST 1234 5698 7654 33 and XX82 WEST 1234 5698 7654 32",  # wrong digits, no country
        "4111 1111 1111 1112",  # Luhn says no
        "0.4111111111111111, 4111111111111111.5, id4111111111111111, 4111 1111-1111 1111",
        "9111 1111 1111 1117",  # no issuer
        "sk-learn-is-a-name-and-so-is-this-one, risk-averse_and_long_enough_to_look, akia, AKIAshort",
        "ghp_short, the eyJ prefix, hf_hub_download_and_more, task-based-processing-of-A1-things",
        "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA\n-----END PUBLIC KEY-----",
    ],
)
def test_what_only_looks_so_stays(text: str) -> None:
    assert redact(text) == (text, NOTHING)


def iban(country: str, account: str) -> str:
    """An account number with its check digits."""
    number = int("".join(str(int(c, 36)) for c in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


@settings(deadline=None)
@given(st.sampled_from(sorted(_IBAN_LENGTHS)), st.data())
def test_every_countrys_accounts_are_found(country: str, data: st.DataObject) -> None:
    n = _IBAN_LENGTHS[country] - 4
    plain = iban(country, data.draw(st.text(string.digits, min_size=n, max_size=n)))
    spaced = " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))
    for written in (plain, spaced):
        assert redact(f"To {written}, by hand.") == ("To [IBAN], by hand.", counts(iban=1))


@settings(deadline=None)
@given(st.text(string.digits, min_size=14, max_size=14))
def test_every_card_is_found_by_its_last_digit(digits: str) -> None:
    number = next(f"4{digits}{last}" for last in range(10) if luhn(f"4{digits}{last}"))
    assert redact(f"No. {number}!") == ("No. [CARD]!", counts(card=1))


PIECES = st.sampled_from(
    [
        *KEYS,
        "4111 1111 1111 1111",
        "GB82 WEST 1234 5698 7654 32",
        "a@b.org",
        "93.184.216.34",
        "(801) 596-1887",
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES | st.text(max_size=4), max_size=8), st.sampled_from(["", " ", "\n", "-", "."]))
def test_redacting_twice_changes_nothing(pieces: list[str], between: str) -> None:
    once = redact(between.join(pieces)).text
    assert redact(once) == (once, NOTHING)
