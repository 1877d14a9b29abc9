"""Bounds of a slip's lines and legs, and the stake that a slip of many lines is offered."""

from engine.common.reasons import Reason
from engine.common.units import SLIP_LINE_LEGS_MAX
from tests.engine.ledger.builders import funded
from tests.engine.ledger.slip_builders import Leg, LineBet, SlipRequest


def system(count: int, *sizes: int, stake_minor: int = 1, lines: int, cap: int = 0) -> SlipRequest:
    """Return a system of legs at 2.000."""
    legs = [Leg(2_000, market_no=1 + place) for place in range(count)]
    bets = [LineBet(stake_minor, sizes, payout_minor_max=cap)]
    return SlipRequest(legs, bets, stake_minor * lines, ref=f"s{count}-{len(sizes)}-{stake_minor}")


def test_the_legs_of_all_lines_are_bounded():
    """All trebles and larger lines of 12 have 24,432 legs; lines of 20 of 22 have 4,620."""
    ledger = funded(amount_minor=10**9)
    assert system(12, *range(3, 13), lines=4_017).send(ledger)["reason"][0] == 0
    twice = system(22, 20, lines=2 * 231)
    twice.bets = twice.bets * 2
    assert twice.send(ledger)["reason"][0] == 0
    many = system(22, 20, stake_minor=2, lines=11 * 231)
    many.bets = many.bets * 11
    assert 11 * 231 * 20 > SLIP_LINE_LEGS_MAX == 50_000
    assert set(many.send(ledger)["reason"].tolist()) == {Reason.LINES_OVER_BOUND}


def test_a_slip_of_many_lines_is_offered_a_stake_near_the_highest():
    """The 4,845 lines of 4 of 20 pay 16 each at 2.000, so that 60 a line are just within 960."""
    ledger = funded(amount_minor=10**9)
    allowed_minor = 4_845 * 960
    for stake_minor in (61, 100, 9_999):
        request = system(20, 4, stake_minor=stake_minor, lines=4_845, cap=allowed_minor)
        answer = request.send(ledger)[0]
        assert answer["reason"] == Reason.PAYOUT_OVER_CAP
        assert answer["stake_max_minor"] in (4_845 * 59, 4_845 * 60)
    assert system(20, 4, stake_minor=60, lines=4_845, cap=allowed_minor).send(ledger)[0][4] == 0


def test_a_slip_of_many_lines_of_which_no_stake_passes_is_offered_none():
    ledger = funded(amount_minor=10**9)
    answer = system(20, 4, stake_minor=9, lines=4_845, cap=4_845 * 15).send(ledger)[0]
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.PAYOUT_OVER_CAP, 0)
