"""`clean`: what is repaired, replaced and removed, and which signals decide."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from gptmill.corpus.presets import PRESETS
from gptmill.corpus.signals import SIGNALS
from gptmill.errors import nearest
from gptmill.params import NonEmpty, PositiveInt, Section


class Threshold(Section):
    """Keep a document only while the signal lies within [min, max]; a missing side is open."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def can_be_met(self) -> Threshold:
        if self.min is None and self.max is None:
            raise ValueError("a threshold needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min} is above max = {self.max}; no document can pass")
        return self


class Boilerplate(Section):
    """Lines and paragraphs of `min_words` words in more than `max_documents` documents go; null: none."""

    min_words: PositiveInt = 5
    max_documents: PositiveInt | None = None


class Clean(Section):
    """`rules` changes the preset: a signal's limits replace the preset's, null removes them."""

    replace_pii: bool
    preset: str
    rules: dict[str, Threshold | None] = Field(default_factory=dict)
    languages: list[NonEmpty] = Field(default_factory=list)
    c4_lines: bool = False
    boilerplate: Boilerplate = Boilerplate()

    @model_validator(mode="after")
    def names_are_known(self) -> Clean:
        if self.preset not in PRESETS:
            raise ValueError(
                f'preset: "{self.preset}" is no preset{nearest(self.preset, PRESETS)} '
                f"Presets: {', '.join(PRESETS)}"
            )
        # Dolma's published configs named attributes that no tagger wrote: those rules never fired.
        for name in self.rules:
            if name not in SIGNALS:
                raise ValueError(
                    f'rules: "{name}" is no signal{nearest(name, SIGNALS)} Signals: {", ".join(SIGNALS)}'
                )
        return self

    @field_validator("languages")
    @classmethod
    def languages_can_be_found(cls, languages_: list[str]) -> list[str]:
        # "eng" for "en" silently drops every document.
        if languages_:
            from gptmill.corpus.language import languages

            known = {part for name in languages() for part in (name, name.partition("-")[0])}
            for name in languages_:
                if name not in known:
                    hint = nearest(name, known)
                    raise ValueError(
                        f'"{name}" is no language that can be told{hint} BCP 47: "en", "de", "zh-Hant"'
                    )
        return languages_

    def resolved_rules(self) -> dict[str, Threshold]:
        """The limits in force by signal, in the order in which they are asked: the preset's, then others."""
        preset = {name: Threshold(**limits) for name, limits in PRESETS[self.preset].items()}
        return {name: limits for name, limits in (preset | self.rules).items() if limits is not None}
