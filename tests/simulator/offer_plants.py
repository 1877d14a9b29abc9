"""Deliberate defects of offers, which the auditor must find.

Owns the defects and their hunts; see `plants`.
"""

from tests.simulator.hunt import Hunt, ShellPlant, Wrapped
from tests.simulator.plant import Plant
from tests.simulator.story import Layout


class _ForgetsOffers(Wrapped):
    def settle(self, data: bytes) -> int:
        if not self.serves:
            return self.shell.settle(data)
        ends = self.tables.offers.ends
        taken, ends[0] = int(ends[0]), 0
        try:
            return self.shell.settle(data)
        finally:
            ends[0] = taken


class OffersNotSettled(ShellPlant):
    """A settlement leaves what an offer has given as it was."""

    wrapper = _ForgetsOffers


class _ForgetsUse(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        answer: bytes = self.shell.exchange(verdicts, reservations, *bets)
        if self.serves:
            self.tables.offers.grants["used_minor"] = 0
        return answer


class FreeBetUsedAgain(ShellPlant):
    """A free bet never counts what it has paid."""

    wrapper = _ForgetsUse


_WORLD = Layout(markets=4, shards=1)


def _hunt(says: str) -> Hunt:
    return Hunt(says, ("disturb",), layout=_WORLD, slip_share=0.6)


OFFER_PLANTS: dict[type[Plant], Hunt] = {
    OffersNotSettled: _hunt(r"its offers have given|of free bets, its journal"),
    FreeBetUsedAgain: _hunt(r"of free bets, its journal|has -?\d+ left$"),
}
"""Every defect of offers and its hunt."""
