"""Errors a user can mend, and the one place that prints them.

A `UserError` is about the user's input: parameters, files, the environment. Its text is the whole
message: what was found and where, what is allowed, what to do. Anything else that escapes is a bug
of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
import sys
from collections.abc import Callable, Iterable


class UserError(Exception):
    """A mistake in parameters, input or environment; `str(error)` is the complete message."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint such as `; did you mean "n_head"?`, or nothing when no allowed name is close."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def run(main: Callable[[], None]) -> None:
    """Run an entry point: a `UserError` or a full disk is a message and exit code 1."""
    try:
        main()
    except UserError as error:
        sys.exit(f"gptmill: error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        sys.exit(
            f"gptmill: error: no disk space left{where}. Nothing was recorded: "
            "free some space and run the same command again."
        )
