"""Keys and tokens of known shape: what services print in front of their secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

_RUN = r"[A-Za-z0-9_-]"
# What the text must contain → the shape. The substring is looked for first; most texts have none.
_SHAPES = {
    "AKIA": r"AKIA[A-Z0-9]{16}\b",  # Amazon Web Services, access key id
    "ASIA": r"ASIA[A-Z0-9]{16}\b",
    "ghp_": r"ghp_[A-Za-z0-9]{36,}",  # GitHub: personal, OAuth, user, server, refresh
    "gho_": r"gho_[A-Za-z0-9]{36,}",
    "ghu_": r"ghu_[A-Za-z0-9]{36,}",
    "ghs_": r"ghs_[A-Za-z0-9]{36,}",
    "ghr_": r"ghr_[A-Za-z0-9]{36,}",
    "github_pat_": r"github_pat_[A-Za-z0-9_]{22,}",
    "glpat-": rf"glpat-{_RUN}{{20,}}",  # GitLab
    "xox": r"xox[abceoprs]-[A-Za-z0-9-]{10,}",  # Slack
    "xapp-": r"xapp-[A-Za-z0-9-]{20,}",
    "hooks.slack.com/": r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
    # OpenAI, Anthropic and those who copy them; with a digit and a capital, unlike "sk-learn-like-names".
    "sk-": rf"sk-(?={_RUN}*[0-9])(?={_RUN}*[A-Z]){_RUN}{{20,}}",
    "_live_": r"[rs]k_live_[A-Za-z0-9]{16,}",  # Stripe
    "AIza": rf"AIza{_RUN}{{35}}",  # Google
    "hf_": r"hf_[A-Za-z0-9]{34,}",  # Hugging Face
    "npm_": r"npm_[A-Za-z0-9]{36,}",
    "pypi-AgEI": rf"pypi-AgEI{_RUN}{{50,}}",
    "eyJ": rf"eyJ{_RUN}{{8,}}\.eyJ{_RUN}{{8,}}\.{_RUN}{{8,}}",  # JSON Web Token
}
_PATTERNS = {sign: re.compile(rf"(?<![A-Za-z0-9_-]){shape}") for sign, shape in _SHAPES.items()}

# A private key with its armour; where the end is missing, as far as its lines of Base64 go.
_NAME = r"(?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE = re.compile(
    rf"-----BEGIN {_NAME}(?:(?:(?!-----)[\s\S]){{0,20000}}-----END {_NAME}|(?:\s+[A-Za-z0-9+/=]{{16,}})*)"
)


def keys(text: str) -> Iterator[tuple[int, int]]:
    """Spans of keys and tokens, those of private keys with all their lines."""
    if "PRIVATE KEY" in text:
        for match in _PRIVATE.finditer(text):
            yield match.span()
    for sign, pattern in _PATTERNS.items():
        if sign in text:
            for match in pattern.finditer(text):
                yield match.span()
