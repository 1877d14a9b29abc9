"""The market machine: every market of one shell as a deterministic state machine.

Owns which commands are obeyed, what each bet is answered, and what settlement sends out. Never
reads a clock, never does I/O, and never knows who asked: the same commands and bets in the same
order give the same state, to the last bit of its hash.

Bounds: `markets_max` markets, past which a market is refused with CAPACITY, and `bets_max`
remembered bets, past which a bet is refused with CAPACITY and not remembered; nothing is ever
forgotten to make room, so a bet refused so can never be accepted later. A journal is replayed under
the bounds it was written with.
"""

from typing import Any, Final

import numpy as np

from engine import market_state
from engine.book import OUTCOME_ACTIVE, Book
from engine.canon import BytesDigest, state_hash
from engine.commands import (
    AckOutbox,
    CancelMarket,
    CloseMarket,
    CreateMarket,
    HandOverMarket,
    Limits,
    MarketCommand,
    OpenMarket,
    ResumeMarket,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.events import (
    LimitsSet,
    MarketCancelled,
    MarketClosed,
    MarketCreated,
    MarketEvent,
    MarketHandedOver,
    MarketOpened,
    MarketResumed,
    MarketSettled,
    MarketSuspended,
    OddsSet,
    OutboxAcked,
    Refused,
)
from engine.ids import MalformedIdError, parse_market_key
from engine.lifecycle import Action, Status, next_status
from engine.market_checks import (
    create_fault,
    limits_fault,
    out_of_bounds,
    quotes_fault,
    results_fault,
)
from engine.market_views import book_image, price_delta, price_image
from engine.outbox import Outbox
from engine.place_nb import decide_all_nb, look_up_nb
from engine.reasons import Reason
from engine.rows import BET, DECISION, Rows
from engine.settlement import (
    canonical_result,
    results_of,
    settle_bets,
    write_results,
)
from engine.units import (
    BETS_MAX,
    MARKETS_MAX,
)
from engine.views import BookImage, PriceDelta, PriceImage

_Move = OpenMarket | SuspendMarket | ResumeMarket | HandOverMarket | CloseMarket
_ACTIONS: Final[dict[type[_Move], Action]] = {
    OpenMarket: Action.OPEN,
    SuspendMarket: Action.SUSPEND,
    ResumeMarket: Action.RESUME,
    HandOverMarket: Action.HAND_OVER,
    CloseMarket: Action.CLOSE,
}


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
        if isinstance(command, SetOdds):
            return self._set_odds(command, slot)
        if isinstance(command, SetLimits):
            return self._set_limits(command, slot)
        if isinstance(command, SettleMarket):
            return self._settle(command, slot, at_ns)
        if isinstance(command, CancelMarket):
            return self._cancel(command, slot, at_ns)
        return self._move(command, slot, at_ns)

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
        outcomes["flags"] = OUTCOME_ACTIVE
        outcomes["dead_heat_num"] = 1
        outcomes["dead_heat_den"] = 1
        market = self._book.markets[slot]
        market["status"] = Status.INACTIVE
        market["version"] = 1
        market["status_at_ns"] = at_ns
        self._write_limits(slot, command.limits)
        self._slot_of[command.market_no] = slot
        self._no_of[key] = command.market_no
        self._keys.append(key)
        self._names.append(tuple(command.outcomes))
        return MarketCreated(market_no=command.market_no, version=1, key=key)

    def _set_odds(self, command: SetOdds, slot: int) -> MarketEvent:
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
        version = self._touch(slot) if changed else self._version(slot)
        return OddsSet(market_no=command.market_no, version=version, quotes=command.quotes)

    def _set_limits(self, command: SetLimits, slot: int) -> MarketEvent:
        refusal = self._betting_over(slot) or limits_fault(command.limits)
        if refusal is not None:
            return refusal
        self._write_limits(slot, command.limits)
        return LimitsSet(
            market_no=command.market_no, version=self._version(slot), limits=command.limits
        )

    def _move(self, command: _Move, slot: int, at_ns: int) -> MarketEvent:
        action = _ACTIONS[type(command)]
        after = next_status(self._status(slot), action)
        if after is None:
            return self._not_allowed(slot, action)
        number, version = command.market_no, self._enter(slot, after, at_ns)
        if isinstance(command, SuspendMarket):
            return MarketSuspended(market_no=number, version=version, why=command.why)
        if isinstance(command, OpenMarket):
            return MarketOpened(market_no=number, version=version)
        if isinstance(command, ResumeMarket):
            return MarketResumed(market_no=number, version=version)
        if isinstance(command, HandOverMarket):
            return MarketHandedOver(market_no=number, version=version)
        return MarketClosed(market_no=number, version=version)

    def _settle(self, command: SettleMarket, slot: int, at_ns: int) -> MarketEvent:
        before = self._status(slot)
        after = next_status(before, Action.SETTLE)
        if after is None:
            return self._not_allowed(slot, Action.SETTLE)
        refusal = results_fault(command.results, outcomes=len(self._names[slot]))
        if refusal is not None:
            return refusal
        results = tuple(canonical_result(result) for result in command.results)
        if before == Status.SETTLED and results == results_of(self._book, slot):
            return Refused(
                reason=Reason.ALREADY_SETTLED,
                field="results",
                message=f"they stand since settlement {self._settlement_no(slot)}",
            )
        write_results(self._book, slot, results)
        version = self._enter(slot, after, at_ns)
        settlement_no, bets, payout = self._send(slot, cancelled=False)
        return MarketSettled(
            market_no=command.market_no,
            version=version,
            settlement_no=settlement_no,
            results=command.results,
            bets=bets,
            payout_minor=payout,
        )

    def _cancel(self, command: CancelMarket, slot: int, at_ns: int) -> MarketEvent:
        after = next_status(self._status(slot), Action.CANCEL)
        if after is None:
            return self._not_allowed(slot, Action.CANCEL)
        version = self._enter(slot, after, at_ns)
        settlement_no, bets, payout = self._send(slot, cancelled=True)
        return MarketCancelled(
            market_no=command.market_no,
            version=version,
            settlement_no=settlement_no,
            bets=bets,
            payout_minor=payout,
            why=command.why,
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
        return book_image(self._book, slot, key=self._keys[slot], names=self._names[slot])

    # --- state as a document ----------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return the whole state in canonical form (see canon)."""
        return market_state.document(
            self._book, self._outbox, keys=self._keys, names=self._names, bets=None
        )

    @classmethod
    def load(
        cls,
        document: object,
        *,
        bets_max: int = BETS_MAX,
        markets_max: int = MARKETS_MAX,
    ) -> "MarketMachine":
        """Build a machine from a dump.

        Raises
        ------
        ValueError
            When a field is missing, malformed, or contradicts another; the message names it.
        """
        machine = cls(bets_max=bets_max, markets_max=markets_max)
        book, outbox, keys, names = market_state.read(
            document, bets_max=bets_max, markets_max=markets_max
        )
        numbers = book.markets["market_no"][: book.markets_len].tolist()
        machine._book, machine._outbox = book, outbox
        machine._keys, machine._names = keys, names
        machine._slot_of = {number: slot for slot, number in enumerate(numbers)}
        machine._no_of = dict(zip(keys, numbers, strict=True))
        return machine

    def state_hash(self) -> str:
        """Return the blake2b-128 of the canonical dump in hex.

        Bets are hashed once, when they are first asked for: the cost is that of the new ones.
        """
        if self._digested < self._book.bets_len:
            fresh = self._book.records[self._digested : self._book.bets_len]
            self._digest.extend(fresh.view(np.uint8).data)
            self._digested = self._book.bets_len
        return state_hash(
            market_state.document(
                self._book, self._outbox, keys=self._keys, names=self._names, bets=self._digest
            )
        )

    def check(self) -> None:
        """Assert every invariant of the state; the cost is that of reading every bet."""
        market_state.check(self._book, self._outbox, keys=self._keys, names=self._names)
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        assert self._slot_of == {number: slot for slot, number in enumerate(numbers)}
        assert self._no_of == dict(zip(self._keys, numbers, strict=True))
        assert self._book.bets_len <= self._bets_max
        assert self._book.markets_len <= self._markets_max

    # --- one market's row -------------------------------------------------------------------------

    def _status(self, slot: int) -> Status:
        return Status(int(self._book.markets[slot]["status"]))

    def _version(self, slot: int) -> int:
        return int(self._book.markets[slot]["version"])

    def _settlement_no(self, slot: int) -> int:
        return int(self._book.markets[slot]["settlement_no"])

    def _touch(self, slot: int) -> int:
        self._book.markets[slot]["version"] += 1
        return self._version(slot)

    def _enter(self, slot: int, status: Status, at_ns: int) -> int:
        """Enter a state and return the version then: a state entered again is no visible change."""
        market = self._book.markets[slot]
        if market["status"] == status:
            return self._version(slot)
        market["status"] = status
        market["status_at_ns"] = at_ns
        return self._touch(slot)

    def _send(self, slot: int, *, cancelled: bool) -> tuple[int, int, int]:
        """Settle a market's bets into the outbox under the next settlement number."""
        self._book.markets[slot]["settlement_no"] += 1
        rows, payout = settle_bets(self._book, slot, cancelled=cancelled)
        self._outbox.append(rows)
        return self._settlement_no(slot), len(rows), payout

    def _write_limits(self, slot: int, limits: Limits) -> None:
        market = self._book.markets[slot]
        for name in Limits.__struct_fields__:
            market[name] = getattr(limits, name)

    def _betting_over(self, slot: int) -> Refused | None:
        """Refuse what makes sense only while betting may still come: that is, be closed."""
        if next_status(self._status(slot), Action.CLOSE) is not None:
            return None
        return Refused(
            reason=Reason.TRANSITION_NOT_ALLOWED,
            field="market_no",
            message=f"the market is {self._status(slot).name}",
        )

    def _not_allowed(self, slot: int, action: Action) -> Refused:
        return Refused(
            reason=Reason.TRANSITION_NOT_ALLOWED,
            field="market_no",
            message=f"{action.name} is not allowed when {self._status(slot).name}",
        )
