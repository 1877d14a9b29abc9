"""Commands tried on a fork of a shell's markets, with what the markets do that follow theirs.

Owns how much money they move, of each market. Never changes anything, and never judges it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from actors.messages import ShellPreview
from engine.common.commands import FeedUpdate, MarketCommand
from engine.common.events import MarketEvent, Refused
from engine.common.ids import MarketNo
from engine.common.previews import (
    FOLLOWING_SHOWN_MAX,
    PREVIEWED,
    FollowingPreview,
    Preview,
)
from engine.common.rows import Rows
from engine.common.units import BALANCE_MINOR_MAX, ODDS_MILLI_ONE, Minor, Nanos
from engine.market.market import MarketMachine
from engine.market.preview import Moved

if TYPE_CHECKING:
    from actors.derived_markets import DerivedMarkets


class Trial:
    """What some commands would do, applied together.

    Parameters
    ----------
    machine : MarketMachine
        The markets; only read.
    derived : DerivedMarkets or None
        Says what those need that follow others; None where none do.
    commands : sequence of MarketCommand
        Of the types PREVIEWED.
    at_ns : Nanos
        When they would be applied.
    """

    def __init__(
        self,
        machine: MarketMachine,
        derived: "DerivedMarkets | None",
        commands: Sequence[MarketCommand],
        at_ns: Nanos,
    ) -> None:
        self._machine, self._twin = machine, machine.fork()
        given = commands if derived is None else derived.dated(commands, machine, at_ns)
        self.events: list[MarketEvent] = []
        """The event or refusal of each command."""
        numbers: dict[MarketNo, None] = {}
        for command in given:
            assert isinstance(command, PREVIEWED), "only these are tried"
            self.events.append(self._twin.attempt(command, at_ns))
            if not isinstance(self.events[-1], Refused):
                numbers[command.market_no] = None
        follow: dict[MarketNo, None] = {}
        if derived is not None and numbers:
            for update in derived.fork().follow(self._twin, self.events, at_ns):
                if isinstance(update, FeedUpdate):
                    follow[update.market_no] = None
                    for step in update.steps:
                        self._twin.attempt(step, at_ns, by_feed=True)
        moved = {number: machine.moved(self._twin, number) for number in numbers | follow}
        self.moved: Final = moved
        """How much moves of each market that is commanded or follows."""
        self.following: Final = {
            at: moved[at]
            for at in follow
            if at not in numbers and (moved[at].minor or len(moved[at].legs))
        }
        """The same of those that only follow, where it is anything."""

    def priced(self, slips: Rows) -> dict[MarketNo, Minor] | None:
        """Return how much money moves of each market, by what slips can be paid (SLIP_MOST rows).

        None where a leg is not among them: it came after they were looked up.
        """
        most = dict(zip(slips["bet_id"].tolist(), slips["most_minor"].tolist(), strict=True))
        sums = {}
        for number, moved in self.moved.items():
            legs = priced_legs(moved.legs, most)
            if legs is None:
                return None
            sums[number] = Minor(min(moved.minor + legs, BALANCE_MINOR_MAX))
        return sums

    def preview(self) -> ShellPreview:
        """Return what the first command does to its market and to those that follow it."""
        (event, *_) = self.events
        if isinstance(event, Refused):
            return ShellPreview(refused=event)
        found = self._machine.compare(self._twin, next(iter(self.moved)))
        preview = self._with_following(found) if self.following else found
        return ShellPreview(preview=preview, legs=legs_of(self.moved.values()))

    def _with_following(self, found: Preview) -> Preview:
        most = sorted(self.following, key=lambda number: (-self.following[number].minor, number))
        return replace(
            found,
            moved_minor=_sum([one.minor for one in self.moved.values()]),
            following_markets=len(most),
            following=tuple(
                FollowingPreview(
                    market_no=number,
                    key=self._machine.price_image(number).key,
                    moved_minor=self.following[number].minor,
                )
                for number in most[:FOLLOWING_SHOWN_MAX]
            ),
        )


def priced_legs(legs: Rows, most: Mapping[int, int]) -> int | None:
    """Return what legs (LEG_TIMES rows) move by the most of their slips; None: one is not known."""
    total = 0
    columns = (legs[name].tolist() for name in ("bet_id", "times_milli"))
    for bet_id, times_milli in zip(*columns, strict=True):
        most_minor = most.get(bet_id)
        if most_minor is None:
            return None
        total += -(-most_minor * times_milli // ODDS_MILLI_ONE)
    return total


def legs_of(moved: Iterable[Moved]) -> bytes:
    """Return the legs of several markets, as LEG_TIMES rows."""
    return b"".join(one.legs.tobytes() for one in moved)


def _sum(amounts: Sequence[int]) -> Minor:
    return Minor(min(sum(amounts), BALANCE_MINOR_MAX))
