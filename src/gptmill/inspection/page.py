"""`gptmill inspect`'s page: one file, no script, nothing fetched."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from gptmill.html.page import bar, details, figure, page, paragraph, table, tiles
from gptmill.html.text import Markup, escape
from gptmill.inspection.embeddings import Near, Space
from gptmill.inspection.pictures import LABELLED, large_map, small_map
from gptmill.inspection.trace import Trace, trace
from gptmill.models.language_model import LanguageModel
from gptmill.shown import number
from gptmill.tokens.tokenizer import Tokenizer

TOP = 5  # tokens shown of a distribution
NEAR = 8  # neighbours
DEEPEST = 12.0  # bits at which a token's colour is full
STYLE = """
.tok{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
font-size:.92em;white-space:pre}
.loss{background:var(--field);border-radius:6px;padding:.8rem 1rem;line-height:2;overflow-wrap:anywhere}
.loss span{white-space:pre-wrap;padding:.16em 0;border-radius:3px;
background:color-mix(in srgb,var(--lost) calc(var(--w)*70%),transparent)}
.scale{height:.75rem;margin-top:.5rem;max-width:20rem;border-radius:3px;
background:linear-gradient(90deg,transparent,color-mix(in srgb,var(--lost) 70%,transparent));
border:1px solid var(--line)}
.pick{display:inline-block;margin-right:.7rem;font-size:.95em}
.pick small{color:var(--soft);margin-left:.3rem}
:is(#next-token,#through-the-layers) :is(td,th):last-child{text-align:left;padding-left:1rem}
.heads{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:1rem;margin:.8rem 0}
svg.map image{image-rendering:pixelated}
svg.map .frame{fill:var(--field);stroke:var(--line);stroke-width:.6}
"""


def inspection_page(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, words: Sequence[str], analogies: Sequence[str]
) -> str:
    """The whole page as HTML.

    Args:
        words: whose neighbours are shown; none: those of the prompt's last tokens.

    Raises:
        UserError: for a prompt longer than the context, or an analogy that can't be read.
    """
    space = Space(model.token_embedding.weight, tokenizer)
    sums = [space.analogy(expression, NEAR) for expression in analogies]
    seen = trace(model, tokenizer.encode(prompt), tokenizer.eos_id)
    names = vocabulary(tokenizer)
    asked = [(word, space.tokens_of(word)) for word in words]
    if not asked:
        last = dict.fromkeys(reversed(seen.ids[1:]))
        asked = [(names[token], [token]) for token in list(last)[:8]]
    near = [space.neighbours(word, ids, NEAR) for word, ids in asked]
    return page(
        "What the model makes of it",
        f"{model.config.preset}, {model.config.n_layer} layers, {len(seen.ids) - 1} tokens of a prompt",
        [
            ("Loss per token", _losses(seen, tokenizer, names, prompt)),
            ("Next token", _predictions(seen, names)),
            ("Through the layers", _lens(seen, names)),
            ("Attention", _attention(seen, names)),
            ("Embeddings", _embeddings(near, sums, names)),
        ],
        STYLE,
    )


def vocabulary(tokenizer: Tokenizer) -> list[str]:
    """Each token's text with its spaces and line ends to be seen."""
    texts = [piece.decode("utf-8", errors="backslashreplace") for piece in tokenizer.pieces()]
    return [text.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥") for text in texts]


def _token(name: str) -> Markup:
    return Markup(f'<span class="tok">{escape(name)}</span>')


def _picks(chances: Tensor, names: list[str], count: int = TOP) -> Markup:
    values, ids = chances.topk(count)
    return Markup(
        "".join(
            f'<span class="pick">{_token(names[token])}<small>{value:.2f}</small></span>'
            for token, value in zip(ids.tolist(), values.tolist(), strict=True)
        )
    )


def _losses(seen: Trace, tokenizer: Tokenizer, names: list[str], prompt: str) -> Markup:
    nats = seen.nats
    pieces = tokenizer.pieces()
    spans = []
    for token, loss in zip(seen.ids[1:], nats, strict=True):
        text = pieces[token].decode("utf-8", errors="backslashreplace")
        bits = loss / math.log(2)
        title = escape(f"{names[token]}: {bits:.2f} bits, probability {math.exp(-loss):.4f}")
        spans.append(
            f'<span title="{title}" style="--w:{min(1.0, bits / DEEPEST):.3f}">{escape(text)}</span>'
        )
    bits = sum(nats) / math.log(2)
    n_bytes = len(prompt.encode("utf-8"))
    facts = tiles(
        [
            (f"{bits / max(1, n_bytes):.3f}", "bits per byte", f"{n_bytes:,} bytes"),
            (f"{math.exp(sum(nats) / max(1, len(nats))):.1f}", "perplexity", f"{len(nats):,} tokens"),
            (f"{max(nats, default=0) / math.log(2):.1f}", "bits, the worst token", ""),
        ]
    )
    key = paragraph(
        f"The redder a token, the less the model expected it, from 0 to {DEEPEST:g} bits and more. "
        "The first token is predicted from the start of a document. Hold the pointer over a token for its figures."
    )
    text = Markup(
        f'<div class="loss" dir="auto">{"".join(spans)}</div>\n<div class="scale" aria-hidden="true"></div>'
    )
    return Markup(f"{facts}\n{key}\n{text}")


def _predictions(seen: Trace, names: list[str]) -> Markup:
    rows: list[list[str]] = []
    for place, token in enumerate(seen.ids):
        chances = seen.chances[place]
        entropy = -(chances * chances.clamp_min(1e-30).log2()).sum().item()
        cells = [_token(names[token]), f"{entropy:.2f}"]
        if place + 1 < len(seen.ids):
            following = seen.ids[place + 1]
            chance = float(chances[following])
            rank = int((chances > chance).sum()) + 1
            cells += [bar(names[following], ("kept", chance)), f"{chance:.4f}", number(rank)]
        else:
            cells += ["", "", ""]
        rows.append([*cells, _picks(chances, names)])
    return table(
        "After each token: how uncertain the model is, what came, how likely that was, and what it expected.",
        ["token", "entropy, bits", "what came", "probability", "rank", "likeliest, with probability"],
        rows,
    )


def _lens(seen: Trace, names: list[str]) -> Markup:
    final = int(seen.chances[-1].argmax())
    rows = []
    for layer, chances in enumerate(seen.lens):
        name = f"layer {layer}" if layer else "embedding"
        chance = float(chances[final])
        rank = int((chances > chance).sum()) + 1
        rows.append([bar(name, ("kept", chance)), f"{chance:.4f}", number(rank), _picks(chances, names)])
    about = paragraph(
        "What each layer's state at the last token would predict, were it the last one (the logit lens). The bar "
        "is the probability of what the model predicts in the end: ",
        _token(names[final]),
        ".",
    )
    head = ["after", "probability", "rank", "likeliest, with probability"]
    return Markup(f"{about}\n{table('The path of the last prediction.', head, rows)}")


def _attention(seen: Trace, names: list[str]) -> Markup:
    if seen.attention is None:
        return paragraph("This model has no attention: its state after one token is all it knows of it.")
    parts = [
        paragraph(
            "Each row is a token that looks back, each column one that it may look at: the stronger the colour, the "
            "more it takes from there (on a square-root scale). Under each head: how much goes to the token itself, to "
            "the one before and to the first."
        ),
    ]
    for layer, maps in enumerate(seen.attention, start=1):
        heads = "\n".join(
            figure(small_map(weights, f"Layer {layer}, head {head}"), _habits(weights), f"Head {head}")
            for head, weights in enumerate(maps, start=1)
        )
        content = f'<div class="heads">\n{heads}\n</div>'
        if len(seen.ids) <= LABELLED:
            label = f"Layer {layer}, mean of its heads"
            drawing = figure(
                large_map(maps.mean(0), [names[token] for token in seen.ids], label), "The mean of its heads."
            )
            content += details("With the tokens' names", drawing)
        parts.append(Markup(f"<h3>Layer {layer}</h3>\n{content}"))
    return Markup("\n".join(parts))


def _habits(weights: Tensor) -> str:
    rows = weights[1:]  # the first token has no choice
    if not len(rows):
        return ""
    own = weights.diagonal()[1:].mean()
    before = weights.diagonal(-1).mean()
    return f"itself {own:.0%}, before {before:.0%}, first {rows[:, 0].mean():.0%}"


def _embeddings(near: list[Near], sums: list[Near], names: list[str]) -> Markup:
    head = ["token", *(f"{place}." for place in range(1, NEAR + 1))]
    parts = [
        table("The tokens nearest to each, with the cosine of the angle.", head, _near_rows(near, names)),
        table("Analogies: the tokens nearest to the sum.", ["sum", *head[1:]], _near_rows(sums, names)),
    ]
    for found in sums + near:
        if any(len(ids) > 1 for ids in found.words):
            split = ", ".join("|".join(names[token] for token in ids) for ids in found.words)
            parts.append(
                paragraph(f"{found.asked}: not all words are tokens ({split}); of those, the mean counts.")
            )
    return Markup("\n".join(parts))


def _near_rows(near: list[Near], names: list[str]) -> list[list[str]]:
    return [
        [
            _token(found.asked),
            *(
                Markup(f"{_token(names[token])}<br /><small>{cosine:.2f}</small>")
                for token, cosine in found.found
            ),
        ]
        for found in near
    ]
