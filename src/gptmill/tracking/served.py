"""The model that MLflow serves: prompts in, prompts with their continuations out.

MLflow keeps this file's source with the model and runs it when the model is loaded ("models from code"),
so nothing is pickled. The weights, the tokenizer and the sizes are in the artifact `package`.
"""

from __future__ import annotations

from typing import Any

import mlflow
from mlflow.pyfunc.model import PythonModel


class Continuation(PythonModel):
    """Continues each prompt with a package of ours."""

    def load_context(self, context: Any) -> None:
        from gptmill.tracking.package import Package

        self.package = Package.load(context.artifacts["package"])

    # No type hints for `model_input`: MLflow would refuse every kind of input but the one they name.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """The text of each prompt and what follows it.

        Args:
            model_input: prompts, as a list, a Series, or a table with one column.
            params: any of max_new_tokens, temperature, top_k and seed.
        """
        if hasattr(model_input, "iloc") and getattr(model_input, "ndim", 1) == 2:
            model_input = model_input.iloc[:, 0]
        prompts = [model_input] if isinstance(model_input, str) else list(model_input)
        return [self.package.complete(str(prompt), **(params or {})) for prompt in prompts]


mlflow.models.set_model(Continuation())
