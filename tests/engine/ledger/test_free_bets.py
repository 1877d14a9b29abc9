"""Free bets: granted once, used in parts, kept from a win's payout, given back by a void slip."""

from itertools import permutations

import pytest

from engine.common.commands import Deposit, OpenAccount, SetRate
from engine.common.events import FreeBetGranted, OfferSet, Refused
from engine.common.offers import BoostRule, FreeBetRule, GrantFreeBet, LadderStep, SetOffer
from engine.common.reasons import Reason
from engine.common.rows import Policy, SlipState
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import funded, money, resolve, settle, verdict
from tests.engine.ledger.slip_builders import (
    Leg,
    LineBet,
    SlipRequest,
    accumulator,
    cover,
    leg_lost,
    leg_refunded,
    leg_reopened,
    leg_settlement,
)

LATE = 1_000
FREE_BETS = SetOffer(offer_no=3, name="welcome", currency="EUR", rule=FreeBetRule())


def granted(amount_minor: int = 500, *, expires_at_ns: int = LATE) -> LedgerMachine:
    """Return a ledger whose account 7 has 1000 in cash and free bet 1."""
    ledger = funded(accounts=(7, 8))
    assert ledger.apply(FREE_BETS, 2) == OfferSet(offer_no=3, active=True)
    event = ledger.apply(grant(amount_minor=amount_minor, expires_at_ns=expires_at_ns), 3)
    assert isinstance(event, FreeBetGranted)
    assert event.free_bet == 1
    return ledger


def grant(ref: str = "g", **fields: int) -> GrantFreeBet:
    given = {"account_no": 7, "offer_no": 3, "amount_minor": 500, "expires_at_ns": LATE} | fields
    return GrantFreeBet(ref=ref, **given)


def free_double(stake_minor: int = 300, **fields: object) -> SlipRequest:
    return accumulator(2_000, 3_000, stake_minor=stake_minor, free_bet=1, **fields)


def left(ledger: LedgerMachine, account_no: int = 7) -> list[int]:
    balance = ledger.balance(account_no)
    assert balance is not None
    return [each.left_minor for each in balance.free_bets]


def cost(ledger: LedgerMachine) -> int:
    return sum(offer.given_minor for offer in ledger.offers())


def test_a_free_bet_that_wins_pays_the_winnings_without_the_stake():
    # Stake not returned: stake x (odds - 1). 300 at 6.0: 1500.
    ledger = granted()
    bet = free_double()
    bet.hold_all(ledger)
    assert money(ledger) == (1_000, 0, 300, 0)
    assert (left(ledger), cost(ledger)) == ([200], 300)
    settle(ledger, leg_settlement(bet.leg(0), 2_000), leg_settlement(bet.leg(1), 3_000))
    assert money(ledger) == (1_000 + 1_500, 0, 0, 0)
    assert (left(ledger), cost(ledger)) == ([200], 0)
    totals = ledger.totals()[0]
    assert (totals.house_minor, totals.offers_minor) == (-1_500, 0)


def test_a_free_bet_that_loses_costs_its_offer_the_stake():
    ledger = granted()
    bet = free_double()
    bet.hold_all(ledger)
    settle(ledger, leg_lost(bet.leg(0)))
    assert money(ledger) == (1_000, 0, 0, 0)
    assert (left(ledger), cost(ledger)) == ([200], 300)
    totals = ledger.totals()[0]
    assert (totals.house_minor, totals.offers_minor) == (300, -300)


def test_a_payout_below_the_stake_pays_nothing_and_costs_what_it_lacks():
    ledger = granted()
    bet = free_double()
    bet.hold_all(ledger)
    settle(ledger, leg_settlement(bet.leg(0), 1, 2, result=5), leg_refunded(bet.leg(1)))
    assert (money(ledger), cost(ledger)) == ((1_000, 0, 0, 0), 150)


def each_way_of(
    win_milli: int, place_milli: int, *, stake_minor: int = 100, **fields: object
) -> SlipRequest:
    """Return a bet each way that free bet 1 pays: to win, and to be placed, at a stake each."""
    legs = [Leg(win_milli, market_no=1), Leg(place_milli, market_no=2, event=0)]
    bets = [LineBet(stake_minor, (1,), (at,)) for at in (0, 1)]
    return SlipRequest(legs, bets, 2 * stake_minor, free_bet=1, each_way=True, **fields)


def lucky_15() -> SlipRequest:
    return cover(5_000, 3_000, 2_000, 4_000, least=1, stake_minor=100, free_bet=1)


@pytest.mark.parametrize(
    ("bet", "winners", "received_minor"),
    [
        # 10.00 each way at 7/4, a fifth of the odds a place, placed: 7/20 of 10.00.
        (each_way_of(2_750, 1_350, stake_minor=1_000), (1,), 350),
        # 5.00 each way at 20/1, a fifth: placed at 4/1, 20.00.
        (each_way_of(21_000, 5_000, stake_minor=500), (1,), 2_000),
        # Both parts win: 17.50 and 3.50.
        (each_way_of(2_750, 1_350, stake_minor=1_000), (0, 1), 1_750 + 350),
        # A single at 5.0 pays 4.00; a second winner at 3.0 adds 2.00, and their double 14.00.
        (lucky_15(), (0,), 400),
        (lucky_15(), (0, 1), 400 + 200 + 1_400),
    ],
)
def test_a_line_that_wins_pays_its_winnings_whatever_other_lines_lose(bet, winners, received_minor):
    # helpcentre.10bet.co.uk, "Why are my winnings lower than expected": each-way bets are one win
    # bet and one place bet, and of a free bet that wins only its stake is not paid back.
    ledger = granted(2_000)
    bet.hold_all(ledger)
    for at, leg in enumerate(bet.legs):
        won = leg_settlement(bet.leg(at), leg.odds_milli)
        settle(ledger, won if at in winners else leg_lost(bet.leg(at)))
    ledger.check()
    assert money(ledger) == (1_000 + received_minor, 0, 0, 0)
    returned_minor = ledger.slip_by_id(bet.bet_id).payout_minor - received_minor
    assert cost(ledger) == bet.stake_minor - returned_minor


def test_a_refused_slip_gives_the_free_bet_its_amount_back():
    ledger = granted()
    bet = free_double()
    bet.send(ledger)
    assert (money(ledger), left(ledger)) == ((1_000, 300, 0, 0), [200])
    resolve(ledger, verdict(bet.leg(0), odds_milli=2_000))
    resolve(ledger, verdict(bet.leg(1), Reason.MARKET_SUSPENDED))
    assert (money(ledger), left(ledger), cost(ledger)) == ((1_000, 0, 0, 0), [500], 0)


def test_a_wholly_void_slip_gives_the_free_bet_its_amount_back():
    ledger = granted()
    bet = free_double()
    bet.hold_all(ledger)
    settle(ledger, leg_refunded(bet.leg(0)), leg_refunded(bet.leg(1)))
    assert (money(ledger), left(ledger), cost(ledger)) == ((1_000, 0, 0, 0), [500], 0)


def test_what_a_void_slip_gave_back_may_be_used_before_a_correction_takes_it():
    ledger = granted()
    bet = free_double()
    bet.hold_all(ledger)
    settle(ledger, leg_refunded(bet.leg(0)), leg_refunded(bet.leg(1)))
    again = free_double(500, ref="again")
    again.hold_all(ledger)
    settle(ledger, leg_lost(bet.leg(0), number=2))
    assert (money(ledger), left(ledger), cost(ledger)) == ((1_000, 0, 500, 0), [], 800)
    third = free_double(1, ref="third")
    assert third.send(ledger)["reason"][0] == Reason.FREE_BET_USED


def test_a_free_bet_is_used_in_parts_and_then_used_up():
    ledger = granted()
    assert free_double(300, ref="a").send(ledger)["reason"][0] == 0
    over = free_double(201, ref="b")
    assert (over.send(ledger)["reason"][0], over.answers["stake_max_minor"][0]) == (
        Reason.FREE_BET_USED,
        200,
    )
    assert free_double(200, ref="c").send(ledger)["reason"][0] == 0
    assert free_double(1, ref="d").send(ledger)["reason"][0] == Reason.FREE_BET_USED
    assert money(ledger) == (1_000, 500, 0, 0)


def test_a_free_bet_ends_at_its_time_by_the_time_of_the_call():
    ledger = granted(expires_at_ns=20)
    assert free_double(1, ref="a").send(ledger, at_ns=19)["reason"][0] == 0
    assert free_double(1, ref="b").send(ledger, at_ns=20)["reason"][0] == Reason.FREE_BET_EXPIRED


@pytest.mark.parametrize(("account_no", "free_bet"), [(8, 1), (7, 2), (7, -1)])
def test_a_free_bet_that_the_account_does_not_have_is_refused(account_no, free_bet):
    ledger = granted()
    bet = accumulator(2_000, 2_000, account_no=account_no, free_bet=free_bet)
    assert bet.send(ledger)["reason"][0] == Reason.FREE_BET_UNKNOWN


def test_a_free_bet_keeps_the_conditions_of_its_offer():
    ledger = funded()
    rule = FreeBetRule(odds_milli_min=1_500, legs_min=2)
    ledger.apply(SetOffer(offer_no=3, name="n", currency="EUR", rule=rule), 2)
    ledger.apply(grant(), 3)
    reasons = [
        accumulator(*odds, ref=f"r{at}", free_bet=1).send(ledger)["reason"][0]
        for at, odds in enumerate([(2_000,), (2_000, 1_499), (2_000, 1_500)])
    ]
    assert reasons == [Reason.OFFER_NOT_FOR_BET, Reason.OFFER_NOT_FOR_BET, 0]


@pytest.mark.parametrize(
    ("taken_milli", "state"),
    [((2_750, 1_350), SlipState.ACCEPTED), ((1_400, 1_080), SlipState.REFUSED)],
)
def test_the_lowest_odds_of_a_free_bet_are_asked_of_legs_to_win_alone(taken_milli, state):
    ledger = funded()
    rule = FreeBetRule(odds_milli_min=1_500)
    ledger.apply(SetOffer(offer_no=3, name="n", currency="EUR", rule=rule), 2)
    ledger.apply(grant(), 3)
    bet = each_way_of(2_750, 1_350, policy=Policy.ANY)
    by_hand = each_way_of(2_750, 1_350, ref="by-hand")
    by_hand.each_way = False
    assert by_hand.send(ledger)["reason"][0] == Reason.OFFER_NOT_FOR_BET
    assert bet.send(ledger)["reason"][0] == 0
    resolve(ledger, *(verdict(bet.leg(at), odds_milli=o) for at, o in enumerate(taken_milli)))
    assert ledger.slip_by_id(bet.bet_id).state is state
    ledger.check()
    assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()


def test_the_legs_of_a_free_bet_each_way_are_counted_once():
    ledger = funded()
    ledger.apply(SetOffer(offer_no=3, name="n", currency="EUR", rule=FreeBetRule(legs_min=2)), 2)
    ledger.apply(grant(), 3)
    assert each_way_of(2_750, 1_350).send(ledger)["reason"][0] == Reason.OFFER_NOT_FOR_BET


def test_a_free_bet_is_given_back_by_a_slip_taken_below_its_lowest_odds():
    ledger = funded()
    rule = FreeBetRule(odds_milli_min=1_500)
    ledger.apply(SetOffer(offer_no=3, name="n", currency="EUR", rule=rule), 2)
    ledger.apply(grant(), 3)
    bet = accumulator(2_000, 1_500, stake_minor=300, free_bet=1, policy=Policy.ANY)
    bet.send(ledger)
    resolve(ledger, *(verdict(bet.leg(at), odds_milli=o) for at, o in enumerate((2_000, 1_499))))
    assert ledger.slip_by_id(bet.bet_id).reason == Reason.OFFER_NOT_FOR_BET
    ledger.check()
    assert (money(ledger), left(ledger), cost(ledger)) == ((1_000, 0, 0, 0), [500], 0)


def test_a_known_ref_is_the_same_slip_only_with_the_same_free_bet():
    ledger = granted()
    bet = free_double(100)
    first = bet.send(ledger)
    assert bet.send(ledger)["bet_id"][0] == first["bet_id"][0]
    for changed in (0, 2):
        bet.free_bet = changed
        assert bet.send(ledger)["reason"][0] == Reason.BET_REF_REUSED
    assert (money(ledger), left(ledger)) == ((1_000, 100, 0, 0), [400])


def test_a_grant_counts_once_for_its_ref():
    ledger = granted()
    again = ledger.apply(grant(), 9)
    assert (again.known, again.free_bet) == (True, 1)
    other = ledger.apply(grant(amount_minor=501), 9)
    assert other.reason == Reason.TRANSFER_REF_REUSED
    assert ledger.apply(grant("h"), 9).free_bet == 2
    assert left(ledger) == [500, 500]
    restarted = LedgerMachine.load(ledger.dump())
    assert restarted.apply(grant(), 10) == again
    restarted.check()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"amount_minor": 0}, Reason.AMOUNT_OUT_OF_BOUNDS),
        ({"account_no": 9}, Reason.ACCOUNT_UNKNOWN),
        ({"offer_no": 4}, Reason.OFFER_UNKNOWN),
        ({"offer_no": 5}, Reason.FIELD_OUT_OF_BOUNDS),
        ({"offer_no": 6}, Reason.FIELD_OUT_OF_BOUNDS),
        ({"offer_no": 7}, Reason.OFFER_WITHDRAWN),
        ({"expires_at_ns": 8}, Reason.FREE_BET_EXPIRED),
    ],
)
def test_a_grant_that_cannot_be_is_refused_and_changes_nothing(fields, reason):
    ledger = granted()
    boost = BoostRule(ladder=(LadderStep(legs=2, milli=50),), cap_minor=100)
    free = FreeBetRule()
    assert not isinstance(ledger.apply(SetRate(currency="GBP"), 4), Refused)
    for number, currency, rule, active in (
        (5, "EUR", boost, True),
        (6, "GBP", free, True),
        (7, "EUR", free, False),
    ):
        ledger.apply(
            SetOffer(offer_no=number, name="n", currency=currency, rule=rule, active=active), 4
        )
    before = ledger.state_hash()
    assert ledger.apply(grant("other", **fields), 8).reason == reason
    assert ledger.state_hash() == before


def test_an_offer_keeps_its_rule_and_may_be_withdrawn():
    ledger = granted()
    other = SetOffer(offer_no=3, name="welcome", currency="EUR", rule=FreeBetRule(legs_min=2))
    assert ledger.apply(other, 5).reason == Reason.OFFER_EXISTS
    withdrawn = SetOffer(
        offer_no=3, name="welcome", currency="EUR", rule=FreeBetRule(), active=False
    )
    assert ledger.apply(withdrawn, 5) == OfferSet(offer_no=3, active=False)
    assert free_double(100).send(ledger)["reason"][0] == 0, "what was granted stands"
    assert ledger.offers()[0].active is False
    assert ledger.apply(FREE_BETS, 6).active


def test_money_in_debt_is_neither_paid_nor_taken_by_a_free_bet():
    ledger = granted()
    cash = accumulator(2_000, 2_000, stake_minor=1_000, ref="cash")
    cash.hold_all(ledger)
    settle(ledger, leg_settlement(cash.leg(0), 2_000), leg_settlement(cash.leg(1), 2_000))
    spend = accumulator(2_000, 2_000, stake_minor=4_000, ref="spend")
    spend.hold_all(ledger)
    settle(ledger, leg_lost(cash.leg(0), number=2))
    assert money(ledger) == (0, 0, 4_000, 4_000)
    bet = free_double(500)
    bet.hold_all(ledger)
    assert money(ledger) == (0, 0, 4_500, 4_000)
    settle(ledger, leg_settlement(bet.leg(0), 2_000), leg_settlement(bet.leg(1), 3_000))
    assert money(ledger) == (0, 0, 4_000, 1_500)


def test_corrections_of_a_free_bet_end_the_same_in_any_order():
    def messages(bet: SlipRequest) -> list[object]:
        return [
            leg_settlement(bet.leg(0), 2_000),
            leg_reopened(bet.leg(0), number=2),
            leg_refunded(bet.leg(0), number=3),
            leg_lost(bet.leg(1)),
            leg_refunded(bet.leg(1), number=2),
        ]

    ends = []
    for order in list(permutations(range(5)))[::7]:
        ledger = granted()
        bet = free_double()
        bet.hold_all(ledger)
        for at in order:
            settle(ledger, messages(bet)[at])
        ends.append((money(ledger), left(ledger), cost(ledger)))
        assert ledger.slip_by_id(bet.bet_id).state is SlipState.SETTLED
        assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()
    assert set(map(str, ends)) == {str(((1_000, 0, 0, 0), [500], 0))}


def test_a_slip_shows_its_free_bet_and_what_the_offer_gave():
    ledger = granted()
    bet = free_double()
    bet.hold_all(ledger)
    shown = ledger.slip_by_id(bet.bet_id).offer
    assert (shown.offer_no, shown.free_bet, shown.added_minor) == (3, 1, 300)


def test_a_free_bet_is_no_cash():
    ledger = granted()
    ledger.apply(OpenAccount(account_no=9, currency="EUR"), 4)
    ledger.apply(Deposit(account_no=9, amount_minor=1, ref="d"), 4)
    ledger.apply(grant("nine", account_no=9), 4)
    cash = accumulator(2_000, 3_000, stake_minor=300, account_no=9)
    assert cash.send(ledger)["reason"][0] == Reason.INSUFFICIENT_FUNDS
