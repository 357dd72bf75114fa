"""What is true of one run on one machine, and so in no DVC out: the commit, the clock, the champion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gptmill.errors import UserError
from gptmill.fingerprint import locked_inputs
from gptmill.outs import read_json
from gptmill.params import load
from gptmill.params.register import Register
from gptmill.run_report.facts import rows_of

SPEED = Path(".gptmill/pretrain/speed.csv")


@dataclass(frozen=True)
class Speed:
    """Of pretraining. `mfu` is the share of the device's peak, None where that isn't known."""

    seconds: float
    tokens_per_second: float
    memory_mb: float
    mfu: float | None


@dataclass(frozen=True)
class Circumstances:
    """Beside the facts; what isn't known is None."""

    commit: str | None
    dirty: bool
    fingerprint: str  # of pretraining
    speed: Speed | None
    champion: list[str]  # a line for each score against the champion, or why there is none


def circumstances(root: Path) -> Circumstances:
    """What Git, the training's own records and the registry say now.

    Raises:
        UserError: when nothing was trained here yet.
    """
    from gptmill.tracking.content import describe

    tags = describe("pretrain", inputs := locked_inputs("pretrain", root), root).tags
    tokens = read_json(root / "reports/pretrain/metrics.json")
    return Circumstances(
        commit=tags.get("mlflow.source.git.commit"),
        dirty=tags.get("gptmill.dirty") == "true",
        fingerprint=inputs.fingerprint,
        speed=speed(root / SPEED, tokens["tokens"] / max(1, tokens["steps"])),
        champion=against_champion(root),
    )


def speed(path: Path, tokens_per_step: float) -> Speed | None:
    """Sums over the rows of speed.csv; each stands for the steps since the row before it."""
    if not path.is_file() or not (rows := rows_of(path)):
        return None
    seconds, used, before = 0.0, 0.0, 0.0
    for row in rows:
        step, rate = float(row["step"]), float(row["tokens_per_second"])
        taken = (step - before) * tokens_per_step / rate
        seconds, before = seconds + taken, step
        used += taken * float(row.get("mfu") or 0)
    memory = max(float(row["memory_mb"]) for row in rows)
    return Speed(seconds, before * tokens_per_step / seconds, memory, used / seconds if used else None)


def against_champion(root: Path) -> list[str]:
    """models/package against the registry's champion, on the same documents and examples.

    Where it is the champion itself, against the one before it.
    """
    from gptmill.tracking.client import answering, default_uri
    from gptmill.tracking.compare import compare
    from gptmill.tracking.content import FINGERPRINT
    from gptmill.tracking.fetch import files, find, open_registry
    from gptmill.tracking.packing import FACTS
    from gptmill.tracking.pyfunc import PACKAGE
    from gptmill.tracking.registry import CHAMPION, PREVIOUS

    rules, ours = load("register", Register, root / "params.yaml"), root / "models/package"
    name, uri = f"models:/{rules.name}", default_uri()
    try:
        client = open_registry(uri, name)
        with answering(uri):
            other, said = find(client, f"{name}@{CHAMPION}"), "Against the champion"
            if other.tags.get(FINGERPRINT) == read_json(ours / FACTS)["fingerprint"]:
                champion = f"This model is the champion of {rules.name} ({other})"
                if PREVIOUS not in client.get_registered_model(rules.name).aliases:
                    return [f"{champion}, the first there was."]
                other, said = find(client, f"{name}@{PREVIOUS}"), f"{champion}. Against the one before"
            with files(client, uri, other, PACKAGE) as theirs:
                scores = compare(ours, theirs, rules, root)
        return [f"{said} ({other}); gains with their {rules.confidence:.0%} intervals:", *map(str, scores)]
    except (UserError, OSError) as error:
        return [f"No champion to compare with: {error}"]
