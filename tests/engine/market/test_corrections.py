"""Corrections of accepted bets, by worked examples; the twin has them in any order.

A palpable error: 21.00 was offered for 2.10, and bets were taken on it.
"""

import numpy as np
import pytest
from msgspec.structs import replace

from engine.common.commands import (
    CancelMarket,
    Deduction,
    MarketCommand,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.corrections import (
    CORRECTIONS_OF_BET_MAX,
    ChosenBets,
    CorrectedQuote,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.events import BetsRestored, BetsVoided, OddsCorrected, Refused
from engine.common.ids import bet_id
from engine.common.previews import Preview
from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG, BetResult
from engine.market.market import MarketMachine
from engine.market.state import LAYOUT
from tests.engine.market.builders import (
    AT_NS,
    bet,
    bet_rows,
    charge,
    do,
    open_machine,
    place,
    won,
)

WRONG, RIGHT = 21_000, 2_100
FIRST_WON = SettleMarket(market_no=1, results=won(True, False, False))
SECOND_WON = SettleMarket(market_no=1, results=won(False, True, False))
RIGHT_ODDS = CorrectOdds(
    market_no=1, quotes=(CorrectedQuote(outcome=0, odds_milli=RIGHT),), why="21 for 2.1"
)


def of_account(account: int) -> ChosenBets:
    return ChosenBets(account_no=account)


def machine_with_bets() -> MarketMachine:
    """Return a market with 10.00 of account 7 and 3.00 of 8 at 21.00, and 4.00 of 9 elsewhere."""
    machine = open_machine(odds=(WRONG, 3_200, 2_900))
    assert {reason for reason, *_ in place(
        machine,
        bet(1, stake=1_000, odds=WRONG),
        bet(2, stake=300, odds=WRONG, account=8),
        bet(3, stake=400, odds=3_200, outcome=1, account=9),
    )} == {0}  # fmt: skip
    return machine


def paid(machine: MarketMachine) -> list[tuple[int, int]]:
    """Return how each bet stands: its result and payout."""
    rows = machine.present_resolutions(1)
    return list(zip(rows["result"].tolist(), rows["payout_minor"].tolist(), strict=True))


def refusal(machine: MarketMachine, command: MarketCommand) -> tuple[Reason, str]:
    """Return why a command is refused; it changes nothing."""
    before = machine.state_hash()
    event = machine.apply(command, AT_NS)
    assert isinstance(event, Refused), event
    assert machine.state_hash() == before
    return event.reason, event.field


def test_corrected_odds_reduce_the_liability_at_once_and_are_paid_at_the_settlement() -> None:
    machine = machine_with_bets()
    assert machine.book_image(1).liability_minor[0] == 13 * WRONG // 10 - 1_700
    event = machine.apply(RIGHT_ODDS, AT_NS)
    assert event == OddsCorrected(
        market_no=1, version=2, settlement_no=1, corrected=2, bets=0, change_minor=0,
        payouts_check=0, why="21 for 2.1",
    )  # fmt: skip
    assert machine.book_image(1).liability_minor[0] == 13 * RIGHT // 10 - 1_700
    assert len(machine.outbox(shard=0, limit=9)) == 0, "an open bet stays as it is"
    do(machine, FIRST_WON)
    assert paid(machine) == [(BetResult.WON, 2_100), (BetResult.WON, 630), (BetResult.LOST, 0)]
    rows = machine.outbox(shard=0, limit=9)
    assert rows["odds_milli"].tolist() == [WRONG, WRONG, 3_200], "those of the acceptance"
    assert rows["flags"].tolist() == [1, 1, 0]
    machine.check()


def test_a_correction_after_the_settlement_settles_again_and_its_roll_back_does_so_exactly() -> (
    None
):
    machine = machine_with_bets()
    do(machine, FIRST_WON)
    settled = machine.book_image(1)
    event = machine.apply(replace(RIGHT_ODDS, bets=of_account(7)), AT_NS)
    assert isinstance(event, OddsCorrected)
    assert (event.corrected, event.bets, event.change_minor) == (1, 1, 2_100 - 21_000)
    assert paid(machine)[:2] == [(BetResult.WON, 2_100), (BetResult.WON, 6_300)]
    back = machine.apply(RestoreBets(market_no=1, correction_no=event.settlement_no), AT_NS)
    assert isinstance(back, BetsRestored)
    assert (back.correction_no, back.restored, back.change_minor) == (2, 1, 21_000 - 2_100)
    assert paid(machine)[0] == (BetResult.WON, 21_000)
    assert machine.outbox(shard=0, limit=9)["settlement_no"].tolist() == [1, 1, 1, 2, 3]
    assert replace(machine.book_image(1), settlement_no=1) == settled


def test_voided_bets_are_refunded_whatever_the_results_say() -> None:
    machine = machine_with_bets()
    event = machine.apply(VoidBets(market_no=1, bets=ChosenBets(outcomes=(0,))), AT_NS)
    assert isinstance(event, BetsVoided)
    assert (event.corrected, event.bets, event.change_minor) == (2, 2, 1_300)
    assert machine.book_image(1).stake_minor == (0, 400, 0)
    for command in (FIRST_WON, SECOND_WON, RollBackSettlement(market_no=1), FIRST_WON):
        do(machine, command)
        assert paid(machine)[:2] == [(BetResult.CANCELLED, 1_000), (BetResult.CANCELLED, 300)]
    assert machine.book_image(1).result.profit_minor == 400
    machine.check()


def test_the_last_correction_of_a_bet_counts_and_each_is_taken_back_by_itself() -> None:
    machine = machine_with_bets()
    do(machine, FIRST_WON, RIGHT_ODDS, VoidBets(market_no=1, bets=of_account(7)))
    assert [payout for _, payout in paid(machine)] == [1_000, 630, 0]
    ids = machine.bets()["bet_id"]
    assert machine.corrected_milli(ids).tolist() == [-1, RIGHT, 0]
    do(machine, RestoreBets(market_no=1, correction_no=2))
    assert [payout for _, payout in paid(machine)] == [1_000, 6_300, 0]
    do(machine, RestoreBets(market_no=1, correction_no=3))
    assert [payout for _, payout in paid(machine)] == [21_000, 6_300, 0]


def test_odds_may_be_corrected_to_higher_ones_and_a_deduction_comes_off_the_corrected() -> None:
    machine = machine_with_bets()
    quotes = (CorrectedQuote(outcome=1, odds_milli=5_000),)
    do(machine, CorrectOdds(market_no=1, quotes=quotes))
    half = (Deduction(until_ns=AT_NS + 1, keep_milli=500),)
    do(machine, replace(SECOND_WON, deductions=half))
    assert paid(machine)[2] == (BetResult.WON, 1_200)  # 4.00 at 1 + 4.00 / 2


def test_a_leg_gives_back_the_fraction_of_its_corrected_odds_and_a_void_one_its_stake() -> None:
    machine = open_machine(odds=(WRONG, 3_200, 2_900))
    place(machine, *(bet(at, stake=1_000, odds=WRONG, flags=FLAG_LEG) for at in (1, 2, 3)))
    assert charge(machine, 2, 700)
    assert charge(machine, 3, flags=1)
    do(machine, VoidBets(market_no=1, bets=ChosenBets(bet_ids=(1,))), RIGHT_ODDS)
    do(machine, VoidBets(market_no=1, bets=ChosenBets(bet_ids=(1,))), FIRST_WON)
    names = ["result", "payout_minor", "back_den", "flags"]
    assert machine.present_resolutions(1)[names].tolist() == [
        (BetResult.CANCELLED, 1, 1, 0),
        (BetResult.WON, 21, 10, 1),
        (BetResult.NONE, 0, 0, 0),  # released
    ]
    assert machine.book_image(1).result.paid_minor == 1_470
    assert charge(machine, 2, 100, number=2)
    assert machine.book_image(1).result.paid_minor == 210
    machine.check()


def test_a_bet_accepted_later_is_not_corrected_and_a_second_copy_of_the_command_is_harmless() -> (
    None
):
    machine = machine_with_bets()
    machine.place(bet_rows([bet(4, stake=500, odds=WRONG, account=8)]), AT_NS + 10)
    dated = replace(RIGHT_ODDS, bets=ChosenBets(accepted_before_ns=AT_NS + 5))
    do(machine, dated)
    assert refusal(machine, dated) == (Reason.CORRECTION_KNOWN, "bets")
    do(machine, FIRST_WON)
    assert [payout for _, payout in paid(machine)] == [2_100, 630, 0, 10_500]


def test_bets_are_chosen_by_all_conditions_at_once() -> None:
    machine = open_machine(odds=(WRONG, 3_200, 2_900))
    for at in range(6):
        outcome = at % 2
        odds = (WRONG, 3_200)[outcome]
        row = bet(at + 1, stake=100, odds=odds, outcome=outcome, account=7 + at % 3)
        machine.place(bet_rows([row]), AT_NS + at)
    choice = ChosenBets(
        bet_ids=(1, 2, 3, 4, 5), account_no=8, outcomes=(1,), from_ns=AT_NS + 1, until_ns=AT_NS + 5
    )
    event = machine.apply(VoidBets(market_no=1, bets=choice), AT_NS + 9)
    assert isinstance(event, BetsVoided)
    assert [result for result, _ in paid(machine)] == [0, BetResult.CANCELLED, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("command", "reason", "field"),
    [
        (VoidBets(market_no=1, bets=ChosenBets()), Reason.FIELD_OUT_OF_BOUNDS, "bets"),
        (
            VoidBets(market_no=1, bets=ChosenBets(accepted_before_ns=5)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "bets",
        ),
        (VoidBets(market_no=1, bets=of_account(77)), Reason.BET_UNKNOWN, "bets"),
        (
            VoidBets(market_no=1, bets=ChosenBets(bet_ids=(1, 44))),
            Reason.BET_UNKNOWN,
            "bets.bet_ids",
        ),
        (
            VoidBets(market_no=1, bets=ChosenBets(outcomes=(3,))),
            Reason.OUTCOME_UNKNOWN,
            "bets.outcomes[0]",
        ),
        (
            VoidBets(market_no=1, bets=ChosenBets(from_ns=6, until_ns=6)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "bets.until_ns",
        ),
        (
            replace(RIGHT_ODDS, quotes=(CorrectedQuote(outcome=5, odds_milli=RIGHT),)),
            Reason.OUTCOME_UNKNOWN,
            "quotes[0].outcome",
        ),
        (
            replace(RIGHT_ODDS, quotes=(CorrectedQuote(outcome=0, odds_milli=1_000),)),
            Reason.ODDS_OUT_OF_BOUNDS,
            "quotes[0].odds_milli",
        ),
        (replace(RIGHT_ODDS, quotes=RIGHT_ODDS.quotes * 2), Reason.FIELD_OUT_OF_BOUNDS, "quotes"),
        (
            replace(RIGHT_ODDS, quotes=(CorrectedQuote(outcome=0, odds_milli=WRONG),)),
            Reason.CORRECTION_KNOWN,
            "bets",
        ),
        (RestoreBets(market_no=1, correction_no=1), Reason.CORRECTION_UNKNOWN, "correction_no"),
        (VoidBets(market_no=2, bets=of_account(7)), Reason.MARKET_UNKNOWN, "market_no"),
    ],
)
def test_a_correction_that_fits_nothing_is_refused(
    command: MarketCommand, reason: Reason, field: str
) -> None:
    assert refusal(machine_with_bets(), command) == (reason, field)


def test_a_bet_has_a_bounded_number_of_corrections_and_one_that_is_taken_back_frees_a_place() -> (
    None
):
    machine = machine_with_bets()
    for more in range(CORRECTIONS_OF_BET_MAX):
        quotes = (CorrectedQuote(outcome=0, odds_milli=RIGHT + more),)
        do(machine, CorrectOdds(market_no=1, quotes=quotes))
    void = VoidBets(market_no=1, bets=ChosenBets(outcomes=(0,)))
    assert refusal(machine, void) == (Reason.CAPACITY, "bets")
    do(machine, RestoreBets(market_no=1, correction_no=3), void)
    machine.check()


def test_corrections_are_of_one_market() -> None:
    machine = open_machine(odds=(WRONG, 3_200, 2_900), markets=2)
    place(machine, bet(1, odds=WRONG), bet(2, odds=WRONG, market=2), bet(3, odds=WRONG))
    do(
        machine,
        RIGHT_ODDS,
        replace(RIGHT_ODDS, market_no=2),
        RestoreBets(market_no=1, correction_no=1),
    )
    do(machine, FIRST_WON, replace(FIRST_WON, market_no=2))
    assert machine.present_resolutions(1)["payout_minor"].tolist() == [2_100, 2_100]
    assert machine.present_resolutions(2)["payout_minor"].tolist() == [210]


def test_a_cancelled_market_refunds_corrected_bets_too() -> None:
    machine = machine_with_bets()
    do(machine, FIRST_WON, RIGHT_ODDS, CancelMarket(market_no=1))
    assert [payout for _, payout in paid(machine)] == [1_000, 300, 400]


def test_a_correction_is_previewed_by_what_open_bets_pay_and_by_what_is_paid_back() -> None:
    machine = machine_with_bets()
    preview = machine.preview(RIGHT_ODDS, AT_NS)
    assert isinstance(preview, Preview)
    assert (preview.bets, preview.accounts, preview.payout_after_minor) == (2, 2, 0)
    assert (preview.open_now_minor, preview.open_after_minor) == (27_300, 2_730)
    assert preview.change_minor_max == 21_000 - 2_100
    higher = replace(RIGHT_ODDS, quotes=(CorrectedQuote(outcome=0, odds_milli=42_000),))
    up = machine.preview(higher, AT_NS)
    assert isinstance(up, Preview)
    assert (up.bets, up.open_now_minor, up.open_after_minor) == (2, 27_300, 54_600)
    assert [one.open_change_minor for one in up.touched] == [21_000, 6_300]
    do(machine, FIRST_WON)
    preview = machine.preview(RIGHT_ODDS, AT_NS)
    assert isinstance(preview, Preview)
    assert (preview.payout_now_minor, preview.payout_after_minor) == (27_300, 2_730)
    assert preview.house_after_minor - preview.house_now_minor == 27_300 - 2_730


def document() -> dict[str, object]:
    machine = machine_with_bets()
    do(machine, RIGHT_ODDS, VoidBets(market_no=1, bets=of_account(7)))
    return machine.dump()


@pytest.mark.parametrize(
    ("place_", "field", "value", "fault"),
    [
        (0, "record", 1, "record: out of order"),
        (2, "record", 9, "record: no such bet"),
        (0, "correction_no", 0, "correction_no: from 1"),
        (0, "odds_milli", 1_000, "odds_milli: 1001 to"),
        (0, "odds_milli", 10_000_001, "odds_milli: 1001 to"),
        (0, "pad", 1, "pad: in use"),
    ],
)
def test_corrections_of_a_dump_that_contradict_it_are_refused(
    place_: int, field: str, value: int, fault: str
) -> None:
    from engine.market.corrections import CORRECTED

    dumped = document()
    assert dumped["layout"] == LAYOUT == 4
    rows = np.frombuffer(dumped["corrections"], CORRECTED).copy()  # type: ignore[call-overload]
    assert rows["record"].tolist() == [0, 0, 1]
    assert MarketMachine.load(dumped).dump() == dumped
    rows[field][place_] = value
    with pytest.raises(ValueError, match=f"corrections: {fault}"):
        MarketMachine.load({**dumped, "corrections": rows.tobytes()})


def test_bet_ids_name_bets_of_any_shard() -> None:
    machine = open_machine(odds=(WRONG, 3_200, 2_900))
    place(machine, bet(1, odds=WRONG, shard=3), bet(1, odds=WRONG))
    chosen = ChosenBets(bet_ids=(bet_id(shard=3, serial=1),))
    do(machine, VoidBets(market_no=1, bets=chosen))
    assert [result for result, _ in paid(machine)] == [BetResult.CANCELLED, BetResult.NONE]
