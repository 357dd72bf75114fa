"""`engine`: who runs the plans of the data stages. No stage depends on it, for the bytes are the same."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from gptmill.params import NonEmpty, Section


class Engine(Section):
    """Daft's native runner in this process, or Ray: at an address, or a cluster started on this machine."""

    runner: Literal["native", "ray"] = "native"
    address: NonEmpty | None = None

    @model_validator(mode="after")
    def address_is_of_a_cluster(self) -> Engine:
        if self.address and self.runner != "ray":
            raise ValueError(
                f"address: {self.address} is of a Ray cluster; set runner: ray, or address: null"
            )
        return self
