"""reports/index.html: a run on one page. Without `Circumstances` its bytes depend on the facts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptmill.corpus.report.pictures import flows
from gptmill.html.page import code, details, excerpt, figure, legend, page, paragraph, table, tiles
from gptmill.html.text import Markup, escape, join
from gptmill.run_report.drawings import Curve, both, curves
from gptmill.run_report.facts import Facts
from gptmill.run_report.scores import language_model, memorised, tasks
from gptmill.shown import number, share, size

if TYPE_CHECKING:
    from gptmill.run_report.circumstances import Circumstances


def run_page(facts: Facts, now: Circumstances | None = None) -> str:
    """The whole page.

    Args:
        now: the commit, the clock and the champion; None for the page that is a DVC out.
    """
    metrics, model = facts.metrics, facts.model
    lead = (
        f"A {model['preset']} model of {number(facts.pretrain['parameters'])} parameters, trained from scratch on "
        f"{size(facts.corpus['splits']['train']['bytes'])} of text, codes unseen text at "
        f"{metrics['bits_per_byte']:.3f} bits per byte."
    )
    sections = [
        ("At a glance", _glance(facts)),
        ("Trained on", _trained_on(facts)),
        ("Training", _training(facts)),
        ("Language model", language_model(facts)),
        ("Tasks", tasks(facts)),
        ("Memorisation", memorised(facts)),
        *([("Champion", _champion(now))] if now else []),
        ("Samples", _samples(facts)),
        ("Gates", _gates(facts)),
        ("Cost", _cost(facts, now)),
        ("Make it again", _again(now)),
    ]
    return page("The run", lead, sections)


def _glance(facts: Facts) -> Markup:
    metrics = facts.metrics
    passed = sum(gate["success"] for gate in facts.gates.values())
    beaten = sum(found["score"] > found["baseline"] for found in facts.tasks.values())
    return tiles(
        [
            (f"{metrics['bits_per_byte']:.3f}", "bits per byte", f"xz -9: {metrics['xz_bits_per_byte']:.3f}"),
            (
                f"{metrics['perplexity']:.1f}",
                "perplexity a token",
                f"{number(metrics['test_tokens'])} tokens",
            ),
            (f"{beaten} of {len(facts.tasks)}", "tasks above their baseline", "fine-tuned"),
            (f"{passed} of {len(facts.gates)}", "gates passed", "before registration"),
        ]
    )


def _trained_on(facts: Facts) -> Markup:
    kept = facts.corpus["stages"]["dedupe"]["kept"]
    whole = sum(part["bytes"] for part in facts.corpus["licences"].values())
    licences = [
        [name, number(part["documents"]), size(part["bytes"]), share(part["bytes"], whole)]
        for name, part in sorted(facts.corpus["licences"].items(), key=lambda item: -item[1]["bytes"])
    ]
    sources = [
        [
            name,
            number(row["read"]["documents"]),
            number(row["dedupe"]["documents"]),
            size(row["dedupe"]["bytes"]),
        ]
        for name, row in facts.corpus["sources"].items()
    ]
    splits = facts.corpus["splits"]
    read = facts.corpus["stages"]["collect"]["read"]["documents"]
    said = (
        f"Of {number(read)} texts {number(kept['documents'])} documents ({size(kept['bytes'])}) stay after cleaning, "
        f"deduplication and decontamination; {number(splits['train']['documents'])} of them are for training, "
        f"{number(splits['test']['documents'])} for the test below. "
    )
    link = Markup('<a href="corpus.html">The corpus on a page of its own</a>')
    return join(
        [
            paragraph(said, link, " says what left and why."),
            table("Documents kept, by source", ["source", "read", "kept", "bytes kept"], sources),
            table(
                "Documents kept, by licence (SPDX)",
                ["licence", "documents", "bytes", "of bytes"],
                licences,
            ),
            details("The flow of documents and bytes through the stages", flows(facts.corpus)),
        ]
    )


def _training(facts: Facts) -> Markup:
    drawn = [
        Curve("train", "other", facts.train_loss),
        Curve("validation", "kept", facts.val_loss),
    ]
    level = ("unigram model, validation", facts.pretrain["unigram_loss"])
    pictures = [
        curves("Loss over the steps", drawn, "steps", "nats per token", level, width, height)
        for width, height in ((720, 280), (350, 230))
    ]
    said = (
        f"{number(facts.pretrain['steps'])} steps; {number(facts.pretrain['tokens'])} tokens, "
        f"{facts.pretrain['epochs']:g} of an epoch. Validation loss at the end: "
        f"{facts.pretrain['val_loss']:.3f} nats per token, {facts.pretrain['val_bits_per_byte']:.3f} bits per byte."
    )
    return join(
        [
            legend([("other", "train"), ("kept", "validation")]),
            figure(both(pictures[0], pictures[1]), said, wide=True),
        ]
    )


def _champion(now: Circumstances) -> Markup:
    first, *scores = now.champion
    items = "".join(f"<li>{escape(line)}</li>" for line in scores)
    return join([paragraph(first), *([Markup(f"<ul>{items}</ul>")] if items else [])])


def _samples(facts: Facts) -> Markup:
    said = paragraph("One continuation of each prompt of params.yaml at the default seed, not chosen.")
    return join([said, *(excerpt(sample["text"]) for sample in facts.samples)])


def _gates(facts: Facts) -> Markup:
    rows = []
    for name, gate in facts.gates.items():
        counts = gate["expectations"]
        met = counts["evaluated"] - counts["failed"]
        link = Markup(f'<a href="gates/{escape(name)}.json">{escape(name)}</a>')
        rows.append([link, "passed" if gate["success"] else "failed", f"{met} of {counts['evaluated']}"])
    return table("Great Expectations behind each stage", ["gate", "verdict", "expectations met"], rows)


def _cost(facts: Facts, now: Circumstances | None) -> Markup:
    model = facts.model
    rows = [
        ["parameters", number(facts.pretrain["parameters"])],
        ["layers, heads, width", f"{model['n_layer']}, {model['n_head']}, {model['n_embd']}"],
        ["context, vocabulary", f"{number(model['block_size'])}, {number(model['vocab_size'])} tokens"],
        ["tokens read in pretraining", number(facts.pretrain["tokens"])],
        ["FLOPs of pretraining (6 N + 12 L C T a token)", f"{facts.flops:.3g}"],
    ]
    if now and now.speed:
        speed = now.speed
        rows += [
            ["time of pretraining, without its looks at the validation split", _duration(speed.seconds)],
            ["tokens per second", number(round(speed.tokens_per_second))],
            ["share of the device's peak (MFU)", f"{speed.mfu:.1%}" if speed.mfu else "not known"],
            ["most memory held", f"{speed.memory_mb:,.0f} MB"],
            ["energy", "not measured"],
        ]
    said = [table("What the model and its training came to", ["", "figure"], rows)]
    if now and not now.speed:
        said.append(paragraph("Its training took place elsewhere: there is no record of the clock here."))
    if not now:
        said.append(
            paragraph(
                "Time, speed and memory differ at every run, so they are not on this page, which is the same for "
                "the same inputs: ",
                code("gptmill report"),
                " writes one that has them.",
            )
        )
    return join(said)


def _again(now: Circumstances | None) -> Markup:
    if now is None:
        said = [
            paragraph("This page belongs to the commit that it was committed with, which is printed by"),
            excerpt("git log -1 --format=%H -- reports/index.html"),
            paragraph("From that commit, this gives the same data, model and figures:"),
            excerpt("git checkout COMMIT\nmake repro"),
        ]
    else:
        dirty = " with changes to code or parameters that are in no commit" if now.dirty else ""
        said = [
            paragraph("Commit ", code(now.commit or "unknown (no Git repository)"), f"{dirty}."),
            paragraph(
                "Fingerprint of the pretraining, by which MLflow's run is found: ", code(now.fingerprint)
            ),
            paragraph("From that commit, this gives the same data, model and figures:"),
            excerpt(f"git checkout {now.commit or 'COMMIT'}\nmake repro"),
        ]
    note = (
        "Data are the same on every machine, models on the same kind of machine. With a DVC remote, dvc repro --pull "
        "fetches what somebody has made already."
    )
    return join([*said, paragraph(note)])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
