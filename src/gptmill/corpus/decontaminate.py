"""Decontamination: training documents that share n-grams of words with what a model will be tested on.

Brown et al. 2020 (GPT-3, arXiv:2005.14165), appendix C. The n-gram of a set of examples has as many words
as its 5th percentile of lengths, at least 8 and at most `ngram` (13), so that sets of short sentences
count, too; an example shorter than that is left out. An n-gram that stands in more than `max_documents`
training documents (or examples) is a stock phrase and contaminates nothing.

A training document goes when it shares `min_share` of the n-grams of the shorter of the two, itself or the
example (containment: Broder 1997). One n-gram was enough for GPT-3, which then cut 200 characters around
it; documentation repeats itself, and one n-gram would cost a ninth of the default corpus for its test
split alone. Llama 2 (arXiv:2307.09288, appendix A.6) calls examples clean up to 20 % of their tokens.

Words are those of near-duplicates (`minhash.words`). Texts pass through Daft; the n-grams of examples and
documents lie in scratch files and are joined part by part (`ngram_join.py`). In memory are a few numbers an
example and a document, and the pairs of the two that share n-grams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gptmill.corpus.ahead import ahead
from gptmill.corpus.engine import release_memory
from gptmill.corpus.examples import read_examples
from gptmill.corpus.minhash import Hashes, Ints, word_hashes
from gptmill.corpus.ngram_join import (
    Bitmap,
    Counts,
    Partitions,
    join,
    mark,
    marked,
    new_bitmap,
    partition_bits,
)
from gptmill.corpus.numbered import ids_of, numbered
from gptmill.corpus.shingles import document_ngrams, flat, ngram_hashes
from gptmill.params.dedupe import Decontaminate

SHORTEST = 8  # words: GPT-3's lower bound
WORDS = pa.schema([("example", pa.int64()), ("words", pa.large_list(pa.uint64()))])


class Examples:
    """A set of test examples: their ids, and in a file the hashes of the words of each."""

    def __init__(self, name: str, ids: pa.Array, path: Path) -> None:
        self.name, self.ids, self._path = name, ids, path
        self.words = np.zeros(len(ids), np.int32)  # how many each example has
        self._file = pa.ipc.new_file(path, WORDS)

    def add(self, example: Ints, words: pa.Array) -> None:
        """Numbers of examples and, as lists, the hashes of their words."""
        self.words[example] = np.diff(flat(words)[1])
        self._file.write(pa.record_batch([pa.array(example), words.cast(WORDS.types[1])], schema=WORDS))

    def close(self) -> None:
        """To be called before reading."""
        self._file.close()

    def ngram(self, longest: int) -> int:
        """How many words the n-grams of this set have."""
        lengths = self.words[self.words > 0]
        return int(np.clip(np.percentile(lengths, 5), SHORTEST, longest)) if len(lengths) else longest

    def ngrams(self, n: int) -> Iterator[tuple[Hashes, Ints]]:
        """The hashes of the n-grams and the example of each, in batches."""
        with pa.ipc.open_file(self._path) as file:
            for i in range(file.num_record_batches):
                batch = file.get_batch(i)
                hashes, row = document_ngrams(batch["words"], n)
                yield hashes, batch["example"].to_numpy()[row]


@dataclass
class Contaminated:
    """The training documents that go, and why: arrays of a figure a document, and the report."""

    document: Ints
    name: list[str]  # of the set of examples
    example: list[str]  # the id of the one with the largest overlap
    overlap: Ints  # n-grams shared with that example
    share: NDArray[np.float64]  # of the n-grams of the shorter of the two
    report: dict[str, dict[str, int]]


def contaminated(source: Path, sides: dict[str, Ints], params: Decontaminate, scratch: Path) -> Contaminated:
    """Find the training documents that overlap the examples of `params.against` and `params.splits`.

    Args:
        source: documents sorted by id.
        sides: the numbers of the documents kept, ascending, by split.
        scratch: a folder for files that can be removed afterwards.
    """
    sets = [task_examples(task, scratch / f"task-{task.name}") for task in params.against]
    sets += split_examples(source, {name: sides[name] for name in params.splits}, scratch)
    table = Table(sets, params.ngram, scratch)
    release_memory()
    words = table.scan(source, sides["train"])
    release_memory()
    return table.judge(words, params)


def task_examples(task: Any, path: Path) -> Examples:
    """The examples of a file."""
    import daft

    names, texts = read_examples(task)
    words = daft.from_pydict({"text": texts}).select(word_hashes(daft.col("text")).alias("words")).to_arrow()
    examples = Examples(task.name, pa.array(names), path)
    examples.add(np.arange(len(names)), words["words"].combine_chunks())
    examples.close()
    return examples


def split_examples(source: Path, sides: dict[str, Ints], scratch: Path) -> list[Examples]:
    """The documents of some splits as examples, all in one pass over the texts."""
    from daft import col

    sets = [Examples(name, ids_of(source, numbers), scratch / name) for name, numbers in sides.items()]
    wanted = np.sort(np.concatenate([np.empty(0, np.int64), *sides.values()]))
    plan = numbered(source, ["text"], wanted).select("document", word_hashes(col("text")).alias("words"))
    for batch in plan.to_arrow_iter():
        document = batch["document"].to_numpy()
        for examples, numbers in zip(sets, sides.values(), strict=True):
            place = np.searchsorted(numbers, document)
            here = np.flatnonzero(np.append(numbers, -1)[place] == document)
            examples.add(place[here], batch["words"].take(pa.array(here)))
    for examples in sets:
        examples.close()
    return sets


class Table:
    """The n-grams of all sets of examples, which are numbered through, and of the documents that may have them."""

    def __init__(self, sets: list[Examples], longest: int, scratch: Path) -> None:
        self.sets = sets
        self.n = np.array([examples.ngram(longest) for examples in sets], np.int64)
        self.offset = np.cumsum([0, *(len(examples.ids) for examples in sets)])
        counts = [np.maximum(each.words - n + 1, 0).sum() for each, n in zip(sets, self.n, strict=True)]
        self.bits = partition_bits(int(sum(counts)))
        self.bitmap = new_bitmap(int(sum(counts)))
        self.examples = Partitions(scratch, "examples", self.bits)
        self.documents = Partitions(scratch, "documents", self.bits)
        for i, examples in enumerate(sets):
            for hashes, example in examples.ngrams(int(self.n[i])):
                mark(self.bitmap, hashes)
                self.examples.append(hashes, example + self.offset[i])
        self.examples.flush()

    def scan(self, source: Path, training: Ints) -> NDArray[np.int32]:
        """One pass over the training texts; how many words each document has, by its number."""
        from daft import col

        find = finder(sorted(set(self.n.tolist())), self.bitmap)
        plan = numbered(source, ["text"], training).select(
            "document", find(word_hashes(col("text"))).alias("found")
        )
        words = np.zeros(training.max(initial=-1) + 1, np.int32)
        for batch in plan.to_arrow_iter():
            number = batch["document"].to_numpy()
            words[number] = pc.struct_field(batch["found"], "words").to_numpy()
            hashes, bounds = flat(pc.struct_field(batch["found"], "hashes"))
            self.documents.append(hashes, np.repeat(number, np.diff(bounds)))
        self.documents.flush()
        return words

    def judge(self, words: NDArray[np.int32], params: Decontaminate) -> Contaminated:
        """The documents that share enough with an example, each with the one it shares most with."""
        document, example, overlap, size, counts = self._overlaps(params.max_documents)
        of_set = self._set_of(example)
        share = overlap / np.minimum(size[example], words[document] - self.n[of_set] + 1)
        enough = np.flatnonzero(share >= params.min_share)
        # By document; within it the largest share first, then the first example.
        order = enough[np.lexsort((example[enough], -share[enough], document[enough]))]
        order = order[np.flatnonzero(np.diff(document[order], prepend=-1))]
        sets = of_set[order].tolist()
        report = {}
        for i, examples in enumerate(self.sets):
            begin, end = self.offset[i : i + 2]
            overlapping = example[enough[of_set[enough] == i]]
            report[examples.name] = {
                "examples": len(examples.ids),
                "too_short": int((size[begin:end] == 0).sum()),
                "ngram": int(self.n[i]),
                **{name: int(count[i]) for name, count in counts.items()},
                "overlapping_examples": len(np.unique(overlapping)),
                "contaminated": sets.count(i),
            }
        return Contaminated(
            document[order],
            [self.sets[s].name for s in sets],
            [
                self.sets[s].ids[e - self.offset[s]].as_py()
                for s, e in zip(sets, example[order].tolist(), strict=True)
            ],
            overlap[order],
            share[order],
            report,
        )

    def _overlaps(self, most: int) -> tuple[Ints, Ints, Ints, Ints, dict[str, Ints]]:
        """Each document and example that share n-grams, and how many: three arrays, sorted. Then how many
        n-grams each example has, and for each set how many, how many in training, how many stock phrases."""
        size = np.zeros(self.offset[-1], np.int64)
        counts = {
            name: np.zeros(len(self.sets), np.int64)
            for name in ("ngrams", "ngrams_in_training", "stock_phrases")
        }
        pairs = Counts()
        joined = partial(join, self.examples, self.documents, most=most)
        for found in ahead(joined, range(1 << self.bits)):
            np.add.at(size, found.example, 1)
            # Of each n-gram and set one pair: examples of a set are appended one after the other.
            of_set = self._set_of(found.example)
            once = np.diff(found.gram * len(self.sets) + of_set, prepend=-1) != 0
            gram, of_set = found.gram[once], of_set[once]
            times = found.documents_of[gram]
            for name, chosen in zip(counts, (times >= 0, times > 0, times > most), strict=True):
                counts[name] += np.bincount(of_set[chosen], minlength=len(self.sets))
            pairs.add(found.both, found.overlap)
        both, overlap = pairs.total()
        return both >> 32, both & 0xFFFFFFFF, overlap, size, counts

    def _set_of(self, example: Ints) -> Ints:
        return np.searchsorted(self.offset, example, side="right") - 1


def finder(ns: list[int], bitmap: Bitmap) -> Any:
    """A Daft function: the hashes of a document's words → how many, and those of its n-grams that are marked.

    An n-gram that stands in a document twice comes twice, and both before any of the next document.
    """
    import daft

    result = pa.struct([("words", pa.int64()), ("hashes", pa.large_list(pa.uint64()))])

    @daft.func.batch(return_dtype=daft.DataType.from_arrow_type(result))
    def find(words: daft.Series) -> pa.Array:
        lists = words.to_arrow()
        hashed, bounds = flat(lists)
        found, rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for n in ns:
            hashes = ngram_hashes(hashed, n)  # those that span two documents go once they are few
            place = marked(bitmap, hashes)
            row = np.searchsorted(bounds, place, side="right") - 1
            inside = place + n <= bounds[row + 1]
            found.append(hashes[place[inside]])
            rows.append(row[inside])
        row = np.concatenate(rows)
        order = np.argsort(row, kind="stable")
        ends = np.searchsorted(row[order], np.arange(len(lists) + 1))
        hits = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(np.concatenate(found)[order]))
        return pa.StructArray.from_arrays([pa.array(np.diff(bounds)), hits], ["words", "hashes"])

    return find
