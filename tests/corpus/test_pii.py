"""Personal data becomes tokens; numbers that only look like it stay."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptmill.corpus.pii import NOTHING, redact

LEFTOVER = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to <jane.doe+x@mail.example.co.uk>.", "Write to <[EMAIL]>."),
        ("From jürgen@müller.de today", "From [EMAIL] today"),
        ("from 93.184.216.34, port 80 / 93.184.216.35", "from [IP], port 80 / [IP]"),
        ("ping 2606:2800:220:1:248:1893:25c8:1946 now", "ping [IP] now"),
        ("UT 84116, (801) 596-1887, email", "UT 84116, [PHONE], email"),
        ("Call 1-408-720-8300 or +1 408.720.8300.", "Call [PHONE] or [PHONE]."),
        ("TEL: (212-254-5093)", "TEL: ([PHONE])"),
        ("London +44 20 7946 0958, Geneva +41 (0)22 730 5111", "London [PHONE], Geneva [PHONE]"),
        ("see http://93.184.216.34/a, ip=93.184.216.34&x=1", "see http://[IP]/a, ip=[IP]&x=1"),
        ("remote_addr = 93.184.216.34; HOST=93.184.216.34:80", "remote_addr = [IP]; HOST=[IP]:80"),
        ("call +14155552671 or +442079460958.", "call [PHONE] or [PHONE]."),
        ("Tel: +4915112345678, tel:+4512345678", "Tel: [PHONE], tel:[PHONE]"),
        ("4111 1111 1111 1111 12/25, 4111-1111-1111-1111 03/2027", "[CARD] 12/25, [CARD] 03/2027"),
        ("Tel: 01223 350 8911 (fax no. 555-1234)", "Tel: [PHONE] (fax no. [PHONE])"),
    ],
)
def test_personal_data_is_replaced(text: str, redacted: str) -> None:
    assert redact(text).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "A @ B.T and @decorator, postgresql://scott:tiger@localhost/test",
        "bind to 127.0.0.1, 192.168.100.17 or 203.0.113.255",  # loopback, private, documentation
        "version 10.15.21.40, v10.15.21.40, ==10.15.21.40, section 7.2.1.5, 999.12.13.14",
        "name/10.15.21.40, name==10.15.21.40, name=10.15.21.40, http://x/10.15.21.40/, zip=10.15.21.40",
        "http://10.15.21.40.5/ and ip=10.15.21.40.5, host==93.184.216.34, http://192.168.10.20/",
        "+2147483648, +10000000000, 1e+14155552671, x+442079460958, +442079460958.5, +9223372036854775807",
        "4111 1111 1111 1111 1225, 4111 1111 1111 1111 13/25, 4111 1111 1111 1112 12/25",
        "doi=10.1.1.72.9610 and 93.184.216.34.5",
        "a[::2], x[1::3], 12:34:56, 2001:db8::1, at 2006: then",
        "1790-1826 and (1757-1761); Lisle, IL 60532-0900",
        "ISBN 978-0-521-88068-8, ISSN 0020-0190, ISBN-10 0-521-88068-8",
        "shape (100, 200, 3000), 512.256.1024, 512 256 1024, 3.141592653589793",
        "x + 100 200 300, 1e+10, 2021-03-04 10:20:30, doi:10.1016/0020-0190(74)90001-5",
        "the telephone of 1876; pages 364-370",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert redact(text) == (text, NOTHING)


def test_each_kind_is_counted() -> None:
    text = "a@b.org, c@d.org, 93.184.216.34, (801) 596-1887"
    assert redact(text).counts == (0, 2, 1, 0, 0, 1)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab1é@.-_+% ")))
@example("x@a.co-foo@d.com")
def test_no_address_is_left_and_nothing_changes_twice(text: str) -> None:
    redacted = redact(text).text
    assert not LEFTOVER.search(redacted)
    assert redact(redacted) == (redacted, NOTHING)
