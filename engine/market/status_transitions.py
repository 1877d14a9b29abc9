"""A market's moves: which command brings it to which status, and who may.

Owns the hold. A trader's stop HOLDS a market: a suspension, and the end of betting, which a feed
could take back. A trader's other moves let it go; what a feed says never touches the hold, and is
refused with MARKET_HELD where it would make the market ACTIVE in spite of it. A hold outlives what
a feed does meanwhile, the end of betting too: if that is rolled back, the market is held still.
Never resolves a bet.
"""

from typing import Any, Final, TypeVar

from engine.common.commands import (
    CloseMarket,
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    SetStatus,
    SuspendMarket,
)
from engine.common.events import (
    FeedStepEvent,
    MarketClosed,
    MarketHandedOver,
    MarketOpened,
    MarketResumed,
    MarketSuspended,
    Refused,
    StatusSet,
)
from engine.common.lifecycle import SETTING, Action, Status, next_status
from engine.common.reasons import MESSAGES, Reason
from engine.market.book import MARKET_FED_SHUT, MARKET_HELD, Book
from engine.market.command_checks import not_allowed

_Move = OpenMarket | SuspendMarket | ResumeMarket | HandOverMarket | CloseMarket
C = TypeVar("C")
Moving = _Move | SetStatus
"""The commands obeyed here."""
_ACTIONS: Final[dict[type[_Move], Action]] = {
    OpenMarket: Action.OPEN,
    SuspendMarket: Action.SUSPEND,
    ResumeMarket: Action.RESUME,
    HandOverMarket: Action.HAND_OVER,
    CloseMarket: Action.CLOSE,
}


class Moves:
    """The moves of a book's markets.

    Parameters
    ----------
    book : Book
        Statuses, versions and holds are written into it.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def obey(
        self, command: Moving, slot: int, at_ns: int, *, fed: bool, followed: bool
    ) -> FeedStepEvent:
        """Move a market, or refuse to and change nothing.

        Parameters
        ----------
        command : Moving
            Where to.
        slot : int
            The market.
        at_ns : int
            When, nanoseconds UTC.
        fed : bool
            A feed says so, and not a trader.
        followed : bool
            Some feed has spoken to this market, or the market was made for one to speak to.
        """
        if isinstance(command, SetStatus):
            return self._set_status(command, slot, at_ns)
        book, action = self._book, _ACTIONS[type(command)]
        before = book.status(slot)
        after = next_status(before, action)
        if fed and (after is not None or isinstance(command, SuspendMarket)):
            self._heard(slot, active=after == Status.ACTIVE)
        if after is None:
            event = None if fed else self._hold_or_let_go(command, slot, followed=followed)
            return event or not_allowed(before, action)
        if fed and after == Status.ACTIVE and book.flagged(slot, MARKET_HELD):
            return market_held("market_no")
        if not fed:
            shut = book.flagged(slot, MARKET_HELD) and book.flagged(slot, MARKET_FED_SHUT)
            book.flag(slot, MARKET_HELD, on=isinstance(command, SuspendMarket | CloseMarket))
            if isinstance(command, ResumeMarket) and shut:
                version = book.version(slot)
                return StatusSet(market_no=command.market_no, version=version, status=before)
        if after == Status.ACTIVE:
            book.flag(slot, MARKET_FED_SHUT, on=False)
        return _moved(command, book.enter(slot, after, at_ns))

    def _heard(self, slot: int, *, active: bool) -> None:
        """Remember what a feed last wanted, whether or not it had its way."""
        if next_status(self._book.status(slot), Action.SET_SUSPENDED) is not None:
            self._book.flag(slot, MARKET_FED_SHUT, on=not active)

    def _set_status(self, command: SetStatus, slot: int, at_ns: int) -> StatusSet | Refused:
        book = self._book
        action = SETTING.get(command.status)
        after = None if action is None else next_status(book.status(slot), action)
        if after is None:
            return Refused(
                reason=Reason.TRANSITION_NOT_ALLOWED,
                field="status",
                message=f"{book.status(slot).name} cannot be set to {Status(command.status).name}",
            )
        self._heard(slot, active=after == Status.ACTIVE)
        if after == Status.ACTIVE and book.flagged(slot, MARKET_HELD):
            return market_held("status")
        version = book.enter(slot, after, at_ns)
        return StatusSet(
            market_no=command.market_no, version=version, status=after, why=command.why
        )

    def _hold_or_let_go(
        self, command: _Move, slot: int, *, followed: bool
    ) -> MarketSuspended | StatusSet | None:
        """Suspend or resume, by a trader's word, a market that is not where that would move it.

        A feed that has stopped betting may start it again at any moment, so the trader's word must
        count now. A market that is no feed's becomes ACTIVE by such a word, and one whose betting
        is over not at all: they are refused as the table has it (None).
        """
        book, number, version = self._book, command.market_no, self._book.version(slot)
        status, held = book.status(slot), book.flagged(slot, MARKET_HELD)
        if next_status(status, Action.SET_SUSPENDED) is None:
            return None
        if isinstance(command, ResumeMarket) and held:
            book.flag(slot, MARKET_HELD, on=False)
            return StatusSet(market_no=number, version=version, status=status)
        if not isinstance(command, SuspendMarket) or held:
            return None
        if not followed and status != Status.SUSPENDED:
            return None
        book.flag(slot, MARKET_HELD, on=True)
        return MarketSuspended(market_no=number, version=version, why=command.why)


def _moved(command: _Move, version: int) -> FeedStepEvent:
    """Return what a move is told as."""
    number = command.market_no
    if isinstance(command, SuspendMarket):
        return MarketSuspended(market_no=number, version=version, why=command.why)
    if isinstance(command, OpenMarket):
        return MarketOpened(market_no=number, version=version)
    if isinstance(command, ResumeMarket):
        return MarketResumed(market_no=number, version=version)
    if isinstance(command, HandOverMarket):
        return MarketHandedOver(market_no=number, version=version)
    return MarketClosed(market_no=number, version=version)


_STATUSES: Final[dict[type, Status]] = {
    OpenMarket: Status.ACTIVE,
    ResumeMarket: Status.ACTIVE,
    SuspendMarket: Status.SUSPENDED,
    HandOverMarket: Status.HANDED_OVER,
}


def as_fed(command: C) -> C | SetStatus:
    """Return a command as a feed gives it that does so outside of a FeedUpdate: moves by status.

    A suspension by itself is a trader's and holds the market, a resumption lets it go.
    """
    status = _STATUSES.get(type(command))
    if status is None:
        return command
    moved: Any = command
    return SetStatus(market_no=moved.market_no, status=status, why=getattr(command, "why", ""))


def unpriced(command: C) -> C | SetStatus:
    """Return a command of a message whose odds could not be set: it opens nothing at older ones."""
    moved: Any = command
    if _STATUSES.get(type(command)) is Status.ACTIVE or (
        isinstance(command, SetStatus) and command.status is Status.ACTIVE
    ):
        return SetStatus(market_no=moved.market_no, status=Status.SUSPENDED, why="no price")
    return command


def market_held(field: str) -> Refused:
    """Return the refusal of what a trader's word stands against."""
    return Refused(reason=Reason.MARKET_HELD, field=field, message=MESSAGES[Reason.MARKET_HELD])
