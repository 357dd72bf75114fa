"""MLflow's scoring server around our model, and around that server what it lacks.

It has `/invocations`, `/ping` and `/version`. It lacks a limit on a request's size, a name for each request
(the header `x-request-id`), and a way to say later what an answer was worth (`/feedback`, where requests are
logged).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError
from gptmill.serving.log import RequestLog
from gptmill.serving.model import REQUEST_ID, Limits, Served
from gptmill.tracking.fetch import files, find, open_registry
from gptmill.tracking.package import Package
from gptmill.tracking.pyfunc import PACKAGE, incompatible, served_signature, signature

if TYPE_CHECKING:
    from fastapi import FastAPI

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def make_app(model: str, uri: str, limits: Limits, at_once: int, log: Path | None = None) -> Guarded:
    """The server's application for `models:/<name>@<alias>` or `models:/<name>/<version>`.

    Only weights, tokenizer and sizes come from the registry; the code is the one installed here, and
    nothing is unpickled.

    Raises:
        UserError: when there is no such model, its files are gone, or it takes other inputs than ours.
    """
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    # MLflow's own limit only stops the waiting, so it comes after ours, which stops the work.
    os.environ["MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"] = str(int(limits.seconds) + 10)
    client = open_registry(uri, model)
    version = find(client, model)
    with files(client, uri, version) as folder:
        other = incompatible(signature(folder), _as_read(served_signature()))
        if other is not None:
            raise UserError(f"{version.name} {version} is no model of gptmill's: it has {other}")
        package = Package.load(folder / PACKAGE)
    requests = RequestLog(log, f"{version.name}/{version.number}") if log is not None else None
    return Guarded(_scoring_server(Served(package, limits, at_once, requests), requests), limits, requests)


def _as_read(ours: Any) -> dict[str, Any]:
    """A signature as `pyfunc.signature` reads one."""
    return {
        "inputs": ours.inputs.to_dict(),
        "outputs": ours.outputs.to_dict(),
        "params": ours.params.to_dict(),
    }


def _scoring_server(served: Served, log: RequestLog | None) -> FastAPI:
    from mlflow.models import Model
    from mlflow.pyfunc import PyFuncModel, scoring_server

    meta = Model(signature=served_signature(served.default_tokens))
    app: FastAPI = scoring_server.init(PyFuncModel(meta, served))
    if log is not None:
        from fastapi import Body, Response

        def feedback(id: str = Body(), feedback: float = Body()) -> Response:
            log.feedback(id, feedback)
            return Response(status_code=204)

        # Our annotations are text, which FastAPI would look up among this module's names.
        feedback.__annotations__.update(id=str, feedback=float)
        feedback.__annotations__.pop("return")
        app.post("/feedback", status_code=204)(feedback)
    return app


class Guarded:
    """An ASGI application around another: reads no more of a request than allowed, and names it."""

    def __init__(self, app: Any, limits: Limits, log: RequestLog | None) -> None:
        self.app, self.limits, self.log = app, limits, log

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._last(send))
        elif scope["type"] == "http":
            await self._request(scope, receive, send)

    async def _request(self, scope: Message, receive: Receive, send: Send) -> None:
        request_id = uuid.uuid4().hex
        REQUEST_ID.set(request_id)
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.limits.body_bytes:
                text = f"a request of more than {self.limits.body_bytes:,} bytes is not read\n".encode()
                headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
                await send({"type": "http.response.start", "status": 413, "headers": headers})
                await send({"type": "http.response.body", "body": text})
                return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        await self.app(scope, replay, named)

    def _last(self, send: Send) -> Send:
        """The log is written before the server says that it has stopped."""

        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete" and self.log is not None:
                self.log.flush()
            await send(message)

        return sending
