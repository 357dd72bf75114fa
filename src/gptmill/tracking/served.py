"""The model that MLflow serves: prompts in, prompts with their continuations out.

MLflow keeps this file's source with the model and runs it when the model is loaded ("models from code"),
so nothing is pickled. The weights, the tokenizer and the sizes are in the artifact `package`.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel


class Continuation(PythonModel):
    """Continues each prompt with a package of ours."""

    def load_context(self, context: Any) -> None:
        from gptmill.tracking.package import Package

        self.package = Package.load(context.artifacts["package"])

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[str]:
        """The text of each prompt and what follows it.

        Args:
            model_input: prompts in the only column. By the signature, MLflow makes such a table from a list,
                a Series or a string, too.
            params: any of max_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty, beams,
                length_penalty, stop and seed.
        """
        prompts = [str(prompt) for prompt in model_input.iloc[:, 0]]
        options = dict(params or {})
        options["stop"] = [str(string) for string in options.get("stop", [])]
        return self.package.complete_all(prompts, **options)


mlflow.models.set_model(Continuation())
