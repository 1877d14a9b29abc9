"""The market machine: every market of one shell as a deterministic state machine.

Owns which commands are obeyed, what each bet is answered, and what settlement sends out. Never
reads a clock, never does I/O, and never knows who asked: the same commands and bets in the same
order give the same state, to the last bit of its hash.

Bounds: `markets_max` markets, past which a market is refused with CAPACITY, and `bets_max`
remembered bets, past which a bet is refused with CAPACITY and not remembered; nothing is ever
forgotten to make room, so a bet refused so can never be accepted later. A journal is replayed under
the bounds it was written with.
"""

from typing import Any

import numpy as np

from engine.common.commands import (
    AckOutbox,
    CancelMarket,
    CreateMarket,
    FeedStep,
    FeedUpdate,
    Limits,
    MarketCommand,
    RollBackCancel,
    SetLimits,
    SetOdds,
    SettleMarket,
)
from engine.common.events import (
    FeedApplied,
    FeedStepEvent,
    LimitsSet,
    MarketCreated,
    MarketEvent,
    OddsSet,
    OutboxAcked,
    Refused,
)
from engine.common.ids import MalformedIdError, parse_market_key
from engine.common.lifecycle import Action, Status, next_status
from engine.common.reasons import Reason
from engine.common.rows import BET, DECISION, Rows
from engine.common.state_hash import BytesDigest, state_hash
from engine.common.units import BETS_MAX, MARKETS_MAX
from engine.common.views import BookImage, PriceDelta, PriceImage
from engine.market import state
from engine.market.bet_resolution import Resolutions, Resolving
from engine.market.book import (
    MARKET_AWAITED,
    MARKET_FED_SHUT,
    MARKET_HELD,
    MARKET_RESULTS,
    MARKET_VOIDED,
    OUTCOME_ACTIVE,
    Book,
)
from engine.market.command_checks import (
    create_fault,
    feed_fault,
    limits_fault,
    out_of_bounds,
    quotes_fault,
)
from engine.market.feed_positions import FeedPositions
from engine.market.outbox import Outbox
from engine.market.place_nb import decide_all_nb, look_up_nb
from engine.market.status_transitions import Moves, market_held, unpriced
from engine.market.views import book_image, price_delta, price_image


class MarketMachine:
    """Any number of markets, their bets and the settlements they owe.

    Parameters
    ----------
    bets_max, markets_max : int
        How much the machine may hold (see the module).
    """

    def __init__(self, *, bets_max: int = BETS_MAX, markets_max: int = MARKETS_MAX) -> None:
        assert 0 < bets_max <= BETS_MAX
        assert 0 < markets_max <= MARKETS_MAX
        self._bets_max = bets_max
        self._markets_max = markets_max
        self._book = Book()
        self._outbox = Outbox()
        self._resolutions = Resolutions(self._book, self._outbox)
        self._positions = FeedPositions()
        self._slot_of: dict[int, int] = {}
        self._no_of: dict[str, int] = {}
        self._keys: list[str] = []
        self._names: list[tuple[str, ...]] = []
        self._places = np.empty(0, np.int32)
        self._slots = np.empty(0, np.int32)
        self._digest = BytesDigest()
        self._digested = 0

    # --- bets -------------------------------------------------------------------------------------

    def place(self, rows: Rows, at_ns: int) -> Rows:
        """Decide bets in order, for any of the markets; the same id again gets the same answer.

        Parameters
        ----------
        rows : Rows
            BET rows.
        at_ns : int
            When they arrived, written on each bet that is new.

        Returns
        -------
        Rows
            DECISION rows in the same order.
        """
        assert rows.dtype == BET, f"BET rows, not {rows.dtype}"
        book, count = self._book, len(rows)
        book.room_for_bets(min(count, self._bets_max - book.bets_len))
        if count > len(self._places):
            self._places, self._slots = np.empty(count, np.int32), np.empty(count, np.int32)
        rows = np.ascontiguousarray(rows)
        decisions = np.empty(count, DECISION)
        book.bets_len = look_up_nb(
            rows,
            book.markets,
            book.market_table,
            book.records,
            book.bet_table,
            book.bets_len,
            self._bets_max,
            self._places,
            self._slots,
        )
        decide_all_nb(
            rows,
            at_ns,
            book.markets,
            book.outcomes,
            book.records,
            book.earlier,
            self._places,
            self._slots,
            decisions,
        )
        return decisions

    def reserve(self, *, bets: int) -> None:
        """Make room for more bets ahead of time, so that no batch waits while memory grows."""
        count = max(0, min(bets, self._bets_max - self._book.bets_len))
        self._book.room_for_bets(count)
        self._book.touch_ahead(count)

    @property
    def bets_len(self) -> int:
        """How many decisions are remembered."""
        return self._book.bets_len

    def bets(self) -> Rows:
        """Return every remembered decision (BET_RECORD), oldest first: a view not to be written."""
        view = self._book.records[: self._book.bets_len]
        view.flags.writeable = False
        return view

    # --- commands ---------------------------------------------------------------------------------

    def apply(self, command: MarketCommand, at_ns: int) -> MarketEvent:
        """Obey a command, or refuse it and change nothing."""
        if isinstance(command, CreateMarket):
            return self._create(command, at_ns)
        if isinstance(command, AckOutbox):
            return self._ack(command)
        slot = self._slot_of.get(command.market_no)
        if slot is None:
            return Refused(
                reason=Reason.MARKET_UNKNOWN,
                field="market_no",
                message=f"no market {command.market_no} here",
            )
        if isinstance(command, SetLimits):
            return self._set_limits(command, slot)
        if isinstance(command, FeedUpdate):
            return self._follow(command, slot, at_ns)
        return self._obey(command, slot, at_ns, fed=False)

    def _obey(self, command: FeedStep, slot: int, at_ns: int, *, fed: bool) -> FeedStepEvent:
        """Obey a command that a feed may give as well (`fed`: it does, as a step)."""
        if isinstance(command, SetOdds):
            return self._set_odds(command, slot)
        if not isinstance(command, Resolving):
            followed = self._positions.followed(command.market_no) or self._book.flagged(
                slot, MARKET_AWAITED
            )
            return Moves(self._book).obey(command, slot, at_ns, fed=fed, followed=followed)
        if fed and self._book.flagged(slot, MARKET_VOIDED) and _takes_all_back(command):
            return market_held("market_no")
        before = self._book.status(slot)
        event = self._resolutions.obey(command, slot, at_ns)
        if fed and before != self._book.status(slot) == Status.SUSPENDED:
            # Taken back by the feed: betting awaits the feed's word.
            self._book.flag(slot, MARKET_FED_SHUT, on=True)
        if not fed and not isinstance(event, Refused):
            self._note_end(command, slot)
        return event

    def _note_end(self, command: Resolving, slot: int) -> None:
        """Remember that it was a trader who ended betting or voided the market, or undid that."""
        book = self._book
        if isinstance(command, SettleMarket | CancelMarket):
            book.flag(slot, MARKET_HELD, on=True)
        if isinstance(command, CancelMarket):
            book.flag(slot, MARKET_VOIDED, on=True)
        elif book.status(slot) != Status.CANCELLED:
            book.flag(slot, MARKET_VOIDED, on=False)

    def _follow(self, command: FeedUpdate, slot: int, at_ns: int) -> MarketEvent:
        refusal = feed_fault(command) or self._positions.fault(command)
        if refusal is not None:
            return refusal
        self._positions.note(command)
        events: list[FeedStepEvent] = []
        priced = True
        for given in command.steps:
            step = given if priced else unpriced(given)
            events.append(self._obey(step, slot, at_ns, fed=True))
            priced = priced and not (isinstance(step, SetOdds) and isinstance(events[-1], Refused))
        return FeedApplied(
            market_no=command.market_no,
            version=self._book.version(slot),
            source=command.source,
            position=command.position,
            events=tuple(events),
        )

    def _create(self, command: CreateMarket, at_ns: int) -> MarketEvent:
        try:
            key = str(parse_market_key(command.key))
        except MalformedIdError as error:
            return Refused(reason=Reason.MALFORMED, field="key", message=str(error))
        refusal = create_fault(command) or limits_fault(command.limits)
        if refusal is not None:
            return refusal
        if command.market_no in self._slot_of:
            message = f"market {command.market_no} exists"
            return Refused(reason=Reason.MARKET_EXISTS, field="market_no", message=message)
        if key in self._no_of:
            message = f"{key} is market {self._no_of[key]}"
            return Refused(reason=Reason.MARKET_EXISTS, field="key", message=message)
        if self._book.markets_len >= self._markets_max:
            message = f"{self._markets_max} markets at most"
            return Refused(reason=Reason.CAPACITY, field="market_no", message=message)
        count = len(command.outcomes)
        slot = self._book.add_market(market_no=command.market_no, outcomes=count)
        outcomes = self._book.outcomes_of(slot)
        outcomes["odds_milli"] = command.odds_milli
        outcomes["flags"] = OUTCOME_ACTIVE if command.offered else 0
        outcomes["dead_heat_num"] = 1
        outcomes["dead_heat_den"] = 1
        market = self._book.markets[slot]
        market["status"] = Status.INACTIVE
        market["version"] = 1
        market["status_at_ns"] = at_ns
        market["flags"] = 0 if command.offered else MARKET_AWAITED
        self._write_limits(slot, command.limits)
        self._slot_of[command.market_no] = slot
        self._no_of[key] = command.market_no
        self._keys.append(key)
        self._names.append(tuple(command.outcomes))
        return MarketCreated(market_no=command.market_no, version=1, key=key)

    def _set_odds(self, command: SetOdds, slot: int) -> OddsSet | Refused:
        refusal = self._betting_over(slot)
        if refusal is not None:
            return refusal
        outcomes = self._book.outcomes_of(slot)
        refusal = quotes_fault(command.quotes, outcomes=len(outcomes))
        if refusal is not None:
            return refusal
        changed = False
        for quote in command.quotes:
            outcome = outcomes[quote.outcome]
            flags = OUTCOME_ACTIVE if quote.active else 0
            changed |= flags != outcome["flags"] or quote.odds_milli != outcome["odds_milli"]
            outcome["odds_milli"] = quote.odds_milli
            outcome["flags"] = flags
        version = self._book.touch(slot) if changed else self._book.version(slot)
        return OddsSet(market_no=command.market_no, version=version, quotes=command.quotes)

    def _set_limits(self, command: SetLimits, slot: int) -> MarketEvent:
        refusal = self._betting_over(slot) or limits_fault(command.limits)
        if refusal is not None:
            return refusal
        self._write_limits(slot, command.limits)
        return LimitsSet(
            market_no=command.market_no, version=self._book.version(slot), limits=command.limits
        )

    def _ack(self, command: AckOutbox) -> MarketEvent:
        last = self._outbox.last_seq(command.shard)
        if not 0 <= command.upto <= last:
            return out_of_bounds("upto", f"shard {command.shard} was sent 1 to {last}")
        forgotten = self._outbox.ack(shard=command.shard, upto=command.upto)
        return OutboxAcked(shard=command.shard, upto=command.upto, forgotten=forgotten)

    # --- settlements on their way out -------------------------------------------------------------

    def outbox(self, *, shard: int, limit: int) -> Rows:
        """Return the oldest SETTLEMENT rows waiting for an account shard, `limit` at most."""
        return self._outbox.waiting(shard=shard, limit=limit)

    def outbox_shards(self) -> list[int]:
        """Return the account shards that settlements wait for, ascending."""
        return self._outbox.shards()

    # --- pictures ---------------------------------------------------------------------------------

    def market_nos(self) -> list[int]:
        """Return the numbers of all markets, in the order of their creation."""
        return list(self._slot_of)

    def price_image(self, market_no: int) -> PriceImage:
        """Return what a bettor sees of a market; KeyError when there is none of this number."""
        slot = self._slot_of[market_no]
        return price_image(self._book, slot, key=self._keys[slot], names=self._names[slot])

    def price_delta(self, market_no: int) -> PriceDelta:
        """Return a market's moving part; KeyError when there is none of this number."""
        return price_delta(self._book, self._slot_of[market_no])

    def book_image(self, market_no: int) -> BookImage:
        """Return what a trader sees of a market; KeyError when there is none of this number."""
        slot = self._slot_of[market_no]
        windows = self._resolutions.windows_of(slot)
        return book_image(
            self._book, slot, key=self._keys[slot], names=self._names[slot], windows=windows
        )

    def feed_positions(self, market_no: int) -> dict[str, int]:
        """Return the highest position obeyed by source; KeyError when there is no such market."""
        assert self._slot_of[market_no] >= 0
        return self._positions.of(market_no)

    def results_stand(self, market_no: int) -> bool:
        """Say whether a market has results; KeyError when there is no such market."""
        return self._book.flagged(self._slot_of[market_no], MARKET_RESULTS)

    # --- state as a document ----------------------------------------------------------------------

    def dump(self, *, layout: int = state.LAYOUT) -> dict[str, Any]:
        """Return the whole state in canonical form (see canon).

        Parameters
        ----------
        layout : int
            An older one gives what a release of that layout would have dumped, and leaves out what
            it did not know of.
        """
        return state.document(self._parts(), bets=None, layout=layout)

    @classmethod
    def load(
        cls,
        document: object,
        *,
        bets_max: int = BETS_MAX,
        markets_max: int = MARKETS_MAX,
    ) -> "MarketMachine":
        """Build a machine from a dump of this layout or an older one.

        Raises
        ------
        ValueError
            When a field is missing, malformed, or contradicts another; the message names it.
        """
        machine = cls(bets_max=bets_max, markets_max=markets_max)
        parts = state.read(document, bets_max=bets_max, markets_max=markets_max)
        numbers = parts.book.markets["market_no"][: parts.book.markets_len].tolist()
        machine._book, machine._outbox = parts.book, parts.outbox
        machine._resolutions, machine._positions = parts.resolutions, parts.positions
        machine._keys, machine._names = parts.keys, parts.names
        machine._slot_of = {number: slot for slot, number in enumerate(numbers)}
        machine._no_of = dict(zip(parts.keys, numbers, strict=True))
        return machine

    def state_hash(self, *, layout: int = state.LAYOUT) -> str:
        """Return the blake2b-128 of the canonical dump (of a layout) in hex.

        Bets are hashed once, when they are first asked for: the cost is that of the new ones.
        """
        if self._digested < self._book.bets_len:
            fresh = self._book.records[self._digested : self._book.bets_len]
            self._digest.extend(fresh.view(np.uint8).data)
            self._digested = self._book.bets_len
        return state_hash(state.document(self._parts(), bets=self._digest, layout=layout))

    def check(self) -> None:
        """Assert every invariant of the state; the cost is that of reading every bet."""
        state.check(self._parts())
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        assert self._slot_of == {number: slot for slot, number in enumerate(numbers)}
        assert self._no_of == dict(zip(self._keys, numbers, strict=True))
        assert self._book.bets_len <= self._bets_max
        assert self._book.markets_len <= self._markets_max

    def _parts(self) -> state.Parts:
        return state.Parts(
            self._book,
            self._outbox,
            self._resolutions,
            self._positions,
            self._keys,
            self._names,
        )

    # --- one market's row -------------------------------------------------------------------------

    def _write_limits(self, slot: int, limits: Limits) -> None:
        market = self._book.markets[slot]
        for name in Limits.__struct_fields__:
            market[name] = getattr(limits, name)

    def _betting_over(self, slot: int) -> Refused | None:
        """Refuse what makes sense only while betting may still come: that is, be closed."""
        status = self._book.status(slot)
        if next_status(status, Action.CLOSE) is not None:
            return None
        return Refused(
            reason=Reason.TRANSITION_NOT_ALLOWED,
            field="market_no",
            message=f"the market is {status.name}",
        )


def _takes_all_back(command: Resolving) -> bool:
    """Say whether a command takes the cancellation of a whole market back."""
    if not isinstance(command, RollBackCancel):
        return False
    return command.from_ns is None and command.until_ns is None
