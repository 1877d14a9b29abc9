"""Sequences of commands in which slips of several legs are placed, charged and settled.

Owns these steps, those of the markets and those of the account shard, and the sequences that the
golden journals of the current layout were written with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.commands import (
    AckOutbox,
    Deposit,
    Quote,
    ResumeMarket,
    ResumeWithAll,
    SetOdds,
    SettleMarket,
    SuspendWithAll,
    Withdraw,
)
from engine.common.corrections import (
    ChosenBets,
    CorrectedQuote,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.early import BeginPlay, PayEarly
from engine.common.house import StopHouse
from engine.common.ids import bet_id
from engine.common.offers import EarlyPayoutRule, FreeBetRule, GrantFreeBet, InsuranceRule, SetOffer
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.payout_bounds import SetAccountBound, SetCombinationBound, SetPayoutBound
from engine.common.rows import (
    CHARGE,
    FLAG_FENCE,
    FLAG_FREE_BET,
    FLAG_HEAD,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    FLAG_PRE_MATCH,
    FLAG_RELEASED,
    LEG_RESERVATION,
    RESERVATION,
    SLIP_BET,
    BetResult,
    Rows,
)
from engine.common.units import Nanos
from engine.common.withdrawals import Withdrawal
from persistence.durable import DurableLedger, DurableMarkets
from tests.persistence.command_sequences import (
    LEDGER_STEPS,
    LEDGER_STEPS_2,
    MARKET_STEPS_2,
    SEQUENCES,
    SHARD,
    CommandSequence,
    Step,
    bets,
    by_trader,
    market,
    opened,
    reservations,
    results,
    settlements,
    verdicts,
)

GONE = Withdrawal(outcome=2, until_ns=Nanos(5), deduct_milli=50)


def charges(*legs: tuple[int, int, int], market_no: int, flags: int = 0) -> Rows:
    """Return charges of legs of shard 3: serial, charge and number of each."""
    rows = np.zeros(len(legs), CHARGE)
    rows["bet_id"] = [bet_id(shard=SHARD, serial=serial) for serial, _, _ in legs]
    rows["stake_minor"] = [charge for _, charge, _ in legs]
    rows["charge_no"] = [number for _, _, number in legs]
    rows["market_no"] = market_no
    rows["flags"] = flags
    return rows


def leg_steps(*, first: int, market_nos: tuple[int, int]) -> list[Step]:
    """Return steps of legs and charges on two new markets; bets have serials from `first` on."""
    one, two = market_nos
    a, b, c, d, e = range(first, first + 5)
    released = charges((a, 0, 1), market_no=one, flags=FLAG_RELEASED)
    return [
        by_trader(market(one), opened(one), market(two), opened(two)),
        Step("place", (bets(a, b, market_no=one, flags=FLAG_LEG, stake_minor=100),)),
        Step("place", (bets(c, market_no=one, stake_minor=100),)),
        Step("place", (bets(d, market_no=two, flags=FLAG_LEG, stake_minor=100),)),
        Step("charge", (released,)),
        Step("charge", (np.concatenate([released, charges((d, 250, 3), market_no=two)]),)),
        Step("place", (bets(e, market_no=two, flags=FLAG_LEG | FLAG_FENCE),)),
        by_trader(
            BeginPlay(market_no=one),
            *(PayEarly(market_no=one, outcome=outcome, lead=2) for outcome in range(3)),
            SettleMarket(market_no=one, results=results(b % 3), withdrawals=(GONE,)),
        ),
        Step("charge", (charges((b, 400, 2), market_no=one),)),
        by_trader(SettleMarket(market_no=one, results=results((b + 1) % 3))),
        by_trader(
            CorrectOdds(
                market_no=one,
                quotes=tuple(CorrectedQuote(outcome=each, odds_milli=1_900) for each in range(3)),
            ),
            VoidBets(market_no=one, bets=ChosenBets(account_no=7), why="21 for 2.1"),
            VoidBets(market_no=two, bets=ChosenBets(bet_ids=(bet_id(shard=SHARD, serial=d),))),
        ),
        by_trader(RestoreBets(market_no=two, correction_no=1)),
        Step("charge", (charges((d, 0, 4), market_no=two),)),
        Step("control", ("reconciler", [AckOutbox(shard=SHARD, upto=2)])),
    ]


def slip(ref: str, *, market_nos: Sequence[int], stake_minor: int) -> Rows:
    """Return a slip of account 7: a head and a leg in each market, each of an event of its own."""
    head = reservations(ref, stake_minor=stake_minor)
    head["flags"], head["outcome"], head["market_no"] = FLAG_HEAD, len(market_nos), 1
    head["odds_milli"] = 0
    legs = np.zeros(len(market_nos), LEG_RESERVATION)
    legs["market_no"] = market_nos
    legs["event"] = legs["position"] = np.arange(len(market_nos))
    legs["account_no"] = 7
    legs["odds_milli"] = 2_500
    legs["flags"] = FLAG_LEG_OF_SLIP
    return np.concatenate([head, legs.view(RESERVATION)])


def slip_bet(stake_minor: int, *, sizes: Sequence[int], of: int) -> Rows:
    """Return one bet over the first positions, `sizes` of them in a line."""
    row = np.zeros(1, SLIP_BET)
    row["stake_minor"] = stake_minor
    row["sizes"] = sum(1 << size for size in sizes)
    row["positions"] = (1 << of) - 1
    return row


def leg_settlements(*serials: int, num: int, number: int, result: BetResult) -> Rows:
    """Return settlements of legs, which give back num/1000 of their stake."""
    rows = settlements(*serials, payout_minor=num, settlement_no=number, result=result)
    rows["back_den"] = 1_000
    rows["odds_milli"] = 2_500
    return rows


def joined(rows: Rows, *more: Rows) -> Rows:
    """Return the rows of one outbox, numbered on."""
    batch = np.concatenate([rows, *more])
    batch["outbox_seq"] = np.arange(1, len(batch) + 1)
    return batch


def with_offer(rows: Rows, number: int, *, flags: int = 0) -> Rows:
    """Return a slip that takes an offer, or a free bet by FLAG_FREE_BET."""
    rows = rows.copy()
    rows["odds_milli"][0] = number
    rows["flags"][0] |= flags
    return rows


def offer_steps(*, first: int) -> list[Step]:
    """Return steps of offers for account 7: a used free bet, an insurance and an early payout."""
    x1, x2 = first + 1, first + 2
    y1, y2 = first + 4, first + 5
    z1 = first + 7
    welcome = SetOffer(offer_no=2, name="welcome", currency="EUR", rule=FreeBetRule())
    insured = SetOffer(
        offer_no=5,
        name="one leg lost",
        currency="EUR",
        rule=InsuranceRule(legs_min=2, cap_minor=80, expires_after_ns=1_000),
    )
    ahead = SetOffer(
        offer_no=6,
        name="two goals ahead",
        currency="EUR",
        rule=EarlyPayoutRule(lead=2, cap_minor=500),
    )
    grant = GrantFreeBet(
        account_no=7, offer_no=2, amount_minor=150, expires_at_ns=1 << 40, ref="fb-1"
    )
    free = with_offer(slip("of", market_nos=(1, 2), stake_minor=100), 1, flags=FLAG_FREE_BET)
    with_insurance = with_offer(slip("oi", market_nos=(1, 2), stake_minor=100), 5)
    early = with_offer(slip("oe", market_nos=(3,), stake_minor=100), 6)
    bet, single = slip_bet(100, sizes=[2], of=2), slip_bet(100, sizes=[1], of=1)
    won, lost = BetResult.WON, BetResult.LOST
    mark = settlements(z1, payout_minor=0, settlement_no=1, result=BetResult.NONE)
    mark["early_lead"], mark["early_flags"], mark["odds_milli"] = 2, FLAG_PRE_MATCH, 2_500
    late = leg_settlements(z1, num=0, number=2, result=lost)
    late["early_lead"], late["early_flags"] = 2, FLAG_PRE_MATCH
    return [
        Step("control", ("ops", [welcome, insured, ahead, grant])),
        Step(
            "exchange",
            (verdicts(), np.concatenate([free, with_insurance, early])),
            np.concatenate([bet, bet, single]),
        ),
        Step("exchange", (verdicts(x1, x2, y1, y2, z1), with_insurance), bet),
        Step(
            "settle", (joined(leg_settlements(x1, x2, y1, num=2_500, number=1, result=won), mark),)
        ),
        Step("settle", (joined(leg_settlements(y2, num=0, number=1, result=lost), late),)),
    ]


def _due_charges(ledger: Any) -> Rows:
    due: Rows = ledger.charges(after_bet_id=0, limit=100).rows
    assert len(due), "the step before changed a charge"
    return due


def slip_steps(*, first: int) -> list[Step]:
    """Return steps of slips of account 7, which is funded; slots from `first` on are new."""
    x1, x2, single = range(first + 1, first + 4)  # behind the head of the double
    y1, y2, y3 = range(single + 2, single + 5)  # behind that of the Trixie
    two, three = slip_bet(100, sizes=[2], of=2), slip_bet(10, sizes=[2, 3], of=3)
    the_double = slip("sd", market_nos=(1, 2), stake_minor=100)
    the_trixie = slip("st", market_nos=(1, 2, 3), stake_minor=40)
    mixed = np.concatenate([the_double, reservations("ss", stake_minor=50)])
    none = reservations()
    won, lost, open_again = BetResult.WON, BetResult.LOST, BetResult.NONE
    return [
        Step("exchange", (verdicts(), mixed), two),
        Step("exchange", (verdicts(x1, single), the_trixie), three),
        Step("exchange", (verdicts(x2), the_double), two),
        Step("exchange", (verdicts(y1), none)),
        Step("exchange", (verdicts(y2, reason=302), the_trixie), three),
        Step("charged", (_due_charges,)),
        Step("exchange", (verdicts(y3), slip("sx", market_nos=(1, 2), stake_minor=99)), two),
        Step("settle", (leg_settlements(x1, num=2_500, number=1, result=won),)),
        Step("charged", (_due_charges,)),
        Step("settle", (leg_settlements(x2, num=2_500, number=1, result=won),)),
        Step("settle", (leg_settlements(x2, num=0, number=2, result=lost),)),
        Step("settle", (leg_settlements(x2, num=0, number=3, result=open_again),)),
        Step("settle", (settlements(single),)),
        Step("control", ("ops", [Withdraw(account_no=7, amount_minor=9, ref="w-s")])),
    ]


FUNDED = LEDGER_STEPS[:2]
BOUNDS = [
    SetPayoutBound(open_payout_minor_max=1_000),
    SetAccountBound(account_no=7, open_payout_minor_max=900_000),
    SetCombinationBound(combination_payout_minor_max=800_000),
    BlockAccount(account_no=7, why="two cards"),
    BlockAccount(account_no=7, blocked=False),
    SetAccountFactor(account_no=7, factor_milli=2_500),
]
SLIP_SEQUENCES = {
    "legs": CommandSequence(leg_steps(first=1, market_nos=(1, 2)), DurableMarkets),
    "slips": CommandSequence([*FUNDED, *slip_steps(first=1)], DurableLedger),
}
"""Short sequences of slips of several legs: the legs at their markets, the slips at their shard."""
CRASHED = {**SEQUENCES, **SLIP_SEQUENCES}
"""Sequences that are killed at every call and byte."""
_STANDING = tuple(
    StandingOdds(outcome=at, odds_milli=milli) for at, milli in ((0, 2_600), (5, 2_000))
)
MARK_STEPS = [
    by_trader(
        market(6),
        opened(6),
        OverrideOdds(market_no=6, quotes=_STANDING, why="team news"),
        OverrideOdds(market_no=6, quotes=_STANDING[:1]),
        SuspendOutcomes(market_no=6, outcomes=(1,), why="injury"),
        market(8),
        opened(8),
        SuspendWithAll(market_no=8, by="trader:ada"),
        SuspendWithAll(market_no=8, why="kill", by="head_trader:ida"),
        ResumeWithAll(market_no=8, by="trader:ada"),
        ResumeMarket(market_no=8, by="trader:ada"),
    ),
    by_trader(SetOdds(market_no=6, quotes=(Quote(outcome=0, odds_milli=2_400),))),
    Step("place", (bets(50, 51, 52, market_no=6, stake_minor=100),)),
]
"""Outcomes of market 6 are held, or have odds that stand; one command is refused. Market 8 is
stopped by two people, of whom one resumes it, and then in vain by itself."""
UNMARK_STEPS = [
    by_trader(
        ReleaseOdds(market_no=6),
        ResumeOutcomes(market_no=6),
        ResumeWithAll(market_no=8, by="trader:ada", force=True),
    ),
    Step("place", (bets(60, 61, 62, market_no=6, stake_minor=100),)),
]
SEQUENCES_4 = {
    "markets": CommandSequence(
        [*MARKET_STEPS_2, *MARK_STEPS, *leg_steps(first=30, market_nos=(4, 5)), *UNMARK_STEPS],
        DurableMarkets,
    ),
    "ledger": CommandSequence(
        [
            *LEDGER_STEPS_2,
            Step(
                "control", ("ops", [Deposit(account_no=7, amount_minor=5_000, ref="d-2"), *BOUNDS])
            ),
            *offer_steps(first=7),
            *slip_steps(first=15),
            Step("control", ("trader:ada", [StopHouse(by="trader:ada", why="a wrong feed")])),
            Step("exchange", (verdicts(), reservations("late", "a"))),
        ],
        DurableLedger,
    ),
}
"""The sequences of layout 2, continued with what layout 4 added: slips of several legs, offers,
traders' marks on outcomes, and a house that stays stopped.
"""
