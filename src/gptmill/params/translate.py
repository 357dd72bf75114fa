"""`translate`: parallel text, its shared vocabulary, the systems, how they are trained and judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gptmill.errors import UserError, nearest
from gptmill.params import Fraction, NonEmpty, PositiveInt, Section

Rate = Annotated[float, Field(gt=0.0)]
Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]


class Dates(Section):
    """Made here: dates as people write them, into ISO 8601. The numbers are pairs a split."""

    kind: Literal["dates"]
    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt
    first_year: Annotated[int, Field(ge=1000, le=9999)] = 1900
    last_year: Annotated[int, Field(ge=1000, le=9999)] = 2099
    interval_fraction: Fraction = 0.4

    @model_validator(mode="after")
    def enough_years(self) -> Dates:
        if self.last_year - self.first_year < 19:
            raise ValueError(
                f"first_year = {self.first_year} and last_year = {self.last_year} are fewer than 20 years: "
                "whole years are set aside for validation and test, a tenth each"
            )
        return self


class Tsv(Section):
    """A file a split, each line a source, a tab and its target."""

    kind: Literal["tsv"]
    train: NonEmpty
    validation: NonEmpty
    test: NonEmpty


class Lines(Section):
    """Two files a split, source and target; line n of one belongs to line n of the other."""

    kind: Literal["lines"]
    train: Annotated[list[NonEmpty], Field(min_length=2, max_length=2)]
    validation: Annotated[list[NonEmpty], Field(min_length=2, max_length=2)]
    test: Annotated[list[NonEmpty], Field(min_length=2, max_length=2)]


class HuggingFacePairs(Section):
    """A file of a dataset a split, JSONL or Parquet; a dotted column reaches into a mapping (translation.de)."""

    kind: Literal["huggingface"]
    dataset: NonEmpty
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    train: NonEmpty
    validation: NonEmpty
    test: NonEmpty
    source: NonEmpty
    target: NonEmpty


Pairs = Annotated[Dates | Tsv | Lines | HuggingFacePairs, Field(discriminator="kind")]


class Vocabulary(Section):
    """One SentencePiece model for both sides, and which pairs are kept."""

    model_type: Literal["bpe", "unigram"]
    vocab_size: Annotated[int, Field(ge=300, le=1_000_000)]
    character_coverage: Annotated[float, Field(gt=0.9, le=1.0)] = 1.0
    max_tokens: PositiveInt  # of a source or a target; longer pairs are dropped
    max_ratio: Annotated[float, Field(gt=1.0)]  # of the longer side's characters to the shorter one's


class Recipe(Section):
    """What each system is trained with: Adam, and a learning rate that warms up and falls."""

    learning_rate: Rate
    warmup_steps: Annotated[int, Field(ge=0)]
    # After the warm-up: inverse_sqrt falls as in Vaswani et al., section 5.3; linear falls to zero at the end.
    schedule: Literal["inverse_sqrt", "linear", "constant"]
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    max_steps: PositiveInt
    dropout: Dropout = 0.0

    @model_validator(mode="after")
    def warms_up_in_time(self) -> Recipe:
        if self.warmup_steps >= self.max_steps:
            raise ValueError(
                f"warmup_steps = {self.warmup_steps} leaves no step to train: max_steps = {self.max_steps}"
            )
        return self


class Seq2SeqSystem(Recipe):
    n_layer: PositiveInt
    n_embd: PositiveInt
    cell: Literal["lstm", "gru"] = "lstm"
    reverse_source: bool = True


class RNNSearchSystem(Recipe):
    n_embd: PositiveInt


def heads_share_the_width(section: Any) -> Any:
    """A check of a section with n_embd and n_head."""
    if section.n_embd % section.n_head:
        raise ValueError(f"n_embd = {section.n_embd} is not divisible by n_head = {section.n_head}")
    return section


class TransformerSystem(Recipe):
    n_layer: PositiveInt
    n_head: PositiveInt
    n_embd: PositiveInt
    n_ff: PositiveInt
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"

    _heads = model_validator(mode="after")(heads_share_the_width)


class GPTSystem(Recipe):
    """`block_size` is for source, end and target together, translations longer than any reference included."""

    block_size: PositiveInt
    n_layer: PositiveInt
    n_head: PositiveInt
    n_embd: PositiveInt

    _heads = model_validator(mode="after")(heads_share_the_width)


class Systems(Section):
    seq2seq: Seq2SeqSystem
    rnnsearch: RNNSearchSystem
    transformer: TransformerSystem
    gpt: GPTSystem


class TranslationTraining(Section):
    """What the systems share."""

    batch_size: PositiveInt  # pairs
    grad_clip: Annotated[float, Field(ge=0.0)]
    log_every: PositiveInt
    checkpoint_every: PositiveInt | None = None
    checkpoint_minutes: Rate | None = 5.0
    threads: PositiveInt | None = None  # of a CPU
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    precision: Literal["auto", "fp32", "bf16"]


class TranslationEvaluation(Section):
    """How the test split is translated and scored."""

    metrics: Annotated[list[Literal["exact", "bleu", "chrf"]], Field(min_length=1)]  # the first is the score
    batch_size: PositiveInt
    beams: PositiveInt  # 1 is greedy
    length_penalty: float
    max_new_tokens: PositiveInt  # a translation's longest
    length_bins: Annotated[
        list[PositiveInt], Field(min_length=1)
    ]  # source tokens at which the next bin begins
    resamples: Annotated[int, Field(ge=100)]
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    threads: PositiveInt | None = None  # of a CPU
    heat_maps: Annotated[int, Field(ge=0, le=20)]

    @model_validator(mode="after")
    def bins_rise(self) -> TranslationEvaluation:
        if sorted(set(self.length_bins)) != self.length_bins:
            raise ValueError(f"length_bins = {self.length_bins} must rise")
        if len(set(self.metrics)) < len(self.metrics):
            raise ValueError(f"metrics = {self.metrics} names one twice")
        return self


def system_named(arguments: list[str]) -> str:
    """The system that a stage's command line names.

    Raises:
        UserError: when it names none, or one that there isn't.
    """
    name, systems = " ".join(arguments), list(Systems.model_fields)
    if name not in systems:
        raise UserError(f'no system "{name}"{nearest(name, systems)} Systems: {", ".join(systems)}')
    return name


class Translate(Section):
    pairs: Pairs
    vocabulary: Vocabulary
    training: TranslationTraining
    evaluate: TranslationEvaluation
    systems: Systems
