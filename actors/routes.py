"""A caller's routes: which shell holds a market or an account, and how to call that shell.

Owns a copy of the supervisor's directory, which sends its changes. Never decides where a market or
an account belongs.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence

from actors.messages import MarketRoute, ShellRoute, ShellState
from actors.peer import Peer
from engine.common.ids import (
    EACH_WAY,
    AccountNo,
    MarketNo,
    ShardNo,
    is_derived,
    parse_market_key,
    shard_of_account,
)


class Routes:
    """A caller's copy of the directory, updated in place.

    Parameters
    ----------
    shards : int
        Count of account shards, which never changes for one data folder.
    """

    def __init__(self, *, shards: int) -> None:
        self.shards = shards
        self.version = 0
        self.markets: dict[MarketNo, MarketRoute] = {}
        self.market_no_by_key: dict[str, MarketNo] = {}
        self.place_markets: set[MarketNo] = set()
        """Those whose odds are a fraction of win odds: a bet to be placed is beside one to win."""
        self.shells: dict[str, ShellRoute] = {}
        self.quarantined: set[str] = set()
        """Shells that answer, but take nothing because their journals are damaged."""
        self._numbers: dict[str, list[MarketNo]] = {"": []}
        """Numbers of the markets in order: of all under "", and of each fixture."""
        self._numbers_by_shell: dict[str, list[MarketNo]] = {}
        self._peers: dict[str, Peer] = {}
        self._shell_version: dict[str, int] = {}

    def update(
        self,
        *,
        version: int,
        shells: Iterable[ShellRoute],
        markets: Iterable[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> list[ShellRoute]:
        """Apply an update; return the shells whose routes it set.

        An update names only what changed, and updates may overtake one another on the way (an
        asynchronous actor promises no order). So each shell's route has a version of its own, and
        an update older than that version leaves the shell's route as it is. Markets never move to
        another shell.
        """
        self.version = max(self.version, version)
        changed = [shell for shell in shells if version >= self._shell_version.get(shell.name, 0)]
        for shell in changed:
            self._shell_version[shell.name] = version
            self.shells[shell.name] = shell
            if shell.state is ShellState.QUARANTINED:
                self.quarantined.add(shell.name)
            else:
                self.quarantined.discard(shell.name)
            if shell.name in peers:
                self._peers[shell.name] = peers[shell.name]
        for market in markets:
            if market.market_no not in self.markets:
                insort(self._numbers[""], market.market_no)
                fixture = market.key.partition("/")[0]
                insort(self._numbers.setdefault(fixture, []), market.market_no)
                insort(self._numbers_by_shell.setdefault(market.shell, []), market.market_no)
            self.markets[market.market_no] = market
            self.market_no_by_key[market.key] = market.market_no
            if f"/{EACH_WAY}?" in market.key and is_derived(parse_market_key(market.key)):
                self.place_markets.add(market.market_no)
        return changed

    def peer(self, shell: str) -> Peer | None:
        """Return how to call a shell, or None while it has no live process."""
        route = self.shells.get(shell)
        if route is None or route.state not in (ShellState.SERVING, ShellState.QUARANTINED):
            return None
        return self._peers.get(shell)

    def numbers(self, *, fixture: str = "") -> Sequence[MarketNo]:
        """Return the numbers of a fixture's markets, or without one of all, in order.

        The cost is none: it is the list that is kept, and a change of routes changes it.
        """
        return self._numbers.get(fixture, ())

    def numbers_of_shell(self, shell: str) -> Sequence[MarketNo]:
        """Return the numbers of a shell's markets in order: the list that is kept."""
        return self._numbers_by_shell.get(shell, ())

    def page(self, *, fixture: str, after: int, limit: int) -> tuple[list[MarketRoute], bool]:
        """Return up to `limit` markets with numbers over `after`, and whether there are more.

        An empty `fixture` stands for all of them. The cost is that of the page, not of the markets.
        """
        numbers = self.numbers(fixture=fixture)
        first = bisect_right(numbers, after)
        page = [self.markets[number] for number in numbers[first : first + limit]]
        return page, first + limit < len(numbers)

    def market_shell(self, market_no: MarketNo) -> str | None:
        """Return the name of the shell that hosts a market, or None for an unknown market."""
        route = self.markets.get(market_no)
        return None if route is None else route.shell

    def account_shell(self, account_no: AccountNo) -> str:
        """Return the name of the shell that holds an account."""
        return account_shell_name(shard_of_account(AccountNo(account_no), shards=self.shards))


def account_shell_name(shard: ShardNo) -> str:
    """Return the name of an account shard's shell."""
    return f"account-{shard:03d}"
