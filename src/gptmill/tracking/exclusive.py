"""One promotion at a time: MLflow sets one alias atomically, and a promotion sets two.

For a SQLite file the lock is a file beside it, which the kernel frees when its holder dies. On a server it
is a registered model, `<name>.lock`: to make one is the only act that a tracking server does for exactly
one of several clients that ask at once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gptmill.errors import UserError
from gptmill.tracking.client import lock_file, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

WAIT = 60.0  # seconds that we wait for another promotion
STALE = 300.0  # seconds after which a lock's holder must be dead: it holds it for a few requests

LOCK = "A promotion is under way; see gptmill.tracking.exclusive."


@contextmanager
def exclusive(client: MlflowClient, uri: str, name: str) -> Iterator[None]:
    """Hold the aliases of the registered model `name`.

    Raises:
        UserError: when another holds them for a minute.
    """
    path = lock_file(uri, "promotion")
    if path is not None:
        with locked(path):
            yield
        return
    lock, us = f"{name}.lock", uuid.uuid4().hex
    _acquire(client, lock, us)
    try:
        yield
    finally:
        if _holder(client, lock) == us:
            client.delete_registered_model(lock)


def _acquire(client: MlflowClient, lock: str, us: str) -> None:
    from mlflow.exceptions import MlflowException

    deadline = time.monotonic() + WAIT
    while True:
        try:
            client.create_registered_model(lock, tags={"gptmill.holder": us}, description=LOCK)
            return
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if _holder(client, lock) == us:
            return  # the answer to our request was lost, and it was sent again
        if _age(client, lock) > STALE:
            client.delete_registered_model(lock)
        elif time.monotonic() > deadline:
            raise UserError(
                f"another promotion holds the registry for more than {WAIT:.0f} s. If it has died, delete "
                f'the registered model "{lock}" in MLflow, or wait: after {STALE:.0f} s it is taken over.'
            )
        else:
            time.sleep(0.5)


def _holder(client: MlflowClient, lock: str) -> str | None:
    found = [model for model in client.search_registered_models(f"name = '{lock}'") if model.name == lock]
    return found[0].tags.get("gptmill.holder") if found else None


def _age(client: MlflowClient, lock: str) -> float:
    """Seconds since the lock was made, by the clocks of server and client; 0 when it is gone."""
    found = [model for model in client.search_registered_models(f"name = '{lock}'") if model.name == lock]
    return time.time() - found[0].creation_timestamp / 1000 if found else 0.0
