"""`finetune`: the tasks, and the recipe of GPT-1 for all of them.

A task's `kind` says what its examples are. Five kinds are read from files or from a dataset of the
Hugging Face hub; four are made from the corpus itself, one for each way to put an example to the model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gptmill.params import Fraction, Name, NonEmpty, PositiveInt, Section

# 0 and 1 in YAML are numbers; as labels they are names like any other.
Label = Annotated[NonEmpty, BeforeValidator(lambda v: str(v) if type(v) is int else v)]
Labels = Annotated[list[Label], Field(min_length=2)]
Columns = NonEmpty | list[NonEmpty]  # several columns are joined by a space
Rate = Annotated[float, Field(gt=0.0)]
ClassMetric = Literal["accuracy", "f1", "matthews"]


class Splits(Section):
    """File names or globs. Without `dev`, a tenth of train becomes it."""

    train: NonEmpty
    dev: NonEmpty | None = None
    test: NonEmpty


class AnyTask(Section):
    """What every task may set. The limits take a random sample, the same at every run."""

    max_tokens: Annotated[int, Field(ge=8)] | None = None  # of one input; without it, the model's block_size
    max_train: PositiveInt | None = None
    max_eval: PositiveInt | None = None  # of dev, and of test
    epochs: PositiveInt | None = None  # instead of finetune.epochs
    batch_size: PositiveInt | None = None  # instead of finetune.batch_size
    learning_rate: Rate | None = None  # instead of finetune.learning_rate
    primary: ClassMetric = "accuracy"


class Provenance(AnyTask):
    """Classification: which group (package, file) does a document come from, its names masked?"""

    kind: Literal["provenance"]
    max_labels: Annotated[int, Field(ge=2)]


class FromPassages(AnyTask):
    """Made from how documents are built; `same_group` is the share of false partners of the same group."""

    same_group: Fraction = 1.0


class SummaryOfBody(FromPassages):
    """Entailment: does this summary belong to this body, or to another one of the same group?"""

    kind: Literal["summary_of_body"]


class SameObject(FromPassages):
    """Similarity: do two paragraphs describe one object, or two of the same group?"""

    kind: Literal["same_object"]


class WhichBody(FromPassages):
    """Multiple choice: which of four bodies of the same group belongs to this summary?"""

    kind: Literal["which_body"]


class ReadTask(AnyTask):
    """A task read from files of a folder, or of a dataset on the hub at a revision (best a commit)."""

    folder: NonEmpty | None = None
    dataset: NonEmpty | None = None
    revision: NonEmpty | None = None
    files: Splits
    allow_overlap: bool = False

    @model_validator(mode="after")
    def has_one_place(self) -> ReadTask:
        if (self.folder is None) == (self.dataset is None):
            raise ValueError("give either folder, or dataset and revision: where the task's files are")
        if (self.dataset is None) != (self.revision is None):
            raise ValueError("dataset and revision go together: a hub dataset without one would move")
        return self


class LabelledTask(ReadTask):
    """A task whose answers are names from a set."""

    label: NonEmpty = "label"
    labels: Labels
    positive: Label | None = None  # the class that `f1` is about; without it, the mean over classes

    @model_validator(mode="after")
    def labels_are_distinct(self) -> LabelledTask:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels: {self.labels} holds a label twice")
        if self.positive is not None and self.positive not in self.labels:
            raise ValueError(f"positive = {self.positive!r} is not among labels {self.labels}")
        return self


class Classification(LabelledTask):
    kind: Literal["classification"]
    text: Columns = "text"


class Entailment(LabelledTask):
    kind: Literal["entailment"]
    premise: Columns = "premise"
    hypothesis: Columns = "hypothesis"


class Similarity(LabelledTask):
    kind: Literal["similarity"]
    first: Columns = "sentence1"
    second: Columns = "sentence2"


class MultipleChoice(LabelledTask):
    """`labels` name the answers, in their order; `answers` is a column for each, or one that lists all."""

    kind: Literal["multiple_choice"]
    context: Columns = "context"
    question: Columns | None = None
    answers: NonEmpty | Annotated[list[NonEmpty], Field(min_length=2)]

    @model_validator(mode="after")
    def a_label_for_each_answer(self) -> MultipleChoice:
        if isinstance(self.answers, list) and len(self.answers) != len(self.labels):
            raise ValueError(
                f"{len(self.answers)} answers need as many labels; labels has {len(self.labels)}"
            )
        return self


class Regression(ReadTask):
    """A number for a text, or for two of which neither comes first."""

    kind: Literal["regression"]
    first: Columns = "sentence1"
    second: Columns | None = "sentence2"
    score: NonEmpty = "score"
    primary: Literal["pearson", "spearman"] = "pearson"  # type: ignore[assignment]


Task = Annotated[
    Provenance
    | SummaryOfBody
    | SameObject
    | WhichBody
    | Classification
    | Entailment
    | Similarity
    | MultipleChoice
    | Regression,
    Field(discriminator="kind"),
]


class Finetune(Section):
    """The recipe; defaults are the paper's (Radford et al. 2018, section 4.1)."""

    tasks: dict[Name, Task]
    epochs: PositiveInt = 3
    batch_size: PositiveInt = 32
    learning_rate: Rate = 6.25e-5
    warmup_fraction: Fraction = 0.002
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    grad_clip: Annotated[float, Field(ge=0.0)] = 1.0
    classifier_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    lm_weight: Annotated[float, Field(ge=0.0)] = 0.5
    seeds: PositiveInt = 1  # trainings of each task; the first one's model is kept
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
