"""Deliberate defects of offers, corrections and marks, which the auditor must find.

Owns the defects and their hunts; see `plants`.
"""

from actors.messages import decode_market_control
from engine.common.outcome_marks import SuspendOutcomes
from engine.common.rows import SETTLEMENT, BetResult, SlipKind, SlipState
from engine.market.book import OUTCOME_HELD
from tests.simulator.hunt import Hunt, ShellPlant, Wrapped, rows
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


class _ForgetsUses(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        answer: bytes = self.shell.exchange(verdicts, reservations, *bets)
        if self.serves:
            self.tables.offers.uses["count"] = 0
        return answer


class OfferTakenAgain(ShellPlant):
    """An account takes an offer however often its rule allows it."""

    wrapper = _ForgetsUses


class _TakesBackMarks(Wrapped):
    def settle(self, data: bytes) -> int:
        given = rows(data, SETTLEMENT)
        for row in given[given["result"] == BetResult.NONE] if self.serves else ():
            slot = self.slot(int(row["bet_id"]))
            leg = self.tables.slips[slot]
            if leg["kind"] == SlipKind.LEG and leg["state"] == SlipState.SETTLED:
                leg["held"] = leg["bets"] = 0
                again = given["bet_id"] == row["bet_id"]
                given["early_lead"][again] = given["early_flags"][again] = 0
        return self.shell.settle(given.tobytes())


class MarkTakenBack(ShellPlant):
    """A result that is rolled back takes the mark of an early payout with it."""

    wrapper = _TakesBackMarks


class _LosesMarks(Wrapped):
    calls = 0

    def settle(self, data: bytes) -> int:
        given = rows(data, SETTLEMENT)
        self.calls += 1
        if self.calls % 2:
            given["early_lead"] = given["early_flags"] = 0
        return self.shell.settle(given.tobytes())


class LostMark(ShellPlant):
    """A mark of an early payout is lost on its way to the account, the result is not."""

    wrapper = _LosesMarks


class _RoundsCorrectionsUp(Wrapped):
    def outbox(self, shard: int, limit: int) -> bytes:
        given = rows(self.shell.outbox(shard, limit), SETTLEMENT)
        given["payout_minor"][(given["flags"] > 0) & (given["back_den"] == 0)] += 1
        return given.tobytes()


class _ForgetsHolds(Wrapped):
    def control(self, payload: bytes) -> bytes:
        answer = self.shell.control(payload)
        for command in decode_market_control(payload).commands:
            if isinstance(command, SuspendOutcomes) and self.serves:
                slot = self.shell._durable.machine._slot_of[command.market_no]
                for outcome in command.outcomes:
                    self.book.set_outcome_flag(slot, outcome, OUTCOME_HELD, on=False)
        return answer


class ForgottenHold(ShellPlant):
    """An outcome that a trader holds takes bets."""

    kind = "market"
    wrapper = _ForgetsHolds


class CorrectionRoundedUp(ShellPlant):
    """A single that wins at corrected odds is paid a unit too much."""

    kind = "market"
    wrapper = _RoundsCorrectionsUp


_WORLD = Layout(markets=4, shards=1)


def _hunt(says: str) -> Hunt:
    return Hunt(says, ("disturb",), layout=_WORLD, slip_share=0.6)


OFFER_PLANTS: dict[type[Plant], Hunt] = {
    OffersNotSettled: _hunt(r"its offers have given|of free bets, its journal"),
    FreeBetUsedAgain: _hunt(r"of free bets, its journal|has -?\d+ left$"),
    OfferTakenAgain: _hunt(r"slips under offer \d+, which takes"),
    MarkTakenBack: _hunt(r"has the mark|early payout gave"),
    LostMark: _hunt(r"has the mark"),
    CorrectionRoundedUp: _hunt(r"got \d+ instead of"),
    ForgottenHold: _hunt(r"an outcome that a trader held"),
}
"""Every one of these defects and its hunt."""
