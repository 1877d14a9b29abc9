"""One gateway process: its listeners, services, bet path and price fan-out.

Owns the start and stop of these parts, and passes routes, prices and events to them. Owns no
durable state: all state is rebuilt from the supervisor's routes and the shells' images, so a
gateway may die at any instant. It survives the death of any shell and of the supervisor. The
reconciler resolves the bets that were in flight when a gateway died.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.back_off import BackOff
from actors.messages import (
    MarketRoute,
    PartsStatus,
    ReconcilerStatus,
    ShellRoute,
    ShellState,
    decode_fixtures,
    decode_parts_status,
    decode_price_deltas,
    decode_price_images,
    decode_reconciler_status,
)
from actors.peer import Peer, PeerError
from actors.road.road import strangers
from actors.routes import Routes
from actors.settings import DeskSettings
from engine.common.ids import MarketNo
from gateway.assembly import make_services
from gateway.counters import Counters
from gateway.feeds.core.ingress import FeedIngress
from gateway.market_limits import LimitRules, LimitsSettings
from gateway.net.flush_queue import FlushQueue
from gateway.net.listener import Listener
from gateway.net.work_shares import WorkQueue
from gateway.services.alarms import alarms
from gateway.services.catalogue import FixtureCatalogue
from gateway.services.derived_markets import DerivedMarkets
from gateway.services.desk import DeskClient
from gateway.services.fixture_control import FixtureService
from gateway.services.http_pages import Pages
from gateway.services.kept_stops import KeptStops, alarms_of
from gateway.services.metrics import GatewayMetrics
from gateway.services.price_fanout import Fanout
from gateway.services.readiness import Readiness
from gateway.services.shells import ShellService
from gateway.session.admission import Admission
from gateway.session.services import Services
from gateway.session.tokens import TokenKey
from gateway.settings import GatewaySettings
from gateway.suspected_shells import SuspectedShells

logger = logging.getLogger("overround.gateway")

_IMAGES_IN_CALL_MAX: Final = 1_024
_FLUSH_S: Final = 2.0
"""Seconds that a gateway's end waits for its last lines of the audit trail."""
_FETCH_RETRY_S: Final = 0.25
"""Seconds between two attempts to fetch the images of a shell that does not answer."""


class Gateway:
    """One gateway process: a plain class that the actor framework wraps.

    Parameters
    ----------
    name : str
        Unique name, under which shells reach this gateway.
    shards : int
        Number of account shards.
    secret : bytes
        The signing secret of tokens, at least 32 bytes.
    settings : GatewaySettings, optional
        Addresses and bounds.
    limits : LimitsSettings, optional
        The house cap on limits that traders set.
    desk : DeskSettings, optional
        What needs a second person.
    supervisor : Peer, optional
        Receives reports (`suspect`) of shells that do not answer, and creates bet builders.
    clock_s : callable, optional
        Seconds since 1970, for the expiry of tokens.
    work_clock_ns : callable, optional
        Nanoseconds, by which the work of clients is measured.
    """

    def __init__(
        self,
        *,
        name: str,
        shards: int,
        secret: bytes,
        settings: GatewaySettings | None = None,
        limits: LimitsSettings | None = None,
        desk: DeskSettings | None = None,
        supervisor: Peer | None = None,
        clock_s: Callable[[], float] = time.time,
        work_clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.name = name
        self.routes = Routes(shards=shards)
        self.settings = settings or GatewaySettings()
        self._limits = LimitRules(limits or LimitsSettings())
        self._desk_settings = desk or DeskSettings()
        self.counters = Counters()
        self.catalogue = FixtureCatalogue()
        self.fanout = Fanout(
            counters=self.counters, fetch_image=self._fetch_image, catalogue=self.catalogue
        )
        self.feeds = FeedIngress(settings=self.settings, counters=self.counters)
        self._key = TokenKey(secret)
        self._clock_s = clock_s
        self._work_clock_ns = work_clock_ns
        self._suspected = SuspectedShells(supervisor)
        self._derived = DerivedMarkets(
            routes=self.routes,
            fanout=self.fanout,
            limits=self._limits,
            supervisor=lambda: self._suspected.supervisor,
            timeout_s=self.settings.control_timeout_ms / 1_000,
        )
        self._fixtures = FixtureService(
            catalogue=self.catalogue,
            supervisor=lambda: self._suspected.supervisor,
            timeout_s=self.settings.control_timeout_ms / 1_000,
        )
        self._desk = DeskClient(settings=self.settings)
        self._kept_stops = KeptStops(
            supervisor=lambda: self._suspected.supervisor,
            timeout_s=self.settings.control_timeout_ms / 1_000,
        )
        self._services: Services | None = None
        self._listeners: list[Listener] = []
        self._ports: dict[str, int] = {}
        self._reconciliation = ReconcilerStatus()
        self._parts = PartsStatus()
        self._parts_version = 0
        self._to_fetch: dict[MarketNo, None] = {}
        self._fetching = False

    # --- start and stop --------------------------------------------------------------------------

    async def start(self) -> dict[str, int]:
        """Open the listeners; return their ports by name: ``bets``, ``control`` and ``feed``."""
        settings = self.settings
        services = self._services = make_services(
            name=self.name,
            settings=settings,
            desk_settings=self._desk_settings,
            routes=self.routes,
            counters=self.counters,
            fanout=self.fanout,
            feeds=self.feeds,
            limits=self._limits,
            derived=self._derived,
            fixtures=self._fixtures,
            desk=self._desk,
            suspected=self._suspected,
            kept=self._kept_stops,
            shells=ShellService(
                supervisor=lambda: self._suspected.supervisor,
                reconciliation=lambda: self._reconciliation,
                timeout_s=settings.control_timeout_ms / 1_000,
            ),
        )
        metrics = GatewayMetrics(
            counters=self.counters,
            bets=services.bets.stats,
            gauges=self._gauges,
            feeds=self.feeds.metrics.collect,
        )
        flush_queue = FlushQueue(asyncio.get_running_loop())
        work_queue = WorkQueue(
            counters=self.counters,
            percent=settings.work_percent,
            burst_ms=settings.work_burst_ms,
            clock_ns=self._work_clock_ns,
        )
        for name, host, port, shows_metrics in (
            ("bets", settings.bets_host, settings.bets_port, settings.metrics_on_bets),
            ("control", settings.control_host, settings.control_port, True),
            ("feed", settings.feed_host, settings.feed_port, True),
        ):
            pages = Pages(
                fanout=self.fanout,
                control=services.control,
                catalogue=self.catalogue,
                metrics=metrics if shows_metrics else None,
                readiness=self._readiness,
                origins=settings.origins,
            )
            admission = Admission(
                name=name,
                frame_bytes_max=settings.frame_bytes(name),
                key=self._key,
                services=services,
                pages=pages,
                clock_s=self._clock_s,
            )
            listener = Listener(
                admission=admission,
                settings=settings,
                counters=self.counters,
                flush_queue=flush_queue,
                work_queue=work_queue,
                work_capped=name == "bets",
            )
            self._listeners.append(listener)
            self._ports[name] = await listener.start(host, port)
        self.feeds.coverage.start(self.catalogue.set_lost)
        return self._started()

    def _started(self) -> dict[str, int]:
        """Fetch the images that are missing; return the listeners' ports."""
        self._fetch_images(self.fanout.missing())
        return dict(self._ports)

    async def stop(self) -> None:
        """Answer the bets in flight, close every session, and close the ports."""
        if self._services is None:
            return
        self._services.house.close()
        await self._services.bets.close()
        await asyncio.sleep(0)  # write the last answers before the close frames
        for listener in self._listeners:
            await listener.stop()
        await self._services.trail.flush(deadline_s=_FLUSH_S)
        self._services.tasks.cancel()
        self.feeds.metrics.stop()
        self.feeds.coverage.stop()
        self._services = None

    # --- messages of the other parts -------------------------------------------------------------

    def on_routes(
        self,
        version: int,
        shells: Sequence[ShellRoute],
        markets: Sequence[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        """Take changed routes; fetch from shells with a new process the images that were missed."""
        before = dict(self.routes.shells)
        changed = self.routes.update(version=version, shells=shells, markets=markets, peers=peers)
        for market in markets:
            self.fanout.add_market(market_no=market.market_no, key=market.key)
        restarted = [
            shell.name for shell in changed if _has_new_process(before.get(shell.name), now=shell)
        ]
        if self._services is not None:
            self._services.bets.wake()
            for name in restarted:
                self._services.accounts.watch_again(name)
                self._services.bet_stream.watch_again(name)
        self._mark_quarantines(changed, markets)
        # A shell's last published changes can be lost with its process: fetch its images again.
        stale = dict.fromkeys(restarted)
        self._fetch_images(
            [no for name in stale for no in self.routes.numbers_of_shell(name)]
            + [market.market_no for market in markets]
        )

    def _mark_quarantines(
        self, shells: Sequence[ShellRoute], markets: Sequence[MarketRoute]
    ) -> None:
        """Show the markets of shells in quarantine as stale, until their shells' next images."""
        changed = {shell.name: shell.state for shell in shells}
        affected: dict[MarketNo, str] = {market.market_no: market.shell for market in markets}
        if ShellState.QUARANTINED in changed.values() or self.fanout.markets_stale:
            for name in changed:
                affected |= dict.fromkeys(self.routes.numbers_of_shell(name), name)
        states = {
            shell: self.routes.shells[shell].state
            for shell in dict.fromkeys(affected.values())
            if shell in self.routes.shells
        }
        of_state = {
            state: [no for no, shell in affected.items() if states.get(shell) is state]
            for state in (ShellState.QUARANTINED, ShellState.SERVING)
        }
        self.fanout.quarantined(of_state[ShellState.QUARANTINED])
        self._fetch_images(self.fanout.released(of_state[ShellState.SERVING]))

    def on_supervisor(self, supervisor: Peer) -> None:
        """Use this supervisor from now on: the one before is gone."""
        self._suspected.supervisor = supervisor

    def on_desk(self, desk: Peer | None) -> None:
        """Use this process of the desk from now on: the one before is gone."""
        self._desk.peer = desk

    def on_created(self, payload: bytes) -> None:
        """Take the images of new markets."""
        self.fanout.take_images(decode_price_images(payload))

    def on_fixtures(self, payload: bytes) -> None:
        """Take fixtures as the directory has them, in any order."""
        self.catalogue.take(decode_fixtures(payload))

    def on_prices(self, payload: bytes) -> None:
        """Take changes of prices and states, and send them to their subscribers."""
        self.fanout.take_deltas(decode_price_deltas(payload))

    def on_feeds(self, version: int, feeds: Mapping[str, Peer]) -> None:
        """Take the pipelines of the feeds, by feed name."""
        self.feeds.on_feeds(version, feeds)

    def on_feed_request(self, feed: str, payload: bytes) -> None:
        """Pass a feed's recovery request to the attached sources of the feed."""
        self.feeds.on_request(feed, payload)

    def on_parts(self, version: int, payload: bytes) -> None:
        """Take over which parts do not run now, and where the gateways listen: PartsStatus."""
        if version >= self._parts_version:
            self._parts_version = version
            self._parts = decode_parts_status(payload)

    def on_match(self, fixture: str, in_play: bool, home: int, away: int, _stopped: bool) -> None:  # noqa: FBT001
        """Take a match's score, as whoever reprices its fixture states it."""
        self.on_match_again(fixture, in_play, home, away)

    def on_match_again(self, fixture: str, in_play: bool, home: int, away: int) -> None:  # noqa: FBT001
        """Take a match's score as it is, known or not."""
        if in_play:
            self.catalogue.set_score(fixture, (home, away))

    def on_reconciliation(self, payload: bytes) -> None:
        """Take the reconciler's status, which metrics and readiness show."""
        self._reconciliation = decode_reconciler_status(payload)

    def on_stops(self, payload: bytes) -> None:
        """Take which shells have not got a stop, which readiness shows."""
        self._kept_stops.on_status(payload)

    def on_account_events(self, payload: bytes, kind: str) -> None:
        """Pass events of watched accounts to the sessions that watch them."""
        if self._services is not None:
            self._services.accounts.publish(payload, kind)

    def on_bets(self, missed: int, at_ns: int, bets: bytes, decisions: bytes) -> None:
        """Pass bets that a market shell has decided to the sessions that watch them."""
        if self._services is not None:
            self._services.bet_stream.on_bets(missed, at_ns, bets, decisions)

    def on_bet_lines(self, missed: int, lines: bytes) -> None:
        """Pass bets that an account shell shows to the sessions that watch them."""
        if self._services is not None:
            self._services.bet_stream.on_bet_lines(missed, lines)

    def stats(self) -> dict[str, Any]:
        """Return figures for views and benches: gauges, answers by reason, latencies in seconds."""
        document: dict[str, Any] = {"name": self.name, **self._gauges()}
        if self._services is not None:
            bets = self._services.bets.stats
            document["answers"] = {int(reason): count for reason, count in bets.answers.items()}
            document["unknown"] = bets.unknown
            document["calls"] = bets.calls
            document["rows"] = bets.rows
            document["ack_p50_s"] = bets.quantile_s(0.5)
            document["ack_p99_s"] = bets.quantile_s(0.99)
            document["latency_counts"] = bets.latency_counts.tolist()
        document["counters"] = dict(vars(self.counters))
        return document

    # --- missing images --------------------------------------------------------------------------

    def _fetch_image(self, market_no: MarketNo) -> None:
        self._fetch_images([market_no])

    def _fetch_images(self, market_nos: list[MarketNo]) -> None:
        """Fetch images in the background, many per call; before `start`, remember them for it."""
        self._to_fetch.update(dict.fromkeys(market_nos))
        if self._to_fetch and not self._fetching and self._services is not None:
            self._fetching = True
            self._services.tasks.spawn(self._fetch())

    async def _fetch(self) -> None:
        """Fetch images until none is missing; retry shells that do not answer."""
        retry = BackOff(_FETCH_RETRY_S, _FETCH_RETRY_S, clock_s=asyncio.get_running_loop().time)
        try:
            while self._to_fetch:
                numbers, self._to_fetch = self._to_fetch, {}
                by_shell: dict[str, list[MarketNo]] = {}
                for number in numbers:
                    shell = self.routes.market_shell(number)
                    if shell is not None:
                        by_shell.setdefault(shell, []).append(number)
                done = await asyncio.gather(
                    *(self._fetch_from(shell, nos) for shell, nos in by_shell.items())
                )
                if not all(done):
                    retry.failed()
                    await retry.wait()
        finally:
            self._fetching = False

    async def _fetch_from(self, shell: str, numbers: list[MarketNo]) -> bool:
        """Fetch the images of one shell; False when the rest is to be fetched later."""
        timeout_s = self.settings.control_timeout_ms / 1_000
        for start in range(0, len(numbers), _IMAGES_IN_CALL_MAX):
            part = numbers[start : start + _IMAGES_IN_CALL_MAX]
            peer = self.routes.peer(shell)
            try:
                if peer is None:
                    raise PeerError(f"{shell} is down")
                raw = await peer.ask("price_images", part, timeout_s=timeout_s)
            except PeerError:
                self._to_fetch.update(dict.fromkeys(numbers[start:]))
                return False
            except Exception:  # a quarantined shell may have no images; the others must not wait
                logger.exception("%s gave no images of its markets", shell)
                return True
            self.fanout.take_images(decode_price_images(raw))
        return True

    # --- present state ---------------------------------------------------------------------------

    def _gauges(self) -> dict[str, int]:
        services = self._services
        return {
            "connections": sum(len(listener.connections) for listener in self._listeners),
            "bets_in_flight": 0 if services is None else services.bets.in_flight,
            "bets_waiting": 0 if services is None else services.bets.bets_waiting,
            "markets": len(self.routes.markets),
            "markets_stale": self.fanout.markets_stale,
            "shells_quarantined": len(self._quarantined()),
            "shells_down": sum(
                shell.state in (ShellState.DOWN, ShellState.STARTING)
                for shell in self.routes.shells.values()
            ),
            "accounts_watched": 0 if services is None else services.accounts.watched,
            "house_stopped": self._reconciliation.house_stopped,
            "settlements_disputed": self._reconciliation.disputes,
            "bet_ids_reused": self._reconciliation.ids_reused,
            "charges_unfit": self._reconciliation.charges_unfit,
            "book_differences": self._reconciliation.differences_found,
            "reconciler_troubles": len(self._reconciliation.troubles),
            "parts_down": len(self._parts.down),
            "clock_jumps": sum(shell.clock_jumps for shell in self.routes.shells.values()),
            "clocks_behind": sum(shell.clock_behind for shell in self.routes.shells.values()),
            "road_strangers": strangers() + self._reconciliation.road_strangers,
        }

    def _quarantined(self) -> list[str]:
        return [name for name in self.routes.shells if name in self.routes.quarantined]

    def _readiness(self) -> Readiness:
        shells: dict[str, int] = {}
        accounts_up = 0
        for shell in self.routes.shells.values():
            shells[shell.state.value] = shells.get(shell.state.value, 0) + 1
            accounts_up += shell.kind == "account" and shell.state is ShellState.SERVING
        return Readiness(
            ready=accounts_up == self.routes.shards
            and self.routes.version > 0
            and not self._parts.opening,
            routes_version=self.routes.version,
            markets=len(self.routes.markets),
            markets_without_prices=len(self.fanout.missing()),
            shells=shells,
            quarantined=tuple(self._quarantined()),
            markets_stale=self.fanout.markets_stale,
            opening=self._parts.opening,
            alarms=alarms(self._reconciliation) + alarms_of(self._kept_stops.status),
            parts_down=tuple(self._parts.down),
            ports=dict(self._parts.ports),
            clock_jumps=sum(shell.clock_jumps for shell in self.routes.shells.values()),
            clocks_behind=sum(shell.clock_behind for shell in self.routes.shells.values()),
        )


def _has_new_process(before: ShellRoute | None, *, now: ShellRoute) -> bool:
    """Return whether a shell answers, with another process or state than its last route."""
    if now.state not in (ShellState.SERVING, ShellState.QUARANTINED):
        return False
    return before is None or before.generation != now.generation or before.state != now.state
