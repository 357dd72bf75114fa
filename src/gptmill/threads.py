"""How threads of one tensor operation wait for each other on a machine that has other work to do."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let waiting threads give their core away soon. To be called before torch is imported.

    By default libgomp's threads spin for about 300,000 rounds at each barrier. Where another process
    wants a core, training then runs several times slower than its share; on a quiet machine spinning
    less costs about 5 % (both measured, docs/log.md). A GOMP_SPINCOUNT of the user's stays.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
