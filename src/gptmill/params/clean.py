"""`clean`: what is repaired and replaced, and which signals decide."""

from __future__ import annotations

from pydantic import model_validator

from gptmill.corpus.signals import SIGNALS
from gptmill.errors import nearest
from gptmill.params import Section


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


class Clean(Section):
    """`rules` maps a signal to its threshold, in the order in which they are asked."""

    replace_pii: bool
    rules: dict[str, Threshold]

    @model_validator(mode="after")
    def rules_name_signals(self) -> Clean:
        # Dolma's published configs named attributes that no tagger wrote: those rules never fired.
        for name in self.rules:
            if name not in SIGNALS:
                raise ValueError(
                    f'rules: "{name}" is no signal{nearest(name, SIGNALS)} Signals: {", ".join(SIGNALS)}'
                )
        return self
