"""Deliberate defects of blocks, of the house's stop and of factors, which the auditor must find.

Owns the defects and their hunts; see `plants`.
"""

from engine.common.rows import RESERVED
from tests.simulator.hunt import Hunt, ShellPlant, Wrapped, rows
from tests.simulator.plant import Plant
from tests.simulator.story import Layout


class _Unblocks(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        if self.serves:
            self.tables.accounts["blocked"] = 0
        answer: bytes = self.shell.exchange(verdicts, reservations, *bets)
        return answer


class BlockForgotten(ShellPlant):
    """A blocked account gets bets."""

    wrapper = _Unblocks


class _StartsHouse(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        if self.serves:
            self.tables.house_stop = None
        answer: bytes = self.shell.exchange(verdicts, reservations, *bets)
        return answer


class HouseStopForgotten(ShellPlant):
    """Bets are taken while the house is stopped."""

    wrapper = _StartsHouse


class _DropsFactors(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        answers = rows(self.shell.exchange(verdicts, reservations, *bets), RESERVED)
        answers["factor_milli"] = 0
        return answers.tobytes()


class FactorLostOnItsWay(ShellPlant):
    """A market decides a bet without its account's factor."""

    wrapper = _DropsFactors


_WORLD = Layout(markets=2, shards=1, accounts=2)

ACCOUNT_PLANTS: dict[type[Plant], Hunt] = {
    BlockForgotten: Hunt(r"which is blocked", ("disturb",), layout=_WORLD),
    HouseStopForgotten: Hunt(r"while the house is stopped", ("disturb",), layout=_WORLD),
    FactorLostOnItsWay: Hunt(r"was decided by factor 0, not of", ("disturb",), layout=_WORLD),
}
"""Every defect of accounts and its hunt."""
