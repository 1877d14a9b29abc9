"""Show bets to the sessions that watch them, as all shells decide them.

Owns the watching sessions, their filters, and the pace: lines are gathered and sent ten times a
second, the newest first to stay. Nothing is asked of a shell while nobody watches. Never holds up a
bet, and never keeps a line that was shown.
"""

import asyncio
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from actors.bet_watch import LINES_LENT_MAX
from actors.routes import Routes
from engine.common.account_changes import FACTOR_MILLI_MAX, FACTOR_MILLI_ONE
from engine.common.bet_lines import BET_LINE, lines_of_decisions
from engine.common.ids import MalformedIdError, MarketNo, parse_market_key
from engine.common.rows import BET, DECISION, FLAG_KNOWN, Bools, Rows, SlipKind, SlipState
from engine.common.units import RATE_MICRO_ONE
from gateway.counters import Counters
from gateway.messages.bet_lines import BetLine
from gateway.messages.bet_stream import LINES_MAX, BetSeen, WatchBets
from gateway.net.codec import JSON, MSGPACK
from gateway.net.output import Output
from gateway.services.bet_views import bet_lines

PACE_S: Final = 0.1
"""Seconds between two messages to one session."""
SPREAD_S: Final = 0.05
"""Seconds over which the sessions of one turn are spread, so that bets are answered in between."""
LINES_GATHERED_MAX: Final = 32_768
"""Lines that wait for their turn; further ones are dropped and counted as missed."""
LEND_TURNS: Final = 2
"""Turns after which shells are lent lines again."""
_CODECS: Final = (MSGPACK, JSON)
_STATES: Final = {
    "accepted": SlipState.ACCEPTED,
    "rejected": SlipState.REFUSED,
    "pending": SlipState.PENDING,
}
_KINDS: Final = {"single": SlipKind.SINGLE, "slip": SlipKind.HEAD, "leg": SlipKind.LEG}


class _Filter:
    """What some sessions ask for: those that ask for the same have the same filter."""

    __slots__ = ("asked", "market_passes")

    def __init__(self, asked: WatchBets) -> None:
        self.asked = asked
        self.market_passes: dict[int, bool] = {}
        """Which markets pass it, of those that were seen."""


class _Watcher:
    """One session that watches bets."""

    __slots__ = ("codec", "connection", "filter", "missed")

    def __init__(self, connection: Output, codec: int, asked: _Filter) -> None:
        self.connection = connection
        self.codec = codec
        self.filter = asked
        self.missed = 0


class _Turn:
    """What one turn shows: sessions of one filter and codec that missed as much share a frame."""

    __slots__ = ("found", "frames", "lines", "missed")

    def __init__(self, lines: Rows, missed: int) -> None:
        self.lines = lines
        self.missed = missed
        self.found: dict[_Filter, tuple[tuple[BetLine, ...], int]] = {}
        """By filter the newest lines that pass it, and how many more do."""
        self.frames: dict[tuple[_Filter, int, int], bytes] = {}
        """By filter, codec and number of missed lines."""


class BetStream:
    """All sessions of one gateway that watch bets.

    Parameters
    ----------
    routes : Routes
        The shells, and keys of markets.
    gateway : str
        This gateway's name, under which shells notify it.
    counters : Counters
        Counts of lines shown and missed.
    """

    def __init__(self, *, routes: Routes, gateway: str, counters: Counters) -> None:
        self._routes = routes
        self._gateway = gateway
        self._counters = counters
        self._watchers: dict[object, _Watcher] = {}
        self._decided: list[tuple[int, bytes, bytes]] = []
        self._lines: list[bytes] = []
        self._gathered = 0
        self._missed = 0
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None

    # --- called by the sessions ------------------------------------------------------------------

    def watch(
        self,
        session: object,
        connection: Output,
        codec: int,
        request: WatchBets,
    ) -> None:
        """Begin to show a session the bets that pass a filter, instead of another filter's."""
        asked = replace(request, id=0)
        same = (one.filter for one in self._watchers.values() if one.filter.asked == asked)
        self._watchers[session] = _Watcher(connection, codec, next(same, None) or _Filter(asked))
        if self._timer is None:
            self._turns = 0
            self._turn()

    def leave(self, session: object) -> None:
        """Show a session nothing more."""
        if self._watchers.pop(session, None) is None or self._watchers:
            return
        self._lend(0)
        self._drop_gathered()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def watch_again(self, shell: str) -> None:
        """Lend lines to a shell whose new process knows of no watch."""
        peer = self._routes.peer(shell)
        if self._watchers and peer is not None:
            peer.notify("watch_bets", self._gateway, LINES_LENT_MAX)

    # --- called by the shells --------------------------------------------------------------------

    def on_bets(self, missed: int, at_ns: int, bets: bytes, decisions: bytes) -> None:
        """Gather bets that a market shell has decided: BET and DECISION rows."""
        if self._has_room(len(bets) // BET.itemsize, missed):
            self._decided.append((at_ns, bets, decisions))

    def on_bet_lines(self, missed: int, lines: bytes) -> None:
        """Gather what an account shell shows: refusals of its own, and slips that are decided."""
        if self._has_room(len(lines) // BET_LINE.itemsize, missed):
            self._lines.append(lines)

    def _has_room(self, count: int, missed: int) -> bool:
        if not self._watchers:
            return False  # they were on their way when the last session left
        self._missed += missed
        if self._gathered + count > LINES_GATHERED_MAX:
            self._missed += count
            return False
        self._gathered += count
        return True

    # --- sending ---------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Lend shells lines again, and show what was gathered."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(PACE_S, self._turn)
        if self._turns % LEND_TURNS == 0:
            self._lend(LINES_LENT_MAX)
        self._turns += 1
        lines, missed = self._taken()
        if not len(lines) and not missed:
            return
        step_s = SPREAD_S / len(self._watchers)
        turn = _Turn(lines, missed)
        for at, session in enumerate(self._watchers):
            loop.call_later(at * step_s, self._show, session, turn)

    def _lend(self, lines: int) -> None:
        for name in self._routes.shells:
            peer = self._routes.peer(name)
            if peer is not None:
                peer.notify("watch_bets", self._gateway, lines)

    def _drop_gathered(self) -> None:
        self._decided, self._lines, self._gathered, self._missed = [], [], 0, 0

    def _taken(self) -> tuple[Rows, int]:
        """Return the lines that were gathered, and how many were missed."""
        decided, lines, missed = self._decided, self._lines, self._missed
        self._drop_gathered()
        bets: Rows = np.frombuffer(b"".join([bets for _, bets, _ in decided]), BET)
        decisions: Rows = np.frombuffer(b"".join([each for _, _, each in decided]), DECISION)
        counts = [len(bets) // BET.itemsize for _, bets, _ in decided]
        times = np.repeat(np.array([at_ns for at_ns, _, _ in decided], np.int64), counts)
        fresh = decisions["flags"] & FLAG_KNOWN == 0
        shown = lines_of_decisions(bets[fresh], decisions[fresh], times[fresh])
        if lines:
            shown = np.concatenate((shown, np.frombuffer(b"".join(lines), BET_LINE)))
        return shown, missed

    def _show(self, session: object, turn: _Turn) -> None:
        """Send a session the newest of a turn's lines that pass its filter."""
        watcher = self._watchers.get(session)
        if watcher is None:
            return
        shown, more = self._found(watcher.filter, turn)
        watcher.missed += turn.missed + more
        if not shown and not watcher.missed:
            return
        name = (watcher.filter, watcher.codec, watcher.missed)
        frame = turn.frames.get(name)
        if frame is None:
            message = BetSeen(bets=shown, missed=watcher.missed)
            frame = turn.frames[name] = _CODECS[watcher.codec].frame(message)
            self._counters.bets_shown_frames += 1
        if watcher.connection.send_odds(frame):
            self._counters.bets_shown += len(shown)
            self._counters.bets_missed += watcher.missed
            watcher.missed = 0
        else:
            watcher.missed += len(shown)

    def _found(self, asked: _Filter, turn: _Turn) -> tuple[tuple[BetLine, ...], int]:
        """Return the newest of a turn's lines that pass a filter, and how many more do."""
        found = turn.found.get(asked)
        if found is None:
            passing = np.flatnonzero(self._passing(asked, turn.lines))
            newest = passing[-LINES_MAX:]
            found = bet_lines(turn.lines[newest]), len(passing) - len(newest)
            turn.found[asked] = found
        return found

    def _passing(self, wanted_lines: _Filter, lines: Rows) -> Bools:
        """Return which lines pass a filter."""
        asked = wanted_lines.asked
        passing: Bools = np.ones(len(lines), np.bool_)
        for name, least_minor in (
            ("stake_minor", asked.stake_minor_min),
            ("payout_minor", asked.payout_minor_min),
        ):
            if least_minor:
                passing &= _is_worth(lines[name], lines["rate_micro"], least_minor)
        if asked.factor_milli_min > 0 or asked.factor_milli_max < FACTOR_MILLI_MAX:
            factors = np.where(lines["factor_milli"], lines["factor_milli"], FACTOR_MILLI_ONE)
            passing &= (factors >= asked.factor_milli_min) & (factors <= asked.factor_milli_max)
        for name, wanted in (
            ("account_no", asked.accounts),
            ("market_no", asked.markets),
            ("reason", asked.reasons),
            ("state", [_STATES[state] for state in asked.states]),
            ("kind", [_KINDS[kind] for kind in asked.kinds]),
        ):
            if wanted:
                passing &= np.isin(lines[name], np.array(wanted, lines[name].dtype))
        if asked.fixtures or asked.types:
            numbers = np.unique(lines["market_no"]).tolist()
            wanted_nos = [no for no in numbers if self._market_passes(wanted_lines, no)]
            passing &= np.isin(lines["market_no"], np.array(wanted_nos, np.uint32))
        return passing

    def _market_passes(self, asked: _Filter, number: int) -> bool:
        """Return whether a market is of the fixtures and types that a filter names."""
        passes = asked.market_passes.get(number)
        if passes is None:
            route = self._routes.markets.get(MarketNo(number))
            if route is None:
                return False  # it may become known
            passes = asked.market_passes[number] = _is_among(route.key, asked.asked)
        return passes


def _is_among(key: str, asked: WatchBets) -> bool:
    try:
        parsed = parse_market_key(key)
    except MalformedIdError:
        return False
    return (not asked.fixtures or parsed.fixture in asked.fixtures) and (
        not asked.types or parsed.type in asked.types
    )


def _is_worth(amounts_minor: Any, rates_micro: Any, least_minor: int) -> Any:
    """Return which amounts are worth at least so much in base currency.

    The bound is converted, not the amounts: an amount times its rate may need more than 64 bits.
    """
    rates = np.maximum(rates_micro.astype(np.int64), 1)
    return amounts_minor >= -(-least_minor * RATE_MICRO_ONE // rates)
