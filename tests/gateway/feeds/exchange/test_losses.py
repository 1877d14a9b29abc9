"""An exchange's markets that are not opened, followed or settled are named with a reason."""

from typing import Any

import pytest

from engine.common.commands import OutcomeResult, SettleMarket
from engine.common.lifecycle import Status
from gateway.feeds.exchange.adapter import ExchangeAdapter
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner
from tests.gateway.feeds.exchange.following import (
    KEY,
    Following,
    M,
    closed,
    known,
    resumed,
    statuses,
    steps,
    updates,
)


def test_runner_added_before_the_market_is_made_is_one_of_its_outcomes() -> None:
    following = Following()
    assert following.change().actions == ()
    following.runners.append(runner(4, name="Horse 4"))
    assert following.change(version=2).actions == ()
    chances = ((1, 0.4), (2, 0.3), (3, 0.2), (4, 0.1))
    (opened,) = updates(following.change(*(quoted(number, p) for number, p in chances)))
    assert opened.new_market is not None
    assert opened.new_market.outcomes == ("Horse 1", "Horse 2", "Horse 3", "Horse 4")
    assert opened.fair is not None
    assert opened.fair.active == (True,) * 4
    settle = steps(closed(following, "LOSER", "LOSER", "LOSER", "WINNER"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.results[3] == OutcomeResult(won=True)


def test_runner_renamed_or_gone_before_the_market_is_made_is_as_last_defined() -> None:
    following = Following()
    following.change()
    following.runners = [runner(1, name="Horse 1"), runner(3, name="Renamed")]
    following.change(version=2)
    (opened,) = updates(following.change(quoted(1, 0.6), quoted(3, 0.4)))
    assert opened.new_market is not None
    assert opened.new_market.outcomes == ("Horse 1", "Renamed")


def test_runner_listed_twice_before_the_market_is_made_blocks_it_until_it_is_not() -> None:
    following = Following()
    following.change()
    following.runners.append(runner(3))
    following.change(version=2)
    assert following.open().actions == ()
    assert following.adapter.unopened() == {KEY: "a runner is listed twice"}
    following.runners.pop()
    assert statuses(following.change(version=3)) == [(Status.ACTIVE, "")]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "no fair price"),
        ({"status": "SUSPENDED"}, "exchange: SUSPENDED"),
        ({"status": "INACTIVE"}, "inactive"),
        ({"status": "CLOSED"}, "runner 1 is ACTIVE: closed without its result"),
    ],
)
def test_market_that_was_never_opened_is_named_with_its_reason(
    fields: dict[str, Any], why: str
) -> None:
    following = Following()
    assert following.change(**fields).actions == ()
    assert following.adapter.unopened() == {KEY: why}
    assert following.adapter.lost() == {}


def test_opened_market_is_not_among_the_unopened() -> None:
    following = Following()
    following.open()
    assert following.adapter.unopened() == {}


@pytest.mark.parametrize(
    ("fields", "why", "lost"),
    [
        ({"bettingType": "LINE"}, "betting type LINE: ODDS alone is followed", False),
        ({"marketType": "EACH_WAY"}, "market type EACH_WAY has two results in one bet", False),
        ({"eventId": ""}, "no event or no runners", True),
        ({"marketType": "NO GRAMMAR"}, "", True),
    ],
)
def test_market_that_cannot_be_followed_is_named_and_lost_unless_its_kind_is_not_followed(
    fields: dict[str, Any], why: str, *, lost: bool
) -> None:
    adapter = ExchangeAdapter()
    change = {"id": M, "marketDefinition": definition(runner(1), runner(2), **fields)}
    received = adapter.receive(mcm(change, pt=1), at_ns=10**12)
    ((market_id, found),) = adapter.unopened().items()
    assert market_id == M
    assert found
    assert found in received.refused
    assert why in found
    assert adapter.lost() == ({M: f"market refused: {found}"} if lost else {})


def test_refused_market_that_becomes_sound_is_followed_and_lost_no_more() -> None:
    following = Following(eventId="")
    assert following.change(quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2)).refused
    assert following.adapter.lost() == {M: "market refused: no event or no runners"}
    assert statuses(following.change(eventId="77")) == [(Status.ACTIVE, "")]
    assert (following.adapter.lost(), following.adapter.unopened()) == ({}, {})


def test_market_that_a_late_runner_closes_is_lost_until_it_is_settled() -> None:
    following = Following()
    following.open()
    following.runners.append(runner(4))
    following.change(version=2)
    assert following.adapter.lost() == {
        KEY: "market lost: a runner joined after the market was made"
    }
    closed(following, "WINNER", "LOSER", "LOSER", "LOSER")
    assert following.adapter.lost() == {}


def test_results_that_are_refused_are_named_until_they_are_whole() -> None:
    following = Following()
    following.open()
    closed(following, "WINNER", "LOSER", "ACTIVE")
    assert following.adapter.lost() == {
        KEY: "results refused: runner 3 is ACTIVE: closed without its result"
    }
    closed(following, "WINNER", "LOSER", "LOSER")
    assert following.adapter.lost() == {}


def test_market_that_leaves_the_stream_is_lost_unless_it_is_settled() -> None:
    following = Following()
    following.open()
    following.pt += 1
    following.receive(mcm(pt=following.pt, ct="SUB_IMAGE"))
    assert following.adapter.lost() == {KEY: "market lost: no longer in the stream"}
    following.change(quoted(1, 0.5), quoted(2, 0.3), quoted(3, 0.2), version=2)
    assert following.adapter.lost() == {}
    closed(following, "WINNER", "LOSER", "LOSER")
    following.pt += 1
    following.receive(mcm(pt=following.pt, ct="SUB_IMAGE"))
    assert following.adapter.lost() == {}


def test_existing_market_whose_outcomes_are_not_the_exchanges_is_lost() -> None:
    following = Following()
    resumed(following, known("Horse 1", "Horse 9", "Horse 3"))
    following.open()
    assert following.adapter.lost() == {
        KEY: "market lost: its outcomes are not the exchange's runners"
    }
