"""Every knob: params.yaml as typed models, one file a stage; nothing else reads params.yaml.

A stage loads only its own section (`load("pretrain", Pretrain)`), so that its code deps stay its own.
The whole file is checked by the stage `params` (`everything.py`), on which every other stage stands:
a mistake anywhere shows before any work, not an hour later.
"""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gptmill.errors import UserError, nearest

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
NonEmpty = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Section(BaseModel):
    """A mapping of params.yaml: unknown keys are refused, nothing is converted, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


class _Seed(Section):
    seed: Seed


def load(section: str, model: type[S], path: str | Path = "params.yaml") -> S:
    """Read and check one top-level section of params.yaml.

    Raises:
        UserError: naming each wrong key, the value found, what is allowed and the nearest valid key.
    """
    raw = read_yaml(path)
    if section not in raw:
        raise UserError(f"{path}: {section}: missing; params.yaml must set it")
    return check(model, raw[section], where=f"{path}: {section}")


def load_seed(path: str | Path = "params.yaml") -> int:
    """The one `seed`, from which every stage draws."""
    return check(_Seed, {"seed": read_yaml(path).get("seed")}, where=str(path)).seed


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file, read as DVC reads it (so `1e-3` is a number)."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist in {Path.cwd()}; run from the project's folder")
    try:
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: expected a mapping of keys to values, found {type(raw).__name__}")
    return raw


def check(model: type[S], raw: Any, where: str) -> S:
    """`raw` as a `model`, or a `UserError` with one line for each problem."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = _explain(model, error.errors())
        raise UserError(f"{where}:\n  " + "\n  ".join(lines)) from None


def _explain(model: type[BaseModel], problems: list[Any]) -> list[str]:
    """One line for each key with a problem; what a key of several types may be stands in one."""
    by_key: dict[str, list[Any]] = {}
    for problem in problems:
        by_key.setdefault(_key(model, problem["loc"]), []).append(problem)
    return [line for key, found in by_key.items() for line in _lines(model, key, found)]


def _key(model: type[BaseModel], loc: tuple[Any, ...]) -> str:
    """The dotted key in the user's file, which has no level for pydantic's members of a union."""
    return ".".join(str(part) for i, part in enumerate(loc) if not (i and _is_member(model, loc[:i])))


def _lines(model: type[BaseModel], key: str, problems: list[Any]) -> list[str]:
    """Key, value found, what is allowed, nearest valid key."""
    if len(problems) > 1 and all(problem["msg"].startswith("Input should be ") for problem in problems):
        allowed = ", or ".join(problem["msg"].removeprefix("Input should be ") for problem in problems)
        return [f"{key}: input should be {allowed}; found {problems[0]['input']!r}"]
    return [_line(model, key, problem) for problem in problems]


def _line(model: type[BaseModel], key: str, problem: Any) -> str:
    loc = problem["loc"]
    message = problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "extra_forbidden":
            allowed = _fields(_at(model, loc[:-1]))
            return f"{key}: unknown key{nearest(str(loc[-1]), allowed)} Allowed here: {', '.join(allowed)}"
        case "union_tag_invalid":
            found = problem["ctx"]["tag"]
            allowed = _tags(_at(model, loc))
            return f'{key}.kind: "{found}" is no kind{nearest(found, allowed)} Allowed: {", ".join(allowed)}'
        case "missing":
            return f"{key}: missing; params.yaml must set it"
        case "value_error":
            return f"{key}: {message}" if key else message
        case _:
            return f"{key}: {message[0].lower()}{message[1:]}; found {problem['input']!r}"


def _at(annotation: Any, loc: tuple[Any, ...]) -> Any:
    """The annotation found by walking pydantic's error location `loc` down from `annotation`."""
    here = _bare(annotation)
    for part in loc:
        if _is_model(here):
            here = next(f.annotation for name, f in here.model_fields.items() if part in (name, f.alias))
        elif typing.get_origin(here) in (typing.Union, types.UnionType):
            here = next(m for m in map(_bare, typing.get_args(here)) if _tag(m) == part)
        else:  # an index of a list or a key of a dict
            here = typing.get_args(here)[-1]
        here = _bare(here)
    return here


def _bare(annotation: Any) -> Any:
    """An annotation without `Annotated[…]` and `| None`."""
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [m for m in typing.get_args(annotation) if m is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(annotation: Any) -> list[str]:
    if not _is_model(annotation):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _tag(model: Any) -> str | None:
    """The value of a union member's `kind`."""
    field = model.model_fields.get("kind") if _is_model(model) else None
    return typing.get_args(field.annotation)[0] if field else None


def _tags(union: Any) -> list[str]:
    """The kinds that the members of a union stand for."""
    return [tag for member in typing.get_args(union) if (tag := _tag(_bare(member)))]


def _is_member(model: Any, loc: tuple[Any, ...]) -> bool:
    """Is what comes after `loc` a member of a union (its tag, or its type) rather than a key or an index?"""
    return typing.get_origin(_at(model, loc)) in (typing.Union, types.UnionType)
