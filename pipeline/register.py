"""register: the evaluated model → a package, models/package, and a version in the MLflow registry."""

from __future__ import annotations

from pathlib import Path

from gptmill.errors import run
from gptmill.fingerprint import stage_inputs
from gptmill.outs import new_outs
from gptmill.params import load
from gptmill.params.register import Register


def main() -> None:
    params = load("register", Register)
    inputs = stage_inputs("register")

    from gptmill.tracking.packing import build_package
    from gptmill.tracking.publish import track_register

    with new_outs("models/package") as (out,):
        build_package(inputs, Path.cwd(), out)
    track_register(inputs, params)


if __name__ == "__main__":
    run(main)
