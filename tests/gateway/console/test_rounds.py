"""Every shown market has its turn, and a changed one does not wait for it."""

import asyncio
import time
from collections import Counter

from engine.common.commands import Limits
from engine.common.ids import MarketNo
from engine.common.units import Minor
from gateway.console.exposures import EVERY_S, Exposures
from gateway.console.lines import POINTS_MAX
from gateway.console.model import UNSEEN_POINTS_MAX, Model
from gateway.console.rounds import CALM_MAX, CHANGED_MAX, ROUND_MAX, UNSEEN_MAX, Rounds
from gateway.messages.exposure import Exposure
from gateway.messages.market import Market
from gateway.messages.trader import Book
from tests.gateway.bookmaker import Bookmaker, trader

SHOWN = [MarketNo(number) for number in range(1, 2_601)]
LIMIT = Minor(1)


def test_shown_markets_take_turns_beside_those_that_change_all_the_time() -> None:
    rounds, asked = Rounds(), Counter[MarketNo]()
    busy = [MarketNo(number) for number in range(5_001, 5_801)]
    for _ in range(100):
        rounds.changed((SHOWN[1_499], *busy))
        books = rounds.next(SHOWN)
        assert len(set(books)) == len(books) <= ROUND_MAX
        asked.update(books)
    assert min(asked[number] for number in SHOWN) >= 2
    assert max(asked[number] for number in SHOWN if number != 1_500) <= 3
    assert min(asked[number] for number in busy) >= 100 // 13


def test_the_first_to_change_is_asked_first_and_once() -> None:
    rounds = Rounds()
    rounds.changed(SHOWN)
    rounds.changed(SHOWN[:1])
    assert rounds.next(())[:3] == SHOWN[:3]
    assert rounds.next(())[0] == SHOWN[UNSEEN_MAX]
    shown = Rounds()
    shown.changed(SHOWN)
    assert shown.next(SHOWN[:2])[:3] == SHOWN[:3]
    assert shown.next(SHOWN)[:2] == SHOWN[UNSEEN_MAX + 2 : UNSEEN_MAX + 4]
    assert Rounds().next(()) == []
    assert Rounds().next(SHOWN[:2]) == SHOWN[:2]
    calm = Rounds()
    calm.changed(SHOWN[-2:])
    assert calm.next(SHOWN, calm=True) == [*SHOWN[-2:], *SHOWN[:CALM_MAX]]
    busy = Rounds()
    busy.changed(SHOWN)
    assert busy.next(SHOWN)[:CHANGED_MAX] == SHOWN[:CHANGED_MAX]


def test_bets_of_all_time_are_not_the_last_minute_s() -> None:
    model = Model()
    image = Market(
        market=MarketNo(1), key="f/1x2", status="active", version=1,
        outcomes=("home", "draw", "away"), odds_milli=(2_000, 3_000, 4_000), active=(True,) * 3,
    )  # fmt: skip
    model._take_image(image)
    for bets in (5_000, 5_003):
        model._take_book(
            Book(
                market=MarketNo(1), key="f/1x2", status="active", version=1,
                outcomes=image.outcomes, odds_milli=image.odds_milli, active=image.active,
                limits=Limits(
                    stake_minor_max=LIMIT, payout_minor_max=LIMIT,
                    outcome_liability_minor_max=LIMIT, market_liability_minor_max=LIMIT,
                ),
                bets=bets, stake_taken_minor=Minor(1),
                payout_minor=(LIMIT,) * 3, liability_minor=(LIMIT,) * 3,
            )
        )  # fmt: skip
    assert model.fixtures["f"].bets_a_minute(time.time()) == 3
    assert model.lines[1].bets == 5_003


def test_a_chart_that_no_screen_shows_has_few_points() -> None:
    model = Model()

    def move(status: str = "active") -> int:
        for odds in range(2_000, 2_001 + POINTS_MAX):
            image = Market(
                market=MarketNo(1), key="f/1x2", status=status, version=odds,
                outcomes=("home", "away"), odds_milli=(odds, 2_000), active=(True, True),
            )  # fmt: skip
            model._take_image(image)
        return len(model.lines[1].odds_history)

    assert move() == UNSEEN_POINTS_MAX
    model.watch("f")
    assert move() == move("settled") == POINTS_MAX
    model.unwatch("f")
    assert move("settled") == 1


async def test_screens_of_a_fixture_share_one_answer(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        exposures = Exposures(lambda: control)
        answers: list[Exposure] = await asyncio.gather(
            *(exposures.of("cup-0", 1.0 + screen / 100) for screen in range(20))
        )
        assert len({id(answer) for answer in answers}) == 1
        assert await exposures.of("cup-0", 1.1 + EVERY_S) is not answers[0]
