"""reports/corpus.html: the figures as a page, section by section."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gptmill.corpus.report.clusters import Cluster, Member
from gptmill.corpus.report.figures import SPLITS, STAGES, Figures
from gptmill.corpus.report.histograms import SignalHistogram
from gptmill.corpus.report.pictures import flows, length_figure, signal_figure
from gptmill.html.page import (
    bar,
    code,
    details,
    excerpt,
    grid,
    legend,
    page,
    paragraph,
    table,
    tiles,
)
from gptmill.html.text import Markup, join
from gptmill.shown import number, share, shortened, size

ROWS = 30  # of a table; the rest is summed up in one
Plain = dict[str, int]


def corpus_page(
    figures: Figures,
    signals: Sequence[SignalHistogram],
    meanings: dict[str, str],
    lengths: tuple[list[float], dict[str, list[int]]],
    clusters: Sequence[Cluster],
) -> str:
    """The whole page.

    Args:
        meanings: signal → what it measures, in words.
        lengths: edges, and counts by fate (`histograms.length_histogram`).
    """
    first, last = figures["stages"]["collect"]["read"], figures["stages"]["dedupe"]["kept"]
    lead = (
        f"{number(first['documents'])} texts ({size(first['bytes'])}) were read, "
        f"{number(last['documents'])} documents ({size(last['bytes'])}) stay: "
        f"{share(last['documents'], first['documents'])} of the texts and "
        f"{share(last['bytes'], first['bytes'])} of the bytes."
    )
    sections = [
        ("Flow", _flow(figures)),
        ("Sources", _sources(figures)),
        ("Lengths", length_figure(*lengths)),
        ("Rules", _rules(figures, signals, meanings)),
        ("Languages and licences", _languages_and_licences(figures)),
        ("Duplicates", _duplicates(figures, clusters)),
        ("Contamination", _contamination(figures)),
        ("Boilerplate", _boilerplate(figures)),
        ("Personal data", _personal_data(figures)),
        ("Splits", _splits(figures)),
    ]
    return page("The corpus", lead, sections)


def _flow(figures: Figures) -> Markup:
    stages = figures["stages"]
    lost = [sum(part["documents"] for part in stages[name]["dropped"].values()) for name in STAGES]
    names = ("texts read twice or shut out", "dropped by the rules", "dropped as copies or contaminated")
    kept = stages["dedupe"]["kept"]
    items = [(number(kept["documents"]), "documents kept", size(kept["bytes"]))]
    items += [
        (number(count), name, f"{share(count, stages[stage]['read']['documents'])} of what {stage} read")
        for count, name, stage in zip(lost, names, STAGES, strict=True)
    ]
    return join([tiles(items), flows(figures)])


def _sources(figures: Figures) -> Markup:
    sources: dict[str, dict[str, Plain]] = figures["sources"]
    whole = max((row["read"]["bytes"] for row in sources.values()), default=0)
    rows = []
    for name, row in _largest(sources, lambda row: row["read"]["bytes"]):
        strips = [
            (colour, row[stage]["bytes"] / whole if whole else 0.0)
            for colour, stage in zip(("other", "kept-soft", "kept"), STAGES, strict=True)
        ]
        cells = [number(row[stage]["documents"]) for stage in ("read", *STAGES)]
        rows.append([bar(name, *strips), *cells, size(row["read"]["bytes"]), size(row["dedupe"]["bytes"])])
    stages = figures["stages"]
    totals = [stages["collect"]["read"], *(stages[stage]["kept"] for stage in STAGES)]
    foot = [
        "all",
        *(number(part["documents"]) for part in totals),
        size(totals[0]["bytes"]),
        size(totals[-1]["bytes"]),
    ]
    head = ["source", "read", "collected", "cleaned", "kept", "bytes read", "bytes kept"]
    colours = [("other", "bytes collected"), ("kept-soft", "cleaned"), ("kept", "kept")]
    return join([legend(colours), table("Documents of each source after each stage", head, rows, foot)])


def _rules(figures: Figures, signals: Sequence[SignalHistogram], meanings: dict[str, str]) -> Markup:
    stage = figures["stages"]["clean"]
    dropped = stage["dropped"]
    read, most = stage["read"]["documents"], max((part["documents"] for part in dropped.values()), default=0)
    rows = [
        [
            bar(reason, ("lost", part["documents"] / most)),
            number(part["documents"]),
            share(part["documents"], read),
            size(part["bytes"]),
        ]
        for reason, part in _largest(dropped, lambda part: part["documents"])
    ]
    text = paragraph(
        "A document is dropped by the first rule that it fails; its reason stands in ",
        code("data/clean/dropped.parquet"),
        ", and ",
        code("gptmill explain ID"),
        " shows its signals. In the pictures a dashed line is a limit.",
    )
    ruled = [signal_figure(item, meanings.get(item.signal, "")) for item in signals if item.limits]
    free = [signal_figure(item, meanings.get(item.signal, "")) for item in signals if not item.limits]
    colours = [("kept", "kept"), ("lost", "dropped by this rule"), ("lost-soft", "dropped by another")]
    parts = [text]
    if rows:
        caption = f"Documents that each rule dropped, of {number(read)}"
        parts.append(table(caption, ["rule", "documents", "share", "bytes"], rows))
    else:
        parts.append(paragraph("No document was dropped."))
    if ruled:
        parts += [legend(colours), grid(ruled)]
    if free:
        parts.append(details(f"{len(free)} signals that no rule looks at", grid(free)))
    return join(parts)


def _languages_and_licences(figures: Figures) -> Markup:
    return join(
        [
            _breakdown(
                "Documents kept by language (BCP 47; und: could not be told)",
                "language",
                figures["languages"],
            ),
            _breakdown("Documents kept by licence", "licence", figures["licences"]),
        ]
    )


def _breakdown(caption: str, name: str, amounts: dict[str, Plain]) -> Markup:
    whole = sum(part["bytes"] for part in amounts.values())
    rows = [
        [
            bar(label, ("kept", part["bytes"] / whole if whole else 0.0)),
            number(part["documents"]),
            size(part["bytes"]),
            share(part["bytes"], whole),
        ]
        for label, part in _largest(amounts, lambda part: part["bytes"])
    ]
    return table(caption, [name, "documents", "bytes", "of bytes"], rows)


def _duplicates(figures: Figures, clusters: Sequence[Cluster]) -> Markup:
    found: dict[str, Plain] = figures["duplicates"]
    read = figures["stages"]["dedupe"]["read"]["documents"]
    if not found:
        return paragraph("No document was a copy of another.")
    said = {"exact": "equal but for case and white space", "near": "similar, compared word by word"}
    rows = [
        [
            f"{reason}: {said[reason]}" if reason in said else reason,
            number(part["documents"]),
            share(part["documents"], read),
            size(part["bytes"]),
        ]
        for reason, part in found.items()
    ]
    caption = f"Documents dropped for another that is kept, of {number(read)}"
    parts = [table(caption, ["copies", "documents", "share", "bytes"], rows)]
    parts.append(Markup("<h3>The largest clusters</h3>"))
    parts += [_cluster(cluster, first=i == 0) for i, cluster in enumerate(clusters)]
    return join(parts)


def _cluster(cluster: Cluster, first: bool) -> Markup:
    copies = "1 copy" if cluster.copies == 1 else f"{number(cluster.copies)} copies"
    summary = f"{copies} of {shortened(cluster.kept.uri, 90)}"
    shown = [_member(cluster.kept, "kept"), *(_member(m, "dropped") for m in cluster.examples)]
    return details(summary, join(shown), shown=first)


def _member(member: Member, fate: str) -> Markup:
    alike = "" if member.similarity is None else f", similarity {member.similarity:.3f}"
    head = paragraph(f"{fate}{alike}: ", code(member.uri), f" ({member.source}) ", code(member.id))
    return join([head, excerpt(member.text)])


def _contamination(figures: Figures) -> Markup:
    found: dict[str, Plain] = figures["contaminated"]
    if not found:
        return paragraph(
            "No document was held against test examples: ", code("dedupe.decontaminate"), " is off."
        )
    rows = [
        [task, number(part["documents"]), size(part["bytes"])]
        for task, part in _largest(found, lambda part: part["documents"])
    ]
    return table(
        "Documents dropped because they share text with test examples", ["task", "documents", "bytes"], rows
    )


def _boilerplate(figures: Figures) -> Markup:
    edited = figures["stages"]["clean"]["edited_bytes"]
    cut = f"All that cleaning cuts out of texts (markup, code, boilerplate) is {size(max(0, edited))}."
    found: Plain = figures["boilerplate"]
    if not found.get("parts"):
        return paragraph(f"No line or paragraph was taken out for standing in many documents. {cut}")
    return paragraph(
        f"{number(found['parts'])} lines and paragraphs that stand in many documents were taken out of "
        f"{number(found['documents'])} documents. {cut}"
    )


def _personal_data(figures: Figures) -> Markup:
    rows = [[kind, number(count)] for kind, count in sorted(figures["personal_data"].items())]
    return table(
        "Pieces of personal data found in the documents kept by clean, by kind", ["kind", "found"], rows
    )


def _splits(figures: Figures) -> Markup:
    splits: dict[str, Plain] = figures["splits"]
    documents = sum(part["documents"] for part in splits.values())
    whole = sum(part["bytes"] for part in splits.values())
    rows = [
        [
            bar(name, ("kept", splits[name]["bytes"] / whole if whole else 0.0)),
            number(splits[name]["documents"]),
            share(splits[name]["documents"], documents),
            size(splits[name]["bytes"]),
            share(splits[name]["bytes"], whole),
        ]
        for name in SPLITS
    ]
    note = paragraph("A whole cluster of duplicates lies in one split, and its documents dropped with it.")
    return join(
        [note, table("Documents kept by split", ["split", "documents", "share", "bytes", "of bytes"], rows)]
    )


def _largest(table: dict[str, Any], weight: Any) -> Iterable[tuple[str, Any]]:
    """The entries by falling weight, then by name; beyond `ROWS` they are left to reports/corpus.json."""
    return sorted(table.items(), key=lambda item: (-weight(item[1]), item[0]))[:ROWS]
