"""Decontamination: training documents that share n-grams of words with what a model will be tested on.

Brown et al. 2020 (GPT-3, arXiv:2005.14165), appendix C. The n-gram of a set of examples has as many words
as its 5th percentile of lengths, at least 8 and at most `ngram` (13), so that sets of short sentences
count, too; an example shorter than that is left out. An n-gram that stands in more than `max_documents`
training documents (or examples) is a stock phrase and contaminates nothing.

A training document goes when it shares `min_share` of the n-grams of the shorter of the two, itself or the
example (containment: Broder 1997). One n-gram was enough for GPT-3, which then cut 200 characters around
it; documentation repeats itself, and one n-gram would cost a ninth of the default corpus for its test
split alone. Llama 2 (arXiv:2307.09288, appendix A.6) calls examples clean up to 20 % of their tokens.

Words are those of near-duplicates (`minhash.words`). In memory are the n-grams of the examples, 24 bytes
each and about 100 while they are sorted; training texts pass through Daft.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gptmill.corpus.examples import read_examples
from gptmill.corpus.minhash import Hashes, Ints, word_hashes
from gptmill.corpus.near_duplicates import numbered
from gptmill.corpus.shingles import document_ngrams, flat
from gptmill.params.dedupe import Decontaminate

SHORTEST = 8  # words: GPT-3's lower bound


@dataclass
class Examples:
    """A set of test examples: their ids, and the hashes of the words of each (list[uint64])."""

    name: str
    ids: list[str]
    words: pa.LargeListArray

    def ngram(self, longest: int) -> int:
        """How many words the n-grams of this set have."""
        lengths = np.diff(flat(self.words)[1])
        lengths = lengths[lengths > 0]
        return int(np.clip(np.percentile(lengths, 5), SHORTEST, longest)) if len(lengths) else longest


@dataclass
class Contaminated:
    """The training documents that go, and why: arrays of a figure a document, and the report."""

    document: Ints
    name: list[str]  # of the set of examples
    example: list[str]  # the id of the one with the largest overlap
    overlap: Ints  # n-grams shared with that example
    share: NDArray[np.float64]  # of the n-grams of the shorter of the two
    report: dict[str, dict[str, int]]


def contaminated(source: Path, ids: pa.Array, sides: dict[str, Ints], params: Decontaminate) -> Contaminated:
    """Find the training documents that overlap the examples of `params.against` and `params.splits`.

    Args:
        source: documents sorted by id; ids: theirs.
        sides: the numbers of the documents kept, by split.
    """
    sets = [*map(task_examples, params.against)]
    sets += [split_examples(source, ids, name, sides[name]) for name in params.splits]
    table = Table(sets, params.ngram)
    hits = table.scan(source, ids, sides["train"], params.max_documents)
    return table.judge(hits, params)


def task_examples(task: Any) -> Examples:
    """The examples of a file."""
    import daft

    names, texts = read_examples(task)
    words = daft.from_pydict({"text": texts}).select(word_hashes(daft.col("text")).alias("words")).to_arrow()
    return Examples(task.name, names, words["words"].combine_chunks())


def split_examples(source: Path, ids: pa.Array, name: str, numbers: Ints) -> Examples:
    """The documents of a split as examples."""
    from daft import col

    plan = numbered(source, ids, numbers).select("document", word_hashes(col("text")).alias("words"))
    found = plan.to_arrow()
    found = found.take(pc.sort_indices(found["document"])).combine_chunks()
    return Examples(name, ids.take(found["document"].combine_chunks()).to_pylist(), found["words"].chunk(0))


@dataclass
class Hits:
    """Which training documents hold which n-grams of the table; stock phrases are left out."""

    document: Ints
    gram: Ints
    documents_of: NDArray[np.int32]  # for each n-gram, in how many training documents it stands
    hit: Ints  # all documents with n-grams of the table, ascending
    words: Ints  # how many each of them has


class Table:
    """The n-grams of all sets of examples, numbered through, and the examples that have each."""

    def __init__(self, sets: list[Examples], longest: int) -> None:
        self.sets = sets
        self.n = np.array([examples.ngram(longest) for examples in sets], np.int64)
        self.offset = np.cumsum([0, *(len(examples.ids) for examples in sets)])
        parts = [document_ngrams(examples.words, int(n)) for examples, n in zip(sets, self.n, strict=True)]
        self.grams: dict[int, Hashes] = {}
        pairs = [np.empty((0, 2), np.int64)]  # (n-gram, example), each once
        for n in sorted(set(self.n.tolist())):
            chosen = [i for i in range(len(sets)) if self.n[i] == n]
            grams, gram = np.unique(np.concatenate([parts[i][0] for i in chosen]), return_inverse=True)
            example = np.concatenate([parts[i][1] + self.offset[i] for i in chosen])
            first = sum(map(len, self.grams.values()))
            pairs.append(np.unique(np.stack((gram + first, example), axis=1), axis=0))
            self.grams[n] = grams
        self.gram, self.example = np.concatenate(pairs).T
        self.size = np.bincount(self.example, minlength=self.offset[-1])  # n-grams of each example

    def scan(self, source: Path, ids: pa.Array, training: Ints, max_documents: int) -> Hits:
        """One pass over the training texts. A stock phrase is counted, not collected."""
        from daft import col

        find = finder(self.grams)
        plan = numbered(source, ids, training).select(
            "document", find(word_hashes(col("text"))).alias("hits")
        )
        times = np.zeros(sum(map(len, self.grams.values())), np.int32)
        none = np.empty(0, np.int64)
        documents, grams, hit, words = [none], [none], [none], [none]
        for batch in plan.to_arrow_iter():
            number, length = batch["document"].to_numpy(), pc.struct_field(batch["hits"], "words").to_numpy()
            gram, bounds = flat(pc.struct_field(batch["hits"], "grams"))
            np.add.at(times, gram, 1)
            rare = times[gram] <= max_documents
            documents.append(np.repeat(number, np.diff(bounds))[rare])
            grams.append(gram[rare])
            hit.append(number[np.diff(bounds) > 0])
            words.append(length[np.diff(bounds) > 0])
        order = np.argsort(np.concatenate(hit))
        gram = np.concatenate(grams)
        rare = times[gram] <= max_documents  # now that all were counted
        return Hits(
            np.concatenate(documents)[rare],
            gram[rare],
            times,
            np.concatenate(hit)[order],
            np.concatenate(words)[order],
        )

    def judge(self, hits: Hits, params: Decontaminate) -> Contaminated:
        """The documents that share enough with an example, each with the one it shares most with."""
        documents, example, overlap = self._overlaps(hits, params.max_documents)
        of_set = np.searchsorted(self.offset, example, side="right") - 1
        words = hits.words[np.searchsorted(hits.hit, documents)]
        share = overlap / np.minimum(self.size[example], words - self.n[of_set] + 1)
        enough = np.flatnonzero(share >= params.min_share)
        # By document; within it the largest share first, then the first example.
        order = enough[np.lexsort((example[enough], -share[enough], documents[enough]))]
        order = order[np.flatnonzero(np.diff(documents[order], prepend=-1))]
        sets = of_set[order].tolist()
        return Contaminated(
            documents[order],
            [self.sets[s].name for s in sets],
            [
                self.sets[s].ids[e - self.offset[s]]
                for s, e in zip(sets, example[order].tolist(), strict=True)
            ],
            overlap[order],
            share[order],
            self._report(of_set[order], example[enough], hits.documents_of, params.max_documents),
        )

    def _overlaps(self, hits: Hits, max_documents: int) -> tuple[Ints, Ints, Ints]:
        """Each document and example that share n-grams, and how many: three arrays, sorted."""
        starts = np.searchsorted(self.gram, hits.gram)
        counts = np.searchsorted(self.gram, hits.gram, side="right") - starts
        counts[counts > max_documents] = 0  # what so many examples share is a stock phrase, too
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        example = self.example[np.repeat(starts, counts) + within]
        document = np.repeat(hits.document, counts)
        both, overlap = np.unique(np.stack((document, example), axis=1), axis=0, return_counts=True)
        return both[:, 0], both[:, 1], overlap

    def _report(
        self, dropped: Ints, overlapping: Ints, documents_of: NDArray[np.int32], max_documents: int
    ) -> dict[str, dict[str, int]]:
        """For each set its examples, its n-grams, how many of them training text has, and what goes."""
        report = {}
        for i, examples in enumerate(self.sets):
            begin, end = self.offset[i : i + 2]
            times = documents_of[np.unique(self.gram[(self.example >= begin) & (self.example < end)])]
            seen = np.unique(overlapping[(overlapping >= begin) & (overlapping < end)])
            report[examples.name] = {
                "examples": len(examples.ids),
                "too_short": int((self.size[begin:end] == 0).sum()),
                "ngram": int(self.n[i]),
                "ngrams": len(times),
                "ngrams_in_training": int((times > 0).sum()),
                "stock_phrases": int((times > max_documents).sum()),
                "overlapping_examples": len(seen),
                "contaminated": int((dropped == i).sum()),
            }
        return report


def finder(tables: dict[int, Hashes]) -> Any:
    """A Daft function: the hashes of a document's words → how many, and which of the n-grams are in it.

    `tables` holds for each n the sorted n-grams; they are numbered through, in the order of n. A bitmap of
    the hashes' low bits answers for most n-grams that are in no table, without a search.
    """
    import daft

    result = pa.struct([("words", pa.int64()), ("grams", pa.large_list(pa.int64()))])
    bitmaps = {n: _bitmap(grams) for n, grams in tables.items()}
    offsets = np.cumsum([0, *map(len, tables.values())])

    @daft.func.batch(return_dtype=daft.DataType.from_arrow_type(result))
    def find(words: daft.Series) -> pa.Array:
        lists = words.to_arrow()
        found = []
        for (n, grams), offset in zip(tables.items(), offsets.tolist(), strict=False):
            hashes, row = document_ngrams(lists, n)
            marked = np.flatnonzero(bitmaps[n][hashes & np.uint64(len(bitmaps[n]) - 1)])
            hashes, row = hashes[marked], row[marked]
            place = np.searchsorted(grams, hashes)
            place = np.minimum(place, max(len(grams) - 1, 0))
            hit = grams[place] == hashes if len(grams) else np.zeros(0, bool)
            found.append(np.stack((row[hit], place[hit] + offset), axis=1))
        rows, grams = np.unique(np.concatenate(found), axis=0).T
        bounds = np.searchsorted(rows, np.arange(len(lists) + 1))
        counts = pa.array(np.diff(flat(lists)[1]))
        return pa.StructArray.from_arrays(
            [counts, pa.LargeListArray.from_arrays(pa.array(bounds), pa.array(grams))], ["words", "grams"]
        )

    return find


def _bitmap(grams: Hashes) -> NDArray[np.bool_]:
    """Which low bits occur: of a size at which one n-gram in sixteen that is not here passes."""
    size = 1 << max(10, int(np.ceil(np.log2(max(len(grams), 1) * 16))))
    marks = np.zeros(size, bool)
    marks[grams & np.uint64(size - 1)] = True
    return marks
