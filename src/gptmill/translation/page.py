"""reports/lineage.html: what each step from a fixed vector to GPT bought, in figures made here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gptmill.html.page import code, details, figure, grid, legend, page, paragraph, table, tiles
from gptmill.html.text import Markup, escape, join
from gptmill.run_report.drawings import Curve, Measured, both, curves, intervals
from gptmill.shown import number
from gptmill.translation.drawings import Point, by_length, heat_map
from gptmill.translation.facts import SystemFacts, gained

COLOURS = {"seq2seq": "lost", "rnnsearch": "edited", "transformer": "kept", "gpt": "other"}
PAPERS = {
    "seq2seq": ("Sutskever, Vinyals & Le 2014", "arXiv:1409.3215"),
    "rnnsearch": ("Bahdanau, Cho & Bengio 2014", "arXiv:1409.0473"),
    "transformer": ("Vaswani et al. 2017", "arXiv:1706.03762"),
    "gpt": ("Radford et al. 2018", "Improving Language Understanding by Generative Pre-Training"),
}
STORY = {
    "seq2seq": (
        "An LSTM reads the source backwards, and what it holds at the end is all that a second LSTM writes the target "
        "from: one vector of fixed size, however long the source was."
    ),
    "rnnsearch": (
        "The source stays: a bidirectional GRU leaves a state for each of its tokens, and before each token that it "
        "writes, the decoder weighs them all anew. The weights are learned with the rest, and can be looked at."
    ),
    "transformer": (
        "Attention alone. Without recurrence all places of a sequence are computed at once, and each layer looks "
        "again: source at source, target at what is written so far, target at source."
    ),
    "gpt": (
        "Half of the Transformer: its decoder, without a source of its own to look at. Source and target are one text, "
        "and attention over what is there so far does what cross attention did. Since it needs no pairs, it can be "
        "trained on any text."
    ),
}
SHARE = {"exact": 100.0}  # shares are shown in percent, as sacrebleu shows its own
KEYS = ("score", "low", "high")
WRONG = 6


def lineage_page(systems: Sequence[SystemFacts]) -> str:
    """The page. All systems have read the same pairs and are judged on the same test pairs."""
    first = systems[0]
    metric = first.metrics["primary"]
    lead = (
        f"{', '.join(fact.name for fact in systems)}: trained on the same {number(first.training['pairs'])} "
        f"pairs, judged on the same {number(first.metrics['pairs'])} ({metric})."
    )
    return page(
        "From a fixed vector to GPT",
        lead,
        [
            ("The story", _story(systems)),
            ("Scores", _scores(systems, metric)),
            ("By length of the source", _lengths(systems, metric)),
            ("Where they look", _looks(systems)),
            ("What goes wrong", _wrong(systems)),
            ("Training", _training(systems)),
        ],
        style=".grid.maps{grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr))}",
    )


def _story(systems: Sequence[SystemFacts]) -> Markup:
    parts = [
        tiles(
            (_shown(fact, fact.score["score"]), fact.name, f"{_interval(fact)} · {PAPERS[fact.name][0]}")
            for fact in systems
        )
    ]
    for fact in systems:
        paper, where = PAPERS[fact.name]
        parts.append(Markup(f"<h3>{escape(fact.name)}</h3>"))
        parts.append(paragraph(STORY[fact.name], f" ({paper}, {where})."))
    parts.append(
        paragraph(
            "What such a model, trained on plain text alone, is worth is this project's main flow: ",
            Markup('<a href="index.html">its figures</a>'),
            ".",
        )
    )
    return join(parts)


def _scores(systems: Sequence[SystemFacts], metric: str) -> Markup:
    rows = []
    for fact in systems:
        scores = [
            "{:.2f} [{:.2f}, {:.2f}]".format(*(_times(name) * found[key] for key in KEYS))
            for name, found in fact.metrics["scores"].items()
        ]
        rows.append([fact.name, number(fact.metrics["parameters"]), number(fact.training["steps"]), *scores])
    names = [_metric(name) for name in systems[0].metrics["scores"]]
    measured = [Measured(fact.name, *(_times(metric) * fact.score[key] for key in KEYS)) for fact in systems]
    parts = [
        figure(
            both(
                intervals("Scores on the test split", measured, _metric(metric)),
                intervals("Scores on the test split", measured, _metric(metric), width=350),
            ),
            "Each with its 95 % interval, by bootstrap over the test pairs.",
            wide=True,
        ),
        table(
            "Scores with 95 % intervals, by bootstrap over the test pairs",
            ["system", "parameters", "steps", *names],
            rows,
        ),
    ]
    steps = []
    for before, after in pairwise(systems):
        found = gained(before, after)
        verdict = "beyond noise" if found.low > 0 or found.high < 0 else "within noise"
        steps.append(
            [
                f"{before.name} → {after.name}",
                f"{_times(metric) * found.difference:+.2f}",
                f"[{_times(metric) * found.low:+.2f}, {_times(metric) * found.high:+.2f}]",
                verdict,
            ]
        )
    parts.append(
        table(
            f"What each step bought: {_metric(metric)}, paired by source",
            ["step", "difference", "95 % interval", "is"],
            steps,
        )
    )
    signatures = [
        f"{name}: {found['signature']}"
        for name, found in systems[0].metrics["scores"].items()
        if "signature" in found
    ]
    if signatures:
        parts.append(paragraph("sacrebleu's signatures: ", code("; ".join(signatures))))
    return join(parts)


def _lengths(systems: Sequence[SystemFacts], metric: str) -> Markup:
    times = _times(metric)
    drawn = [
        (
            fact.name,
            COLOURS[fact.name],
            [Point(row["mean_tokens"], *(times * row[key] for key in KEYS)) for row in fact.by_length],
        )
        for fact in systems
    ]
    title = "Score by source length"
    rows = [
        [
            f"{row['tokens']} tokens",
            number(row["pairs"]),
            *(
                f"{times * own['score']:.1f} [{times * own['low']:.1f}, {times * own['high']:.1f}]"
                for own in (fact.by_length[n] for fact in systems)
            ),
        ]
        for n, row in enumerate(systems[0].by_length)
    ]
    return join(
        [
            paragraph(
                "The plot of Bahdanau et al. (figure 2), which showed why attention was needed: what has to pass "
                "through one vector fades as the source grows, what can be looked up does not."
            ),
            legend([(COLOURS[fact.name], fact.name) for fact in systems]),
            figure(
                both(by_length(title, drawn, _metric(metric)), by_length(title, drawn, _metric(metric), 350)),
                "Points stand at the mean length of their bin; bars are 95 % intervals.",
                wide=True,
            ),
            table(
                f"{_metric(metric)}, by tokens of the source",
                ["source", "pairs", *(fact.name for fact in systems)],
                rows,
            ),
        ]
    )


def _looks(systems: Sequence[SystemFacts]) -> Markup:
    looking = [fact for fact in systems if fact.alignments]
    if not looking:
        return paragraph("No heat maps were asked for (translate.evaluate.heat_maps).")
    parts = [
        paragraph(
            "Which source tokens the model reads while it writes the token at the left: for rnnsearch the weights of "
            "its attention, for the others the mean over the heads of the last layer but one, for GPT of what falls "
            "on the source. ␣ is a space, ⏎ the end. The sources are spread over the lengths, not chosen."
        )
    ]
    for fact in looking:
        maps = [
            figure(
                heat_map(f"{fact.name}: {''.join(one['source'])}", one),
                "right" if one["right"] else "wrong",
                "".join(one["source"]),
            )
            for one in fact.alignments
        ]
        parts.append(Markup(f"<h3>{escape(fact.name)}</h3>"))
        parts.append(Markup(grid(maps).replace('class="grid"', 'class="grid maps"', 1)))
    return join(parts)


def _wrong(systems: Sequence[SystemFacts]) -> Markup:
    parts = []
    for fact in systems:
        wrong = [row for row in fact.predictions if row["predicted"] != row["target"]]
        rows = [[row["source"], row["target"], row["predicted"]] for row in wrong[:WRONG]]
        caption = f"The first {len(rows)} of {number(len(wrong))} that differ from their reference, by id"
        content = table(caption, ["source", "reference", "written"], rows)
        parts.append(details(f"{fact.name}: {number(len(wrong))} of {number(len(fact.right))}", content))
    return join(parts)


def _training(systems: Sequence[SystemFacts]) -> Markup:
    drawn = [Curve(fact.name, COLOURS[fact.name], fact.curve) for fact in systems]
    rows = [
        [
            fact.name,
            number(fact.metrics["parameters"]),
            number(fact.training["steps"]),
            f"{fact.training['epochs']:g}",
            f"{fact.training['train_loss']:.4f}",
            f"{fact.metrics['val_loss']:.4f}",
        ]
        for fact in systems
    ]
    title = "Training loss over the steps"
    return join(
        [
            legend([(COLOURS[fact.name], fact.name) for fact in systems]),
            figure(
                both(
                    curves(title, drawn, "steps", "nats per token"),
                    curves(title, drawn, "steps", "nats per token", width=350),
                ),
                "The Transformer's has label smoothing in it, which keeps it from reaching zero.",
                wide=True,
            ),
            table(
                "Losses in nats per token; validation without label smoothing",
                ["system", "parameters", "steps", "epochs", "train loss", "validation loss"],
                rows,
            ),
            paragraph(
                "How long the trainings took differs at every run, so it is not on this page: ",
                code("docs/lineage.md"),
                " and the runs in MLflow have it.",
            ),
        ]
    )


def _times(metric: str) -> float:
    return SHARE.get(metric, 1.0)


def _metric(metric: str) -> str:
    return {"exact": "exactly right (%)", "bleu": "BLEU", "chrf": "chrF"}[metric]


def _shown(fact: SystemFacts, value: float) -> str:
    metric = fact.metrics["primary"]
    return f"{_times(metric) * value:.2f}" + (" %" if metric == "exact" else f" {_metric(metric)}")


def _interval(fact: SystemFacts) -> str:
    times = _times(fact.metrics["primary"])
    return f"{times * fact.score['low']:.2f} to {times * fact.score['high']:.2f}"
