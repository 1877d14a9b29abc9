"""What feeds say of their markets, asked for on real sockets by traders, feeds and bettors."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.common.reasons import Reason
from gateway.client import RefusedError, connect, connect_control, connect_feed
from gateway.feeds.core.facts_answers import QUESTIONS_MAX
from gateway.feeds.core.messages import FACTS_MAX, NAMES_IN_ANSWER_MAX
from gateway.messages.feed import FeedFacts, MarketFacts
from gateway.session.tokens import Role
from tests.gateway.feeds.feed_system import FeedSystem, feed_token, open_feed_system
from tests.gateway.feeds.json_feed import JsonAdapter
from tests.gateway.price_gateway import token


class FactsAdapter(JsonAdapter):
    """Say something of as many markets of a fixture as its name has after the dash."""

    asked = 0

    def facts(self, fixture: str) -> Sequence[MarketFacts]:
        type(self).asked += 1
        count = int(fixture.rpartition("-")[2])
        return [
            MarketFacts(key=f"{fixture}/m{number:03}", void_reason=number, names=self.names(number))
            for number in reversed(range(count))
        ]

    def names(self, number: int) -> dict[str, str]:
        return {}


class NamingAdapter(FactsAdapter):
    """The same, with many names."""

    def names(self, number: int) -> dict[str, str]:
        return {f"sr:player:{each}": "a name" for each in range(NAMES_IN_ANSWER_MAX // 2 + 1)}


def urls(system: FeedSystem) -> dict[str, str]:
    return {name: f"ws://127.0.0.1:{port}" for name, port in system.system.ports[0].items()}


async def test_traders_feeds_and_bettors_are_answered_alike(tmp_path: Path) -> None:
    FactsAdapter.asked = 0
    async with open_feed_system(tmp_path, make_adapter=FactsAdapter, gateway={}) as system:
        at = urls(system)
        async with (
            connect(at["bets"], token=token()) as bettor,
            connect_control(at["control"], token=token(Role.TRADER)) as trader,
            connect_feed(at["feed"], token=feed_token()) as source,
        ):
            answers = [await one.feed_facts("tiny", "cup-2") for one in (bettor, trader, source)]
    assert answers[0].markets == (
        MarketFacts(key="cup-2/m000"),
        MarketFacts(key="cup-2/m001", void_reason=1),
    )
    assert [one.markets for one in answers] == [answers[0].markets] * 3
    assert not answers[0].more
    assert FactsAdapter.asked == 1, "an answer serves whoever asks the same"


@pytest.mark.parametrize(
    ("adapter", "first"), [(FactsAdapter, FACTS_MAX), (NamingAdapter, 2)], ids=["markets", "names"]
)
async def test_a_long_answer_comes_in_parts(
    tmp_path: Path, adapter: type[FactsAdapter], first: int
) -> None:
    keys: list[str] = []
    async with (
        open_feed_system(tmp_path, make_adapter=adapter, gateway={}) as system,
        connect_control(urls(system)["control"], token=token(Role.TRADER)) as trader,
    ):
        answer = await trader.feed_facts("tiny", "cup-133")
        assert (len(answer.markets), answer.more) == (first, True)
        keys += [market.key for market in answer.markets]
        while answer.more:
            answer = await trader.feed_facts("tiny", "cup-133", after=keys[-1])
            keys += [market.key for market in answer.markets]
    assert keys == [f"cup-133/m{number:03}" for number in range(133)]


async def test_a_feed_that_says_nothing_more_has_no_facts(tmp_path: Path) -> None:
    async with (
        open_feed_system(tmp_path, gateway={}) as system,
        connect(urls(system)["bets"], token=token()) as bettor,
    ):
        answer = await bettor.feed_facts("tiny", "cup-2")
        with pytest.raises(RefusedError) as refused:
            await bettor.feed_facts("other", "cup-2")
    assert (answer.markets, answer.more) == ((), False)
    assert refused.value.reason == Reason.FIELD_OUT_OF_BOUNDS


async def test_more_questions_than_may_wait_are_refused(tmp_path: Path) -> None:
    async with (
        open_feed_system(tmp_path, make_adapter=FactsAdapter, gateway={}) as system,
        connect(urls(system)["bets"], token=token()) as bettor,
    ):
        answers = await asyncio.gather(
            *(bettor.feed_facts("tiny", f"cup-x-{n}") for n in range(QUESTIONS_MAX + 20)),
            return_exceptions=True,
        )
    refused = [one for one in answers if isinstance(one, RefusedError)]
    assert 0 < len(refused) <= 20
    assert {one.reason for one in refused} == {Reason.BUSY}
    assert sum(isinstance(one, FeedFacts) for one in answers) == len(answers) - len(refused)
