"""The checks of a bet at a market, and their order."""

import numpy as np
import pytest

from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    Limits,
    LimitsPatch,
    OpenMarket,
    Quote,
    ResumeMarket,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.reasons import Reason
from engine.common.rows import FLAG_FENCE, FLAG_KNOWN, Policy
from engine.common.units import ODDS_MILLI_MAX, RATE_MICRO_MAX, STAKE_MINOR_MAX
from engine.market.market import MarketMachine
from tests.engine.common.mix_twin import unmix_twin
from tests.engine.market.builders import (
    AT_NS,
    bet,
    bet_rows,
    create,
    do,
    open_machine,
    place,
    reasons,
    won,
)


def test_bet_within_every_limit_is_accepted_at_the_odds_it_saw() -> None:
    machine = open_machine()
    assert place(machine, bet(1)) == [(Reason.ACCEPTED, 2_500, 0, 0)]
    image = machine.book_image(1)
    assert (image.bets, image.stake_taken_minor) == (1, 100)
    assert image.payout_minor == (250, 0, 0)
    assert image.liability_minor == (150, -100, -100)


def test_same_bet_a_hundred_times_is_one_bet_with_equal_answers() -> None:
    machine = open_machine()
    first = place(machine, bet(1))
    repeated = [place(machine, bet(1))[0] for _ in range(49)]
    repeated += place(machine, *[bet(1)] * 50)
    assert {answer[:3] for answer in repeated} == {first[0][:3]}
    assert {answer[3] for answer in repeated} == {FLAG_KNOWN}
    assert machine.bets_len == 1
    assert machine.book_image(1).bets == 1


def test_same_bet_twice_in_one_batch_is_one_bet() -> None:
    machine = open_machine()
    assert [answer[3] for answer in place(machine, bet(1), bet(1))] == [0, FLAG_KNOWN]
    assert machine.book_image(1).stake_taken_minor == 100


def test_a_repeated_bet_gets_its_refusal_also_when_the_market_would_accept_it_now() -> None:
    machine = open_machine()
    do(machine, SuspendMarket(market_no=1))
    refused = place(machine, bet(1))
    do(machine, ResumeMarket(market_no=1))
    assert place(machine, bet(1)) == [(*refused[0][:3], FLAG_KNOWN)]
    assert reasons(machine, bet(2)) == [Reason.ACCEPTED]


def test_a_repeated_bet_gets_its_acceptance_also_after_the_settlement() -> None:
    machine = open_machine()
    place(machine, bet(1))
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    assert place(machine, bet(1)) == [(Reason.ACCEPTED, 2_500, 0, FLAG_KNOWN)]
    assert reasons(machine, bet(2)) == [Reason.MARKET_SETTLED]


def test_a_fence_on_an_unknown_bet_refuses_it_for_good() -> None:
    machine = open_machine()
    assert place(machine, bet(1, flags=FLAG_FENCE)) == [(Reason.FENCED, 0, 0, 0)]
    assert place(machine, bet(1)) == [(Reason.FENCED, 0, 0, FLAG_KNOWN)]
    assert machine.book_image(1).bets == 0


def test_a_fence_on_a_decided_bet_repeats_the_decision() -> None:
    machine = open_machine()
    place(machine, bet(1))
    assert place(machine, bet(1, flags=FLAG_FENCE)) == [(Reason.ACCEPTED, 2_500, 0, FLAG_KNOWN)]
    assert machine.book_image(1).bets == 1


def test_a_fence_refuses_a_bet_id_also_on_an_unknown_market() -> None:
    machine = open_machine()
    assert reasons(machine, bet(1, market=9, flags=FLAG_FENCE)) == [Reason.FENCED]
    assert reasons(machine, bet(1, market=9)) == [Reason.FENCED]


@pytest.mark.parametrize(
    "other",
    [
        {"stake": 11},
        {"odds": 2_400},
        {"rate": 999_999},
        {"policy": Policy.ANY},
        {"outcome": 1},
        {"market": 2},
        {"account": 8},
    ],
)
@pytest.mark.parametrize("flags", [0, FLAG_FENCE])
def test_a_known_bet_id_with_other_content_is_refused_and_changes_nothing(
    other: dict[str, int], flags: int
) -> None:
    machine = open_machine()
    first = {"stake": 10, "odds": 2_500, "policy": Policy.NONE}
    assert reasons(machine, bet(1, **first)) == [Reason.ACCEPTED]
    before = machine.state_hash()
    answers = place(machine, bet(1, **{**first, **other}, flags=flags))
    assert [answer[0] for answer in answers] == [Reason.BET_ID_REUSED]
    assert place(machine, bet(1, **first)) == [(Reason.ACCEPTED, 2_500, 0, FLAG_KNOWN)]
    assert machine.state_hash() == before


def test_rules_1_repeat_the_decision_whatever_the_content() -> None:
    machine = MarketMachine(rules=1)
    do(machine, create(), OpenMarket(market_no=1))
    assert reasons(machine, bet(1, stake=10), bet(1, stake=11)) == [Reason.ACCEPTED] * 2


def test_a_bet_past_the_bound_is_refused_without_a_record_and_known_bets_are_answered() -> None:
    machine = MarketMachine(bets_max=2)
    do(machine, create(), OpenMarket(market_no=1))
    answers = place(machine, bet(1), bet(2), bet(3), bet(1))
    assert [answer[0] for answer in answers] == [0, 0, Reason.CAPACITY, 0]
    assert [answer[3] for answer in answers] == [0, 0, 0, FLAG_KNOWN]
    assert place(machine, bet(3)) == [(Reason.CAPACITY, 0, 0, 0)]
    assert reasons(machine, bet(4, flags=FLAG_FENCE)) == [Reason.CAPACITY]
    assert (machine.bets_len, machine.book_image(1).bets) == (2, 2)
    machine.check()


def test_a_bet_on_an_unknown_market_is_refused() -> None:
    assert place(open_machine(), bet(1, market=2)) == [(Reason.MARKET_UNKNOWN, 0, 0, 0)]
    assert reasons(MarketMachine(), bet(1)) == [Reason.MARKET_UNKNOWN]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (SuspendMarket(market_no=1), Reason.MARKET_SUSPENDED),
        (HandOverMarket(market_no=1), Reason.MARKET_SUSPENDED),
        (CloseMarket(market_no=1), Reason.MARKET_CLOSED),
        (SettleMarket(market_no=1, results=won(True, False, False)), Reason.MARKET_SETTLED),
        (CancelMarket(market_no=1), Reason.MARKET_CANCELLED),
    ],
)
def test_each_status_but_active_refuses_with_its_own_reason(command, reason) -> None:
    machine = open_machine()
    do(machine, command)
    assert place(machine, bet(1)) == [(reason, 2_500, 0, 0)]


def test_a_market_that_was_never_opened_refuses() -> None:
    machine = MarketMachine()
    do(machine, create())
    assert reasons(machine, bet(1)) == [Reason.MARKET_INACTIVE]


def test_an_outcome_past_the_last_is_unknown_also_when_another_market_follows() -> None:
    machine = open_machine(markets=2)
    assert place(machine, bet(1, outcome=3)) == [(Reason.OUTCOME_UNKNOWN, 0, 0, 0)]
    assert reasons(machine, bet(2, outcome=65_535)) == [Reason.OUTCOME_UNKNOWN]


def test_an_outcome_that_is_not_offered_is_refused() -> None:
    machine = open_machine()
    quote = Quote(outcome=1, odds_milli=3_000, active=False)
    do(machine, SetOdds(market_no=1, quotes=(quote,)))
    assert place(machine, bet(1, outcome=1, odds=3_000)) == [(Reason.OUTCOME_INACTIVE, 3_000, 0, 0)]
    assert reasons(machine, bet(2)) == [Reason.ACCEPTED]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"odds": 1_000}, Reason.ODDS_OUT_OF_BOUNDS),
        ({"odds": ODDS_MILLI_MAX + 1}, Reason.ODDS_OUT_OF_BOUNDS),
        ({"odds": -1}, Reason.ODDS_OUT_OF_BOUNDS),
        ({"stake": 0}, Reason.AMOUNT_OUT_OF_BOUNDS),
        ({"stake": -(1 << 63)}, Reason.AMOUNT_OUT_OF_BOUNDS),
        ({"stake": STAKE_MINOR_MAX + 1}, Reason.AMOUNT_OUT_OF_BOUNDS),
        ({"stake": (1 << 63) - 1}, Reason.AMOUNT_OUT_OF_BOUNDS),
        ({"stake": STAKE_MINOR_MAX, "rate": 1_000_001}, Reason.AMOUNT_OUT_OF_BOUNDS),
        ({"stake": 1, "rate": 999_999}, Reason.STAKE_TOO_SMALL),
        ({"rate": 0}, Reason.FIELD_OUT_OF_BOUNDS),
        ({"rate": -1}, Reason.FIELD_OUT_OF_BOUNDS),
        ({"rate": RATE_MICRO_MAX + 1}, Reason.FIELD_OUT_OF_BOUNDS),
        ({"policy": 3}, Reason.FIELD_OUT_OF_BOUNDS),
    ],
)
def test_a_row_with_a_field_out_of_bounds_is_refused(fields, reason) -> None:
    machine = open_machine()
    assert place(machine, bet(1, **{"policy": Policy.ANY, **fields})) == [(reason, 2_500, 0, 0)]


@pytest.mark.parametrize("number", [0, 1 << 63, (1 << 64) - 1, 5 << 48])
def test_a_bet_id_that_no_shard_gives_is_refused(number) -> None:
    machine = open_machine()
    assert reasons(machine, (number, *bet(1)[1:])) == [Reason.FIELD_OUT_OF_BOUNDS]
    machine.check()


@pytest.mark.parametrize(
    ("policy", "seen", "reason"),
    [
        (Policy.NONE, 2_500, Reason.ACCEPTED),
        (Policy.NONE, 2_499, Reason.ODDS_CHANGED),
        (Policy.NONE, 2_501, Reason.ODDS_CHANGED),
        (Policy.HIGHER, 2_499, Reason.ACCEPTED),
        (Policy.HIGHER, 2_501, Reason.ODDS_WORSE),
        (Policy.ANY, 2_499, Reason.ACCEPTED),
        (Policy.ANY, 2_501, Reason.ACCEPTED),
    ],
)
def test_the_policy_decides_a_change_of_odds_and_the_answer_has_the_current_odds(
    policy, seen, reason
) -> None:
    machine = open_machine()
    assert place(machine, bet(1, odds=seen, policy=policy)) == [(reason, 2_500, 0, 0)]


LIMITS = Limits(
    stake_minor_min=10,
    stake_minor_max=1_000,
    payout_minor_max=2_000,
    outcome_liability_minor_max=1_100,
    market_liability_minor_max=1_050,
)


def test_a_stake_under_the_minimum_is_refused_without_an_alternative_stake() -> None:
    machine = open_machine(limits=LIMITS)
    assert place(machine, bet(1, stake=9)) == [(Reason.STAKE_TOO_SMALL, 2_500, 0, 0)]
    assert reasons(machine, bet(2, stake=10)) == [Reason.ACCEPTED]


def test_a_stake_over_the_limit_is_refused_with_the_highest_stake_that_passes_all_limits() -> None:
    machine = open_machine(limits=LIMITS)
    assert place(machine, bet(1, stake=1_001)) == [(Reason.STAKE_OVER_LIMIT, 2_500, 700, 0)]
    assert reasons(machine, bet(2, stake=701)) == [Reason.MARKET_LIABILITY]
    assert reasons(machine, bet(3, stake=700)) == [Reason.ACCEPTED]


def test_a_payout_over_the_cap_is_refused() -> None:
    machine = open_machine(limits=LIMITS)
    assert place(machine, bet(1, stake=801)) == [(Reason.PAYOUT_OVER_CAP, 2_500, 700, 0)]
    assert reasons(machine, bet(2, stake=800)) == [Reason.OUTCOME_LIABILITY]


def test_the_outcome_s_liability_limit_is_checked_before_the_market_s() -> None:
    machine = open_machine(limits=LIMITS)
    assert place(machine, bet(1, stake=734)) == [(Reason.OUTCOME_LIABILITY, 2_500, 700, 0)]
    assert place(machine, bet(2, stake=733)) == [(Reason.MARKET_LIABILITY, 2_500, 700, 0)]


def test_stakes_on_other_outcomes_lower_the_liability() -> None:
    machine = open_machine(limits=LIMITS)
    assert reasons(machine, bet(1, stake=700), bet(2, stake=10)) == [0, Reason.MARKET_LIABILITY]
    assert reasons(machine, bet(3, stake=300, outcome=1, odds=3_200)) == [0]
    assert reasons(machine, bet(4, stake=200)) == [Reason.ACCEPTED]
    machine.check()


def test_a_market_over_its_limit_accepts_only_a_stake_that_brings_it_under() -> None:
    machine = open_machine(limits=LIMITS)
    place(machine, bet(1, stake=700))
    lower = LimitsPatch(
        stake_minor_min=1,
        stake_minor_max=1_000,
        payout_minor_max=100_000_000,
        outcome_liability_minor_max=5_000,
        market_liability_minor_max=650,
    )
    do(machine, SetLimits(market_no=1, limits=lower))
    liability = max(machine.book_image(1).liability_minor)
    assert liability == 1_050
    other = {"outcome": 2, "odds": 2_900}
    assert place(machine, bet(2, stake=399, **other)) == [(Reason.MARKET_LIABILITY, 2_900, 711, 0)]
    small = LimitsPatch(stake_minor_max=399)
    do(machine, SetLimits(market_no=1, limits=small))
    assert place(machine, bet(4, stake=400, **other)) == [(Reason.STAKE_OVER_LIMIT, 2_900, 0, 0)]
    do(machine, SetLimits(market_no=1, limits=lower))
    assert reasons(machine, bet(3, stake=400, outcome=2, odds=2_900)) == [Reason.ACCEPTED]


def test_limits_are_in_base_currency() -> None:
    machine = open_machine(limits=LIMITS)
    half, double = 500_000, 2_000_000
    assert reasons(machine, bet(1, stake=19, rate=half)) == [Reason.STAKE_TOO_SMALL]
    assert place(machine, bet(2, stake=2_001, rate=half)) == [(302, 2_500, 1_400, 0)]
    assert place(machine, bet(3, stake=501, rate=double))[0] == (302, 2_500, 350, 0)
    assert reasons(machine, bet(4, stake=350, rate=double)) == [Reason.ACCEPTED]


def test_the_first_failed_check_gives_the_reason() -> None:
    machine = open_machine(limits=LIMITS)
    do(machine, SetOdds(market_no=1, quotes=(Quote(outcome=1, odds_milli=3_200, active=False),)))
    place(machine, bet(77))
    everything = {"stake": 5_000, "odds": 9, "rate": 0, "policy": 7, "outcome": 9, "market": 5}
    cases = [
        ({**everything, "serial": 99}, Reason.MARKET_UNKNOWN),
        ({**everything, "serial": 99, "flags": FLAG_FENCE}, Reason.MARKET_UNKNOWN),
        ({"serial": 99, "flags": FLAG_FENCE}, Reason.BET_ID_REUSED),
        ({**everything, "flags": FLAG_FENCE}, Reason.FENCED),
        (everything, Reason.MARKET_UNKNOWN),
        (everything := {**everything, "market": 1}, Reason.OUTCOME_UNKNOWN),
        ({**everything, "outcome": 1}, Reason.OUTCOME_INACTIVE),
        (everything := {**everything, "outcome": 0}, Reason.ODDS_OUT_OF_BOUNDS),
        (everything := {**everything, "odds": 2_600}, Reason.FIELD_OUT_OF_BOUNDS),
        (everything := {**everything, "rate": 1_000_000, "policy": 0}, Reason.ODDS_CHANGED),
        (everything := {**everything, "odds": 2_500}, Reason.STAKE_OVER_LIMIT),
        (everything := {**everything, "stake": 1_000}, Reason.PAYOUT_OVER_CAP),
        (everything := {**everything, "stake": 760}, Reason.OUTCOME_LIABILITY),
        (everything := {**everything, "stake": 630}, Reason.MARKET_LIABILITY),
        (everything := {**everything, "stake": 500}, Reason.ACCEPTED),
    ]
    for serial, (fields, reason) in enumerate(cases, start=1):
        assert reasons(machine, bet(**{"serial": serial, **fields})) == [reason], fields


def test_a_refused_bet_adds_a_record_and_changes_no_figure() -> None:
    machine = open_machine(limits=LIMITS)
    place(machine, bet(1, stake=300))
    before = machine.book_image(1)
    place(machine, bet(2, stake=5_000), bet(3, odds=9), bet(4, market=3), bet(5, outcome=8))
    assert machine.book_image(1) == before
    assert machine.bets_len == 5


def test_a_record_holds_the_bet_as_it_arrived_and_the_verdict() -> None:
    machine = open_machine(limits=LIMITS)
    place(
        machine,
        bet(1, odds=2_400, policy=Policy.HIGHER, account=3),
        bet(2, stake=5_000, outcome=1, odds=3_200),
    )
    first, second = machine.bets()
    assert (first["odds_seen_milli"], first["odds_milli"], first["reason"]) == (2_400, 2_500, 0)
    assert (first["account_no"], first["at_ns"], first["policy"]) == (3, AT_NS, Policy.HIGHER)
    assert (second["reason"], second["stake_max_minor"]) == (Reason.STAKE_OVER_LIMIT, 523)
    with pytest.raises(ValueError, match="read-only"):
        machine.bets()["reason"] = 0


def test_no_bet_after_a_suspension_is_accepted() -> None:
    machine = open_machine()
    accepted: list[int] = []
    for round_no in range(20):
        first = round_no * 10 + 1
        answers = place(machine, *[bet(first + at) for at in range(5)])
        accepted += [reason for reason, *_ in answers]
        do(machine, SuspendMarket(market_no=1))
        after = place(machine, *[bet(first + 5 + at) for at in range(5)], bet(first))
        assert [reason for reason, *_ in after[:5]] == [Reason.MARKET_SUSPENDED] * 5
        assert after[5] == (Reason.ACCEPTED, 2_500, 0, FLAG_KNOWN)
        do(machine, ResumeMarket(market_no=1))
    assert accepted == [Reason.ACCEPTED] * 100
    assert machine.book_image(1).bets == 100


@pytest.mark.parametrize("batch", [1, 7, 64, 1_000])
def test_a_thousand_bets_never_pass_a_liability_limit_in_batches_of_any_size(batch) -> None:
    rng = np.random.default_rng(15)
    bets = [
        bet(serial, stake=int(stake), outcome=int(outcome), odds=odds)
        for serial, (stake, outcome) in enumerate(
            zip(rng.integers(10, 90, 1_000), rng.integers(0, 2, 1_000), strict=True), start=1
        )
        for odds in [(2_500, 3_200)[outcome]]
    ]
    limits = Limits(outcome_liability_minor_max=3_000, market_liability_minor_max=2_900)
    taken, payouts, expected = 0, [0, 0, 0], []
    for _, stake, _, _, odds, _, outcome, *_ in bets:
        after = payouts[outcome] + stake * odds // 1_000
        worst = max(after, *payouts)
        fits = after - taken - stake <= 3_000 and worst - taken - stake <= 2_900
        expected.append(fits)
        if fits:
            taken, payouts[outcome] = taken + stake, after
    machine = open_machine(limits=limits)
    answered: list[int] = []
    for at in range(0, 1_000, batch):
        answered += machine.place(bet_rows(bets[at : at + batch]), AT_NS)["reason"].tolist()
        assert max(machine.book_image(1).liability_minor) <= 2_900
    assert [reason == Reason.ACCEPTED for reason in answered] == expected
    assert 100 < sum(expected) < 1_000
    machine.check()


def test_bet_ids_with_one_upper_half_of_the_hash_are_two_bets() -> None:
    ids = [unmix_twin(0xFFFFFFFF << 32 | low) for low in range(400)]
    first, second = [number for number in ids if number < 1 << 63 and number % (1 << 48)][:2]
    machine = open_machine()
    bets = [(number, *bet(1)[1:]) for number in (first, second, first, second)]
    assert [flags for *_, flags in place(machine, *bets)] == [0, 0, FLAG_KNOWN, FLAG_KNOWN]
    assert machine.book_image(1).bets == 2
    machine.check()


def test_an_empty_batch_has_no_decisions() -> None:
    machine = open_machine()
    assert place(machine) == []


def test_read_only_and_strided_rows_are_accepted() -> None:
    machine = open_machine()
    rows = bet_rows([bet(serial) for serial in range(1, 7)])
    frozen = np.frombuffer(rows[:2].tobytes(), rows.dtype)
    assert machine.place(frozen, AT_NS)["reason"].tolist() == [0, 0]
    assert machine.place(rows[2::2], AT_NS)["bet_id"].tolist() == [3, 5]
    machine.check()
