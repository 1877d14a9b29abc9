"""Creating markets, setting odds and limits, and the views that follow."""

import msgspec
import pytest

from engine.common.commands import (
    CloseMarket,
    CreateMarket,
    Limits,
    LimitsPatch,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    Quote,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import LimitsSet, MarketCreated, MarketEvent, OddsSet, Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import LIMIT_MINOR_MAX, OUTCOMES_MAX, STAKE_MINOR_MAX
from engine.common.views import PriceDelta, PriceImage
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, bet, create, do, open_machine, place, reasons


def refusal(machine: MarketMachine, command: MarketCommand) -> tuple[Reason, str]:
    """Apply a command that must be refused and change nothing; return reason and field."""
    before = machine.state_hash()
    event = machine.apply(command, AT_NS)
    assert isinstance(event, Refused), event
    assert event.message
    assert machine.state_hash() == before
    machine.check()
    return event.reason, event.field


def test_a_new_market_is_inactive_with_its_odds_and_every_outcome_offered() -> None:
    machine = MarketMachine()
    event = machine.apply(create(5, odds=(2_000, 1_900), key="wc/total?total=2.5|a=1"), AT_NS)
    assert event == MarketCreated(market_no=5, version=1, key="wc/total?a=1|total=2.5")
    assert machine.price_image(5) == PriceImage(
        market_no=5,
        key="wc/total?a=1|total=2.5",
        status=Status.INACTIVE,
        version=1,
        outcomes=("o0", "o1"),
        odds_milli=(2_000, 1_900),
        active=(True, True),
    )
    assert machine.market_nos() == [5]


def test_a_second_market_of_a_number_or_of_an_equal_key_is_refused() -> None:
    machine = MarketMachine()
    do(machine, create(1, key="f/t?a=1|b=2"))
    assert refusal(machine, create(1, key="f/u")) == (Reason.MARKET_EXISTS, "market_no")
    assert refusal(machine, create(2, key="f/t?b=2|a=1")) == (Reason.MARKET_EXISTS, "key")


def test_a_market_created_without_an_offer_takes_no_bet_until_odds_are_set() -> None:
    machine = MarketMachine()
    do(machine, changed(offered=False), OpenMarket(market_no=1))
    assert machine.price_image(1).active == (False, False, False)
    assert reasons(machine, bet(1)) == [Reason.OUTCOME_INACTIVE]
    do(machine, SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=2_500),)))
    assert reasons(machine, bet(2)) == [Reason.ACCEPTED]


def changed(**fields: object) -> CreateMarket:
    """Return a create command with some fields replaced, past any decoder."""
    return msgspec.structs.replace(create(), **fields)


@pytest.mark.parametrize(
    ("command", "reason", "field"),
    [
        (changed(key="no slash"), Reason.MALFORMED, "key"),
        (changed(market_no=1 << 32), Reason.FIELD_OUT_OF_BOUNDS, "market_no"),
        (changed(market_no=-1), Reason.FIELD_OUT_OF_BOUNDS, "market_no"),
        (changed(outcomes=()), Reason.FIELD_OUT_OF_BOUNDS, "outcomes"),
        (
            changed(outcomes=tuple(map(str, range(OUTCOMES_MAX + 1)))),
            Reason.FIELD_OUT_OF_BOUNDS,
            "outcomes",
        ),
        (changed(outcomes=("a", "b", "a")), Reason.FIELD_OUT_OF_BOUNDS, "outcomes"),
        (changed(odds_milli=(2_000,)), Reason.FIELD_OUT_OF_BOUNDS, "odds_milli"),
        (changed(odds_milli=(2_000, 1_000, 3_000)), Reason.ODDS_OUT_OF_BOUNDS, "odds_milli[1]"),
        (
            changed(limits=Limits(payout_minor_max=LIMIT_MINOR_MAX + 1)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "limits.payout_minor_max",
        ),
        (
            changed(limits=Limits(stake_minor_max=STAKE_MINOR_MAX + 1)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "limits.stake_minor_max",
        ),
        (
            changed(limits=Limits(stake_minor_min=0)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "limits.stake_minor_min",
        ),
        (
            changed(limits=Limits(stake_minor_min=11, stake_minor_max=10)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "limits.stake_minor_min",
        ),
        (
            changed(limits=Limits(outcome_liability_minor_max=-1)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "limits.outcome_liability_minor_max",
        ),
    ],
)
def test_a_market_with_a_field_out_of_bounds_is_not_created(command, reason, field) -> None:
    machine = MarketMachine()
    assert refusal(machine, command) == (reason, field)
    assert machine.market_nos() == []


def test_market_past_the_bound_is_refused() -> None:
    machine = MarketMachine(markets_max=2)
    do(machine, create(1), create(2))
    assert refusal(machine, create(3)) == (Reason.CAPACITY, "market_no")


def test_a_command_for_an_unknown_market_is_refused() -> None:
    assert refusal(open_machine(), OpenMarket(market_no=9)) == (
        Reason.MARKET_UNKNOWN,
        "market_no",
    )


def test_setting_several_odds_raises_the_version_once() -> None:
    machine = open_machine()
    quotes = (Quote(outcome=2, odds_milli=5_000), Quote(outcome=0, odds_milli=1_500, active=False))
    event = machine.apply(SetOdds(market_no=1, quotes=quotes), AT_NS)
    assert event == OddsSet(market_no=1, version=3, quotes=quotes)
    assert machine.price_delta(1) == PriceDelta(
        market_no=1,
        version=3,
        status=Status.ACTIVE,
        odds_milli=(1_500, 3_200, 5_000),
        active=(False, True, True),
    )


def test_setting_the_current_odds_changes_nothing() -> None:
    machine = open_machine()
    before = machine.state_hash()
    event = machine.apply(SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=2_500),)), AT_NS)
    assert isinstance(event, OddsSet)
    assert event.version == 2
    assert machine.state_hash() == before


@pytest.mark.parametrize(
    ("quotes", "reason", "field"),
    [
        ((Quote(outcome=3, odds_milli=2_000),), Reason.OUTCOME_UNKNOWN, "quotes[0].outcome"),
        ((Quote(outcome=-1, odds_milli=2_000),), Reason.OUTCOME_UNKNOWN, "quotes[0].outcome"),
        (
            (Quote(outcome=0, odds_milli=2_000), Quote(outcome=0, odds_milli=3_000)),
            Reason.FIELD_OUT_OF_BOUNDS,
            "quotes[1].outcome",
        ),
        (
            (Quote(outcome=0, odds_milli=2_000), Quote(outcome=1, odds_milli=1_000)),
            Reason.ODDS_OUT_OF_BOUNDS,
            "quotes[1].odds_milli",
        ),
    ],
)
def test_quotes_out_of_bounds_are_refused_and_change_nothing(quotes, reason, field) -> None:
    assert refusal(open_machine(), SetOdds(market_no=1, quotes=quotes)) == (reason, field)


def test_bets_accepted_before_a_change_keep_their_odds() -> None:
    machine = open_machine()
    place(machine, bet(1))
    do(machine, SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=9_000),)))
    place(machine, bet(2, odds=9_000))
    do(
        machine,
        SettleMarket(
            market_no=1,
            results=(
                OutcomeResult(won=True),
                OutcomeResult(won=False),
                OutcomeResult(won=False),
            ),
        ),
    )
    assert machine.outbox(shard=0, limit=9)["payout_minor"].tolist() == [250, 900]


def test_new_limits_apply_to_the_next_bet_and_accepted_bets_stand() -> None:
    machine = open_machine(limits=Limits())
    place(machine, bet(1, stake=5_000))
    event = machine.apply(SetLimits(market_no=1, limits=LimitsPatch(stake_minor_max=50)), AT_NS)
    limits = Limits(stake_minor_max=50)
    assert event == LimitsSet(market_no=1, version=2, limits=limits)
    assert machine.book_image(1).limits == limits
    assert reasons(machine, bet(2), bet(3, stake=50)) == [Reason.STAKE_OVER_LIMIT, 0]
    assert machine.book_image(1).stake_taken_minor == 5_050


LIMITS = Limits(
    stake_minor_min=20,
    stake_minor_max=300,
    payout_minor_max=4_000,
    outcome_liability_minor_max=5_000,
    market_liability_minor_max=6_000,
)


@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_a_patch_of_one_limit_leaves_the_other_four(name: str) -> None:
    machine = open_machine(limits=LIMITS)
    expected = msgspec.structs.replace(LIMITS, **{name: 77})
    command = SetLimits(market_no=1, limits=LimitsPatch(**{name: 77}))
    assert machine.apply(command, AT_NS) == LimitsSet(market_no=1, version=2, limits=expected)
    assert machine.book_image(1).limits == expected


def test_a_patch_is_encoded_with_the_limits_that_it_names_only() -> None:
    command = SetLimits(market_no=1, limits=LimitsPatch(stake_minor_max=500))
    assert msgspec.json.decode(msgspec.json.encode(command))["limits"] == {"stake_minor_max": 500}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=SetLimits) == command


def test_a_patch_that_names_every_limit_means_what_older_journals_meant() -> None:
    machine = open_machine(limits=LIMITS)
    old = {"do": "set_limits", "market_no": 1, "limits": Limits(stake_minor_max=7)}
    command = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=SetLimits)
    machine.apply(command, AT_NS)
    assert machine.book_image(1).limits == Limits(stake_minor_max=7)


def test_a_patch_that_names_no_limit_is_refused() -> None:
    command = SetLimits(market_no=1, limits=LimitsPatch())
    assert refusal(open_machine(), command) == (Reason.FIELD_OUT_OF_BOUNDS, "limits")


def test_limits_with_a_minimum_over_the_maximum_are_refused() -> None:
    for patch in (LimitsPatch(stake_minor_min=301), LimitsPatch(stake_minor_max=19)):
        machine = open_machine(limits=LIMITS)
        command = SetLimits(market_no=1, limits=patch)
        assert refusal(machine, command) == (Reason.FIELD_OUT_OF_BOUNDS, "limits.stake_minor_min")
        assert machine.book_image(1).limits == LIMITS


def test_odds_and_limits_are_not_set_after_betting_has_ended() -> None:
    machine = open_machine()
    do(machine, SuspendMarket(market_no=1))
    odds = SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=2_000),))
    do(
        machine,
        odds,
        SetLimits(market_no=1, limits=LimitsPatch(stake_minor_max=9)),
        CloseMarket(market_no=1),
    )
    assert refusal(machine, odds)[0] == Reason.TRANSITION_NOT_ALLOWED
    command = SetLimits(market_no=1, limits=LimitsPatch(stake_minor_max=9))
    assert refusal(machine, command)[0] == Reason.TRANSITION_NOT_ALLOWED


def test_events_decode_to_what_was_encoded() -> None:
    machine = MarketMachine()
    events = [
        machine.apply(command, AT_NS)
        for command in (create(), OpenMarket(market_no=1), OpenMarket(market_no=1))
    ]
    wire = msgspec.msgpack.encode(events)
    assert msgspec.msgpack.decode(wire, type=list[MarketEvent]) == events


def test_a_view_of_an_unknown_market_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        open_machine().price_image(9)


def test_ten_thousand_markets_take_less_than_a_kibibyte_of_arrays_each() -> None:
    machine = MarketMachine()
    do(machine, *[create(number) for number in range(10_000)])
    book = machine._book
    arrays = (book.markets, book.outcomes, book.market_table, book.records, book.bet_table)
    assert sum(array.nbytes for array in arrays) < 10_000 * 1_024
    assert machine.market_nos() == list(range(10_000))
    machine.check()
