"""Three tasks from how documents are built: what stands first in a text belongs to what follows it.

A docstring is a summary, a paragraph that extends it, and a body. That gives real labels for

- `summary_of_body` (entailment): body and summary of one object, or of two of the same package;
- `same_object` (similarity): summary and second paragraph of one object, or of two of the same package;
- `which_body` (multiple choice): a summary, its body, and three others of the same package.

In other documents (books, web pages) a passage of a few paragraphs stands for the docstring. Train
examples come from the train split, dev and test from validation and test, so pretraining saw neither.
A false partner comes from the same group (package, file) and split wherever it has another passage: a hard
negative, which what a text is about does not give away. `same_group` below 1 takes that share of them only
from there and the others from other groups, which is easier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gptmill.errors import UserError
from gptmill.params.finetune import SameObject, SummaryOfBody, WhichBody
from gptmill.tasks.examples import Dataset, Example, checked, rank, sample

CORPUS_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
N_BODIES = 4
PASSAGE_CHARS = 1200  # about 250 words: more would not fit beside a summary
SUMMARY_WORDS, BODY_WORDS, PARAGRAPH_WORDS = range(4, 61), range(8, 10_000), range(8, 121)
FEWEST = 20  # examples of a split; with fewer a score says nothing


@dataclass(frozen=True)
class Passage:
    id: str
    group: str
    summary: str  # its first paragraph
    second: str  # its second paragraph
    body: str  # all but the first


def passages_task(task: SummaryOfBody | SameObject | WhichBody, name: str, source: Path) -> Dataset:
    """Make the task from `source/documents.parquet` (columns id, text, meta, split).

    Raises:
        UserError: when a split gives fewer than 20 examples.
    """
    where = f"finetune.tasks.{name}"
    columns = ["id", "text", "meta", "split"]
    rows = pq.read_table(source / "documents.parquet", columns=columns).to_pylist()
    splits = {}
    for split, corpus_split in CORPUS_SPLITS.items():
        passages = [p for row in rows if row["split"] == corpus_split for p in _passages(row)]
        limit = task.max_train if split == "train" else task.max_eval
        splits[split] = sample(_examples(task.kind, passages, task.same_group), limit)
        if len(splits[split]) < FEWEST:
            raise UserError(
                f"{where} (kind {task.kind}) needs documents with a short first paragraph and more text after "
                f"it; the {corpus_split} split gives {len(splits[split])} examples, and {FEWEST} are the least. "
                f"Collect more documents, raise dedupe.{corpus_split}_fraction, or remove the task."
            )
    match task.kind:
        case "summary_of_body":
            return checked(Dataset("entailment", ["no", "yes"], splits), where)
        case "same_object":
            return checked(Dataset("similarity", ["no", "yes"], splits), where)
        case "which_body":
            return checked(Dataset("multiple_choice", list("ABCD"), splits), where)


def _passages(row: dict[str, Any]) -> Iterator[Passage]:
    meta = dict(row["meta"])
    paragraphs = [p for p in (p.strip("\n") for p in row["text"].split("\n\n")) if p.strip()]
    for number, part in enumerate(_parts(paragraphs)):
        if len(part) > 1:
            id = row["id"] if number == 0 else f"{row['id']}#{number}"
            yield Passage(id, meta["group"], part[0], part[1], "\n\n".join(part[1:])[:PASSAGE_CHARS])
        if meta.get("kind") == "docstrings":
            break  # what comes later in a docstring has no summary


def _parts(paragraphs: list[str]) -> Iterator[list[str]]:
    """Runs of paragraphs of at least two, closed when they are as long as a passage."""
    part: list[str] = []
    for paragraph in paragraphs:
        part.append(paragraph)
        if len(part) > 1 and sum(map(len, part)) >= PASSAGE_CHARS:
            yield part
            part = []
    if part:
        yield part


def _fits(text: str, words: range) -> bool:
    return len(text.split()) in words


def _examples(kind: str, passages: list[Passage], same_group: float) -> list[Example]:
    body = "second" if kind == "same_object" else "body"
    allowed = PARAGRAPH_WORDS if kind == "same_object" else BODY_WORDS
    fit = [p for p in passages if _fits(p.summary, SUMMARY_WORDS) and _fits(getattr(p, body), allowed)]
    make = _choice if kind == "which_body" else _pair
    found = _partners(fit, 1 if make is _pair else N_BODIES - 1, same_group)
    return [make(number, passage, others, body) for number, (passage, others) in enumerate(found)]


def _partners(passages: list[Passage], n: int, same_group: float) -> Iterator[tuple[Passage, list[Passage]]]:
    """Each passage with `n` others, of its own group or, for a share of 1 - `same_group`, of another one.

    Which of the two is drawn by the hash of its id, so the same text always has the same partners.
    """
    ring = sorted(passages, key=lambda p: rank(p.id))
    place = {passage.id: i for i, passage in enumerate(ring)}
    for passage, near in _neighbours(passages, n):
        others: list[Passage] = []
        for number, own in enumerate(near):
            is_far = int.from_bytes(rank(f"{passage.id} {number}"), "big") >= same_group * 2**64
            far = _stranger(ring, place[passage.id], passage, others) if is_far else None
            others.append(far or own)
        yield passage, others


def _stranger(ring: list[Passage], start: int, passage: Passage, taken: list[Passage]) -> Passage | None:
    """The next passage in the ring of another group that isn't taken; None where there is none."""
    for step in range(1, len(ring)):
        other = ring[(start + step) % len(ring)]
        if other.group != passage.group and other not in taken:
            return other
    return None


def _neighbours(passages: list[Passage], n: int) -> Iterator[tuple[Passage, list[Passage]]]:
    """Each passage with the `n` after it, round about, in a random order of its group.

    Groups with too few passages are put together.
    """
    groups: dict[str, list[Passage]] = defaultdict(list)
    for passage in passages:
        groups[passage.group].append(passage)
    small = [group for group, members in groups.items() if len(members) <= n]
    rest = [passage for group in small for passage in groups.pop(group)]
    for members in (*groups.values(), *([rest] if len(rest) > n else [])):
        ring = sorted(members, key=lambda p: rank(p.id))
        for i, passage in enumerate(ring):
            yield passage, [ring[(i + k) % len(ring)] for k in range(1, n + 1)]


def _pair(number: int, passage: Passage, others: list[Passage], body: str) -> Example:
    """The passage's own partner (every other time: passages come in a random order), or its neighbour's."""
    own = number % 2 == 0
    partner = getattr(passage if own else others[0], body)
    texts = (partner, passage.summary) if body == "body" else (passage.summary, partner)
    return Example(passage.id, texts, "yes" if own else "no")


def _choice(number: int, passage: Passage, others: list[Passage], body: str) -> Example:
    """The summary as the context, four bodies as the answers, the right one at each place as often."""
    place = number % N_BODIES
    bodies = [getattr(other, body) for other in others]
    bodies.insert(place, getattr(passage, body))
    return Example(passage.id, (passage.summary, "", *bodies), "ABCD"[place])
