"""How a defect is planted in a shell, and how it is hunted.

Owns what all plants share: a shell behind a defect, and the stories that bring a defect out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from engine.common.rows import Rows
from tests.simulator.generator import make_story
from tests.simulator.plant import Plant
from tests.simulator.story import Layout, Story


class Wrapped:
    """A shell behind a defect; whatever the defect does not touch is the shell's own."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shell, name)

    @property
    def tables(self) -> Any:
        """The rows of an account shell's ledger."""
        return self.shell._durable.machine._tables

    @property
    def book(self) -> Any:
        """The rows of a market shell's markets."""
        return self.shell._durable.machine._book

    def slot(self, bet_id: int) -> int:
        """Return the slot of a slip, or -1."""
        known = self.tables.slips["bet_id"][: self.tables.slips_len] == bet_id
        return int(known.argmax()) if known.any() else -1

    @property
    def serves(self) -> bool:
        return not self.shell.why


class ShellPlant(Plant):
    """A defect of every account shell or every market shell."""

    kind = "account"
    wrapper: type = Wrapped

    def wrap(self, name: str, part: Any) -> Any:
        return self.wrapper(part) if name.startswith(self.kind) else part


def rows(data: bytes, dtype: Any) -> Rows:
    """Return a copy of bytes as rows, which may be changed."""
    return np.frombuffer(data, dtype).copy()


class Hunt(NamedTuple):
    """How a defect is hunted: what the auditor must say of it, and the faults that bring it out."""

    says: str
    fault_kinds: tuple[str, ...] = ()
    pace: float | None = None
    """Steps a millisecond of the stories."""
    layout: Layout | None = None
    """Their world; None: the seed chooses it."""
    seeds_max: int = 30
    slip_share: float = 0.0
    """Slips of several legs in bets."""
    waits: bool = False
    """Whether markets delay and refer bets."""
    written: Callable[[int], Story] | None = None
    """Makes the story of a seed instead of the generator."""

    def story(self, seed: int) -> Story:
        if self.written is not None:
            return self.written(seed)
        story = make_story(
            seed,
            operations=250,
            layout=self.layout,
            fault_kinds=self.fault_kinds,
            fault_share=0.12,
            pace=self.pace,
            slip_share=self.slip_share,
            waits=self.waits,
        )
        return replace(story, layout=replace(story.layout, road=False))
