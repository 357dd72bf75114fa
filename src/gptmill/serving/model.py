"""The model that MLflow's scoring server asks: our code on the version's weights, within limits.

Requests come in threads. A prompt has a key/value cache and a random generator of its own, and nothing
else is written to while it runs, so prompts don't disturb each other; how many run at once is limited,
because more than there are cores only make each other slower.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from gptmill.completion import complete_ids
from gptmill.errors import UserError
from gptmill.models.layout import for_single_tokens
from gptmill.serving.log import RequestLog
from gptmill.tracking.package import Package

if TYPE_CHECKING:
    from gptmill.models.language_model import LanguageModel

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    prompt_tokens: int = 2048
    new_tokens: int = 512
    prompts: int = 16
    seconds: float = 60.0  # waiting included
    body_bytes: int = 1 << 20


class Served:
    """What `mlflow.pyfunc.PyFuncModel` wants of a model: `predict`."""

    def __init__(self, package: Package, limits: Limits, at_once: int, log: RequestLog | None = None) -> None:
        self.package, self.limits, self.log = package, limits, log
        self.default_tokens = min(64, limits.new_tokens)
        self._turns = threading.BoundedSemaphore(at_once)
        # For the server's life: a request that laid out the weights for itself would do it under the others.
        self._layout = for_single_tokens(package.model)
        self._layout.__enter__()

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> list[str]:
        """The text of each prompt and what follows it.

        Args:
            model_input: a pandas table with the prompts in its only column, checked by the signature.

        Raises:
            MlflowException: which the server answers with 400 for what is not allowed, 503 for lack of time.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import (
            INTERNAL_ERROR,
            INVALID_PARAMETER_VALUE,
            TEMPORARILY_UNAVAILABLE,
        )

        deadline = time.monotonic() + self.limits.seconds
        settings = {"max_new_tokens": self.default_tokens, **(params or {})}
        settings["stop"] = [str(string) for string in settings.get("stop", [])]
        try:
            prompts = [str(prompt) for prompt in model_input.iloc[:, 0]]
            read = self._checked(prompts, settings["max_new_tokens"])
            return [
                self._answer(prompt, ids, settings, deadline)
                for prompt, ids in zip(prompts, read, strict=True)
            ]
        except UserError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
        except TimeoutError:
            raise MlflowException(
                f"not finished within {self.limits.seconds:g} s; ask for fewer tokens or prompts, or later",
                TEMPORARILY_UNAVAILABLE,
            ) from None
        except Exception:  # the server would send our traceback to whoever asked
            traceback.print_exc(file=sys.stderr)
            raise MlflowException("the model failed; the server's log says why", INTERNAL_ERROR) from None

    def _checked(self, prompts: list[str], new_tokens: int) -> list[list[int]]:
        limits = self.limits
        if len(prompts) > limits.prompts:
            raise UserError(f"{len(prompts)} prompts in one request; at most {limits.prompts} are allowed")
        if new_tokens > limits.new_tokens:
            raise UserError(f"max_new_tokens = {new_tokens}; at most {limits.new_tokens} are allowed")
        read = [self.package.tokenizer.encode(prompt) for prompt in prompts]
        for number, ids in enumerate(read, start=1):
            if len(ids) > limits.prompt_tokens:
                raise UserError(
                    f"prompt {number} has {len(ids):,} tokens; at most {limits.prompt_tokens:,} are allowed"
                )
        return read

    def _answer(self, prompt: str, ids: list[int], settings: dict[str, Any], deadline: float) -> str:
        with self._turn(deadline):
            start = time.monotonic()
            model = cast("LanguageModel", _Until(self.package.model, deadline))
            (new,) = complete_ids(model, self.package.tokenizer, [ids], **settings)
            took = 1000 * (time.monotonic() - start)
        if self.log is not None:
            count = len(self.package.tokenizer.encode(new))
            self.log.add(REQUEST_ID.get(), prompt, len(ids), count, round(took, 3))
        return prompt + new

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        if not self._turns.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        try:
            yield
        finally:
            self._turns.release()


class _Until:
    """A model that works until a moment: generation asks for states once a token."""

    def __init__(self, model: LanguageModel, deadline: float) -> None:
        self._model, self._deadline = model, deadline

    def hidden(self, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return self._model.hidden(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
