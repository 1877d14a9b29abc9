"""The gateway: its listeners, the bet path, the fan-out, and what the rest of the system tells it.

Owns no durable state: everything here is rebuilt from the supervisor's routes and the shells'
images, so a gateway may die at any instant. What lives in shells is asked for, never guessed.
It survives the death of any shell and of the supervisor; bets that were on their way when it
died itself are resolved by the reconciler.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.messages import (
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_price_deltas,
    decode_price_images,
)
from actors.peer import Peer, PeerError
from actors.routes import Routes
from gateway.bets.path import BetPath
from gateway.counters import Counters
from gateway.feeds.core.ingress import FeedIngress
from gateway.net.flush_queue import FlushQueue
from gateway.net.listener import Listener
from gateway.services.accounts import Accounts
from gateway.services.control import ControlService
from gateway.services.http_pages import Pages, Readiness
from gateway.services.metrics import GatewayMetrics
from gateway.services.price_fanout import Fanout
from gateway.session.admission import Admission
from gateway.session.services import Services
from gateway.session.tokens import TokenKey
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

_HEAL_NUMBERS_MAX: Final = 1_024
_HEAL_AGAIN_S: Final = 0.25
_SUSPECT_AGAIN_S: Final = 0.25


class Gateway:
    """One gateway process; a plain class that `actors` wraps.

    Parameters
    ----------
    name : str
        Unique name, under which shells reach this gateway.
    shards : int
        Count of account shards.
    secret : bytes
        The signing secret of tokens, at least 32 bytes.
    settings : GatewaySettings, optional
        Addresses and bounds.
    supervisor : Peer, optional
        Told (`suspect`) of shells whose process seems gone.
    clock_s : callable, optional
        Seconds since 1970, for the expiry of tokens.
    """

    def __init__(
        self,
        *,
        name: str,
        shards: int,
        secret: bytes,
        settings: GatewaySettings | None = None,
        supervisor: Peer | None = None,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.routes = Routes(shards=shards)
        self.settings = settings or GatewaySettings()
        self.counters = Counters()
        self.fanout = Fanout(counters=self.counters, heal=self._heal)
        self.feeds = FeedIngress(settings=self.settings, counters=self.counters)
        self._key = TokenKey(secret)
        self._clock_s = clock_s
        self._supervisor = supervisor
        self._services: Services | None = None
        self._listeners: list[Listener] = []
        self._ports: dict[str, int] = {}
        self._to_heal: dict[int, None] = {}
        self._healing = False
        self._suspected_s: dict[str, float] = {}

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> dict[str, int]:
        """Open the listeners; return their ports by name: ``bets``, ``control`` and ``feed``."""
        settings = self.settings
        bets = BetPath(routes=self.routes, settings=settings, suspect=self._suspect)
        accounts = Accounts(routes=self.routes, settings=settings, gateway=self.name)
        control = ControlService(
            routes=self.routes, fanout=self.fanout, settings=settings, counters=self.counters
        )
        services = self._services = Services(
            settings=settings,
            counters=self.counters,
            bets=bets,
            fanout=self.fanout,
            accounts=accounts,
            control=control,
            feeds=self.feeds,
        )
        metrics = GatewayMetrics(
            counters=self.counters,
            bets=bets.stats,
            gauges=self._gauges,
            feeds=self.feeds.metrics.collect,
        )
        flush_queue = FlushQueue(asyncio.get_running_loop())
        for name, host, port, shown in (
            ("bets", settings.bets_host, settings.bets_port, settings.metrics_on_bets),
            ("control", settings.control_host, settings.control_port, True),
            ("feed", settings.feed_host, settings.feed_port, True),
        ):
            pages = Pages(
                fanout=self.fanout,
                control=control,
                metrics=metrics if shown else None,
                readiness=self._readiness,
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
            )
            self._listeners.append(listener)
            self._ports[name] = await listener.start(host, port)
        if self._to_heal or self.fanout.missing():
            self._heal_all(self.fanout.missing())
        return dict(self._ports)

    async def stop(self) -> None:
        """Answer the bets that are out, say goodbye to every session, and close the ports."""
        if self._services is None:
            return
        await self._services.bets.close()
        await asyncio.sleep(0)  # the last answers are written before the goodbyes
        for listener in self._listeners:
            await listener.stop()
        self._services.tasks.cancel()
        self.feeds.metrics.stop()
        self._services = None

    # --- told by the others ----------------------------------------------------------------------

    def on_routes(
        self,
        version: int,
        shells: Sequence[ShellRoute],
        markets: Sequence[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        """Take over changed routes; shells with a new process are asked for what was missed."""
        before = dict(self.routes.shells)
        news = self.routes.update(version=version, shells=shells, markets=markets, peers=peers)
        for market in markets:
            self.fanout.know(market_no=market.market_no, key=market.key)
        reborn = [shell.name for shell in news if _renewed(before.get(shell.name), now=shell)]
        if self._services is not None:
            self._services.bets.wake()
            for name in reborn:
                self._services.accounts.renew(name)
        # What a shell published last may have died with it, so its images are asked for again.
        stale = dict.fromkeys(reborn)
        self._heal_all(
            [no for no, route in self.routes.markets.items() if route.shell in stale]
            + [market.market_no for market in markets]
        )

    def on_created(self, payload: bytes) -> None:
        """Take the images of new markets."""
        self.fanout.take_images(decode_price_images(payload))

    def on_prices(self, payload: bytes) -> None:
        """Take changes of prices and states, and pass them on."""
        self.fanout.take_deltas(decode_price_deltas(payload))

    def on_feeds(self, version: int, feeds: Mapping[str, Peer]) -> None:
        """Take over which desks take which feeds."""
        self.feeds.on_feeds(version, feeds)

    def on_feed_request(self, feed: str, payload: bytes) -> None:
        """Pass on what a feed's provider is to be asked for."""
        self.feeds.on_request(feed, payload)

    def on_account_events(self, payload: bytes, kind: str) -> None:
        """Pass events of watched accounts to their owners."""
        if self._services is not None:
            self._services.accounts.publish(payload, kind)

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

    # --- images that are missing -----------------------------------------------------------------

    def _heal(self, market_no: int) -> None:
        self._heal_all([market_no])

    def _heal_all(self, market_nos: list[int]) -> None:
        """Have images fetched soon, many at a time; before the start, the start does it."""
        self._to_heal.update(dict.fromkeys(market_nos))
        if self._to_heal and not self._healing and self._services is not None:
            self._healing = True
            self._services.tasks.spawn(self._fetch())

    async def _fetch(self) -> None:
        """Ask shells for images until none is missing; a shell that is down is asked again."""
        try:
            while self._to_heal:
                numbers, self._to_heal = self._to_heal, {}
                by_shell: dict[str, list[int]] = {}
                for number in numbers:
                    shell = self.routes.market_shell(number)
                    if shell is not None:
                        by_shell.setdefault(shell, []).append(number)
                done = await asyncio.gather(
                    *(self._fetch_from(shell, nos) for shell, nos in by_shell.items())
                )
                if not all(done):
                    await asyncio.sleep(_HEAL_AGAIN_S)
        finally:
            self._healing = False

    async def _fetch_from(self, shell: str, numbers: list[int]) -> bool:
        timeout_s = self.settings.control_timeout_ms / 1_000
        for start in range(0, len(numbers), _HEAL_NUMBERS_MAX):
            part = numbers[start : start + _HEAL_NUMBERS_MAX]
            peer = self.routes.peer(shell)
            try:
                if peer is None:
                    raise PeerError(f"{shell} is down")
                raw = await peer.ask("price_images", part, timeout_s=timeout_s)
            except PeerError:
                self._to_heal.update(dict.fromkeys(numbers[start:]))
                return False
            except Exception:  # a quarantined shell may have nothing to show; others must not wait
                logger.exception("%s does not show its markets", shell)
                return True
            self.fanout.take_images(decode_price_images(raw))
        return True

    # --- what this moment looks like -----------------------------------------------------------

    def _suspect(self, shell: str) -> None:
        """Tell the supervisor of a shell that seems gone, not more often than it can act."""
        if self._supervisor is None:
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._suspected_s.get(shell, -1.0) >= _SUSPECT_AGAIN_S:
            self._suspected_s[shell] = now_s
            self._supervisor.notify("suspect", shell)

    def _gauges(self) -> dict[str, int]:
        services = self._services
        return {
            "connections": sum(len(listener.connections) for listener in self._listeners),
            "bets_in_flight": 0 if services is None else services.bets.in_flight,
            "markets": len(self.routes.markets),
            "accounts_watched": 0 if services is None else services.accounts.watched,
        }

    def _readiness(self) -> Readiness:
        shells: dict[str, int] = {}
        accounts_up = 0
        for shell in self.routes.shells.values():
            shells[shell.state.value] = shells.get(shell.state.value, 0) + 1
            accounts_up += shell.kind == "account" and shell.state is ShellState.SERVING
        return Readiness(
            ready=self.routes.version > 0 and accounts_up == self.routes.shards,
            routes_version=self.routes.version,
            markets=len(self.routes.markets),
            markets_without_prices=len(self.fanout.missing()),
            shells=shells,
        )


def _renewed(before: ShellRoute | None, *, now: ShellRoute) -> bool:
    """Say whether a shell serves again with another process than the one last heard of."""
    if now.state not in (ShellState.SERVING, ShellState.QUARANTINED):
        return False
    return before is None or before.generation != now.generation or before.state != now.state
