"""Deliberate defects of delays, referrals and traders' offers, which the auditor must find.

Owns the defects and their hunts; see `plants`.
"""

from typing import Any

from engine.common.reasons import Reason
from engine.common.rows import FLAG_PERMITTED
from tests.simulator.hunt import Hunt, ShellPlant, Wrapped
from tests.simulator.plant import Plant
from tests.simulator.story import Layout
from tests.simulator.written import offers_across_goals, offers_taken_again


class _Planted(Wrapped):
    """A market shell whose bets that wait are changed before it does anything."""

    def place(self, data: bytes) -> bytes:
        self._spoil()
        answer: bytes = self.shell.place(data)
        return answer

    def control(self, payload: bytes) -> bytes:
        self._spoil()
        answer: bytes = self.shell.control(payload)
        return answer

    def tick(self) -> bytes:
        self._spoil()
        answer: bytes = self.shell.tick()
        return answer

    def _spoil(self) -> None:
        if self.serves:
            self.spoil(self.shell._durable.machine._waiting)

    def spoil(self, waiting: Any) -> None:
        raise NotImplementedError


class _WaitPlant(ShellPlant):
    kind = "market"


class _ForgetsStops(_Planted):
    def spoil(self, waiting: Any) -> None:
        waiting.note_stops = lambda slot, refusal: None


class StopForgotten(_WaitPlant):
    """A stop that has ended by then does not refuse the bets that waited through it."""

    wrapper = _ForgetsStops


class _ForgetsHouseStops(_Planted):
    def spoil(self, waiting: Any) -> None:
        waiting.stop = lambda reason, account_no: sum(
            not bet["stopped"][0] and account_no in (None, bet["account_no"][0])
            for bet in waiting._bets.values()
        )


class HouseStopForgottenByWaits(_WaitPlant):
    """A stop of the house says how many bets wait, and forgets them."""

    wrapper = _ForgetsHouseStops


class _KeepsOdds(_Planted):
    def spoil(self, waiting: Any) -> None:
        for bet in waiting._bets.values():
            if bet["reason"][0] == Reason.DELAYED:
                bet["flags"] |= FLAG_PERMITTED


class DecidedByOldOdds(_WaitPlant):
    """A bet that is due is decided by the odds that held when it came."""

    wrapper = _KeepsOdds


class _KeepsOffers(_Planted):
    def spoil(self, waiting: Any) -> None:
        waiting.take_permit = lambda key: None


class TraderOfferTakenTwice(_WaitPlant):
    """A trader's offer is there again after it was taken."""

    wrapper = _KeepsOffers


class _KeepsOffersInFalls(_Planted):
    def spoil(self, waiting: Any) -> None:
        waiting._end_offers = lambda slot, refusal: None


class TraderOfferOutlivesGoal(_WaitPlant):
    """A trader's offer may be taken after the odds of its outcome have fallen."""

    wrapper = _KeepsOffersInFalls


_WORLD = Layout(markets=1, shards=1)

WAIT_PLANTS: dict[type[Plant], Hunt] = {
    StopForgotten: Hunt(r"was stopped by \d+ and got", ("disturb",), layout=_WORLD, waits=True),
    HouseStopForgottenByWaits: Hunt(
        r"was stopped by 419 and got 0", ("disturb",), layout=_WORLD, waits=True
    ),
    DecidedByOldOdds: Hunt(
        r"was accepted at \d+ instead of", ("disturb",), pace=0.04, layout=_WORLD, waits=True
    ),
    TraderOfferTakenTwice: Hunt(
        r"was accepted at \d+ instead of", written=offers_taken_again, seeds_max=3
    ),
    TraderOfferOutlivesGoal: Hunt(
        r"was accepted at \d+ instead of", written=offers_across_goals, seeds_max=3
    ),
}
"""Every defect of bets that wait and its hunt."""
