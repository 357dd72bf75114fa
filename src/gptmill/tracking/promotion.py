"""Who is champion, decided by evidence: `promote`, `rollback`, and the first one.

The evidence is gathered first, which may take minutes. Only then are the aliases held for the few requests
that change them, and if the champion is another one by then, the evidence is gathered again: of two
promotions at once the second is judged against the first's result.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptmill.errors import UserError, nearest
from gptmill.outs import read_json
from gptmill.params.register import Register
from gptmill.tracking.compare import Score, compare
from gptmill.tracking.content import key_name
from gptmill.tracking.exclusive import exclusive
from gptmill.tracking.fetch import Version, as_version, files, find
from gptmill.tracking.pyfunc import CHAIN, PACKAGE, incompatible, signature, smoke
from gptmill.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, REASON, alias

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRIES = 3


@dataclass(frozen=True)
class Decision:
    """Whether `version` becomes champion, and why."""

    version: Version
    champion: Version | None
    wins: bool
    reason: str
    scores: list[Score]


def promote(
    client: MlflowClient,
    uri: str,
    rules: Register,
    root: Path,
    which: str = CHALLENGER,
    dry_run: bool = False,
) -> Decision:
    """Judge the version with the alias or number `which` against the champion, and act on it.

    Raises:
        UserError: when there is no such version, or its files or its documents are gone.
    """
    for _ in range(TRIES):
        version = find(client, f"models:/{rules.name}{'/' if which.isdigit() else '@'}{which}")
        champion = _champion(client, rules.name)
        if champion is not None and champion.number == version.number:
            before = version.tags.get(REASON, "for an unknown reason")
            return Decision(version, champion, False, f"it is champion already ({before})", [])
        decision = judge(client, uri, rules, root, version, champion)
        if dry_run:
            return decision
        with exclusive(client, uri, rules.name):
            now = _champion(client, rules.name)
            if (now and now.number) == (champion and champion.number):
                _record(client, decision)
                return decision
    raise UserError(f"the champion changed {TRIES} times while {version} was judged; run it again")


def judge(
    client: MlflowClient, uri: str, rules: Register, root: Path, version: Version, champion: Version | None
) -> Decision:
    """The rule: gates, signature, scores, and last, for it takes seconds, the smoke prompt."""
    scores: list[Score] = []
    with files(client, uri, version) as ours:
        problem = unpassed_gate(version, ours)
        verdict = "champion: there was none"
        if champion is not None and problem is None:
            with files(client, uri, champion) as theirs:
                missing = incompatible(signature(ours), signature(theirs))
                if missing is not None:
                    problem = f"its signature is not {champion}'s: {missing}"
                else:
                    scores = compare(ours / PACKAGE, theirs / PACKAGE, rules, root)
                    problem = refused(scores, rules)
            verdict = f"champion instead of {champion}: {'; '.join(map(str, scores))}"
        if problem is None and rules.smoke_prompt is not None:
            failure = smoke(ours, rules.smoke_prompt)
            problem = failure and f"served, it doesn't answer the smoke prompt: {failure}"
    if problem is None:
        return Decision(version, champion, True, verdict, scores)
    stays = f"{champion} stays champion" if champion else "not champion"
    return Decision(version, champion, False, f"{stays}: {problem}", scores)


def refused(scores: list[Score], rules: Register) -> str | None:
    """Why these scores don't make a champion; None if they do.

    A score that can't be compared, because its examples are others, refuses nothing, unless it is the
    primary one.
    """
    names = [score.name for score in scores]
    primary = next((score for score in scores if score.name == rules.primary), None)
    if primary is None:
        raise UserError(
            f'register.primary: the two versions share no score "{rules.primary}"'
            f"{nearest(rules.primary, names)} They share: {', '.join(names)}"
        )
    if primary.gain is None or primary.gain.low <= rules.min_gain:
        return f"{primary}; it must lie above {rules.min_gain:g}"
    for score in scores:
        if score is not primary and score.gain is not None and score.gain.low < -margin(score.name, rules):
            return f"{score}; its margin is {margin(score.name, rules):g}"
    return None


def margin(score: str, rules: Register) -> float:
    """What a score may lose."""
    for key in (score, score.partition(".")[0]):
        if key in rules.margins:
            return rules.margins[key]
    raise UserError(f"params.yaml: register.margins: names neither {score} nor {score.partition('.')[0]}")


def unpassed_gate(version: Version, folder: Path) -> str | None:
    """A gate of the version's chain that did not pass it, or of which nothing is known."""
    gates = [stage for stage in read_json(folder / CHAIN) if stage.startswith("gate@")]
    verdicts = {gate: version.tags.get(key_name(f"gptmill.{gate}"), "unknown") for gate in gates}
    return next((f"{gate}: {said}" for gate, said in verdicts.items() if not said.startswith("passed")), None)


def rollback(client: MlflowClient, uri: str, name: str, dry_run: bool = False) -> Decision:
    """The previous champion again; the one that it replaces becomes `previous`, so twice changes nothing.

    Raises:
        UserError: when there is no previous champion, or its files are gone.
    """
    with files(client, uri, find(client, f"models:/{name}@{PREVIOUS}")):  # must be there to be served
        pass
    with exclusive(client, uri, name):
        version = find(client, f"models:/{name}@{PREVIOUS}")
        champion = _champion(client, name)
        decision = Decision(version, champion, True, f"champion: rolled back from {champion}", [])
        if not dry_run:
            _record(client, decision)
        return decision


def crown_first(client: MlflowClient, uri: str, rules: Register, found: Any, root: Path) -> None:
    """What becomes of a version that was just registered: champion where there is none, else challenger."""
    version = as_version(found)
    decision = judge(client, uri, rules, root, version, None) if _lone(client, version) else None
    with exclusive(client, uri, rules.name):
        if decision is not None and _lone(client, version):
            _record(client, decision)
            return
    text = f"challenger of {_champion(client, rules.name)}: `gptmill promote` compares them"
    client.set_model_version_tag(rules.name, version.number, REASON, text)


def _lone(client: MlflowClient, version: Version) -> bool:
    """Is no other version champion?"""
    champion = _champion(client, version.name)
    return champion is None or champion.number == version.number


def _champion(client: MlflowClient, name: str) -> Version | None:
    found = alias(client, name, CHAMPION)
    return as_version(found) if found is not None else None


def _record(client: MlflowClient, decision: Decision) -> None:
    """Tags first, the alias champion last: cut off anywhere, the same command goes on."""
    version, champion = decision.version, decision.champion
    tags = {
        REASON: decision.reason,
        "gptmill.promotion": "promoted" if decision.wins else "refused",
        "gptmill.against": champion.number if champion else "none",
        **{key_name(f"gptmill.gain.{score.name}"): str(score) for score in decision.scores},
    }
    for key, value in tags.items():
        client.set_model_version_tag(version.name, version.number, key, value)
    if decision.wins:
        if champion is not None and champion.number != version.number:
            client.set_registered_model_alias(version.name, PREVIOUS, champion.number)
        client.set_registered_model_alias(version.name, CHAMPION, version.number)
