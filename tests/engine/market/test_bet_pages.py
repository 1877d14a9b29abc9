"""Pages of a market's bets, and lines of single bets, against lists in plain Python."""

from random import Random

import numpy as np
import pytest

from engine.common.ids import BetId, MarketNo
from engine.common.rows import FLAG_LEG, SlipKind, SlipState
from engine.market.bet_pages import bet_lines, market_page
from engine.market.market import MarketMachine
from tests.engine.market.builders import bet, open_machine, place

ACCEPTED, REFUSED = 1 << SlipState.ACCEPTED, 1 << SlipState.REFUSED


@pytest.fixture(scope="module")
def machine() -> MarketMachine:
    random, machine = Random(5), open_machine(markets=3)
    for serial in range(1, 200):
        outcome = random.randrange(2)
        odds = random.choice((2_500, 3_200))
        market, flags = random.randrange(1, 4), random.choice((0, 0, FLAG_LEG))
        place(machine, bet(serial, market=market, outcome=outcome, odds=odds, flags=flags))
    return machine


def pages(machine: MarketMachine, market: int, **asked: int | None) -> list[int]:
    found, before = [], BetId(0)
    while True:
        page = market_page(machine, MarketNo(market), before_bet_id=before, **asked)
        assert page is not None
        found += page[0]["bet_id"].tolist()
        before = page[1]
        if not before:
            return found


@pytest.mark.parametrize("steps_max", [1, 10, 1_000])
@pytest.mark.parametrize("states", [ACCEPTED, REFUSED, ACCEPTED | REFUSED])
@pytest.mark.parametrize("outcome", [None, 1])
def test_pages_hold_each_bet_of_the_market_once_newest_first(
    machine: MarketMachine, steps_max: int, states: int, outcome: int | None
) -> None:
    for market in (1, 2, 9):
        expected = [
            int(row["bet_id"])
            for row in machine.bets()[::-1]
            if row["market_no"] == market
            and (outcome is None or row["outcome"] == outcome)
            and states & (REFUSED if row["reason"] else ACCEPTED)
        ]
        asked = {"states": states, "outcome": outcome, "steps_max": steps_max}
        for limit in (1, 7, 500):
            assert pages(machine, market, limit=limit, **asked) == expected
        assert bool(expected) == (market != 9)


def test_a_page_is_no_longer_than_asked_and_none_follows_an_unknown_bet(
    machine: MarketMachine,
) -> None:
    both = {"states": ACCEPTED | REFUSED, "outcome": None, "limit": 5}
    page = market_page(machine, MarketNo(1), before_bet_id=BetId(0), **both)
    assert page is not None
    assert len(page[0]) == 5
    assert market_page(machine, MarketNo(1), before_bet_id=BetId(999), **both) is None


def test_lines_say_what_the_market_decided(machine: MarketMachine) -> None:
    records = machine.bets()
    bet_ids = np.append(records["bet_id"][::3], np.uint64(999))
    lines = bet_lines(machine, bet_ids)
    for line, row in zip(lines, records[::3], strict=True):
        for name in ("bet_id", "stake_minor", "at_ns", "market_no", "odds_milli", "reason"):
            assert line[name] == row[name], name
        assert line["state"] == (SlipState.REFUSED if row["reason"] else SlipState.ACCEPTED)
        assert line["kind"] == (SlipKind.LEG if row["flags"] & FLAG_LEG else SlipKind.SINGLE)
        odds = row["odds_seen_milli"] if row["reason"] else row["odds_milli"]
        assert line["payout_minor"] == int(row["stake_minor"]) * int(odds) // 1_000
