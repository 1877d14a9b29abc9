"""The desk's part: what the trading floor keeps beside its markets, in a process of its own.

Owns the journaled approvals, kept inputs, audit trail, rules and alerts; desk_watch.py has what
rules see and do, desk_quotes.py reprices, desk_scopes.py has what is kept by scope. It survives a
crash of its process, on disk; while it is down, markets and bets go on, and only what needs it is
refused.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from actors.desk_journal import DeskJournal, Document
from actors.desk_limits import DeskLimits
from actors.desk_messages import (
    PAGE_MAX,
    AlertPage,
    AskConflicts,
    AskInputs,
    AskLimits,
    AskMargins,
    AskMatch,
    AskPricing,
    ConflictPage,
    Decide,
    HappenInMatch,
    InputsPage,
    KeepInputs,
    KeepLimits,
    KeepMargin,
    ListAlerts,
    ListProposals,
    ListRules,
    MatchPage,
    NotDone,
    NoteCarriedOut,
    ProposalPage,
    ProposalView,
    Propose,
    PutRule,
    ReleaseInputs,
    ReleaseLimits,
    ReleaseMargin,
    Repriced,
    RulePage,
    SearchTrail,
    TrailPage,
    WorkAlert,
    decode_lines,
    decode_request,
    encode,
)
from actors.desk_quotes import DeskQuotes
from actors.desk_scopes import DeskScopes
from actors.desk_watch import DeskWatch
from actors.failstop import ExitProcess, FailStop, exit_at_once
from actors.messages import MarketRoute, ShellRoute
from actors.peer import Peer
from actors.settings import DeskSettings
from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import NS_PER_MS, Nanos
from engine.desk.approvals import ApprovalDocument
from engine.desk.audit_trail import NumberedLine
from engine.desk.kept_inputs import InputsDocument, InputsReleased, KeptInputs
from engine.watch.alerts import WatchDocument
from engine.watch.rules import WatchRule
from persistence.chain import JournalDamagedError
from persistence.disk import Disk, DiskFullError, LocalDisk
from persistence.journal import JournalOptions

NAME: Final = "desk"

_NOT_REPRICED: Final = Repriced()

logger = logging.getLogger("overround.desk")


class Desk:
    """The desk: a plain class that the actor framework wraps.

    A damaged journal stops the desk and nothing else: every request is refused as QUARANTINED until
    it is repaired and the process is started again.

    Parameters
    ----------
    folder : str
        Folder of the journal.
    settings : DeskSettings
        How long proposals wait.
    options : JournalOptions
        Sizes of the journal.
    clock_ns : callable
        UTC nanoseconds.
    disk, exit_process
        The journal's disk; what ends the process when its journal breaks.
    """

    def __init__(
        self,
        *,
        folder: str,
        settings: DeskSettings,
        options: JournalOptions,
        clock_ns: Callable[[], int] = time.time_ns,
        disk: Disk | None = None,
        exit_process: ExitProcess = exit_at_once,
    ) -> None:
        self._settings = settings
        self._clock_ns = clock_ns
        self._fail_stop = FailStop(NAME, exit_process)
        self._quarantine = ""
        self._journal = DeskJournal()
        self.watch = DeskWatch(
            alerts=lambda: self._journal.alerts,
            write=self._write,
            clock_ns=clock_ns,
            on_kick_off=lambda fixture: self.limits.refresh(self.watch.markets_of(fixture)),
        )
        with self._fail_stop:
            try:
                self._journal = DeskJournal.open(
                    Path(folder),
                    disk=disk or LocalDisk(),
                    at_ns=Nanos(clock_ns()),
                    options=options,
                )
            except JournalDamagedError as error:
                self._quarantine = str(error)
                logger.error("%s", error)
        self.watch.rules_changed()
        self.quotes = DeskQuotes(
            inputs=lambda: self._journal.inputs,
            margins=lambda: self._journal.margins,
            place_of=self.watch.place_of,
            routes=self.watch.routes,
            clock_ns=clock_ns,
            period_s=settings.quote_ms / 1_000,
        )
        self.limits = DeskLimits(
            limits=lambda: self._journal.limits,
            place_of=self.watch.place_of,
            in_play=self.watch.in_play,
            routes=self.watch.routes,
            write=self._write,
        )
        self._scopes = DeskScopes(
            journal=lambda: self._journal,
            write=self._write,
            watch=self.watch,
            quotes=self.quotes,
            limits=self.limits,
        )

    async def stop(self) -> None:
        """End the watch, the repricing and the giving of limits, and close the journal."""
        await self.watch.stop()
        self.quotes.stop()
        self.limits.stop()
        self._quarantine = self._quarantine or "the desk has been stopped"
        self._journal.close()

    # --- what gateways are sent too, for the watch -----------------------------------------------

    def on_routes(
        self,
        version: int,
        shells: Sequence[ShellRoute],
        markets: Sequence[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        """Take changed routes, and begin to watch, to reprice and to give limits."""
        self.watch.start()
        self.quotes.start()
        self.limits.start()
        self.watch.on_routes(version, shells, markets, peers)
        self.limits.refresh(market.market_no for market in markets)

    def on_fixtures(self, payload: bytes) -> None:
        """Take fixtures as the directory has them; where one has moved, other scopes may hold."""
        moved = self.watch.on_fixtures(payload)
        if self._journal.margins.kept:
            self.quotes.reprice_shortly(moved)
        for fixture in moved:
            self.limits.refresh(self.watch.markets_of(fixture))

    def on_created(self, payload: bytes) -> None:
        """Take the images of markets."""
        self.limits.refresh(self.watch.on_created(payload))

    def on_prices(self, payload: bytes) -> None:
        """Take changes of odds and states."""
        self.watch.on_prices(payload)

    def on_bets(self, missed: int, at_ns: int, bets: bytes, decisions: bytes) -> None:
        """Take bets that a market shell has decided."""
        self.watch.on_bets(missed, at_ns, bets, decisions)

    def on_match(self, fixture: str, in_play: bool, home: int, away: int, stopped: bool) -> None:  # noqa: FBT001
        """Take a match's new score."""
        self.watch.on_match(fixture, in_play=in_play, home=home, away=away, stopped=stopped)

    def on_match_again(self, fixture: str, in_play: bool, home: int, away: int) -> None:  # noqa: FBT001
        """Take a match's score as it stands, which may be known."""
        self.watch.on_match(fixture, in_play=in_play, home=home, away=away, changed=False)

    def on_results(self, payload: bytes) -> None:
        """Take what feeds state as results."""
        self.watch.on_results(payload)

    def on_bet_lines(self, missed: int, lines: bytes) -> None:
        """Take no notice: bets are seen where their markets decide them."""

    def on_feeds(self, version: int, feeds: Mapping[str, Peer]) -> None:
        """Take the pipelines of the feeds, by feed name."""
        self.watch.on_feeds(version, feeds)

    def on_feed_request(self, feed: str, payload: bytes) -> None:
        """Take no notice: a feed's source is at a gateway."""

    def on_reconciliation(self, payload: bytes) -> None:
        """Take no notice: gateways show it."""

    def on_stops(self, payload: bytes) -> None:
        """Take no notice: gateways show which shells have not got a stop."""

    # --- requests of gateways --------------------------------------------------------------------

    async def request(self, payload: bytes) -> bytes:
        """Answer a DeskRequest in msgpack with a DeskAnswer in msgpack."""
        if self._quarantine:
            return _not_done(Reason.QUARANTINED, self._quarantine)
        request, at_ns = decode_request(payload), Nanos(self._clock_ns())
        match request:
            case ListProposals():
                return self._proposals(request, at_ns)
            case SearchTrail():
                return await self._lines(request)
            case KeepInputs() | HappenInMatch() | ReleaseInputs():
                return await self._change_inputs(request, at_ns)
            case AskConflicts():
                return encode(
                    ConflictPage(
                        conflicts=tuple(self.watch.conflicts.values()),
                        matches=tuple(self.watch.matches.differing.values()),
                    )
                )
            case AskInputs():
                inputs = self._journal.inputs.kept.get(request.fixture)
                return _not_kept(request.fixture) if inputs is None else _page(inputs, at_ns)
            case AskMatch():
                return self._match(request.fixture, at_ns)
            case KeepMargin() | ReleaseMargin() | KeepLimits() | ReleaseLimits():
                return self._scopes.change(request, at_ns)
            case AskMargins() | AskPricing() | AskLimits():
                return self._scopes.answer(request)
            case ListRules():
                return self._rules()
            case ListAlerts():
                return self._alerts(request)
            case PutRule() | WorkAlert():
                return self._change_watch(request, at_ns)
            case _:
                return self._change(request, at_ns)

    async def note_lines(self, payload: bytes) -> bool:
        """Add LinesAdded in msgpack to the audit trail; False: send them again."""
        if self._quarantine:
            return False
        added = self._journal.trail.fresh(decode_lines(payload))
        return added is None or self._write(added)

    def _change(self, request: Propose | Decide | NoteCarriedOut, at_ns: Nanos) -> bytes:
        approvals = self._journal.approvals
        document: ApprovalDocument | Refused
        match request:
            case Propose():
                document = approvals.propose(
                    by=request.by,
                    why=request.why,
                    commands=request.commands,
                    change_minor=request.change_minor,
                    basis=request.basis,
                    at_ns=at_ns,
                    valid_ns=Nanos(self._settings.proposal_ms * NS_PER_MS),
                )
            case Decide():
                document = approvals.decide(
                    request.number,
                    by=request.by,
                    verdict=request.verdict,
                    why=request.why,
                    at_ns=at_ns,
                )
            case NoteCarriedOut():
                document = approvals.carry_out(request.number, result=request.result, at_ns=at_ns)
        if isinstance(document, Refused):
            return encode(NotDone(refused=document))
        if not self._write(document):
            return _not_done(Reason.DISK_FULL, MESSAGES[Reason.DISK_FULL])
        return encode(ProposalPage(proposals=(self._view(document.number, at_ns),)))

    def _write(self, *documents: Document) -> bool:
        with self._fail_stop:
            try:
                self._journal.write(documents, at_ns=Nanos(self._clock_ns()))
            except DiskFullError:
                return False
        return True

    async def _change_inputs(
        self, request: KeepInputs | HappenInMatch | ReleaseInputs, at_ns: Nanos
    ) -> bytes:
        kept = self._journal.inputs
        document: InputsDocument | Refused
        match request:
            case KeepInputs():
                room = kept.make_room(
                    request.inputs.fixture, is_over=self.watch.is_over, by=NAME, at_ns=at_ns
                )
                if room is not None and not self._write(room):
                    return _not_done(Reason.DISK_FULL, MESSAGES[Reason.DISK_FULL])
                since_ns = at_ns if request.running else Nanos(0)
                document = kept.keep(
                    replace(request.inputs, since_ns=since_ns, at_ns=at_ns),
                    keep_state=request.keep_state,
                    after=request.after,
                )
            case HappenInMatch():
                document = kept.happen(
                    request.fixture,
                    request.event,
                    request.side,
                    by=request.by,
                    at_ns=at_ns,
                    after=request.after,
                )
            case ReleaseInputs():
                document = kept.release(request.fixture, by=request.by, at_ns=at_ns)
        if isinstance(document, Refused):
            return encode(NotDone(refused=document))
        if not self._write(document):
            return _not_done(Reason.DISK_FULL, MESSAGES[Reason.DISK_FULL])
        if isinstance(document, InputsReleased):
            return encode(InputsPage())
        repriced = await self.quotes.reprice(document.inputs.fixture)
        return _page(document.inputs, Nanos(self._clock_ns()), repriced)

    def _match(self, fixture: str, at_ns: Nanos) -> bytes:
        inputs, in_play = self._journal.inputs.kept.get(fixture), self.watch.in_play(fixture)
        if inputs is None:
            return encode(MatchPage(in_play=in_play))
        return encode(MatchPage(inputs=inputs, state=inputs.state_at(at_ns), in_play=in_play))

    def _change_watch(self, request: PutRule | WorkAlert, at_ns: Nanos) -> bytes:
        alerts = self._journal.alerts
        document: WatchDocument | Refused
        match request:
            case PutRule(rule=WatchRule() as rule):
                document = alerts.set_rule(rule, by=request.by, at_ns=at_ns)
            case PutRule():
                document = alerts.remove_rule(request.name, by=request.by, at_ns=at_ns)
            case WorkAlert():
                document = alerts.work(
                    request.number,
                    status=request.status,
                    owner=request.owner,
                    note=request.note,
                    by=request.by,
                    at_ns=at_ns,
                )
        if isinstance(document, Refused):
            return encode(NotDone(refused=document))
        if not self._write(document):
            return _not_done(Reason.DISK_FULL, MESSAGES[Reason.DISK_FULL])
        if isinstance(request, PutRule):
            self.watch.rules_changed()
            return self._rules()
        alert = alerts.alerts[request.number]
        return encode(AlertPage(alerts=(alert,), changes=alerts.changes))

    def _rules(self) -> bytes:
        return encode(
            RulePage(
                rules=tuple(self._journal.alerts.rules.values()),
                bets_seen=self.watch.bets_seen,
                bets_missed=self.watch.bets_missed,
                findings_dropped=self.watch.findings_dropped,
            )
        )

    def _alerts(self, request: ListAlerts) -> bytes:
        alerts, limit = self._journal.alerts, min(request.limit, PAGE_MAX)
        if request.changed >= 0:
            found = alerts.changed_after(request.changed)
        else:
            found = alerts.newest(
                open_only=request.open_only,
                rule=request.rule,
                fixture=request.fixture,
                before=request.before,
            )
        page = list(islice(found, limit + 1))
        shown = tuple(page[:limit])
        return encode(AlertPage(alerts=shown, changes=alerts.changes, more=len(page) > limit))

    def _view(self, number: int, at_ns: Nanos) -> ProposalView:
        proposal = self._journal.approvals.proposals[number]
        return ProposalView(proposal=proposal, state=proposal.state(at_ns))

    def _proposals(self, request: ListProposals, at_ns: Nanos) -> bytes:
        found = self._journal.approvals.newest(
            state=request.state, now_ns=at_ns, before=request.before
        )
        page = [ProposalView(proposal=one, state=one.state(at_ns)) for one in found]
        limit = min(request.limit, PAGE_MAX)
        return encode(ProposalPage(proposals=tuple(page[:limit]), more=len(page) > limit))

    async def _lines(self, request: SearchTrail) -> bytes:
        """Search the trail; rules, repricings and other requests go on between its slices."""
        trail, limit = self._journal.trail, min(request.limit, PAGE_MAX)
        first = trail.first
        lines: list[NumberedLine] = []
        for some in trail.search(request.query):
            lines += some
            if len(lines) > limit:
                break
            await asyncio.sleep(0)
        more = len(lines) > limit
        return encode(TrailPage(lines=tuple(lines[:limit]), more=more, first=first))


def _not_done(reason: Reason, message: str) -> bytes:
    return encode(NotDone(refused=Refused(reason=reason, message=message)))


def _not_kept(fixture: str) -> bytes:
    return _not_done(Reason.INPUTS_UNKNOWN, f"{MESSAGES[Reason.INPUTS_UNKNOWN]}: {fixture}")


def _page(inputs: KeptInputs, at_ns: Nanos, repriced: Repriced = _NOT_REPRICED) -> bytes:
    state = inputs.state_at(at_ns)
    return encode(InputsPage(inputs=inputs, state=state, repriced=repriced))
