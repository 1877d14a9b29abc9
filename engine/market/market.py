"""The market machine: all markets of one shell as one deterministic state machine.

Owns which commands are applied, what each bet is answered and what a settlement sends to the
outbox. Never reads a clock, never does I/O and never knows a session: the same commands and bets in
the same order give the same state hash.

Bounds: at most `markets_max` markets; CAPACITY refuses another. At most `bets_max` records of bets;
CAPACITY refuses a bet past that bound, without a record. No record is ever dropped to make room, so
a bet refused with CAPACITY is never accepted later. A journal is replayed under the bounds with
which it was written.
"""

from typing import Any

import numpy as np

from engine.common.acceptance import AcceptanceCommand, SetFeedDelay, StopWaiting
from engine.common.commands import (
    AckOutbox,
    CommandOfMarket,
    CreateMarket,
    FeedStep,
    FeedUpdate,
    MarketCommand,
    ResetSource,
    ResumeWithAll,
    SetLimits,
    SetOdds,
    SetPhaseLimits,
    SetStatus,
    SuspendWithAll,
)
from engine.common.corrections import CorrectionCommand
from engine.common.events import (
    FeedStepEvent,
    MarketCreated,
    MarketEvent,
    MarketKeptStopped,
    Refused,
)
from engine.common.ids import (
    MalformedIdError,
    MarketNo,
    ShardNo,
    parse_market_key,
)
from engine.common.lifecycle import Status
from engine.common.outcome_marks import OutcomeCommand
from engine.common.reasons import Reason
from engine.common.rows import I32s, Rows, U64s
from engine.common.rules import RULES
from engine.common.state_hash import BytesDigest, state_hash
from engine.common.units import BETS_MAX, MARKETS_MAX, Nanos
from engine.common.views import BookImage, GridImage, PriceDelta, PriceImage, StakesImage
from engine.market import charges, state
from engine.market.bet_resolution import Resolutions, ResolvingCommand
from engine.market.book import (
    MARKET_AWAITS_FEED,
    MARKET_FEED_STOPPED,
    MARKET_RESULTS,
    MARKET_VOIDED,
    OUTCOME_OVERRIDDEN,
    Book,
)
from engine.market.cancel_windows import Resolved
from engine.market.command_checks import (
    create_fault,
    limits_fault,
    market_unknown,
    rolls_back_market,
)
from engine.market.feed_positions import FeedPositions
from engine.market.feed_updates import apply_feed_update, reset_source
from engine.market.fixture_grid import FixtureGrids
from engine.market.forking import Forking
from engine.market.lookup import RecordedBets
from engine.market.odds_guards import created_fault
from engine.market.offer import set_limits, set_odds, set_phase_limits, write_offer
from engine.market.outbox import Outbox, ack_outbox
from engine.market.outcome_marks import apply_mark
from engine.market.places_bets import PlacesBets
from engine.market.placing import Placing
from engine.market.status_transitions import (
    StatusTransitions,
    market_held,
    note_trader_resolution,
)
from engine.market.views import (
    book_image,
    given_delta,
    price_delta,
    price_image,
    stakes_image,
)
from engine.market.waiting import WaitingBets


class MarketMachine(PlacesBets, RecordedBets, Forking):
    """Markets, their bets, and the settlements that account shards have not acknowledged.

    Parameters
    ----------
    bets_max, markets_max : int
        Bounds of the machine (see the module).
    rules : int
        Version of the rules of decision (see engine.common.rules).
    """

    def __init__(
        self, *, bets_max: int = BETS_MAX, markets_max: int = MARKETS_MAX, rules: int = RULES
    ) -> None:
        assert 0 < bets_max <= BETS_MAX
        assert 0 < markets_max <= MARKETS_MAX
        self._bets_max = bets_max
        self._markets_max = markets_max
        self._rules = rules
        self._book = Book()
        self._outbox = Outbox()
        self._resolutions = Resolutions(self._book, self._outbox, rules=rules)
        self._grids = FixtureGrids(self._book, self._resolutions)
        self._positions = FeedPositions()
        self._waiting = WaitingBets(self._book)
        self._slot_of: dict[MarketNo, int] = {}
        self._no_of: dict[str, MarketNo] = {}
        self._keys: list[str] = []
        self._names: list[tuple[str, ...]] = []
        self._placing = self._new_placing()
        self._digest = BytesDigest()
        self._digested = 0
        self.charges_unfit = 0
        """CHARGE rows since the start that no accepted leg fits; no part of the state."""

    # --- rules ------------------------------------------------------------------------------------

    @property
    def rules(self) -> int:
        """Version of the rules that decide from now on."""
        return self._rules

    def begin_epoch(
        self,
        *,
        epoch: int,  # noqa: ARG002 - ledgers use it
        rules: int,
        at_ns: Nanos | None = None,
    ) -> None:
        """Begin the epoch of a new writer, whose rules may be newer; they are never older.

        Newer rules count the figures of every market again. Delayed bets wait anew from the time of
        its start: a stop that came while there was no writer must still find them. None where the
        epoch is that of a snapshot.
        """
        assert self._rules <= rules <= RULES
        self._rules = rules
        self._resolutions.set_rules(rules)
        self._placing.rules = rules
        self._grids.count_again()
        if at_ns is not None:
            self._waiting.wait_anew(at_ns)

    def _new_placing(self) -> Placing:
        return Placing(
            self._book,
            self._grids,
            self._waiting,
            slot_of=self._slot_of,
            bets_max=self._bets_max,
            rules=self._rules,
        )

    # --- bets -------------------------------------------------------------------------------------

    def reserve(self, *, bets: int) -> None:
        """Make room for more bets ahead of time, so that no batch waits while arrays grow."""
        count = max(0, min(bets, self._bets_max - self._book.bets_len))
        self._book.make_room_for_bets(count)
        self._book.map_pages_ahead(count)

    def accepted_bets(self, market_no: MarketNo) -> Rows:
        """Return a copy of a market's accepted bets (BET_RECORD rows); the others cost nothing.

        A leg has its present charge for its stake: 0 when it is released. KeyError when there is no
        such market.
        """
        return charges.present_bets(self._book, self._slot_of[market_no])

    def corrected_milli(self, bet_ids: U64s) -> I32s:
        """Return the odds at which corrections settle recorded bets; -1: void, 0: none."""
        return self._resolutions.corrected_milli(self.bet_places(bet_ids).astype(np.int32))

    # --- charges of legs --------------------------------------------------------------------------

    def charge(self, rows: Rows, at_ns: Nanos) -> Rows:  # noqa: ARG002 - every change has its time
        """Charge legs what CHARGE rows say; return those applied, in order (see `charges.apply`).

        A number that a leg has seen, or a lower one, is skipped; so is a row that names no leg
        accepted here, which `charges_unfit` counts.
        """
        slots = map(self._slot_of.get, np.unique(rows["market_no"]).tolist())
        with self._grids.moving([slot for slot in slots if slot is not None]):
            applied, unfit = charges.apply(
                rows, book=self._book, resolutions=self._resolutions, slot_of=self._slot_of
            )
        self.charges_unfit += unfit
        return applied

    def charges_of(self, bet_ids: U64s) -> Rows:
        """Return the present charges of legs among some bets (see `charges.charges_of`)."""
        return charges.charges_of(self._book, bet_ids)

    # --- commands ---------------------------------------------------------------------------------

    def apply(self, command: MarketCommand, at_ns: Nanos) -> MarketEvent:
        """Apply a command, or refuse it and change nothing."""
        self._waiting.forget_offers(at_ns)
        if isinstance(command, CreateMarket):
            return self._create(command, at_ns)
        if isinstance(command, AckOutbox):
            return ack_outbox(command, self._outbox)
        if isinstance(command, StopWaiting):
            return self._placing.stop_waiting(command)
        slot = self._slot_of.get(command.market_no)
        if slot is None:
            return market_unknown(command.market_no)
        event = self._apply(command, slot, at_ns)
        self._placing.note_stops(slot)
        return event

    def _apply(self, command: CommandOfMarket, slot: int, at_ns: Nanos) -> MarketEvent:
        if isinstance(command, SetLimits):
            return set_limits(command, slot, book=self._book, grids=self._grids)
        if isinstance(command, FeedUpdate):
            return self._apply_feed_update(command, slot, at_ns)
        if isinstance(command, ResetSource):
            return reset_source(command, slot, book=self._book, positions=self._positions)
        if isinstance(command, SuspendWithAll | ResumeWithAll):
            transitions = StatusTransitions(self._book)
            return transitions.apply_with_all(command, slot, at_ns, has_feed=self._has_feed(slot))
        if isinstance(command, OutcomeCommand):
            decided = self._resolutions.decided(slot)
            return apply_mark(command, slot, book=self._book, decided=decided)
        if isinstance(command, CorrectionCommand):
            with self._grids.moving([slot]):
                return self._resolutions.correct(command, slot)
        if isinstance(command, AcceptanceCommand):
            return self._placing.apply(command, slot, at_ns)
        return self._apply_step(command, slot, at_ns, by_feed=False)

    def _apply_step(
        self, command: FeedStep, slot: int, at_ns: Nanos, *, by_feed: bool
    ) -> FeedStepEvent | MarketKeptStopped:
        """Apply a command that both traders and feeds give; `by_feed` says who gives this one."""
        if isinstance(command, SetOdds):
            return set_odds(command, slot, book=self._book, decided=self._resolutions.decided(slot))
        if isinstance(command, SetStatus):
            return StatusTransitions(self._book).set_status(command, slot, at_ns)
        if isinstance(command, SetPhaseLimits):
            return set_phase_limits(command, slot, book=self._book, grids=self._grids)
        if isinstance(command, SetFeedDelay):
            return self._placing.set_feed_delay(command, slot)
        if not isinstance(command, ResolvingCommand):
            return StatusTransitions(self._book).apply(
                command, slot, at_ns, by_feed=by_feed, has_feed=self._has_feed(slot)
            )
        if by_feed and self._book.has_flag(slot, MARKET_VOIDED) and rolls_back_market(command):
            return market_held("market_no")
        before = self._book.status(slot)
        with self._grids.moving([slot]):
            event = self._resolutions.apply(command, slot, at_ns)
        if by_feed and before != self._book.status(slot) == Status.SUSPENDED:
            # The feed rolled something back: the market stays stopped until the feed opens it.
            self._book.set_flag(slot, MARKET_FEED_STOPPED, on=True)
        if not by_feed and not isinstance(event, Refused):
            note_trader_resolution(command, slot, book=self._book)
        return event

    def _has_feed(self, slot: int) -> bool:
        """Return whether a feed has sent this market a message, or it was created for a feed."""
        number = self._book.market_no(slot)
        return self._positions.has_feed(number) or self._book.has_flag(slot, MARKET_AWAITS_FEED)

    def _apply_feed_update(self, command: FeedUpdate, slot: int, at_ns: Nanos) -> MarketEvent:
        return apply_feed_update(
            command,
            slot,
            book=self._book,
            positions=self._positions,
            apply_step=lambda step: self._apply_feed_step(step, slot, at_ns),
        )

    def _apply_feed_step(self, step: FeedStep, slot: int, at_ns: Nanos) -> FeedStepEvent:
        event = self._apply_step(step, slot, at_ns, by_feed=True)
        assert not isinstance(event, MarketKeptStopped), "a feed takes off no stop"
        self._placing.note_stops(slot)
        return event

    def _create(self, command: CreateMarket, at_ns: Nanos) -> MarketEvent:
        try:
            key = str(parse_market_key(command.key))
        except MalformedIdError as error:
            return Refused(reason=Reason.MALFORMED, field="key", message=str(error))
        refusal = create_fault(command) or limits_fault(command.limits) or created_fault(command)
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
        write_offer(command, slot, at_ns, book=self._book)
        self._grids.add(slot, key, command.payoffs)
        self._slot_of[command.market_no] = slot
        self._no_of[key] = command.market_no
        self._keys.append(key)
        self._names.append(tuple(command.outcomes))
        return MarketCreated(market_no=command.market_no, version=1, key=key)

    def present_resolutions(self, market_no: MarketNo) -> Rows:
        """Return what now stands for each accepted bet of a market: SETTLEMENT rows.

        The result is BetResult.NONE for a bet that is open. KeyError when there is no such market.
        """
        return self._resolutions.present(self._slot_of[market_no])

    # --- outbox -----------------------------------------------------------------------------------

    def outbox(self, *, shard: ShardNo, limit: int) -> Rows:
        """Return the oldest SETTLEMENT rows waiting for an account shard, `limit` at most."""
        return self._outbox.waiting(shard=shard, limit=limit)

    def outbox_shards(self) -> list[ShardNo]:
        """Return the account shards for which settlements wait, ascending."""
        return self._outbox.shards()

    # --- views ------------------------------------------------------------------------------------

    def market_nos(self) -> list[MarketNo]:
        """Return the numbers of all markets, in the order of their creation."""
        return list(self._slot_of)

    def has_market(self, market_no: MarketNo) -> bool:
        """Return whether there is such a market."""
        return market_no in self._slot_of

    def price_image(self, market_no: MarketNo) -> PriceImage:
        """Return a market as a bettor sees it; KeyError when there is no such market."""
        slot = self._slot_of[market_no]
        return price_image(self._book, slot, key=self._keys[slot], names=self._names[slot])

    def price_delta(self, market_no: MarketNo) -> PriceDelta:
        """Return the part of a market that changes; KeyError when there is no such market."""
        return price_delta(self._book, self._slot_of[market_no])

    def given_delta(self, market_no: MarketNo) -> PriceDelta:
        """Return a market's odds and offers as given last, whatever a trader's marks say."""
        return given_delta(self._book, self._slot_of[market_no])

    def book_image(self, market_no: MarketNo) -> BookImage:
        """Return a market as a trader sees it; KeyError when there is no such market."""
        slot = self._slot_of[market_no]
        return book_image(
            self._book,
            slot,
            key=self._keys[slot],
            names=self._names[slot],
            windows=self._resolutions.windows_of(slot),
            fixture_worst_minor=self._grids.worst_minor(slot),
            acceptance=self._waiting.of(slot),
            rules=self._rules,
        )

    def stakes_image(self, market_no: MarketNo) -> StakesImage:
        """Return what is staked in a market; KeyError when there is no such market."""
        slot = self._slot_of[market_no]
        return stakes_image(self._book, slot, key=self._keys[slot], names=self._names[slot])

    def fixture_grid(self, fixture: str) -> GridImage | None:
        """Return what the house loses on a fixture by how it ends; None: no market of it here."""
        return self._grids.image(fixture)

    def feed_positions(self, market_no: MarketNo) -> dict[str, int]:
        """Return the highest position applied by source; KeyError when there is no such market."""
        assert self._slot_of[market_no] >= 0
        return self._positions.of(market_no)

    def results_stand(self, market_no: MarketNo) -> bool:
        """Return whether a market has results; KeyError when there is no such market."""
        return self._book.has_flag(self._slot_of[market_no], MARKET_RESULTS)

    def decided_outcomes(self, market_no: MarketNo) -> tuple[int, ...]:
        """Return the outcomes with a result while others have none; KeyError: no such market."""
        return tuple(self._resolutions.decided(self._slot_of[market_no]))

    def overridden_outcomes(self, market_no: MarketNo) -> tuple[int, ...]:
        """Return the outcomes whose odds a trader overrides; KeyError: there is no such market."""
        flags = self._book.outcome_flags(self._slot_of[market_no])
        return tuple(at for at, each in enumerate(flags) if each & OUTCOME_OVERRIDDEN)

    def resolved(self, market_no: MarketNo) -> Resolved:
        """Return the results and windows that stand; KeyError when there is no such market."""
        return self._resolutions.resolved_of(self._slot_of[market_no])

    # --- state as a document ----------------------------------------------------------------------

    def dump(self, *, layout: int = state.LAYOUT) -> dict[str, Any]:
        """Return the whole state as a canonical document (see state_hash).

        Parameters
        ----------
        layout : int
            Version of the document. An older version gives what a release of that version would
            have dumped, without the fields that it did not have.
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
        """Make a machine from a dump of this layout or an older one.

        Raises
        ------
        ValueError
            When a field is missing, malformed, or contradicts another; the message names it.
        """
        machine = cls(bets_max=bets_max, markets_max=markets_max)
        parts = state.read(document, bets_max=bets_max, markets_max=markets_max)
        numbers = parts.book.markets["market_no"][: parts.book.markets_len].tolist()
        machine._book, machine._outbox, machine._rules = parts.book, parts.outbox, parts.rules
        machine._resolutions, machine._positions = parts.resolutions, parts.positions
        machine._grids, machine._waiting = parts.grids, parts.waiting
        machine._keys, machine._names = parts.keys, parts.names
        machine._slot_of = {MarketNo(number): slot for slot, number in enumerate(numbers)}
        machine._no_of = dict(zip(parts.keys, numbers, strict=True))
        machine._placing = machine._new_placing()
        return machine

    def state_hash(self, *, layout: int = state.LAYOUT) -> str:
        """Return the blake2b-128 of the canonical dump (of a layout) in hex.

        Each bet is hashed once, so a call costs the time of the bets since the last call.
        """
        if self._digested < self._book.bets_len:
            fresh = self._book.records[self._digested : self._book.bets_len]
            self._digest.extend(fresh.view(np.uint8).data)
            self._digested = self._book.bets_len
        return state_hash(state.document(self._parts(), bets=self._digest, layout=layout))

    def check(self) -> None:
        """Assert every invariant of the state; a call reads every bet."""
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
            self._grids,
            self._waiting,
            self._keys,
            self._names,
            self._rules,
        )
