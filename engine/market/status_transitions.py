"""Transitions of a market's status: which command leads to which status, and who may give it.

Owns the hold. A trader who suspends a market or ends its betting HOLDS it; a trader's other
commands end the hold. Beside it stand the stops of those who suspended the market with others, each
of which ends by its author's command or by a resumption of all: what one person stopped no other
opens by the way. A feed never changes the hold, and MARKET_HELD refuses a feed that would make a
held market ACTIVE. A hold outlives what a feed does meanwhile: a market that a feed settles stays
held when the settlement is rolled back. Never resolves a bet.
"""

from typing import Any, Final, TypeVar

from msgspec import UNSET

from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    ResumeWithAll,
    SetStatus,
    SettleMarket,
    SuspendMarket,
    SuspendWithAll,
)
from engine.common.events import (
    FeedStepEvent,
    MarketClosed,
    MarketHandedOver,
    MarketKeptStopped,
    MarketOpened,
    MarketResumed,
    MarketSuspended,
    Refused,
    StatusSet,
)
from engine.common.lifecycle import SET_ACTIONS, Action, Status, next_status
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Nanos
from engine.market.book import (
    MARKET_FEED_STOPPED,
    MARKET_HELD,
    MARKET_VOIDED,
    Book,
)
from engine.market.command_checks import not_allowed
from engine.market.stops import (
    UNNAMED,
    hold,
    hold_alone,
    is_held_alone,
    stoppers,
    with_one_more,
    without,
)

C = TypeVar("C")
_ActionCommand = OpenMarket | SuspendMarket | ResumeMarket | HandOverMarket | CloseMarket
"""The commands that change a market's status."""
_Releasing = OpenMarket | ResumeMarket | HandOverMarket
"""Those that end what their author holds."""
_ACTIONS: Final[dict[type[_ActionCommand], Action]] = {
    OpenMarket: Action.OPEN,
    SuspendMarket: Action.SUSPEND,
    ResumeMarket: Action.RESUME,
    HandOverMarket: Action.HAND_OVER,
    CloseMarket: Action.CLOSE,
}


class StatusTransitions:
    """Change the status of a book's markets.

    Parameters
    ----------
    book : Book
        Receives statuses, versions and holds.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def apply(
        self, command: _ActionCommand, slot: int, at_ns: Nanos, *, by_feed: bool, has_feed: bool
    ) -> FeedStepEvent | MarketKeptStopped:
        """Change a market's status, or refuse the command and change nothing.

        Parameters
        ----------
        command : a command of _ACTIONS
            The command.
        slot : int
            The market's slot.
        at_ns : Nanos
            When, nanoseconds UTC.
        by_feed : bool
            A feed gives the command, not a trader.
        has_feed : bool
            A feed has sent this market a message, or the market was created for a feed.
        """
        book, action = self._book, _ACTIONS[type(command)]
        before = book.status(slot)
        after = next_status(before, action)
        if by_feed and (after is not None or isinstance(command, SuspendMarket)):
            self._note_feed_status(slot, active=after == Status.ACTIVE)
        if after is None:
            event = None if by_feed else self._hold_or_release(command, slot, has_feed=has_feed)
            return event or not_allowed(before, action)
        if by_feed and after == Status.ACTIVE and book.has_flag(slot, MARKET_HELD):
            return market_held("market_no")
        if not by_feed:
            both = book.has_flag(slot, MARKET_HELD) and book.has_flag(slot, MARKET_FEED_STOPPED)
            kept = self._hold_by(command, slot)
            if kept is not None:
                return kept
            if both and isinstance(command, ResumeMarket):
                version = book.version(slot)
                return StatusSet(market_no=command.market_no, version=version, status=before)
        if after == Status.ACTIVE:
            book.set_flag(slot, MARKET_FEED_STOPPED, on=False)
        return _event_of(command, book.set_status(slot, after, at_ns))

    def set_status(self, command: SetStatus, slot: int, at_ns: Nanos) -> StatusSet | Refused:
        """Set a market's status by name, whoever asks; see `apply`."""
        book = self._book
        before, action = book.status(slot), SET_ACTIONS.get(command.status)
        after = None if action is None else next_status(before, action)
        if after is None:
            return Refused(
                reason=Reason.TRANSITION_NOT_ALLOWED,
                field="status",
                message=f"{before.name} cannot be set to {Status(command.status).name}",
            )
        active = after == Status.ACTIVE
        self._note_feed_status(slot, active=active)
        if active and book.has_flag(slot, MARKET_HELD):
            return market_held("status")
        version = book.set_status(slot, after, at_ns)
        return StatusSet(
            market_no=command.market_no, version=version, status=after, why=command.why
        )

    def apply_with_all(
        self, command: SuspendWithAll | ResumeWithAll, slot: int, at_ns: Nanos, *, has_feed: bool
    ) -> FeedStepEvent | MarketKeptStopped:
        """Suspend a market because all are, or take that off; see `apply`."""
        if isinstance(command, SuspendWithAll):
            return self._suspend_with_all(command, slot, at_ns, has_feed=has_feed)
        book, before, number = self._book, self._book.status(slot), command.market_no
        who, alone = stoppers(book, slot), is_held_alone(book, slot)
        everybody = command.force is True or command.by is UNSET
        others = () if everybody else without(who, _name(command))
        if not who:
            return not_allowed(before, Action.RESUME)
        lifted = others != who
        if others or alone:
            hold(book, slot, others, alone=alone)
            return MarketKeptStopped(
                market_no=number,
                version=book.version(slot),
                status=before,
                lifted=lifted,
                others=others,
                held=alone,
            )
        resume = ResumeMarket(market_no=number)
        hold(book, slot, (UNNAMED,), alone=False)
        event = self.apply(resume, slot, at_ns, by_feed=False, has_feed=has_feed)
        if isinstance(event, Refused):  # betting has ended meanwhile: nothing is left but the hold
            hold(book, slot, (), alone=False)
            return StatusSet(market_no=number, version=book.version(slot), status=before)
        return event

    def _suspend_with_all(
        self, command: SuspendWithAll, slot: int, at_ns: Nanos, *, has_feed: bool
    ) -> FeedStepEvent | MarketKeptStopped:
        book, before, by = self._book, self._book.status(slot), _name(command)
        if book.has_flag(slot, MARKET_HELD):
            who = stoppers(book, slot)
            more = with_one_more(who, by) if by else who
            if more == who or next_status(before, Action.SET_SUSPENDED) is None:
                return not_allowed(before, Action.SUSPEND)
            hold(book, slot, more, alone=is_held_alone(book, slot))
            version = book.version(slot)
            return MarketSuspended(market_no=command.market_no, version=version, why=command.why)
        if before != Status.ACTIVE and not has_feed:
            return not_allowed(before, Action.SUSPEND)
        suspend = SuspendMarket(market_no=command.market_no, why=command.why)
        event = self.apply(suspend, slot, at_ns, by_feed=False, has_feed=has_feed)
        if not isinstance(event, Refused):
            hold(book, slot, (by,), alone=False)
            if before != Status.ACTIVE:  # only its feed may make it ACTIVE, as before
                book.set_flag(slot, MARKET_FEED_STOPPED, on=True)
        return event

    def _note_feed_status(self, slot: int, *, active: bool) -> None:
        """Record which status a feed last asked for, also when the market refused it."""
        if next_status(self._book.status(slot), Action.SET_SUSPENDED) is not None:
            self._book.set_flag(slot, MARKET_FEED_STOPPED, on=not active)

    def _hold_or_release(
        self, command: _ActionCommand, slot: int, *, has_feed: bool
    ) -> MarketSuspended | StatusSet | MarketKeptStopped | Refused | None:
        """Hold a market on a trader's suspension, or release it on a resumption, in its status.

        The table allows neither command here, but a feed that stopped betting may start it again at
        any moment, so the trader's command must take effect now. None means that the table's
        refusal stands: the market has no feed and only a trader can make it ACTIVE, or its betting
        has ended.
        """
        book, number, version = self._book, command.market_no, self._book.version(slot)
        status = book.status(slot)
        if next_status(status, Action.SET_SUSPENDED) is None:
            return None
        if isinstance(command, ResumeMarket) and book.has_flag(slot, MARKET_HELD):
            kept = self._release(command, slot)
            return kept or StatusSet(market_no=number, version=version, status=status)
        if not isinstance(command, SuspendMarket) or is_held_alone(book, slot):
            return None
        if not has_feed and status != Status.SUSPENDED:
            return None
        hold_alone(book, slot)
        return MarketSuspended(market_no=number, version=version, why=command.why)

    def _hold_by(self, command: _ActionCommand, slot: int) -> MarketKeptStopped | Refused | None:
        """Hold or release a market by a trader's command to it alone; None when that goes on."""
        if isinstance(command, SuspendMarket | CloseMarket):
            hold_alone(self._book, slot)
            return None
        kept = self._release(command, slot)
        return None if isinstance(command, HandOverMarket) else kept  # which opens nothing

    def _release(self, command: _Releasing, slot: int) -> MarketKeptStopped | Refused | None:
        """Take off the hold and the sender's own stop; None when nobody else's stands."""
        book, who = self._book, stoppers(self._book, slot)
        others = without(who, _name(command))
        lifted = others != who or is_held_alone(book, slot)
        hold(book, slot, others, alone=False)
        if not others:
            return None
        if not lifted:
            message = f"{MESSAGES[Reason.MARKET_HELD]}: {', '.join(others)}"
            return Refused(reason=Reason.MARKET_HELD, field="market_no", message=message)
        return MarketKeptStopped(
            market_no=command.market_no,
            version=book.version(slot),
            status=book.status(slot),
            lifted=True,
            others=others,
        )


def _name(command: SuspendWithAll | ResumeWithAll | _Releasing) -> str:
    """Return who gives a command, UNNAMED where that was not kept."""
    return UNNAMED if command.by is UNSET else command.by


def _event_of(command: _ActionCommand, version: int) -> FeedStepEvent:
    """Return the event of a command that changed the status."""
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


def as_feed_command(command: C) -> C | SetStatus:
    """Return a command as a feed must give it outside of a FeedUpdate: statuses are set by name.

    A trader's SuspendMarket would hold the market and a ResumeMarket would end a hold; SetStatus
    does neither.
    """
    status = _STATUSES.get(type(command))
    if status is None:
        return command
    given: Any = command
    return SetStatus(market_no=given.market_no, status=status, why=getattr(command, "why", ""))


def without_opening(command: C) -> C | SetStatus:
    """Return a step of a message whose odds were refused: one that would open suspends instead."""
    given: Any = command
    if _STATUSES.get(type(command)) is Status.ACTIVE or (
        isinstance(command, SetStatus) and command.status is Status.ACTIVE
    ):
        return SetStatus(market_no=given.market_no, status=Status.SUSPENDED, why="no price")
    return command


def market_held(field: str) -> Refused:
    """Return the refusal of a feed's command on a market that a trader holds or voided."""
    return Refused(reason=Reason.MARKET_HELD, field=field, message=MESSAGES[Reason.MARKET_HELD])


def note_trader_resolution(command: object, slot: int, *, book: Book) -> None:
    """Record that a trader ended betting or voided the market, or rolled the voiding back."""
    ended = book.status(slot) in (Status.SETTLED, Status.CANCELLED)
    if isinstance(command, SettleMarket | CancelMarket) and ended:
        hold_alone(book, slot)
    if isinstance(command, CancelMarket):
        book.set_flag(slot, MARKET_VOIDED, on=True)
    elif book.status(slot) != Status.CANCELLED:
        book.set_flag(slot, MARKET_VOIDED, on=False)
