"""Parallel text from where it is, as rows (source, target, split), and how many lines each file had."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gptmill.errors import UserError
from gptmill.params.translate import Dates, HuggingFacePairs, Lines, Tsv
from gptmill.tokens.shards import SPLITS
from gptmill.translation.dates import Row, date_pairs

Counts = dict[str, tuple[int, int]]  # split → lines of the source side, lines of the target side


def read_pairs(pairs: Dates | Tsv | Lines | HuggingFacePairs, seed: int) -> tuple[list[Row], Counts]:
    """All pairs, in the order of the splits and of their files; line ends and outer blanks are no part of a side.

    Raises:
        UserError: naming the file and the line of what can't be read, or both files and their numbers of
            lines where these differ.
    """
    if isinstance(pairs, Dates):
        rows = date_pairs(pairs, seed)
        return rows, {split: (getattr(pairs, split),) * 2 for split in SPLITS}
    rows, counts = [], {}
    for split in SPLITS:
        found = list(_split(pairs, split))
        counts[split] = (len(found), len(found))
        rows += [(source.strip(), target.strip(), split) for source, target in found]
    return rows, counts


def _split(pairs: Tsv | Lines | HuggingFacePairs, split: str) -> Iterable[tuple[str, str]]:
    where = f"translate.pairs.{split}"
    if isinstance(pairs, Lines):
        source, target = getattr(pairs, split)
        return _aligned(source, target, where)
    if isinstance(pairs, Tsv):
        return _tabbed(getattr(pairs, split), where)
    return _hub(pairs, getattr(pairs, split), where)


def _aligned(source: str, target: str, where: str) -> Iterator[tuple[str, str]]:
    left, right = _lines(source, where), _lines(target, where)
    if len(left) != len(right):
        raise UserError(
            f"{where}: {source} has {len(left)} lines and {target} has {len(right)}. Line n of one must be the "
            "translation of line n of the other: somewhere a line is missing, and all pairs after it are wrong. "
            "Find it, or give one file with a tab in each line (kind: tsv)."
        )
    return zip(left, right, strict=True)


def _tabbed(path: str, where: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(path, where), start=1):
        sides = line.split("\t")
        if len(sides) != 2:
            raise UserError(
                f"{where}: {path}, line {number}: expected a source, one tab and a target; "
                f"found {len(sides) - 1} tabs: {line[:80]!r}"
            )
        yield sides[0], sides[1]


def _lines(path: str, where: str) -> list[str]:
    """Lines as `\\n` ends them: U+2028 and its like belong to the text, and splitting there would misalign it."""
    if not Path(path).is_file():
        raise UserError(f"{where}: {path} does not exist in {Path.cwd()}")
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + Path(path).read_bytes()[: error.start].count(b"\n")
        raise UserError(f"{where}: {path}, line {line}: not UTF-8; convert the file") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _hub(pairs: HuggingFacePairs, file: str, where: str) -> Iterator[tuple[str, str]]:
    from gptmill.corpus.sources.huggingface import snapshot
    from gptmill.params.collect import HuggingFace

    asked = HuggingFace(
        name="pairs",
        kind="huggingface",
        dataset=pairs.dataset,
        revision=pairs.revision,
        files=file,
        licence="unknown",
    )
    path = snapshot(asked, f"{where}: dataset {pairs.dataset} at {pairs.revision}") / file
    if not path.is_file():
        raise UserError(f"{where}: dataset {pairs.dataset} at {pairs.revision} has no file {file}")
    for number, record in enumerate(_records(path, where), start=1):
        yield tuple(
            _field(record, key, f"{where}: {file}, row {number}") for key in (pairs.source, pairs.target)
        )  # type: ignore[misc]


def _records(path: Path, where: str) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    elif path.suffix in (".jsonl", ".json"):
        for number, line in enumerate(_lines(str(path), where), start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise UserError(f"{where}: {path.name}, line {number}: no JSON ({error})") from None
    else:
        raise UserError(f"{where}: {path.name} can't be read; allowed: .jsonl, .parquet")


def _field(record: Any, key: str, where: str) -> str:
    value = record
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            found = ", ".join(value) if isinstance(value, dict) else type(value).__name__
            raise UserError(f'{where}: no column "{key}"; found {found}')
        value = value[part]
    if not isinstance(value, str):
        raise UserError(f"{where}: {key} is no text: {value!r}")
    return value
