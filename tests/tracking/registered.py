"""A project whose models a test changes and registers."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptmill.fingerprint import locked_inputs
from gptmill.models import load_model, save_model
from gptmill.params.register import Register
from gptmill.tracking.client import connect
from gptmill.tracking.content import describe
from gptmill.tracking.promotion import Decision, promote
from gptmill.tracking.registry import register
from gptmill.tracking.runs import open_run
from gptmill.tracking.scores import TASKS, write_scores

RULES = Register(
    name="gptmill",
    primary="bits_per_byte",
    min_gain=0.0,
    margins={"tasks": 0.05, "bits_per_byte": 0.01},
    confidence=0.95,
    resamples=200,
    smoke_prompt=None,
)


class Registry:
    """A project whose package a test changes and registers."""

    def __init__(self, root: Path, uri: str) -> None:
        self.root, self.uri, self.package = root, uri, root / "models/package"
        self.client = connect(uri)
        self.description = describe("register", locked_inputs("register", root), root)
        self.run_id = open_run(self.client, self.description)

    def add(self, name: str, scale: float, accuracy: float = 0.5) -> str:
        """Register a model whose weights are the first one's times `scale`: the larger, the surer, the worse."""
        model = load_model(self.root / "models/pretrain")
        for weight in model.parameters():
            weight.data *= scale
        save_model(model, self.package)
        shutil.rmtree(self.package / TASKS)
        write_scores(self.root, self.package)
        right = int(200 * accuracy)
        with (self.package / TASKS / "provenance.csv").open("w", newline="") as file:
            rows = [("a", "a")] * right + [("a", "b")] * (200 - right)
            csv.writer(file).writerows([("label", "predicted"), *rows])
        description = replace(self.description, tags={**self.description.tags, "gptmill.fingerprint": name})
        return register(self.client, self.uri, RULES, description, self.run_id, self.root)

    def promote(self, which: str = "challenger", **options: Any) -> Decision:
        return promote(self.client, self.uri, RULES, self.root, which, **options)

    @property
    def aliases(self) -> dict[str, str]:
        found = self.client.get_registered_model("gptmill").aliases
        return {alias: str(number) for alias, number in found.items()}

    def tags(self, number: str) -> dict[str, str]:
        return dict(self.client.get_model_version("gptmill", number).tags)
