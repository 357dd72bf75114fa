"""Errors a user can mend, and the one place that prints them.

A `UserError` is about the user's input: parameters, files, the environment. Its text is the whole
message: what was found and where, what is allowed, what to do. Anything else that escapes is a bug
of ours and keeps its traceback.
"""

from __future__ import annotations

import atexit
import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn


class UserError(Exception):
    """A mistake in parameters, input or environment; `str(error)` is the complete message."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint such as `; did you mean "n_head"?`, or a full stop when no allowed name is close."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else "."


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run an entry point and end the process: a `UserError` or a full disk is a message and exit code 1.

    What `main` returns is the exit code, 0 where it returns nothing.
    """
    try:
        code = main()
    except UserError as error:
        _leave(f"gptmill: error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        _leave(
            f"gptmill: error: no disk space left{where}. Nothing was recorded: "
            "free some space and run the same command again."
        )
    except KeyboardInterrupt:
        _leave("gptmill: interrupted; nothing was recorded", 130)
    _leave(code=code)


def _leave(message: str = "", code: int | None = None) -> NoReturn:
    """Exit with 1 if there is a message, unless another code is given.

    Daft's threads can crash the interpreter while it shuts down, after all work is done (6 of 37 runs of
    a plan with a UDF process, Daft 0.7.26): DVC would see a failed stage. So a process that used Daft
    runs its exit handlers and leaves without that last act.
    """
    if message:
        print(message, file=sys.stderr)
    code = code if code is not None else int(bool(message))
    if "daft" not in sys.modules:
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
