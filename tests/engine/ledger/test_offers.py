"""Boosts and insurance: published figures, conditions and corrections."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.events import FreeBetGranted, OfferSet
from engine.common.offers import (
    BoostRule,
    FreeBetRule,
    FullCoverRule,
    GrantFreeBet,
    InsuranceRule,
    LadderStep,
    OddsBoostRule,
    OfferRule,
    SetOffer,
)
from engine.common.reasons import Reason
from engine.common.rows import DECISION, BetResult, Policy, Rows, SlipState
from engine.ledger.ledger import LedgerMachine
from simulations.expected_offers import added_minor, earned_minor, paid_minor, uses_free_bet
from tests.engine.ledger.builders import funded, money, resolve, settle, verdict
from tests.engine.ledger.offer_twin import offered
from tests.engine.ledger.random_slips import ODDS
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
from tests.engine.ledger.test_slips_properties import deliver, fraction_of, messages_about

CAP = 10**9


def ladder(*steps: tuple[int, int]) -> tuple[LadderStep, ...]:
    return tuple(LadderStep(legs=legs, milli=milli) for legs, milli in steps)


def offering(*rules: OfferRule, amount_minor: int = 1_000_000) -> LedgerMachine:
    """Return a ledger whose offers have the rules, from number 1 on."""
    ledger = funded(amount_minor=amount_minor)
    for number, rule in enumerate(rules, start=1):
        event = ledger.apply(SetOffer(offer_no=number, name="n", currency="EUR", rule=rule), 2)
        assert isinstance(event, OfferSet)
    return ledger


def won(bet: SlipRequest, *places: int, number: int = 1) -> list[Rows]:
    return [leg_settlement(bet.leg(at), bet.legs[at].odds_milli, number=number) for at in places]


def gives(ledger: LedgerMachine, bet: SlipRequest) -> int:
    """Return what the offer has given for a slip, after an audit of the ledger."""
    ledger.check()
    return ledger.slip_by_id(bet.bet_id).offer.added_minor


# --- boost ---------------------------------------------------------------------------------------


def test_a_boost_is_of_the_winnings_and_not_of_the_stake():
    # "How acca boosts work", mybetboosts.com: 10 on a five-fold at 26.0 with 25 %: 250 -> 312.50.
    ledger = offering(BoostRule(ladder=ladder((5, 250)), cap_minor=CAP))
    bet = accumulator(2_000, 2_000, 2_000, 2_000, 1_625, stake_minor=1_000, offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0, 1, 2, 3, 4))
    assert ledger.slip_by_id(bet.bet_id).payout_minor == 26_000
    assert gives(ledger, bet) == 31_250 - 25_000
    assert money(ledger)[0] == 1_000_000 + 31_250
    totals = ledger.totals()[0]
    assert (totals.house_minor, totals.offers_minor) == (-25_000, -6_250)


EASY_WIN = BoostRule(
    ladder=ladder((3, 50), (4, 100), (5, 200)), cap_minor=CAP, odds_milli_min=1_200
)
"""The first steps of the ladder of easy.win/SportsBook/help; legs count from 1.20."""


def test_a_boost_goes_down_its_ladder_when_a_leg_is_void_and_up_when_it_is_not():
    ledger = offering(EASY_WIN)
    bet = accumulator(2_000, 2_000, 2_000, 1_500, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0, 1, 2), leg_refunded(bet.leg(3)))
    assert gives(ledger, bet) == 700 * 5 // 100
    settle(ledger, *won(bet, 3, number=2))
    assert gives(ledger, bet) == 1_100 * 10 // 100
    settle(ledger, leg_lost(bet.leg(0), number=2))
    assert gives(ledger, bet) == 0
    settle(ledger, leg_reopened(bet.leg(0), number=3))
    assert gives(ledger, bet) == 0
    settle(ledger, *won(bet, 0, number=4))
    assert gives(ledger, bet) == 110
    assert ledger.offers()[0].given_minor == 110


def test_a_leg_below_the_lowest_odds_does_not_count():
    ledger = offering(EASY_WIN)
    bet = accumulator(2_000, 2_000, 2_000, 1_199, stake_minor=1_000, offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0, 1, 2, 3))
    assert gives(ledger, bet) == (9_592 - 1_000) * 5 // 100
    few = accumulator(2_000, 2_000, 1_199, ref="few", offer=1)
    assert few.send(ledger)["reason"][0] == Reason.OFFER_NOT_FOR_BET


def test_a_boost_stops_at_its_cap():
    ledger = offering(BoostRule(ladder=ladder((2, 1_000)), cap_minor=120))
    bet = accumulator(2_000, 2_000, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0, 1))
    assert gives(ledger, bet) == 120


# --- boosted odds --------------------------------------------------------------------------------

BOOSTED = OddsBoostRule(
    market_no=1, outcome=0, odds_milli=3_000, cap_minor=CAP, stake_minor_max=1_000
)


def single(odds_milli: int = 2_500, **fields: object) -> SlipRequest:
    return accumulator(odds_milli, offer=1, **fields)


def test_boosted_odds_add_the_winnings_that_the_odds_taken_lack():
    ledger = offering(BOOSTED)
    bet = single(stake_minor=1_000)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0))
    assert gives(ledger, bet) == 3_000 - 2_500
    settle(ledger, leg_settlement(bet.leg(0), 3_500, 2_000, number=2, result=4))
    assert gives(ledger, bet) == 500 // 2, "half won: half the winnings of both"
    settle(ledger, leg_settlement(bet.leg(0), 2_125, number=3))
    assert gives(ledger, bet) == 375, "Rule 4 of 25p: 0.75 of the winnings of both"
    settle(ledger, leg_refunded(bet.leg(0), number=4))
    assert gives(ledger, bet) == 0


def test_boosted_odds_below_those_taken_add_nothing():
    ledger = offering(BOOSTED)
    bet = single(3_500)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0))
    assert gives(ledger, bet) == 0


def test_a_stake_over_the_offers_is_told_the_highest():
    ledger = offering(BOOSTED)
    bet = single(stake_minor=1_001)
    assert bet.send(ledger)["reason"][0] == Reason.OFFER_NOT_FOR_BET
    assert bet.answers["stake_max_minor"][0] == 1_000
    bet.bets, bet.stake_minor = [LineBet(1_000, (1,))], 1_000
    assert bet.send(ledger)["reason"][0] == 0


def test_boosted_odds_are_for_their_selection_alone():
    ledger = offering(BOOSTED)
    reasons = [
        SlipRequest(legs, [LineBet(100, (len(legs),))], 100, f"r{at}", offer=1).send(ledger)[
            "reason"
        ][0]
        for at, legs in enumerate(
            ([Leg(outcome=1)], [Leg(market_no=2)], [Leg(), Leg(market_no=2)], [Leg()])
        )
    ]
    assert reasons == [Reason.OFFER_NOT_FOR_BET] * 3 + [0]


# --- insurance -----------------------------------------------------------------------------------

INSURED = InsuranceRule(legs_min=3, cap_minor=250, expires_after_ns=500)


def free_bets(ledger: LedgerMachine) -> list[tuple[int, int]]:
    ledger.check()
    balance = ledger.balance(7)
    assert balance is not None
    return [(each.left_minor, each.expires_at_ns) for each in balance.free_bets]


def test_one_lost_leg_gives_the_stake_as_a_free_bet():
    ledger = offering(INSURED)
    bet = accumulator(2_000, 2_000, 2_000, stake_minor=200, offer=1)
    bet.hold_all(ledger)
    settle(ledger, leg_lost(bet.leg(0)), *won(bet, 1))
    assert free_bets(ledger) == [], "a leg is open"
    settle(ledger, *won(bet, 2), at_ns=40)
    assert free_bets(ledger) == [(200, 540)]
    assert ledger.slip_by_id(bet.bet_id).offer.earned_free_bet == 1
    assert ledger.offers()[0].given_minor == 0, "nothing before it is used"
    free = accumulator(2_000, 2_000, stake_minor=200, ref="free", free_bet=1)
    free.hold_all(ledger)
    settle(ledger, leg_lost(free.leg(0)))
    assert (free_bets(ledger), ledger.offers()[0].given_minor) == ([], 200)
    assert money(ledger)[0] == 1_000_000 - 200


@pytest.mark.parametrize(
    ("results", "earned_minor"),
    [("WWL", 250), ("WLL", 0), ("WWW", 0), ("WVL", 0), ("WHL", 0), ("VVV", 0), ("WWLV", 250)],
)
def test_the_free_bet_is_for_exactly_one_lost_leg_of_enough(results, earned_minor):
    ledger = offering(INSURED)
    bet = accumulator(*[2_000] * len(results), stake_minor=300, offer=1)
    bet.hold_all(ledger)
    for at, result in enumerate(results):
        row = {
            "W": won(bet, at)[0],
            "L": leg_lost(bet.leg(at)),
            "V": leg_refunded(bet.leg(at)),
            "H": leg_settlement(bet.leg(at), 1, 2, result=5),
        }[result]
        settle(ledger, row)
    assert [left for left, _ in free_bets(ledger)] == ([earned_minor] if earned_minor else [])


def test_a_correction_takes_an_earned_free_bet_back_as_far_as_it_is_unused():
    ledger = offering(INSURED)
    bet = accumulator(2_000, 2_000, 2_000, stake_minor=200, offer=1)
    bet.hold_all(ledger)
    settle(ledger, leg_lost(bet.leg(0)), *won(bet, 1, 2))
    free = accumulator(2_000, stake_minor=50, ref="free", free_bet=1)
    free.hold_all(ledger)
    settle(ledger, leg_lost(bet.leg(1), number=2))
    assert free_bets(ledger) == []
    assert accumulator(2_000, ref="x", free_bet=1).send(ledger)["reason"][0] == (
        Reason.FREE_BET_UNKNOWN
    )
    settle(ledger, *won(free, 0))
    assert money(ledger)[0] == 1_000_000 - 200 + 50, "the bet made with it stands"
    settle(ledger, *won(bet, 1, number=3), at_ns=60)
    assert free_bets(ledger) == [(150, 560)]


@pytest.mark.parametrize(
    ("taken_milli", "policy", "state"),
    [
        ((2_000, 1_010, 1_010), Policy.ANY, SlipState.REFUSED),
        ((2_000, 1_499, 9_000), Policy.COMBINED_HIGHER, SlipState.REFUSED),
        ((2_000, 1_500, 1_600), Policy.ANY, SlipState.ACCEPTED),
    ],
)
def test_an_insurance_asks_the_odds_taken_and_not_those_that_the_bettor_says_he_saw(
    taken_milli, policy, state
):
    # Four certain legs beside one real one would make a refunded single of it.
    ledger = offering(InsuranceRule(legs_min=3, cap_minor=CAP, expires_after_ns=9,
                                    odds_milli_min=1_500))  # fmt: skip
    bet = accumulator(2_000, 1_500, 1_500, stake_minor=200, policy=policy, offer=1)
    bet.send(ledger)
    before = money(ledger)
    resolve(ledger, *(verdict(bet.leg(at), odds_milli=o) for at, o in enumerate(taken_milli)))
    slip = ledger.slip_by_id(bet.bet_id)
    assert slip.state is state
    if state is SlipState.REFUSED:
        assert slip.reason == Reason.OFFER_NOT_FOR_BET
        assert money(ledger) == (before[0] + 200, 0, 0, 0)
    settle(ledger, leg_lost(bet.leg(0)), *(
        leg_settlement(bet.leg(at), taken_milli[at]) for at in (1, 2)
    ))  # fmt: skip
    earned = [] if state is SlipState.REFUSED else [(200, 39)]
    assert free_bets(ledger) == earned
    assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()


def test_a_balance_finds_the_newest_free_bets_among_insurances_that_earned_nothing():
    ledger = offering(InsuranceRule(legs_min=1, cap_minor=CAP, expires_after_ns=9))
    lost = []
    for number in range(60):
        bet = accumulator(2_000, stake_minor=1 + number, ref=f"r{number}", offer=1)
        bet.hold_all(ledger)
        lost.append(leg_lost(bet.leg(0)))
    settle(ledger, *lost)
    for number in range(600):
        accumulator(2_000, stake_minor=1, ref=f"open{number}", offer=1).send(ledger)
    newest = ledger.balance(7)
    assert [each.left_minor for each in newest.free_bets] == list(range(11, 61)), "oldest first"
    assert newest.before_free_bet == newest.free_bets[0].free_bet
    older = ledger.balance(7, before_free_bet=newest.before_free_bet)
    assert [each.left_minor for each in older.free_bets] == list(range(1, 11))
    assert older.before_free_bet == 0
    ledger.check()


def test_a_page_of_just_as_many_free_bets_as_it_shows_is_the_last():
    ledger = offering(FreeBetRule())
    for number in range(50):
        ledger.apply(
            GrantFreeBet(
                account_no=7, offer_no=1, amount_minor=1, expires_at_ns=9, ref=f"g{number}"
            ),
            3,
        )
    balance = ledger.balance(7)
    assert (len(balance.free_bets), balance.before_free_bet) == (50, 0)
    assert ledger.balance(7, before_free_bet=1).free_bets == ()


LUCKY = FullCoverRule(
    cap_minor=CAP, one_winner_milli=2_000, ladder=ladder((4, 100), (5, 200), (6, 250))
)
"""Double the odds for one winner (the win part only, and not with a non-runner), as in
help.marathonbet.com/en/bonuses_and_offers/lucky_15_31_63; the steps for all winners are ours."""


# --- taking an offer -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 4_096, 4_097, -1, 2**31 - 1])
def test_an_offer_that_is_not_there_is_refused(number):
    bet = accumulator(2_000, 2_000, offer=number)
    assert bet.send(offering(EASY_WIN))["reason"][0] == Reason.OFFER_UNKNOWN


def test_a_withdrawn_offer_is_refused_and_bets_that_took_it_stand():
    rule = BoostRule(ladder=ladder((2, 100)), cap_minor=CAP)
    ledger = offering(rule)
    bet = accumulator(2_000, 2_000, offer=1)
    bet.hold_all(ledger)
    withdraw = SetOffer(offer_no=1, name="n", currency="EUR", rule=rule, active=False)
    assert ledger.apply(withdraw, 5) == OfferSet(offer_no=1, active=False)
    late = accumulator(2_000, 2_000, ref="late", offer=1)
    assert late.send(ledger)["reason"][0] == Reason.OFFER_WITHDRAWN
    settle(ledger, *won(bet, 0, 1))
    assert gives(ledger, bet) == 30


def test_the_rule_of_an_offer_is_shown_as_it_was_set():
    rules = [FreeBetRule(legs_min=2), EASY_WIN, BOOSTED, INSURED, LUCKY]
    ledger = offering(*rules)
    assert [offer.rule for offer in ledger.offers()] == rules
    assert [offer.rule for offer in LedgerMachine.load(ledger.dump()).offers()] == rules


# --- properties ----------------------------------------------------------------------------------


FREE_BETS_MINOR = {1: 2_000, 2: 31}
"""What the free bets that are granted before a random story are for."""


def random_rules(random: Random) -> list[OfferRule]:
    cap = random.choice((1, 50, CAP))
    low = random.choice((1_001, 1_500))
    steps = ladder((1, random.choice((0, 30, 137))), (2, 250), (3, 1_130))
    return [
        FreeBetRule(odds_milli_min=low),
        BoostRule(ladder=steps, cap_minor=cap, odds_milli_min=low),
        OddsBoostRule(
            market_no=1, outcome=0, odds_milli=random.choice((1_777, 9_000)), cap_minor=cap
        ),
        InsuranceRule(
            legs_min=random.choice((1, 2, 3)), cap_minor=cap, expires_after_ns=7, odds_milli_min=low
        ),
        FullCoverRule(
            cap_minor=cap,
            one_winner_milli=random.choice((1_000, 2_000, 2_345)),
            ladder=steps,
            void_excludes=random.random() < 0.5,
        ),
    ]


def random_offered(random: Random, ref: str) -> SlipRequest:
    number = random.choice((0, 1, 2, 3, 4, 5))
    odds = [random.choice(ODDS) for _ in range(random.choice((1, 2, 3, 3, 4)))]
    fields = {"offer": number, "free_bet": 0, "ref": ref, "stake_minor": random.choice((1, 7, 90))}
    if number in (0, 1):
        fields |= {"offer": 0, "free_bet": random.choice((1, 1, 1, 2, 3))}
    if number == 3:
        return accumulator(odds[0], **fields)
    if number == 5 or random.random() < (0.6 if number in (0, 1) else 0.1):
        return cover(*odds, least=1, **fields)
    return accumulator(*odds, **fields)


def mostly_settled(random: Random, messages: list[Rows]) -> list[Rows]:
    """Return messages about a slip's legs with a settlement that most of them end with."""
    last = []
    for message in messages:
        if message.dtype != DECISION or message["reason"][0] or random.random() < 0.1:
            continue
        odds_milli = int(message["odds_milli"][0])
        num, den, result = random.choice(
            ((odds_milli, 1_000, BetResult.WON), fraction_of(random, odds_milli))
        )
        bet_id = int(message["bet_id"][0])
        last.append(
            leg_settlement(bet_id, num, den, number=9, result=result, odds_milli=odds_milli)
        )
    return messages + last


def shown(ledger: LedgerMachine) -> tuple[object, ...]:
    """Return what must not depend on the order of messages."""
    heads = [each for each in ledger.slips() if each["kind"] == 1]
    slips = [ledger.slip_by_id(int(each["bet_id"])) for each in heads]
    return (
        money(ledger),
        ledger.totals(),
        [(slip.state, slip.payout_minor, slip.offer) for slip in slips],
        [offer.given_minor for offer in ledger.offers()],
        ledger.balance(7),
    )


def compare_with_twin(ledger: LedgerMachine, rules: list[OfferRule]) -> int:
    """Compare what offers gave with the twin's figures; return how many gave something."""
    used: dict[int, int] = {}
    promised: dict[int, int] = {}
    cost = [0] * len(rules)
    for row in ledger.slips():
        slip = ledger.slip_by_id(int(row["bet_id"]))
        if row["kind"] != 1 or slip.offer is None:
            continue
        number, rule = slip.offer.offer_no, rules[slip.offer.offer_no - 1]
        if slip.offer.free_bet:
            assert slip.offer.added_minor == paid_minor(offered(slip))
            uses = slip.stake_minor * uses_free_bet(offered(slip))
            used[slip.offer.free_bet] = used.get(slip.offer.free_bet, 0) + uses
        else:
            assert slip.offer.added_minor == added_minor(rule, offered(slip))
        if isinstance(rule, InsuranceRule) and not slip.offer.free_bet:
            amount = earned_minor(rule, offered(slip))
            assert bool(amount) == bool(slip.offer.earned_free_bet)
            promised[slip.offer.earned_free_bet] = amount
        cost[number - 1] += slip.offer.added_minor
    assert cost == [offer.given_minor for offer in ledger.offers()]
    left = {each.free_bet: each.left_minor for each in ledger.balance(7).free_bets}
    amounts = FREE_BETS_MINOR | {number: amount for number, amount in promised.items() if number}
    for number, amount in amounts.items():
        assert left.get(number, 0) == max(0, amount - used.get(number, 0))
    return sum(map(bool, cost))


@given(seed=st.integers(0, 1 << 32), orders=st.lists(st.randoms(), min_size=2, max_size=2))
def test_offers_end_as_the_twin_says_in_any_order_of_messages(seed, orders):
    random = Random(seed)
    rules = random_rules(random)
    start = offering(*rules, amount_minor=2_000)
    for number, amount_minor in FREE_BETS_MINOR.items():
        grant = GrantFreeBet(
            account_no=7, offer_no=1, amount_minor=amount_minor, expires_at_ns=900, ref=f"f{number}"
        )
        assert isinstance(start.apply(grant, 3), FreeBetGranted)
    messages: list[Rows] = []
    for number in range(5):
        request = random_offered(random, f"r{number}")
        if request.send(start)["reason"][0] == 0:
            messages += mostly_settled(random, messages_about(random, request))
    ends = []
    for order in orders:
        ledger = LedgerMachine.load(start.dump())
        delivered = messages + order.choices(messages, k=len(messages) // 2) if messages else []
        order.shuffle(delivered)
        for message in delivered:
            deliver(ledger, message)
        compare_with_twin(ledger, rules)
        ends.append(shown(ledger))
        assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()
    assert all(end == ends[0] for end in ends)
