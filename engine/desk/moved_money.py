"""What each person's commands have moved on each market in a window of time, added up.

Owns the sums and the refusal of a command that would pass what one person may move alone. In the
memory of whoever applies the commands: a new process begins with nothing. Approved commands are two
people's and count in no sum.
"""

from collections import OrderedDict, deque
from typing import Final

from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Minor, Nanos

PAIRS_MAX: Final = 16_384
"""Pairs of a person and a market with a sum; past it the one that moved longest ago is dropped."""
MOVES_MAX: Final = 64
"""Moves of one pair; past it the two oldest count as one, at the time of the later."""
_NS_PER_S: Final = 1_000_000_000

_Move = tuple[Nanos, Minor]


class MovedMoney:
    """The sums of the markets of one shell."""

    def __init__(self) -> None:
        self._moves: OrderedDict[tuple[str, MarketNo], deque[_Move]] = OrderedDict()

    def moved_minor(
        self, person: str, market_no: MarketNo, *, at_ns: Nanos, window_ns: Nanos
    ) -> Minor:
        """Return what a person has moved on a market since `window_ns` before a time."""
        moves = self._moves.get((person, market_no), ())
        return Minor(sum(minor for then_ns, minor in moves if then_ns > at_ns - window_ns))

    def fault(
        self,
        person: str,
        market_no: MarketNo,
        moved_minor: Minor,
        *,
        most_minor: Minor,
        at_ns: Nanos,
        window_ns: Nanos,
    ) -> Refused | None:
        """Return the refusal of a command that moves so much, None where the sum allows it."""
        before = self.moved_minor(person, market_no, at_ns=at_ns, window_ns=window_ns)
        if not moved_minor or before + moved_minor <= most_minor:
            return None
        message = (
            f"{MESSAGES[Reason.APPROVAL_NEEDED]}: {moved_minor} are moved after {before} of the "
            f"market in {window_ns // _NS_PER_S} s, over desk.approval_minor, {most_minor}"
        )
        return Refused(reason=Reason.APPROVAL_NEEDED, field="commands", message=message)

    def note(self, person: str, market_no: MarketNo, moved_minor: Minor, *, at_ns: Nanos) -> None:
        """Count what a command has moved, at times that do not fall."""
        if not moved_minor:
            return
        pair = person, market_no
        moves = self._moves.setdefault(pair, deque())
        self._moves.move_to_end(pair)
        moves.append((at_ns, moved_minor))
        if len(moves) > MOVES_MAX:
            _, first = moves.popleft()
            then_ns, second = moves.popleft()
            moves.appendleft((then_ns, Minor(first + second)))
        if len(self._moves) > PAIRS_MAX:
            self._moves.popitem(last=False)
