"""Compare bets with slips all the time, one slice of one shell after another.

Owns how far each shell has been compared and which differences stand. A whole comparison of a large
book would hold shells up; a slice costs each of them one short call. Bets whose counterpart does
not serve now are left to a later round: they must not hold up all others. Never decides who is
right.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Any, Final

import numpy as np

from actors.messages import AUDIT_ROWS_MAX, ShellState, decode_book_images
from actors.reconciliation import charge_differences, market_differences, slip_differences
from actors.routes import Routes, account_shell_name
from actors.slip_payouts import SlipCheck, in_portions
from actors.stated_results import stated_differences
from engine.common.ids import SHARD_BITS, MarketNo, ShardNo
from engine.common.rows import CHARGE, DECISION, SETTLEMENT, SLIP_BET, Rows, SlipKind
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD
from engine.slips.lines_nb import LEGS_MAX

DIFFERENCES_HELD_MAX: Final = 1_000
"""Differences of one shell that are held and logged; further ones are left out."""

Ask = Callable[..., Awaitable[Any]]


class RunningComparison:
    """Compare slices of all shells in turn, without end.

    Parameters
    ----------
    routes : Routes
        Which shell has a market or an account.
    rows : int
        Bets or slips of a slice.
    ask : callable
        Asks a shell by name: ``await ask(shell, method, *args)``.
    """

    def __init__(self, *, routes: Routes, rows: int, ask: Ask) -> None:
        self._routes = routes
        self._rows = rows
        self._ask = ask
        self._starts: dict[str, int] = {}
        self._results_next: dict[str, MarketNo] = {}
        """The market of each shell from which on results are compared in this round."""
        self._turn = 0
        self._found: dict[str, dict[str, None]] = {}
        """Differences of the present round by shell."""
        self._stands: dict[str, dict[str, None]] = {}
        """Differences of each shell's last whole round."""
        self.compared = 0

    def next_shell(self, names: list[str]) -> str:
        """Return the shell whose slice is next, in turn."""
        self._turn += 1
        return names[self._turn % len(names)]

    def differences(self) -> list[str]:
        """Return the differences that stand, in the order in which they were found."""
        lines: dict[str, None] = {}
        for shell in (*self._stands, *self._found):
            lines |= self._stands.get(shell, {}) | self._found.get(shell, {})
        return list(lines)

    async def compare(self, shell: str) -> list[str]:
        """Compare a shell's next slice; return the differences that were not known yet.

        Raises
        ------
        PeerError, PeerRefusedError
            When a shell cannot be read; the slice is compared again later.
        """
        start = self._starts.get(shell, 0)
        of_market = self._routes.shells[shell].kind == "market"
        count, differences = await (
            self._market_slice(shell, start) if of_market else self._account_slice(shell, start)
        )
        self.compared += count
        self._starts[shell] = start + count if count == self._rows else 0
        new = self._hold(shell, differences, whole=count < self._rows)
        if of_market:
            new += await self._compare_result(shell)
        return new

    def _hold(self, name: str, differences: list[str], *, whole: bool) -> list[str]:
        """Hold the differences of a slice, which may end its round; return the new ones."""
        known = set(self.differences())
        found = self._found.setdefault(name, {})
        held = differences[: DIFFERENCES_HELD_MAX - len(found)]
        found |= dict.fromkeys(held)
        if whole:
            self._stands[name] = self._found.pop(name)
        return [line for line in held if line not in known]

    async def _compare_result(self, market: str) -> list[str]:
        """Compare what a shell's next market states with its bets; return the new differences."""
        numbers = self._routes.numbers_of_shell(market)
        at = bisect_left(numbers, self._results_next.get(market, MarketNo(0)))
        number = numbers[at] if at < len(numbers) else None
        differences: list[str] = []
        if number is not None:
            raw, bets, standing = await self._ask(market, "stated_result", number)
            for image in decode_book_images(raw):
                differences += stated_differences(
                    image, np.frombuffer(bets, BET_RECORD), np.frombuffer(standing, SETTLEMENT)
                )
        whole = at + 1 >= len(numbers)
        self._results_next[market] = MarketNo(0 if number is None or whole else number + 1)
        return self._hold(f"{market}, results", differences, whole=whole)

    async def _account_slice(self, account: str, start: int) -> tuple[int, list[str]]:
        """Look an account's slips up in their markets, which have decided every bet in force.

        Heads have no bet in a market; they are compared with their legs.
        """
        raw = await self._ask(account, "slips", start, self._rows + LEGS_MAX)
        page: Rows = np.frombuffer(raw, SLIP)
        slips = page[: self._rows]
        differences = await self._slip_differences(account, page, len(slips))
        differences += await self._offer_differences(account, slips, start)
        bets = slips[slips["kind"] != SlipKind.HEAD]
        numbers, at = np.unique(bets["market_no"], return_inverse=True)
        shells = np.array([self._routes.market_shell(no) or "" for no in numbers.tolist()])
        for shell in dict.fromkeys(shells.tolist()):
            if not self._serves(shell):
                continue
            own = bets[(shells == shell)[at]]
            raw = await self._ask(shell, "recall", own["bet_id"].tobytes())
            differences += slip_differences(own, np.frombuffer(raw, DECISION))
            legs = own[own["kind"] == SlipKind.LEG]
            if len(legs):
                raw = await self._ask(shell, "charges_of", legs["bet_id"].tobytes())
                differences += charge_differences(legs, np.frombuffer(raw, CHARGE))
        return len(slips), differences

    async def _slip_differences(self, account: str, page: Rows, rows: int) -> list[str]:
        """Compare the heads among the first rows of a page with their legs and their bets."""
        heads = page[:rows][page["kind"][:rows] == SlipKind.HEAD]
        if not len(heads):
            return []
        first = int(heads["bets_first"][0])
        count = int(heads["bets_first"][-1]) + int(heads["bets"][-1]) - first
        raw = b""
        for start in range(first, first + count, AUDIT_ROWS_MAX):
            limit = min(AUDIT_ROWS_MAX, first + count - start)
            raw += await self._ask(account, "slip_bets", start, limit)
        check = SlipCheck(page, np.frombuffer(raw, SLIP_BET), bets_first=first)
        return (await in_portions(check, rows)).differences

    async def _offer_differences(self, account: str, slips: Rows, start: int) -> list[str]:
        """Have an account work out anew what the offers of a slice's slips gave, part by part."""
        differences: list[str] = []
        at, stop = start, start + len(slips)
        while slips["offer"].any() and at < stop:
            raw, at = await self._ask(account, "offer_faults", at, stop)
            differences += [
                f"bet {bet_id}: its offer gave otherwise than its rule says"
                for bet_id in np.frombuffer(raw, np.uint64).tolist()
            ]
        return differences

    async def _market_slice(self, market: str, start: int) -> tuple[int, list[str]]:
        """Look a market's accepted bets up in their accounts, which gave every bet id."""
        bets: Rows = np.frombuffer(await self._ask(market, "bets", start, self._rows), BET_RECORD)
        accepted = bets["bet_id"][bets["reason"] == 0]
        shards = accepted >> np.uint64(SHARD_BITS)
        differences: list[str] = []
        for shard in np.unique(shards).tolist():
            own = accepted[shards == shard]
            name = account_shell_name(ShardNo(shard))
            if not self._serves(name):
                continue
            raw = await self._ask(name, "never_given", own.tobytes())
            differences += market_differences(np.frombuffer(raw, np.uint64).tolist())
        return len(bets), differences

    def _serves(self, shell: str) -> bool:
        """Return whether a shell serves; one whose route has not arrived yet does not."""
        route = self._routes.shells.get(shell)
        return route is not None and route.state is ShellState.SERVING
