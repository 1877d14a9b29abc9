"""Deliberate defects of slips of several legs, which the auditor must find.

Owns the defects and their hunts, one or more for each promise of a slip; see `plants`.
"""

from typing import Any

import numpy as np

from actors.reconciler import Reconciler
from engine.common.reasons import Reason
from engine.common.rows import (
    CHARGE,
    DECISION,
    FLAG_HEAD,
    FLAG_LEG_OF_SLIP,
    FLAG_RELEASED,
    LEG_RESERVATION,
    RESERVATION,
    RESERVED,
    SETTLEMENT,
    Rows,
    SlipKind,
    SlipState,
)
from engine.ledger.slip_nb import NO_BOUND
from tests.simulator.hunt import Hunt, ShellPlant, Wrapped, rows
from tests.simulator.plant import Plant
from tests.simulator.story import Layout
from tests.simulator.written import (
    many_slips_of_the_same_selections,
    slips_at_odds_never_seen,
)

_KNOWN = [int(reason) for reason in (Reason.MARKET_SUSPENDED, Reason.ODDS_CHANGED)]


class _Slips(Wrapped):
    """An account shell behind a defect of its slips."""

    def leg_slots(self, bet_ids: Rows) -> list[int]:
        """Return the slots of those of some bets that are legs."""
        slots = [self.slot(int(bet_id)) for bet_id in bet_ids]
        slips = self.tables.slips
        return [slot for slot in slots if slot >= 0 and slips[slot]["kind"] == SlipKind.LEG]

    def heads_of(self, bet_ids: Rows) -> list[int]:
        """Return the slots of the slips of those of some bets that are legs."""
        slips = self.tables.slips
        heads = [slot - int(slips[slot]["legs"]) for slot in self.leg_slots(bet_ids)]
        return list(dict.fromkeys(heads))

    def pay(self, head: int, amount: int) -> None:
        """Pay a slip's account, unseen by any record."""
        account = self.tables.accounts[self.tables.slips[head]["account"]]
        account["available_minor"] += amount
        self.tables.house_minor[int(account["currency"])] -= amount


class SlipPlant(ShellPlant):
    """A defect of every account shell."""


# --- deciding ------------------------------------------------------------------------------------


class _ForgivesLegs(_Slips):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        given = rows(verdicts, DECISION)
        if self.serves:
            legs = {
                int(self.tables.slips[slot]["bet_id"]) for slot in self.leg_slots(given["bet_id"])
            }
            forgiven = np.isin(given["bet_id"], list(legs)) & np.isin(given["reason"], _KNOWN)
            given["reason"][forgiven] = 0
        return self.shell.exchange(given.tobytes(), reservations, *bets)


class LegMissing(SlipPlant):
    """A slip is posted although one of its legs was refused."""

    wrapper = _ForgivesLegs


class _AnswersEarly(_Slips):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        answers = rows(self.shell.exchange(verdicts, reservations, *bets), RESERVED)
        asked = rows(reservations, RESERVATION)
        decided = rows(verdicts, DECISION)
        if len(answers) != len(asked) or not len(decided):
            return answers.tobytes()
        for at in np.flatnonzero(asked["flags"] & FLAG_HEAD):
            legs = answers[at + 1 : at + 1 + int(asked[at]["outcome"])]
            refused = np.isin(decided["bet_id"], legs["bet_id"]) & (decided["reason"] != 0)
            if refused.any() and answers[at]["state"] == SlipState.REFUSED:
                answers[at]["state"], answers[at]["reason"] = SlipState.ACCEPTED, 0
        return answers.tobytes()


class AcceptedByWord(SlipPlant):
    """The bettor is told that a slip is accepted, and its account refused it."""

    wrapper = _AnswersEarly


class _ForgetsEvents(_Slips):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        given = rows(reservations, LEG_RESERVATION)
        legs = (given["flags"] & FLAG_LEG_OF_SLIP) != 0
        given["event"][legs] = given["market_no"][legs] % 60
        return self.shell.exchange(verdicts, given.tobytes(), *bets)


class EventsForgotten(SlipPlant):
    """Legs of one event are taken for legs of several, so that they share lines."""

    wrapper = _ForgetsEvents


class _ForgetsPolicy(_Slips):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        given = rows(reservations, RESERVATION)
        given["policy"][given["policy"] > 2] = 2
        return self.shell.exchange(verdicts, given.tobytes(), *bets)


class CombinedOddsIgnored(SlipPlant):
    """A slip takes any odds although its bettor accepts no lower payout."""

    wrapper = _ForgetsPolicy


class _ForgetsBounds(_Slips):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        if not self.serves:
            answers: bytes = self.shell.exchange(verdicts, reservations, *bets)
            return answers
        bounds = self.tables.payouts_max.copy()
        self.tables.payouts_max[:] = NO_BOUND
        self.shell.exchange(verdicts, b"")
        self.tables.payouts_max[:] = bounds
        return self.shell.exchange(b"", reservations, *bets)


class BoundSeenOnly(SlipPlant):
    """What an account's bets can pay is bounded at the odds that a bettor says he saw."""

    wrapper = _ForgetsBounds


class _StakesTwice(_Slips):
    calls = 0

    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        before = self.tables.slips_len if self.serves else 0
        answers = self.shell.exchange(verdicts, reservations, *bets)
        if self.serves:
            for slot in range(before, self.tables.slips_len):
                slip = self.tables.slips[slot]
                if slip["kind"] == SlipKind.HEAD:
                    account = self.tables.accounts[slip["account"]]
                    account["available_minor"] -= slip["stake_minor"]
                    account["pending_minor"] += slip["stake_minor"]
        return answers


class StakeTakenTwice(SlipPlant):
    """The stake of a slip is taken with its head and again with its legs."""

    wrapper = _StakesTwice


class _ForgetsCombinations(_Slips):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        if not self.serves:
            return self.shell.exchange(verdicts, reservations, *bets)
        combinations = self.tables.combinations
        most_minor, combinations.payout_minor_max = combinations.payout_minor_max, 0
        answers = self.shell.exchange(verdicts, reservations, *bets)
        self.tables.combinations.payout_minor_max = most_minor
        return answers


class CombinationsUncounted(SlipPlant):
    """Slips with the same selections are each taken as if there were no others."""

    wrapper = _ForgetsCombinations


# --- settling ------------------------------------------------------------------------------------


class _RoundsUp(_Slips):
    def settle(self, data: bytes) -> int:
        heads = self.heads_of(rows(data, SETTLEMENT)["bet_id"])
        before = [int(self.tables.slips[head]["payout_minor"]) for head in heads]
        applied = self.shell.settle(data)
        for head, paid in zip(heads, before, strict=True):
            slip = self.tables.slips[head]
            if slip["payout_minor"] > paid:
                slip["payout_minor"] += 1
                self.pay(head, 1)
        return applied


class LineRoundedUp(SlipPlant):
    """A payout has one line rounded up."""

    wrapper = _RoundsUp


class _PaysLegsTwice(_Slips):
    def settle(self, data: bytes) -> int:
        applied = self.shell.settle(data)
        for head in self.heads_of(rows(data, SETTLEMENT)["bet_id"]):
            if self.tables.slips[head]["state"] == SlipState.SETTLED:
                self.pay(head, int(self.tables.slips[head]["payout_minor"]))
        return applied


class LegSettledTwice(SlipPlant):
    """A leg that is settled after its slip was paid pays the slip again."""

    wrapper = _PaysLegsTwice


class _LosesFractions(_Slips):
    def settle(self, data: bytes) -> int:
        given = rows(data, SETTLEMENT)
        half = (given["back_den"] > 0) & (given["payout_minor"] > 0)
        half &= given["payout_minor"] < given["back_den"]
        given["payout_minor"][half] = 0  # half lost is taken for lost
        return self.shell.settle(given.tobytes())


class HalfLostIsLost(SlipPlant):
    """A leg of which half of the stake comes back counts as lost."""

    wrapper = _LosesFractions


# --- charging ------------------------------------------------------------------------------------


class _KeepsReleased(Wrapped):
    def charge(self, data: bytes) -> int:
        given = rows(data, CHARGE)
        kept = given[(given["flags"] & FLAG_RELEASED) == 0]
        self.shell.charge(kept.tobytes())
        return len(given)


class LegNotReleased(ShellPlant):
    """A market says that it has released a leg, and holds it."""

    kind = "market"
    wrapper = _KeepsReleased


class _HidesReleases(_Slips):
    def charges(self, after_bet_id: int, limit: int) -> tuple[bytes, int]:
        data, next_after = self.shell.charges(after_bet_id, limit)
        given = rows(data, CHARGE)
        return given[(given["flags"] & FLAG_RELEASED) == 0].tobytes(), next_after


class ReleaseForgotten(SlipPlant):
    """An account does not know that the legs of a refused slip are held."""

    wrapper = _HidesReleases


class _LosesCharges(Wrapped):
    calls = 0

    def charge(self, data: bytes) -> int:
        given = rows(data, CHARGE)
        self.calls += 1
        if self.calls % 3 == 0:
            return len(given)
        return self.shell.charge(data)


class LostCharge(ShellPlant):
    """A market says that it has applied a charge, and has not."""

    kind = "market"
    wrapper = _LosesCharges


class _ChargesLate(Wrapped):
    """Applies charges one call late, with new numbers: an older one over a newer one."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._late: dict[int, tuple[int, int]] = {}

    def charge(self, data: bytes) -> int:
        given = rows(data, CHARGE)
        for row in given:
            bet_id = int(row["bet_id"])
            number, stake = self._late.get(bet_id, (0, 0))
            self._late[bet_id] = (int(row["charge_no"]), int(row["stake_minor"]))
            if number:
                row["stake_minor"] = stake
        return self.shell.charge(given.tobytes())


class OlderCharge(ShellPlant):
    """A market applies an older charge after a newer one of the same leg."""

    kind = "market"
    wrapper = _ChargesLate


class _NotesFirst(Reconciler):
    async def _charge_at(self, account: str, market: str, rows: Rows) -> None:
        await self._ask(account, "charged", rows.tobytes())
        await self._ask(market, "charge", rows.tobytes())


class NotedBeforeCharged(Plant):
    """An account notes a charge before the leg's market has applied it."""

    reconciler = _NotesFirst


_WORLD = Layout(markets=4, markets_a_fixture=2)
_WIDE = Layout(markets=4, shards=1)


def _hunt(says: str, *faults: str, layout: Layout = _WIDE, pace: float | None = None) -> Hunt:
    return Hunt(says, faults or ("disturb",), pace=pace, layout=layout, slip_share=0.6)


SLIP_PLANTS: dict[type[Plant], Hunt] = {
    LegMissing: _hunt(r"and no market accepted it|has the state 2"),
    AcceptedByWord: _hunt(r"was told that s\d+ is accepted"),
    EventsForgotten: _hunt(r"is none of the bets", layout=_WORLD),
    CombinedOddsIgnored: _hunt(r"is none of the bets"),
    BoundSeenOnly: Hunt(
        r"slip \d+ \(s\d+\): state [24] in its account, 3 by its journal",
        written=slips_at_odds_never_seen,
        seeds_max=1,
    ),
    CombinationsUncounted: Hunt(
        r"with which its combination can pay",
        written=many_slips_of_the_same_selections,
        seeds_max=3,
    ),
    StakeTakenTwice: _hunt(r"account \d+ holds"),
    LineRoundedUp: _hunt(r"payout_minor \d+ in its account"),
    LegSettledTwice: _hunt(r"account \d+ holds|house account"),
    HalfLostIsLost: _hunt(r"gives back 0 by its account"),
    LegNotReleased: _hunt(r"is charged \d+ instead of 0"),
    ReleaseForgotten: _hunt(r"is charged \d+ instead of 0"),
    LostCharge: _hunt(r"in its market, and its account says charge|is charged \d+ instead of"),
    OlderCharge: _hunt(r"in its market, and its account says charge|is charged \d+ instead of"),
    NotedBeforeCharged: _hunt(
        r"in its market, and its account says charge|is charged \d+ instead of",
        "freeze",
        "fill",
        "kill",
        pace=0.1,
    ),
}
"""Every defect of slips and its hunt."""
