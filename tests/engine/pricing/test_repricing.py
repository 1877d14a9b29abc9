"""Repricing in a shell: which of a fixture's markets get odds from a sport's model."""

import pytest
from msgspec.structs import replace

from engine.common.commands import CreateMarket, OpenMarket, SetOdds
from engine.market.market import MarketMachine
from engine.pricing.quoting import Margin
from engine.pricing.repricing import PricedApart, Reprice, Repricer, convert_pricing
from engine.pricing.skew import LogOddsSkew
from tests.engine.market.builders import WIDE, bet, do, place

MARKETS = (
    ("r/win", ("Arkle", "Mill House", "Flyingbolt")),
    ("r/place?places=2", ("Arkle", "Mill House", "Flyingbolt")),
    ("r/forecast?runners=3", ("1-2", "1-3", "2-1", "2-3", "3-1", "3-2")),
    ("r/first_fence_faller", ("yes", "no")),
    ("r/1x2", ("home", "draw", "away")),
)


def machine() -> MarketMachine:
    hosting = MarketMachine()
    for number, (key, outcomes) in enumerate(MARKETS, 1):
        do(
            hosting,
            CreateMarket(
                market_no=number,
                key=key,
                outcomes=outcomes,
                odds_milli=(3_000,) * len(outcomes),
                limits=WIDE,
            ),
            OpenMarket(market_no=number),
        )
    return hosting


def offered_after(sport: str, model: object, state: object) -> dict[int, list[bool]]:
    """Reprice the fixture; return for each repriced market which outcomes are offered."""
    typed_model, typed_state = convert_pricing(sport, model, state)
    request = Reprice(
        by="trader", fixture="r", model=typed_model, state=typed_state, sport=sport,
        margin=Margin(book_milli=1_100),
    )  # fmt: skip
    commands = Repricer().commands(request, machine())
    assert all(isinstance(command, SetOdds) for command in commands)
    return {
        command.market_no: [quote.active for quote in command.quotes]
        for command in commands
        if isinstance(command, SetOdds)
    }


def test_a_race_model_reprices_the_race_markets_of_its_runners() -> None:
    after = offered_after("race", {"win": [0.5, 0.3, 0.2]}, {"withdrawn": []})
    assert after == {1: [True] * 3, 2: [True] * 3, 3: [True] * 6}


def test_a_withdrawn_runner_is_not_offered_in_any_market() -> None:
    after = offered_after("race", {"win": [0.5, 0.3, 0.2]}, {"withdrawn": [2]})
    assert after == {
        1: [True, False, True],
        2: [False, False, False],
        3: [False, True, False, False, True, False],
    }


def test_a_generic_model_reprices_the_markets_it_names_and_no_others() -> None:
    assert offered_after("generic", {"fair": {"first_fence_faller": [0.4, 0.6]}}, {}) == {
        4: [True, True]
    }
    assert offered_after("generic", {"fair": {"second_fence_faller": [0.4, 0.6]}}, {}) == {}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"win": [0.5, 0.6]}, "add up to 1"), ({"win": [2.0]}, "<= 1.0"),
        ({"win": [0.5, 0.5], "order": "benter"}, "order"), ({"wins": [1.0]}, "unknown field"),
    ],
)  # fmt: skip
def test_an_impossible_race_model_is_refused_at_decoding(
    model: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        convert_pricing("race", model, {})


def test_markets_apart_are_priced_as_all_would_be_by_their_margin_and_skew() -> None:
    hosting = machine()
    bets = [bet(number, market=number, outcome=1, stake=5_000, odds=3_000) for number in (1, 2, 3)]
    assert [reason for reason, *_ in place(hosting, *bets)] == [0, 0, 0]
    model, state = convert_pricing("race", {"win": [0.5, 0.3, 0.2]}, {"withdrawn": []})
    request = Reprice(by="desk", fixture="r", model=model, state=state, sport="race")
    skew = LogOddsSkew(scale_minor=10_000)
    tight, wide = Margin(book_milli=1_020), Margin(book_milli=1_150)

    def priced(request: Reprice) -> dict[int, SetOdds]:
        commands = Repricer().commands(request, hosting)
        return {each.market_no: each for each in commands if isinstance(each, SetOdds)}

    base = priced(replace(request, margin=tight))
    skewed = priced(replace(request, margin=wide, skew=skew))
    plain = priced(replace(request, margin=wide))
    assert base[2] != skewed[2] != plain[2]
    apart = (
        PricedApart(market_nos=(2,), margin=wide, skew=skew),
        PricedApart(market_nos=(3, 99), margin=wide),
    )
    mixed = priced(replace(request, margin=tight, apart=apart))
    assert mixed == {1: base[1], 2: skewed[2], 3: plain[3]}
    assert list(mixed) == [1, 2, 3], "in the order of the markets, as without"
