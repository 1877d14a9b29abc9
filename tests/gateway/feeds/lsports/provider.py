"""A simulator of the provider: it knows the truth of its fixtures, and tells it in messages.

Without I/O; `server` puts it on real sockets.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.feeds.lsports.messages import (
    FIXTURE,
    HEARTBEAT,
    KEEP_ALIVE,
    MARKET,
    SETTLEMENT,
    SNAPSHOT,
    SNAPSHOT_ENDED,
)

NOW_MS = 1_700_000_000_000
MATCH = 24605698
WINNER = 1
TOTALS = 2
ODDS = {"1": "2.10", "X": "3.40", "2": "3.60"}


def moment(ms: int) -> str:
    """Return a time as the provider writes it."""
    at = datetime.fromtimestamp(ms / 1_000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1_000:03d}0000Z"


class Provider:
    """Fixtures with markets and bets; every change is returned as the message that tells it.

    The messages are differences, numbered by type, fixture and market, and a snapshot holds what
    changed since a time. Its clock rises by a millisecond a message, or follows `clock_ms`.
    """

    def __init__(self, *, clock_ms: Callable[[], int] = lambda: NOW_MS) -> None:
        self.now_ms = clock_ms()
        self._clock_ms = clock_ms
        self.fixtures: dict[int, dict[str, Any]] = {}
        self.markets: dict[tuple[int, int], dict[tuple[str, str], dict[str, Any]]] = {}
        self._numbers: dict[tuple[int, ...], int] = {}

    # --- messages --------------------------------------------------------------------------------

    def fixture(self, fixture_id: int = MATCH, *, status: int = 2, **fields: Any) -> bytes:
        """Change a fixture: 1 not started, 2 in progress, 3 finished, 8 coverage lost."""
        self._step()
        self.fixtures[fixture_id] = {
            "Subscription": {"Type": 1, "Status": 1},
            "Sport": {"Id": 6046, "Name": "Football"},
            "StartDate": "2027-01-15T08:00:00Z",
            "LastUpdate": moment(self.now_ms),
            "Status": status,
            "Participants": [{"Id": 1, "Name": "Home", "Position": "1"}],
            **fields,
        }
        event = {"FixtureId": fixture_id, "Fixture": self.fixtures[fixture_id], "Markets": None}
        return self._message(FIXTURE, [event], number=(FIXTURE, fixture_id))

    def odds(
        self,
        prices: Mapping[str, Any],
        *,
        fixture: int = MATCH,
        market: int = WINNER,
        line: str = "",
        status: int = 1,
    ) -> bytes:
        """Change the prices and the status of some bets of a market."""
        self._step()
        changed = [
            self._bet(fixture, market, name, line, Price=price, Status=status)
            for name, price in prices.items()
        ]
        return self._markets(MARKET, fixture, market, changed)

    def suspend(self, *names: str, fixture: int = MATCH, market: int = WINNER) -> bytes:
        """Suspend some bets of a market, or all."""
        self._step()
        changed = [
            self._bet(fixture, market, name, line, Status=2)
            for name, line in self.markets[fixture, market]
            if not names or name in names
        ]
        return self._markets(MARKET, fixture, market, changed)

    def settle(
        self,
        results: Mapping[str, int],
        *,
        fixture: int = MATCH,
        market: int = WINNER,
        line: str = "",
    ) -> bytes:
        """Settle some bets: -1 cancelled, 1 lost, 2 won, 3 refund, 4 half lost, 5 half won."""
        self._step()
        changed = [
            self._bet(fixture, market, name, line, Status=3, Settlement=result)
            for name, result in results.items()
        ]
        return self._markets(SETTLEMENT, fixture, market, changed)

    def heartbeat(self) -> bytes:
        """Return a heartbeat."""
        self._step()
        return self._message(HEARTBEAT, None)

    def keep_alive(self, *fixtures: int) -> bytes:
        """Return a list of fixtures in play."""
        self._step()
        return self._encoded(KEEP_ALIVE, {"KeepAlive": {"ActiveEvent": [str(f) for f in fixtures]}})

    # --- snapshots -------------------------------------------------------------------------------

    def snapshot(self, after_ms: int = 0) -> list[dict[str, Any]]:
        """Return the events of a snapshot: every fixture, and the markets changed since a time."""
        return [
            {
                "FixtureId": fixture_id,
                "Fixture": self.fixtures.get(fixture_id),
                "Markets": self._changed_since(fixture_id, after_ms),
            }
            for fixture_id in dict.fromkeys([*self.fixtures, *(f for f, _ in self.markets)])
        ]

    def snapshot_messages(self, request_id: int, after_ms: int = 0) -> list[bytes]:
        """Return a snapshot as the bridge delivers it."""
        header = {"Type": SNAPSHOT, "RequestId": request_id}
        pieces = [{"Header": header, "Body": {"Events": [e]}} for e in self.snapshot(after_ms)]
        ended = {"Type": SNAPSHOT_ENDED, "RequestId": request_id, "Events": len(pieces)}
        return [json.dumps(each).encode() for each in [*pieces, {"Header": ended}]]

    def _changed_since(self, fixture_id: int, after_ms: int) -> list[dict[str, Any]]:
        return [
            {"Id": market, "Name": f"market {market}", "Bets": list(bets.values())}
            for (fixture, market), bets in self.markets.items()
            if fixture == fixture_id
            and any(bet["LastUpdate"] >= moment(after_ms) for bet in bets.values())
        ]

    # --- inside ----------------------------------------------------------------------------------

    def _step(self) -> None:
        self.now_ms = max(self.now_ms + 1, self._clock_ms())

    def _bet(
        self, fixture: int, market: int, name: str, line: str, **fields: Any
    ) -> dict[str, Any]:
        bets = self.markets.setdefault((fixture, market), {})
        number = fixture * 1_000 + market * 10 + len(bets)
        bet = bets.setdefault((name, line), {"Id": number, "Name": name})
        if line:
            bet |= {"Line": line, "BaseLine": line}
        bet |= {"LastUpdate": moment(self.now_ms), **fields}
        if "Settlement" in bet and "Settlement" not in fields:
            del bet["Settlement"]
        return dict(bet)

    def _markets(self, kind: int, fixture: int, market: int, bets: list[dict[str, Any]]) -> bytes:
        markets = [{"Id": market, "Name": f"market {market}", "Bets": bets}]
        event = {"FixtureId": fixture, "Livescore": None, "Markets": markets}
        return self._message(kind, [event], number=(kind, fixture, market))

    def _message(
        self, kind: int, events: list[Any] | None, *, number: tuple[int, ...] = ()
    ) -> bytes:
        body = None if events is None else {"Events": events}
        return self._encoded(kind, body, number=number)

    def _encoded(self, kind: int, body: Any, *, number: tuple[int, ...] = ()) -> bytes:
        header = {"Type": kind, "ServerTimestamp": self.now_ms, "MsgGuid": "0"}
        if number:
            header["MsgSeq"] = self._numbers[number] = self._numbers.get(number, 0) + 1
        return json.dumps({"Header": header} | ({} if body is None else {"Body": body})).encode()
