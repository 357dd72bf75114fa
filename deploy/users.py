"""Users of the team's server: `users.py add NAME reader|writer`, `users.py remove NAME`.

Readers see the experiment and the models. Writers also log runs, register and promote; they delete nothing.
Everybody else sees nothing. Run it as the admin: MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and
MLFLOW_TRACKING_PASSWORD. The new user's password is PASSWORD, or a random one that is printed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

EXPERIMENT = MODEL = "gptmill"
ROLES = {"reader": "READ", "writer": "EDIT"}


def main() -> None:
    match sys.argv[1:]:
        case ["add", name, role] if role in ROLES:
            add(os.environ["MLFLOW_TRACKING_URI"], name, role)
        case ["remove", name]:
            AuthServiceClient(os.environ["MLFLOW_TRACKING_URI"]).delete_user(name)
        case _:
            sys.exit(__doc__)


def add(uri: str, name: str, role: str) -> None:
    """Make the user, or change the role of one who is there."""
    experiment = places(MlflowClient(tracking_uri=uri, registry_uri=uri))
    users = AuthServiceClient(uri)
    given = os.environ.get("PASSWORD")
    try:
        users.create_user(name, password := given or secrets.token_urlsafe(16))
        print(f"{name}, {role}" + ("" if given else f", password {password}"))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        print(f"{name}, {role} now; the password stays")
    for kind, which in (("experiment", experiment), ("registered_model", MODEL)):
        with contextlib.suppress(MlflowException):  # there is none yet
            users.revoke_user_permission(name, kind, which)
        users.grant_user_permission(name, kind, which, ROLES[role])


def places(client: Any) -> str:
    """Make the experiment and the registered model, which whoever makes them may delete; the experiment's id."""
    found = client.get_experiment_by_name(EXPERIMENT)
    try:
        client.create_registered_model(MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return str(found.experiment_id if found else client.create_experiment(EXPERIMENT))


if __name__ == "__main__":
    main()
