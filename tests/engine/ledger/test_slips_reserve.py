"""Slips of several legs: reserved as a whole, refused as a whole, held leg by leg, posted."""

from dataclasses import replace

import numpy as np
import pytest

from engine.common.reasons import Reason
from engine.common.rows import (
    FLAG_FENCE,
    FLAG_HEAD,
    FLAG_KNOWN,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    FLAG_UNMARKED,
    Policy,
    SlipState,
)
from engine.common.units import STAKE_MINOR_MAX
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import (
    NO_VERDICTS,
    bet,
    funded,
    money,
    reservation,
    resolve,
    settle,
    verdict,
)
from tests.engine.ledger.slip_builders import (
    Leg,
    LineBet,
    SlipRequest,
    accumulator,
    cover,
    leg_lost,
    leg_settlement,
)

NONE, PENDING, ACCEPTED, REFUSED, SETTLED, RELEASED = SlipState


def states(ledger: LedgerMachine, request: SlipRequest) -> list[int]:
    """Return the states of the head and of its legs, after an audit."""
    ledger.check()
    slip = ledger.slip_by_id(request.bet_id)
    return [slip.state, *(leg.state for leg in slip.legs)]


def test_a_slip_reserves_the_stake_of_all_its_lines_once():
    ledger = funded(amount_minor=5_000)
    answers = cover(3_000, 4_000, 5_000).send(ledger)
    assert answers["bet_id"].tolist() == [bet(1), bet(2), bet(3), bet(4)]
    assert answers["state"].tolist() == [PENDING] * 4
    assert answers["reason"].tolist() == [0] * 4
    assert answers["odds_milli"].tolist() == [0, 3_000, 4_000, 5_000]
    assert money(ledger) == (4_600, 400, 0, 0)


def test_a_leg_is_charged_the_stake_of_the_lines_that_hold_it():
    ledger = funded(amount_minor=5_000)
    legs = [Leg(market_no=no) for no in (1, 2, 3)]
    bets = [LineBet(100, (3,)), LineBet(10, (1,), positions=(0, 1)), LineBet(7, (1,), (1, 2), (1,))]
    answers = SlipRequest(legs, bets, stake_minor=127).send(ledger)
    assert answers["stake_max_minor"].tolist() == [0, 110, 117, 107]


def test_legs_wait_as_fences_of_their_own_and_heads_never_do():
    ledger = funded(amount_minor=5_000)
    request = accumulator(2_000, 3_000, policy=Policy.HIGHER)
    ledger.exchange(NO_VERDICTS, reservation("first"), 5)
    request.send(ledger)
    waiting = ledger.pending_before(at_ns=99, limit=9)
    assert waiting["bet_id"].tolist() == [bet(1), bet(3), bet(4)]
    assert waiting["flags"].tolist() == [FLAG_FENCE] + [FLAG_FENCE | FLAG_LEG] * 2
    assert waiting[2].tolist()[1:] == (100, 7, 2, 3_000, 1_000_000, 0, Policy.HIGHER, 3, 0, 0)
    resolve(ledger, verdict(bet(3)))
    assert ledger.pending_before(at_ns=99, limit=9)["bet_id"].tolist() == [bet(1), bet(4)]


def test_slips_and_singles_mix_in_one_batch_in_order():
    ledger = funded(amount_minor=5_000)
    one, two = accumulator(2_000, 3_000), replace(cover(2_000, 2_000, 2_000), ref="two")
    rows = [reservation("s1"), one.rows(), reservation("s2", stake_minor=0), two.rows()]
    rows.append(reservation("s3"))
    bets = np.concatenate([one.bet_rows(), two.bet_rows()])
    answers = ledger.exchange(NO_VERDICTS, np.concatenate(rows), 10, bets)
    given = [bet(serial) for serial in (1, 2, 3, 4)]
    assert answers["bet_id"].tolist() == [*given, 0, *map(bet, (5, 6, 7, 8)), bet(9)]
    assert money(ledger) == (5_000 - 100 - 100 - 400 - 100, 700, 0, 0)
    assert [slip.bet_id for slip in ledger.open_slips(account_no=7)] == [
        bet(serial) for serial in (1, 2, 5, 9)
    ]


def test_a_known_slip_is_answered_with_its_legs_and_becomes_shared():
    ledger = funded(amount_minor=5_000)
    request = accumulator(2_000, 3_000)
    first = request.send(ledger)
    again = request.send(ledger)
    assert again["flags"].tolist() == [FLAG_KNOWN] * 3
    names = ["bet_id", "stake_max_minor", "odds_milli", "state", "reason"]
    assert again[names].tolist() == first[names].tolist()
    assert ledger.slips()["shared"].tolist() == [1, 0, 0]
    assert money(ledger) == (4_900, 100, 0, 0)


OTHERS = [
    {"stake_minor": 101},
    {"policy": Policy.ANY},
    {"legs": [Leg(market_no=1)]},
    {"legs": [Leg(market_no=1), Leg(market_no=3)]},
    {"legs": [Leg(market_no=1), Leg(market_no=2, outcome=1)]},
    {"legs": [Leg(market_no=1), Leg(2_001, market_no=2)]},
    {"legs": [Leg(market_no=1), Leg(market_no=2, event=5)]},
    {"legs": [Leg(market_no=1), Leg(market_no=2, position=5)]},
    {"bets": [LineBet(99, (2,))]},
    {"bets": [LineBet(100, (1,))]},
    {"bets": [LineBet(100, (1,), bankers=(0,))]},
    {"bets": [LineBet(100, (2,), positions=(0,))]},
    {"bets": [LineBet(100, (2,)), LineBet(100, (2,))]},
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: next(iter(other)))
def test_the_same_ref_with_another_slip_is_refused_and_changes_nothing(other):
    ledger = funded(amount_minor=5_000)
    request = accumulator(2_000, 2_000)
    request.send(ledger)
    before = ledger.state_hash()
    answers = replace(request, **other).send(ledger)
    assert set(answers["reason"].tolist()) == {Reason.BET_REF_REUSED}
    assert not answers["bet_id"].any()
    assert ledger.state_hash() == before


def test_a_slip_sent_again_under_another_bound_of_the_house_is_the_same_slip():
    ledger = funded(amount_minor=5_000)
    request = replace(accumulator(2_000, 2_000), bets=[LineBet(100, (2,), payout_minor_max=5_000)])
    first = request.send(ledger)
    for payout_minor_max in (0, 399, 6_000):
        bets = [LineBet(100, (2,), payout_minor_max=payout_minor_max)]
        again = replace(request, bets=bets).send(ledger)
        assert again["flags"].tolist() == [FLAG_KNOWN] * 3
        assert again["bet_id"].tolist() == first["bet_id"].tolist()
    assert ledger.slip_bets()["payout_minor_max"].tolist() == [5_000]


def test_a_single_and_a_slip_never_have_one_ref():
    ledger = funded(amount_minor=5_000)
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    single = reservation("slip", odds_milli=0, market_no=0, stake_minor=100)
    answer = ledger.exchange(NO_VERDICTS, single, 10)[0]
    assert answer["reason"] == Reason.BET_REF_REUSED
    ledger.exchange(NO_VERDICTS, reservation("other"), 10)
    answers = replace(request, ref="other").send(ledger)
    assert set(answers["reason"].tolist()) == {Reason.BET_REF_REUSED}


def refused(**fields: object) -> tuple[int, int]:
    """Return reason and highest stake of a refused double on an account of 1,000."""
    ledger = funded()
    before = ledger.state_hash()
    request = replace(accumulator(2_000, 3_000), **fields)
    answers = request.send(ledger)
    assert not answers["bet_id"].any()
    assert set(answers["state"].tolist()) == {NONE}
    assert len(set(answers["reason"].tolist())) == 1, "legs have the reason of their slip"
    assert not answers["stake_max_minor"][1:].any()
    assert ledger.state_hash() == before
    assert request.send(ledger)["reason"].tolist() == answers["reason"].tolist()
    return int(answers["reason"][0]), int(answers["stake_max_minor"][0])


BOTH = (Leg(2_000, 1), Leg(3_000, 2))
REFUSALS = [
    ({"account_no": 9}, Reason.ACCOUNT_UNKNOWN, 0),
    ({"ref": ""}, Reason.MALFORMED, 0),
    ({"policy": 5}, Reason.MALFORMED, 0),
    ({"legs": [Leg(event=63), Leg()]}, Reason.MALFORMED, 0),
    ({"legs": [Leg(position=63), Leg()]}, Reason.MALFORMED, 0),
    ({"stake_minor": 0}, Reason.STAKE_TOO_SMALL, 0),
    ({"legs": [Leg(1_000), Leg()]}, Reason.ODDS_OUT_OF_BOUNDS, 0),
    ({"legs": [Leg(10_000_001), Leg()]}, Reason.ODDS_OUT_OF_BOUNDS, 0),
    ({"bets": [LineBet(0, (2,))]}, Reason.STAKE_TOO_SMALL, 0),
    ({"bets": [LineBet(STAKE_MINOR_MAX + 1, (2,))]}, Reason.AMOUNT_OUT_OF_BOUNDS, 0),
    ({"bets": [LineBet(9, (2,), payout_minor_max=-1)]}, Reason.AMOUNT_OUT_OF_BOUNDS, 0),
    ({"bets": [LineBet(9, (2,), positions=(0, 2))]}, Reason.POSITION_UNKNOWN, 0),
    ({"bets": [LineBet(9, (1,), (0,), bankers=(1,))]}, Reason.POSITION_UNKNOWN, 0),
    ({"bets": [LineBet(9, ())]}, Reason.SIZE_OUT_OF_BOUNDS, 0),
    ({"bets": [LineBet(9, (3,))]}, Reason.SIZE_OUT_OF_BOUNDS, 0),
    ({"bets": [LineBet(9, (0, 1))]}, Reason.SIZE_OUT_OF_BOUNDS, 0),
    ({"legs": [Leg(event=1), Leg(event=1)]}, Reason.NO_LINE, 0),
    ({"bets": [LineBet(100, (1,), positions=(0,))]}, Reason.NO_LINE, 0),
    ({"stake_minor": 99}, Reason.STAKE_MISMATCH, 0),
    ({"bets": [LineBet(100, (2,), payout_minor_max=599)]}, Reason.PAYOUT_OVER_CAP, 99),
    (
        {"bets": [LineBet(50, (1,), payout_minor_max=130)]},
        Reason.PAYOUT_OVER_CAP,
        52,
    ),
    (
        {"stake_minor": 2_000, "bets": [LineBet(2_000, (2,))]},
        Reason.INSUFFICIENT_FUNDS,
        1_000,
    ),
    (
        {"stake_minor": 1_400, "bets": [LineBet(700, (1,))]},
        Reason.INSUFFICIENT_FUNDS,
        1_000,
    ),
    (
        {
            "stake_minor": 2_000,
            "bets": [LineBet(2_000, (2,), payout_minor_max=5_000)],
        },
        Reason.PAYOUT_OVER_CAP,
        833,
    ),
    (
        {"stake_minor": 3, "bets": [LineBet(1, (1, 2), payout_minor_max=10)]},
        Reason.PAYOUT_OVER_CAP,
        0,
    ),
]


@pytest.mark.parametrize(("fields", "reason", "stake_max_minor"), REFUSALS)
def test_a_refused_slip_gives_the_first_reason_and_makes_nothing(fields, reason, stake_max_minor):
    assert refused(**fields) == (reason, stake_max_minor)


def test_the_stake_that_a_refusal_offers_passes_and_a_higher_one_does_not():
    """Bets in the proportion of 3 to 1 keep it: of 10,000, three doubles at 6.25 pay 533 each."""
    ledger = funded(amount_minor=100_000)
    legs = [Leg(2_500, no) for no in (1, 2, 3)]

    def sized(first: int, second: int) -> SlipRequest:
        bets = [LineBet(first, (2,), payout_minor_max=10_000), LineBet(second, (1,))]
        return SlipRequest(legs, bets, 3 * first + 3 * second, ref=f"{first}-{second}")

    for stakes in ((900, 300), (534, 178)):
        answer = sized(*stakes).send(ledger)[0]
        assert answer["reason"] == Reason.PAYOUT_OVER_CAP
        assert answer["stake_max_minor"] == 3 * (533 + 177)
    assert sized(533, 177).send(ledger)["reason"][0] == 0


def test_a_slip_that_could_pay_more_than_any_account_can_hold_is_refused():
    ledger = funded(amount_minor=10**9)
    request = accumulator(*[10_000_000] * 3, stake_minor=100)
    answers = request.send(ledger)
    assert set(answers["reason"].tolist()) == {Reason.AMOUNT_OUT_OF_BOUNDS}
    assert answers["stake_max_minor"][0] == 10


def test_a_slip_staking_more_than_the_largest_stake_is_refused():
    ledger = funded(amount_minor=10**12)
    request = cover(2_000, 2_000, stake_minor=STAKE_MINOR_MAX // 2, least=1)
    answers = request.send(ledger)
    assert answers["reason"][0] == Reason.AMOUNT_OUT_OF_BOUNDS
    assert answers["stake_max_minor"][0] == STAKE_MINOR_MAX // 3 * 3


def test_a_slip_without_room_for_all_its_rows_is_refused():
    ledger = funded(slips_max=3)
    assert set(accumulator(*[2_000] * 3).send(ledger)["reason"].tolist()) == {Reason.CAPACITY}
    assert accumulator(2_000, 2_000).send(ledger)["reason"].tolist() == [0, 0, 0]
    assert accumulator(2_000, 2_000).send(ledger)["flags"].tolist() == [FLAG_KNOWN] * 3


def broken_batches() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    request = accumulator(2_000, 3_000, ref="broken")
    rows, bets = request.rows(), request.bet_rows()
    swapped = rows[[1, 0, 2]]
    both = rows.copy()
    both["flags"][1] = FLAG_HEAD | FLAG_LEG_OF_SLIP
    count = rows.copy()
    count["market_no"][0] = 2
    none = rows.copy()
    none["market_no"][0] = 0
    other = rows.copy()
    other["account_no"][2] = 8
    padded = rows.copy()
    padded["ref"][1][3] = 1
    policy = rows.copy()
    policy["policy"][1] = Policy.ANY
    return {
        "a leg less": (rows[:-1], bets),
        "a leg more": (np.concatenate([rows, rows[-1:]]), bets),
        "a leg first": (swapped, bets),
        "both flags": (both, bets),
        "a bet less": (count, bets),
        "a bet more": (rows, np.repeat(bets, 2)),
        "no bets": (none, bets),
        "a leg of another account": (other, bets),
        "padding in use": (padded, bets),
        "a leg of another policy": (policy, bets),
        "no bets at all": (rows, bets[:0]),
    }


@pytest.mark.parametrize("name", broken_batches())
def test_a_batch_that_is_not_whole_keeps_its_singles_and_no_half_of_a_slip(name):
    rows, bets = broken_batches()[name]
    ledger = funded()
    given = np.concatenate([reservation("s1"), rows, reservation("s2")])
    answers = ledger.exchange(NO_VERDICTS, given, 10, bets)
    assert answers["reason"].tolist() == [0, *[Reason.MALFORMED] * len(rows), 0]
    assert answers["bet_id"].tolist() == [bet(1), *[0] * len(rows), bet(2)]
    assert money(ledger) == (800, 200, 0, 0)


def test_a_recalled_slip_is_answered_and_not_marked():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    unknown = ledger.recall(
        request.rows(), otherwise=Reason.BET_UNKNOWN, slip_bets=request.bet_rows()
    )
    assert unknown["reason"].tolist() == [Reason.BET_UNKNOWN] * 3
    request.send(ledger)
    before = ledger.state_hash()
    answers = ledger.recall(
        request.rows(), otherwise=Reason.BET_UNKNOWN, slip_bets=request.bet_rows()
    )
    assert answers["flags"].tolist() == [FLAG_KNOWN | FLAG_UNMARKED] * 3
    assert answers["bet_id"].tolist() == request.answers["bet_id"].tolist()
    assert ledger.state_hash() == before


# --- verdicts ---------------------------------------------------------------------------------


def test_a_slip_is_posted_with_the_last_leg_that_is_held():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    resolve(ledger, verdict(request.leg(1), odds_milli=3_000))
    assert states(ledger, request) == [PENDING, PENDING, ACCEPTED]
    assert money(ledger) == (900, 100, 0, 0)
    answers = request.send(ledger, verdict(request.leg(0), odds_milli=2_000))
    assert answers["state"].tolist() == [ACCEPTED] * 3
    assert answers["flags"].tolist() == [FLAG_KNOWN] * 3
    assert money(ledger) == (900, 0, 100, 0)


def test_the_first_leg_refused_refuses_the_slip_and_releases_what_is_held():
    ledger = funded()
    request = accumulator(2_000, 3_000, 4_000)
    request.send(ledger)
    refusal = verdict(request.leg(1), Reason.STAKE_OVER_LIMIT, odds_milli=2_900, stake_max_minor=60)
    resolve(ledger, verdict(request.leg(0), odds_milli=2_000))
    answers = request.send(ledger, refusal)
    assert answers["state"].tolist() == [REFUSED, RELEASED, REFUSED, PENDING]
    assert answers["reason"].tolist() == [Reason.LEG_REFUSED, 0, Reason.STAKE_OVER_LIMIT, 0]
    assert answers["odds_milli"].tolist() == [0, 2_000, 2_900, 4_000]
    assert answers["stake_max_minor"].tolist() == [0, 0, 60, 100]
    assert money(ledger) == (1_000, 0, 0, 0)
    assert ledger.open_slips(account_no=7) == []
    assert ledger.pending_before(at_ns=99, limit=9)["bet_id"].tolist() == [request.leg(2)]
    resolve(ledger, verdict(request.leg(2), odds_milli=4_000))
    assert states(ledger, request) == [REFUSED, RELEASED, REFUSED, RELEASED]


@pytest.mark.parametrize("late", [Reason.FENCED, Reason.ACCEPTED])
def test_a_leg_is_resolved_once(late):
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    resolve(ledger, verdict(request.leg(0)))
    before = ledger.state_hash()
    resolve(ledger, verdict(request.leg(0), late, odds_milli=9_000))
    assert ledger.state_hash() == before


@pytest.mark.parametrize("reason", [Reason.ACCEPTED, Reason.FENCED])
def test_a_verdict_on_a_head_changes_nothing(reason):
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    before = ledger.state_hash()
    resolve(ledger, verdict(request.bet_id, reason))
    assert ledger.state_hash() == before


@pytest.mark.parametrize("odds_milli", [-5, 0, 1_000, 10_000_001])
def test_odds_that_no_market_accepts_hold_no_leg(odds_milli):
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    before = ledger.state_hash()
    resolve(ledger, verdict(request.leg(0), odds_milli=odds_milli))
    assert ledger.state_hash() == before


def test_an_unrecorded_refusal_of_a_leg_counts_unless_its_slip_was_handed_out_twice():
    for handed_out, state in ((1, REFUSED), (2, PENDING)):
        ledger = funded()
        request = accumulator(2_000, 3_000)
        for _ in range(handed_out):
            request.send(ledger)
        resolve(ledger, verdict(request.leg(0), Reason.UNAVAILABLE))
        assert states(ledger, request) == [state, state, PENDING]
        resolve(ledger, verdict(request.leg(0), Reason.FENCED))
        assert states(ledger, request) == [REFUSED, REFUSED, PENDING]


def held_at(policy: int, odds_milli: tuple[int, int], **bounds: int) -> tuple[int, int, int]:
    """Return state, reason and highest stake of a double at 2.000 and 3.000, held at other odds."""
    ledger = funded()
    request = accumulator(2_000, 3_000, policy=policy)
    request.bets = [LineBet(100, (2,), **bounds)]
    request.send(ledger)
    for place, odds in enumerate(odds_milli):
        resolve(ledger, verdict(request.leg(place), odds_milli=odds))
    ledger.check()
    slip = ledger.slip_by_id(request.bet_id)
    assert money(ledger) == ((900, 0, 100, 0) if slip.state == ACCEPTED else (1_000, 0, 0, 0))
    legs = {ACCEPTED} if slip.state == ACCEPTED else {RELEASED}
    assert {leg.state for leg in slip.legs} == legs
    return int(slip.state), slip.reason, slip.stake_max_minor


@pytest.mark.parametrize(
    ("policy", "odds_milli", "expected"),
    [
        (Policy.COMBINED_NONE, (2_000, 3_000), (ACCEPTED, 0, 0)),
        (Policy.COMBINED_NONE, (2_400, 2_500), (ACCEPTED, 0, 0)),
        (Policy.COMBINED_NONE, (2_000, 3_100), (REFUSED, Reason.ODDS_CHANGED, 0)),
        (Policy.COMBINED_NONE, (2_000, 2_900), (REFUSED, Reason.ODDS_CHANGED, 0)),
        (Policy.COMBINED_HIGHER, (2_500, 2_400), (ACCEPTED, 0, 0)),
        (Policy.COMBINED_HIGHER, (2_500, 2_399), (REFUSED, Reason.ODDS_WORSE, 0)),
        (Policy.COMBINED_HIGHER, (2_500, 3_000), (ACCEPTED, 0, 0)),
        (Policy.ANY, (1_500, 1_500), (ACCEPTED, 0, 0)),
    ],
)
def test_the_post_compares_what_the_slip_pays_if_all_its_legs_win(policy, odds_milli, expected):
    assert held_at(policy, odds_milli) == expected


def test_odds_that_rose_over_a_bets_bound_refuse_the_slip_at_its_post():
    over = (REFUSED, Reason.PAYOUT_OVER_CAP, 92)
    assert held_at(Policy.ANY, (2_000, 3_250), payout_minor_max=600) == over
    assert held_at(Policy.ANY, (2_000, 3_000), payout_minor_max=600) == (ACCEPTED, 0, 0)


def test_a_settlement_proves_that_its_leg_was_held_at_the_odds_of_the_row():
    ledger = funded()
    request = accumulator(2_000, 3_000, policy=Policy.HIGHER)
    request.send(ledger)
    settle(ledger, leg_settlement(request.leg(0), 2_200, odds_milli=2_200))
    assert states(ledger, request) == [PENDING, SETTLED, PENDING]
    assert ledger.slip_by_id(request.bet_id).legs[0].odds_milli == 2_200
    resolve(ledger, verdict(request.leg(1), odds_milli=3_000))
    assert states(ledger, request) == [ACCEPTED, SETTLED, ACCEPTED]
    assert money(ledger) == (900, 0, 100, 0)


def test_a_slip_posted_after_a_leg_that_lost_is_settled_at_once():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    settle(ledger, leg_lost(request.leg(0)))
    resolve(ledger, verdict(request.leg(1), odds_milli=3_000))
    assert states(ledger, request) == [SETTLED, SETTLED, ACCEPTED]
    assert money(ledger) == (900, 0, 0, 0)
    assert ledger.totals()[0].house_minor == 100


def test_a_leg_settled_before_its_slip_is_refused_is_released_too():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    settle(ledger, leg_settlement(request.leg(0), 2_000))
    resolve(ledger, verdict(request.leg(1), Reason.ODDS_CHANGED))
    assert states(ledger, request) == [REFUSED, RELEASED, REFUSED]
    assert money(ledger) == (1_000, 0, 0, 0)
    assert len(settle(ledger, leg_settlement(request.leg(0), 2_000, number=2))) == 0
    assert len(settle(ledger, leg_settlement(request.leg(1), 2_000))) == 1
    assert ledger.disputes()["bet_id"].tolist() == [request.leg(1)]


def test_a_settlement_that_finds_its_slip_refused_releases_the_leg_and_is_kept():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    resolve(ledger, verdict(request.leg(1), Reason.ODDS_CHANGED))
    assert len(settle(ledger, leg_settlement(request.leg(0), 2_000))) == 1, "a change of state"
    assert states(ledger, request) == [REFUSED, RELEASED, REFUSED]
    assert len(settle(ledger, leg_settlement(request.leg(0), 2_000))) == 0
    assert ledger.disputes_len == 0
