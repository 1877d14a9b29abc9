"""The market shell: one process that holds one or more markets and their journal.

Owns decoding, the call of the durable machine, encoding, and publishing after the sync what a
control command, a feed or a repricing changed; never a rule. A bet is decided, journaled and synced
before `place` returns.
"""

import logging
import time
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from actors.allowances import AllowedCommands
from actors.command_bounds import with_bounds
from actors.failstop import ExitProcess, exit_at_once
from actors.feed_results import FeedResults
from actors.market_reads import MarketReads
from actors.match_notices import MatchNotices
from actors.messages import (
    AUDIT_ROWS_MAX,
    decode_derived_request,
    decode_market_control,
    encode,
)
from actors.peer import Peer, PeerRefusedError
from actors.quarantine_answers import quarantined, refuse_all
from actors.reference_odds import MODEL, ReferenceOdds
from actors.settings import MarketShellSettings
from actors.shell import rows_of
from actors.unrecorded_bets import UnrecordedBets
from engine.common.commands import MarketCommand
from engine.common.events import (
    LimitsSet,
    MarketCreated,
    MarketEvent,
    OutboxAcked,
    ReferralDecided,
    Refused,
    WaitingStopped,
)
from engine.common.ids import MarketNo
from engine.common.odds_guard import OddsGuard
from engine.common.reasons import Reason
from engine.common.rows import BET, CHARGE, FLAG_KNOWN, Rows
from engine.common.units import NS_PER_MS, Nanos
from engine.desk.moved_money import MovedMoney
from engine.kernels import SHELL_MODULES, load_kernels
from persistence.commit import Progress
from persistence.disk import Disk, LocalDisk
from persistence.durable import DurableMarkets, NotAppliedError
from persistence.journal import JournalOptions

if TYPE_CHECKING:
    from actors.derived_markets import DerivedMarkets
    from engine.pricing.repricing import Repricer

logger = logging.getLogger("overround.markets")

DERIVED: Final = "derived"
"""Who commands markets by what happens to those that they follow."""
_IMAGES_IN_CALL_MAX: Final = 1_024


class MarketShell(MarketReads):
    """Markets and their journal, as other processes call them.

    Parameters
    ----------
    name : str
        The shell's name.
    folder : str
        Its journal's folder, which no other process writes to.
    options : JournalOptions
        Sizes of segments and snapshots.
    settings : MarketShellSettings
        Bounds of one call.
    quarantine : str
        When not empty, why the journal must not be opened.
    disk, clock, exit_process
        The journal's disk, a clock in UTC nanoseconds, and what ends the process.
    progress : str
        When not empty, the file to which the count of recovered records is written.
    """

    def __init__(
        self,
        *,
        name: str,
        folder: str,
        options: JournalOptions,
        settings: MarketShellSettings | None = None,
        quarantine: str = "",
        disk: Disk | None = None,
        clock: Callable[[], int] = time.time_ns,
        exit_process: ExitProcess = exit_at_once,
        progress: str = "",
    ) -> None:
        self._settings = settings or MarketShellSettings()
        self._repricer: Repricer | None = None
        self._references = ReferenceOdds(
            age_ms_max=self._settings.odds_model_age_ms_max,
            step_milli_max=self._settings.odds_model_step_milli_max,
        )
        self._published_version: dict[int, int] = {}
        self._ids_reused = 0
        self._unrecorded = UnrecordedBets()
        self._matches = MatchNotices()
        self._moved = MovedMoney()
        self._feed_results = FeedResults()

        def open_durable(at_ns: Nanos, progress: Progress | None) -> DurableMarkets:
            return DurableMarkets.open(
                Path(folder),
                disk=disk or LocalDisk(),
                at_ns=at_ns,
                options=options,
                progress=progress,
            )

        self._derived: DerivedMarkets | None = None
        self._announced = False
        """Whether gateways were announced, which they are to a shell that may serve them."""
        super().__init__(
            name=name,
            open_durable=open_durable,
            quarantine=quarantine,
            clock=clock,
            exit_process=exit_process,
            progress=progress,
        )
        if self._serving() is not None:
            self._take_over_derived()

    @staticmethod
    def warm_up() -> None:
        """Load what the constructor will load; for a process that waits idle."""
        load_kernels(SHELL_MODULES)

    def _load_kernels(self, on_compile: Callable[[str], None]) -> None:
        """Load the kernels of every sport: nothing says which of them this shell will price."""
        load_kernels(SHELL_MODULES, on_compile=on_compile)

    def tick(self) -> bytes:
        """Reserve memory for coming bets, decide those that are due, then return the health."""
        durable = self._serving()
        if durable is not None:
            self._machine().reserve(bets=self._settings.bets_ahead)
            if self._announced:  # before, nobody has looked whether its journal is whole
                self._place_due(durable)
        return super().tick()

    def set_gateways(self, peers: Sequence[Peer]) -> None:
        """Notify these gateways from now on, first of every market's present image.

        A gateway may have fetched images before this shell knew the gateway; without these images
        it would miss what changed in between.
        """
        super().set_gateways(peers)
        self._announced = True
        for peer in peers:
            self._on_gap(peer)
            self._feed_results.notify(peer)

    def _on_gap(self, gateway: Peer) -> None:
        """Send a gateway every market's present image, and how all matches stand."""
        self._matches.repeat(gateway)
        if self._durable is None or (machine := self._durable.machine) is None:
            return
        numbers = machine.market_nos()
        for start in range(0, len(numbers), _IMAGES_IN_CALL_MAX):
            part = numbers[start : start + _IMAGES_IN_CALL_MAX]
            gateway.notify("on_created", encode([machine.price_image(no) for no in part]))

    # --- bets ------------------------------------------------------------------------------------
    def place(self, rows: bytes) -> bytes:
        """Decide bets, given as BET rows; return DECISION rows in the same order.

        Every decision is on disk before the return.

        Raises
        ------
        ValueError
            When the batch is larger than `batch_rows_max`; no bet of it is decided.
        """
        bets = rows_of(rows, BET, rows_max=self._settings.batch_rows_max)
        durable = self._serving()
        if durable is None:
            return refuse_all(bets).tobytes()
        bets = self._unrecorded.with_fences(bets)
        with self._fail_stop:
            at_ns = self._clock()
            decisions = self._place(durable, bets, at_ns)
        if self._unrecorded or np.count_nonzero(decisions["reason"]):
            self._unrecorded.note(decisions)
            self._note_reused_ids(decisions)
        return decisions.tobytes()

    def _place(self, durable: DurableMarkets, bets: Rows, at_ns: Nanos) -> Rows:
        """Decide bets that wait and are due, and then others, as one record; show all of them."""
        machine = self._machine()
        waits = machine.still_waiting(bets, at_ns)
        if waits is not None:  # asked for again before its time: nothing changes, and no record
            decisions = machine.repeat(bets, otherwise=Reason.BET_UNKNOWN, at_ns=at_ns)
            if not waits.all():
                decisions[~waits] = self._place(durable, bets[~waits], at_ns)
            return decisions
        due = machine.due(at_ns)
        placed = np.concatenate((due, bets)) if len(due) else bets
        decisions = durable.place(placed, at_ns)
        self._show(placed, decisions, at_ns)
        return decisions[len(due) :]

    def _show(self, bets: Rows, decisions: Rows, at_ns: Nanos) -> None:
        """Send those that watch bets what was decided now; what is repeated they know."""
        if not self._bet_watch:
            return
        fresh = decisions["flags"] & FLAG_KNOWN == 0
        if not fresh.all():
            bets, decisions = bets[fresh], decisions[fresh]
        if len(bets):
            rows = bets.tobytes(), decisions.tobytes()
            self._bet_watch.send(self._gateways, len(bets), "on_bets", at_ns, *rows)

    def _show_referrals(self, events: Iterable[MarketEvent], at_ns: Nanos) -> None:
        """Show the bets that a trader has decided, as those that the market decides."""
        decided = [event.bet_id for event in events if isinstance(event, ReferralDecided)]
        if decided and self._bet_watch:
            self._show(*self._machine().as_decided(np.array(decided, np.uint64)), at_ns)

    def _place_due(self, durable: DurableMarkets) -> None:
        """Decide the bets that wait and whose time has come, or that a stop has refused."""
        if len(self._machine().due(Nanos(self._clock()))):
            with self._fail_stop:
                self._place(durable, np.zeros(0, BET), self._clock())

    def charge(self, rows: bytes) -> int:
        """Charge legs what their slips ask now, given as CHARGE rows; return how many changed.

        At the return all of them are on disk, so the account may note them as applied. A charge
        that arrives again, or after a later one of the same leg, changes nothing.

        Raises
        ------
        PeerRefusedError
            When nothing was applied: quarantined, or the disk is full.
        """
        charges = rows_of(rows, CHARGE)
        durable = self._healthy()
        unfit = self._machine().charges_unfit
        with self._fail_stop:
            try:
                applied = durable.charge(charges, self._clock())
            except NotAppliedError as error:
                raise PeerRefusedError(f"{self.name}: {error}") from error
        unfit = self._machine().charges_unfit - unfit
        if unfit:
            logger.error("%s: %d charges of legs that it never accepted", self.name, unfit)
        return len(applied)

    def _note_reused_ids(self, decisions: Rows) -> None:
        """Count and log bets whose id belongs to another bet: an account shard lost records."""
        reused = decisions["bet_id"][decisions["reason"] == Reason.BET_ID_REUSED]
        if len(reused):
            self._ids_reused += len(reused)
            logger.error("%s: another bet has the id of bet %d", self.name, reused[0])

    def recall(self, bet_ids: bytes) -> bytes:
        """Repeat the decisions on bets, given as u64 ids, as DECISION rows; change nothing.

        A bet without a record gets BET_UNKNOWN. In quarantine records may be missing, so nothing is
        answered (PeerRefusedError).
        """
        self._healthy()
        if len(bet_ids) > 8 * AUDIT_ROWS_MAX:
            raise ValueError(f"{len(bet_ids) // 8} bets, at most {AUDIT_ROWS_MAX} in one call")
        return self._machine().recall(np.frombuffer(bet_ids, np.uint64)).tobytes()

    def charges_of(self, bet_ids: bytes) -> bytes:
        """Return the present charges of legs among some bets (u64 ids), as CHARGE rows.

        A leg has one when it is charged otherwise than at first. In quarantine records may be
        missing, so nothing is answered (PeerRefusedError).
        """
        self._healthy()
        if len(bet_ids) > 8 * AUDIT_ROWS_MAX:
            raise ValueError(f"{len(bet_ids) // 8} bets, at most {AUDIT_ROWS_MAX} in one call")
        return self._machine().charges_of(np.frombuffer(bet_ids, np.uint64)).tobytes()

    # --- control ---------------------------------------------------------------------------------
    def control(self, payload: bytes) -> bytes:
        """Apply MarketControl in order as one record, and publish; return list[MarketEvent]."""
        request = decode_market_control(payload)
        allowance = request.allowance
        if allowance is None or self._serving() is None:
            return encode(self._control(request.by, request.commands))
        allowed = AllowedCommands(
            self._moved,
            request.by,
            request.commands,
            allowance,
            machine=self._machine(),
            derived=self._derived,
            at_ns=Nanos(self._clock()),
            wall_ns=Nanos(self._clock.wall_ns()),
        )
        return encode(allowed.noted(self._control(request.by, allowed.commands)))

    def reprice(self, payload: bytes) -> bytes:
        """Reprice every market of a fixture hosted here, and publish; return list[MarketEvent].

        Takes Reprice in msgpack. The odds are journaled, as a trader's are; replay never computes
        a price.
        """
        if self._serving() is None:
            return encode([quarantined(self.why)])
        from engine.pricing.repricing import (  # noqa: PLC0415 - see _load_kernels
            Repricer,
            decode_reprice,
            match_score,
            unpriced_stops,
        )

        request = decode_reprice(payload)
        self._repricer = self._repricer or Repricer()
        commands = self._repricer.commands(request, self._machine())
        own = frozenset(self._machine().market_nos())
        events = self._control(request.by, commands, modelled=own) if commands else []
        self._references.note(MODEL, commands, events, at_ns=Nanos(self._clock()))
        if self._derived is not None:
            self._follow(self._derived.note_repriced(request, self._machine()))
        stops = unpriced_stops(request, commands, events)
        events += self._control(request.by, stops) if stops else []
        score, stopped = match_score(request), bool(request.suspend)
        self._matches.send(self._gateways, request.fixture, score, stopped=stopped)
        return encode(events)

    def reference_odds(self, market_nos: list[MarketNo]) -> bytes:
        """Return list[ReferenceView]: what models and feeds say now of those of some markets."""
        at_ns = Nanos(self._clock.wall_ns())
        return encode(self._references.fresh(market_nos, at_ns=at_ns))

    def follow(self, payload: bytes) -> bytes:
        """Apply parts of a feed's messages as one record, and publish; return list[MarketEvent].

        Takes Follow in msgpack. Probabilities become odds here, by the market's own book, and the
        odds are journaled. A message that was applied changes nothing when it is sent again (see
        FeedUpdate).
        """
        if self._serving() is None:
            return encode([quarantined(self.why)])
        from engine.pricing.following import decode_follow, follow_commands  # noqa: PLC0415 - see _load_kernels

        request = decode_follow(payload)
        commands, refused = follow_commands(request, self._machine())
        if not commands:
            return encode(refused)
        withdrawn = {
            each.market_no: [at for at, active in enumerate(each.fair.active) if not active]
            for each in request.updates
            if each.fair is not None
        }
        events = self._control(request.by, tuple(commands), modelled=withdrawn)
        if withdrawn:
            at_ns = Nanos(self._clock())
            self._references.note(request.by, commands, events, at_ns=at_ns, withdrawn=withdrawn)
        return encode([*refused, *events])

    def _control(
        self,
        by: str,
        commands: tuple[MarketCommand, ...],
        *,
        modelled: Container[MarketNo] = (),
    ) -> list[MarketEvent]:
        """Apply and publish commands; odds of the `modelled` markets are those of a model."""
        durable = self._serving()
        if durable is None:
            return [quarantined(self.why) for _ in commands]
        if len(commands) > self._settings.commands_max:
            message = f"{len(commands)} commands, at most {self._settings.commands_max} in one call"
            refused = Refused(reason=Reason.CAPACITY, field="commands", message=message)
            return [refused] * len(commands)
        at_ns = self._clock()
        settings = self._settings
        position_max = self._clock.wall_ns() // NS_PER_MS + settings.feed_ahead_ms_max
        guard = OddsGuard(
            book_milli_min=settings.odds_book_milli_min, step_milli_max=settings.odds_step_milli_max
        )

        def guard_of(market_no: MarketNo) -> OddsGuard:
            if market_no in modelled:
                return guard
            return self._references.guard(guard, market_no, by=by, at_ns=at_ns)

        if self._derived is not None:
            commands = tuple(self._derived.dated(commands, self._machine(), at_ns))
        bounded = [with_bounds(each, position_max, guard_of, by=by) for each in commands]
        with self._fail_stop:
            events = durable.control(by, bounded, at_ns)
        # Only now: a bet whose time came while the command waited is not decided as before a stop.
        self._place_due(durable)
        self._show_referrals(events, at_ns)
        self._publish(events)
        self._feed_results.note(by, commands, events, self._gateways)
        if self._derived is not None:
            self._follow(self._derived.follow(self._machine(), events, at_ns))
        return events

    # --- markets that follow others --------------------------------------------------------------
    def derive(self, payload: bytes) -> bytes:
        """Return the bet builder or place market that is asked for: DerivedRequest, DerivedAnswer.

        A builder without odds gets them, from its fixture's last repricing, and is opened.
        """
        self._healthy()
        assert self._derived is not None, "a serving shell has them"
        request = decode_derived_request(payload)
        answer = self._derived.answer(request, self._machine())
        if answer.market_no:
            odds = self._derived.odds(answer.market_no, self._machine())
            if odds is not None:
                events = self._control(request.by, (odds,), modelled=(answer.market_no,))
                self._references.note(MODEL, (odds,), events, at_ns=Nanos(self._clock()))
                answer = self._derived.answer(request, self._machine())
        return encode(answer)

    def _take_over_derived(self) -> None:
        from actors.derived_markets import DerivedMarkets  # noqa: PLC0415 - see _load_kernels

        self._derived = DerivedMarkets(self._settings)
        self._follow(self._derived.take_over(self._machine(), self._clock()))

    def _follow(self, commands: Sequence[MarketCommand]) -> None:
        """Apply and publish what markets need that follow others, before any bet."""
        durable, most = self._serving(), self._settings.commands_max
        for start in range(0, len(commands), most):
            assert durable is not None, "what it follows was applied"
            with self._fail_stop:
                part = commands[start : start + most]
                events = durable.control(DERIVED, part, self._clock())
            self._publish(events)

    def _publish(self, events: Iterable[MarketEvent]) -> None:
        """Send every gateway what changed, encoded once: images of new markets, else deltas.

        A version that was published before is not sent again: feeds repeat most messages.
        """
        if not self._gateways:
            return
        machine = self._machine()
        created = [event.market_no for event in events if isinstance(event, MarketCreated)]
        touched = dict.fromkeys(
            event.market_no
            for event in events
            if not isinstance(
                event, Refused | OutboxAcked | WaitingStopped | MarketCreated | LimitsSet
            )
        )
        deltas = [machine.price_delta(no) for no in touched]
        published = self._published_version
        changed = [delta for delta in deltas if delta.version != published.get(delta.market_no)]
        published.update({delta.market_no: delta.version for delta in changed})
        if created:
            self._notify("on_created", encode([machine.price_image(no) for no in created]))
        if changed:
            self._notify("on_prices", encode(changed))

    def _counts(self) -> dict[str, int]:
        durable = self._durable
        if durable is None or durable.machine is None:
            return {}
        machine = durable.machine
        return {
            "markets": len(machine.market_nos()),
            "bets": machine.bets_len,
            "ids_reused": self._ids_reused,
            "charges_unfit": machine.charges_unfit,
        }
