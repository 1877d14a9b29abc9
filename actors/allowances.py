"""A person's commands at a shell, less those that move more of a market than one person may.

Owns which of them are applied, and what is noted of those that were. The sums are
engine.desk.moved_money's.
"""

from collections.abc import Sequence

from actors.messages import Allowance
from engine.common.acceptance import StopWaiting
from engine.common.commands import AckOutbox, MarketCommand
from engine.common.events import MarketEvent, Refused
from engine.common.units import Nanos
from engine.desk.approvals import subject
from engine.desk.moved_money import MovedMoney


class AllowedCommands:
    """The commands of one message.

    Parameters
    ----------
    moved : MovedMoney
        What people have moved before.
    by : str
        Whose commands they are.
    commands : Sequence[MarketCommand]
        One of a market at most moves anything.
    allowance : Allowance
        What each moves, and the most.
    at_ns : Nanos
        When they are applied.
    """

    def __init__(
        self,
        moved: MovedMoney,
        by: str,
        commands: Sequence[MarketCommand],
        allowance: Allowance,
        at_ns: Nanos,
    ) -> None:
        self._moved, self._person, self._at_ns = moved, subject(by), at_ns
        self._all = tuple(zip(commands, allowance.moved_minor, strict=True))
        self._refused: list[Refused | None] = []
        for command, minor in self._all:
            refused = None
            if minor:
                assert not isinstance(command, AckOutbox | StopWaiting), "it moves no money"
                refused = moved.fault(
                    self._person,
                    command.market_no,
                    minor,
                    most_minor=allowance.most_minor,
                    at_ns=at_ns,
                    window_ns=allowance.window_ns,
                )
            self._refused.append(refused)
        self.commands = tuple(
            command
            for (command, _), refused in zip(self._all, self._refused, strict=True)
            if refused is None
        )
        """Those that are allowed."""

    def noted(self, applied: Sequence[MarketEvent]) -> list[MarketEvent]:
        """Return the events of all commands, given those of the allowed ones, and count these."""
        rest = iter(applied)
        events: list[MarketEvent] = []
        for (command, minor), refused in zip(self._all, self._refused, strict=True):
            event = next(rest) if refused is None else refused
            if minor and not isinstance(event, Refused):
                assert not isinstance(command, AckOutbox | StopWaiting), "it moves no money"
                self._moved.note(self._person, command.market_no, minor, at_ns=self._at_ns)
            events.append(event)
        return events
