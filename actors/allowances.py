"""A person's commands at a shell, less those that move more money than they may.

Owns which of them are applied, and what is noted of those that were. How much they move is worked
out here and now, on a fork of the markets: bets that came since anybody looked count. The sums are
engine.desk.moved_money's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from actors.trial import Trial, legs_of
from actors.weights import SLIP_MOST, Allowance, Weighed, Weight
from engine.common.commands import MarketCommand
from engine.common.events import MarketEvent, Refused
from engine.common.ids import MarketNo
from engine.common.people import subject
from engine.common.previews import PREVIEWED, ExpectedMarket
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Minor, Nanos
from engine.desk.moved_money import MovedMoney
from engine.market.market import MarketMachine

if TYPE_CHECKING:
    from actors.derived_markets import DerivedMarkets


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
        How far they may go.
    machine, derived
        The markets, and what follows them; only read.
    at_ns, wall_ns : Nanos
        When they are applied, by the journal's clock and by the wall's, which windows go by.
    """

    def __init__(
        self,
        moved: MovedMoney,
        by: str,
        commands: Sequence[MarketCommand],
        allowance: Allowance,
        *,
        machine: MarketMachine,
        derived: "DerivedMarkets | None",
        at_ns: Nanos,
        wall_ns: Nanos,
    ) -> None:
        self._moved, self._person, self._wall_ns = moved, subject(by), wall_ns
        self._allowance = allowance
        self._refused = _stale(commands, allowance, machine)
        self._places = [
            at
            for at, command in enumerate(commands)
            if isinstance(command, PREVIEWED) and self._refused[at] is None
        ]
        self._sums: dict[MarketNo, Minor] = {}
        if self._places and allowance.message_minor is not None:
            trial = Trial(machine, derived, [commands[at] for at in self._places], at_ns)
            fault = self._fault(trial, allowance.message_minor)
            for at, event in zip(self._places, trial.events, strict=True):
                self._refused[at] = event if isinstance(event, Refused) else fault
        self.commands = tuple(
            command
            for command, refused in zip(commands, self._refused, strict=True)
            if refused is None
        )
        """Those that are allowed."""

    def _fault(self, trial: Trial, most_minor: Minor) -> Refused | None:
        """Return why what the commands move is too much, if it is: then none of them is applied."""
        allowance = self._allowance
        sums = trial.priced(np.frombuffer(allowance.slips, SLIP_MOST))
        if sums is None:
            return _refused(Reason.PROPOSAL_STALE, "legs of slips came meanwhile")
        total_minor = sum(sums.values())
        if total_minor > most_minor:
            reason = Reason.PROPOSAL_STALE if allowance.approved else Reason.APPROVAL_NEEDED
            return _refused(reason, f"{total_minor} are moved, over {most_minor}")
        self._sums = sums
        if not allowance.window_ns:
            return None
        faults = (
            self._moved.fault(
                self._person,
                number,
                minor,
                most_minor=allowance.most_minor,
                at_ns=self._wall_ns,
                window_ns=allowance.window_ns,
            )
            for number, minor in sums.items()
        )
        return next((fault for fault in faults if fault is not None), None)

    def noted(self, applied: Sequence[MarketEvent]) -> list[MarketEvent]:
        """Return the events of all commands, given those of the allowed ones, and count these."""
        rest = iter(applied)
        events = [next(rest) if refused is None else refused for refused in self._refused]
        done = any(not isinstance(events[at], Refused) for at in self._places)
        if done and self._allowance.window_ns:
            for number, minor in self._sums.items():
                self._moved.note(self._person, number, minor, at_ns=self._wall_ns)
        return events


def _stale(
    commands: Sequence[MarketCommand], allowance: Allowance, machine: MarketMachine
) -> list[Refused | None]:
    """Return the refusals of those commands whose market is not as expected any more."""
    expected = {one.market_no: one for one in allowance.expected}
    refused: list[Refused | None] = []
    for command in commands:
        one = expected.get(command.market_no) if isinstance(command, PREVIEWED) else None
        if one is None or not machine.has_market(one.market_no):
            refused.append(None)
            continue
        found = ExpectedMarket(
            market_no=one.market_no,
            settlement_no=machine.settlement_no(one.market_no),
            market_bets=machine.market_bets(one.market_no),
        )
        wanted = replace(
            found,
            settlement_no=found.settlement_no if one.settlement_no is None else one.settlement_no,
            market_bets=found.market_bets if one.market_bets is None else one.market_bets,
        )
        refused.append(None if wanted == found else _changed(wanted, found))
    return refused


def _changed(wanted: ExpectedMarket, found: ExpectedMarket) -> Refused:
    return _refused(
        Reason.PROPOSAL_STALE,
        f"market {found.market_no} has settlement {found.settlement_no} and {found.market_bets} "
        f"bets, not settlement {wanted.settlement_no} and {wanted.market_bets} bets",
    )


def _refused(reason: Reason, why: str) -> Refused:
    return Refused(reason=reason, field="commands", message=f"{MESSAGES[reason]}: {why}")


def weigh(
    machine: MarketMachine,
    derived: "DerivedMarkets | None",
    commands: Sequence[MarketCommand],
    at_ns: Nanos,
) -> Weighed:
    """Return how much money commands would move, given together."""
    trial = Trial(machine, derived, commands, at_ns)
    weights = []
    for command, event in zip(commands, trial.events, strict=True):
        assert isinstance(command, PREVIEWED), "only these are tried"
        number = command.market_no
        weights.append(
            Weight(refused=event)
            if isinstance(event, Refused)
            else Weight(
                settlement_no=machine.settlement_no(number),
                moved_minor=trial.moved[number].minor,
                legs=trial.moved[number].legs.tobytes(),
            )
        )
    following = trial.following.values()
    return Weighed(
        weights=tuple(weights),
        following_minor=Minor(sum(one.minor for one in following)),
        following_legs=legs_of(following),
    )
