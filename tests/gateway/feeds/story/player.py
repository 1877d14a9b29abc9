"""Play a feed story on a whole bookmaker, and judge it.

After the last step, every bet's payout and every account's balance must be what the oracle makes of
the results that the story says stand, and markets and accounts must agree on every bet.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from engine.common.reasons import Reason
from engine.common.rows import SlipState
from gateway.feeds.core.adapter import Adapter
from gateway.feeds.exchange.adapter import ExchangeAdapter, ExchangeSettings
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.outcome_names import OutcomeNames
from gateway.feeds.uof.settings import UofSettings
from gateway.messages.feed import MarketFacts
from gateway.replay.feed_verdict import feed_checks, feed_lines
from tests.actors.virtual import now_s, run_virtual
from tests.gateway.feeds.story.bookmaker import (
    ACCOUNTS,
    BALANCE_MINOR,
    FEED,
    FeedBookmaker,
    now_ns,
    open_feed_bookmaker,
)
from tests.gateway.feeds.story.payouts import payout_minor
from tests.gateway.feeds.story.provider import Provider
from tests.gateway.feeds.story.steps import (
    Asked,
    Bet,
    Counts,
    HasStatus,
    Message,
    Moment,
    Offers,
    ProviderTurns,
    Repeats,
    Restart,
    Says,
    Shows,
    Stands,
    Step,
    Story,
    Trader,
    Wait,
)
from tests.gateway.feeds.uof.builders import EVENT

STEP_S = 1.0
_SETTLED_S = 2.0
"""How long the reconciler is given to carry settlements to the accounts."""


class _Accepted(NamedTuple):
    bet: Bet
    odds_milli: int


def play(story: Story) -> None:
    """Play a story; an assertion fails where the bookmaker does not do what the story says."""
    run_virtual(_play(story))


async def _play(story: Story) -> None:
    async with open_feed_bookmaker(_adapter_of(story)) as bookmaker:
        player = Player(bookmaker)
        with player.listening():
            for number, step in enumerate(story.steps, 1):
                try:
                    await player.take(step)
                except AssertionError as error:
                    error.add_note(f"{story.title}: step {number}, {step}")
                    raise
            await player.finish()


def _adapter_of(story: Story) -> Callable[[], Adapter]:
    match story.settings:
        case ExchangeSettings():
            return partial(ExchangeAdapter, feed=FEED, settings=story.settings)
        case LsportsSettings():
            return partial(LsportsAdapter, feed=FEED, settings=story.settings)
        case UofSettings():
            names = OutcomeNames(story.names.items())
            return partial(UofAdapter, FEED, story.settings, names=names)


class Player:
    """A story in progress."""

    def __init__(self, bookmaker: FeedBookmaker) -> None:
        self._bookmaker = bookmaker
        self._moments: dict[str, int] = {}
        self._accepted: dict[str, _Accepted] = {}
        self._stands: dict[str, Stands] = {}
        self._next_s = now_s()
        self._provider: Provider | None = None
        self._logged: list[str] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep what the feed logs meanwhile."""
        handler = logging.Handler()
        handler.emit = lambda record: self._logged.append(record.getMessage())  # type: ignore[method-assign]
        logger = logging.getLogger("overround.feeds")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    async def take(self, step: Step) -> None:
        """Take one step, a second after the one before."""
        self._next_s = max(self._next_s, now_s()) + STEP_S
        await asyncio.sleep(self._next_s - now_s())
        match step:
            case Message():
                await self._message(step)
            case Bet():
                await self._bet(step)
            case Restart():
                await self._restart(step)
            case Wait():
                await asyncio.sleep(step.seconds)
            case Moment():
                self._moments[step.name] = _now_ms()
            case Trader():
                await self._trader(step)
            case HasStatus():
                image = (await self._bookmaker.images()).get(_key(step.key))
                found = None if image is None else image.status.name
                assert found == step.status, f"{step.key} is {found}"
            case Offers():
                await self._offers(step)
            case Stands():
                self._stands[step.key] = step
                await asyncio.sleep(_SETTLED_S)
                await self._check_bets(step.key)
            case Counts():
                passed_over = (await self._bookmaker.stats()).passed_over
                assert passed_over.get(step.reason, 0) == step.count, passed_over
            case Says():
                await self._says(step)
            case Shows():
                key = _key(step.key)
                assert await self._bookmaker.facts(key) == MarketFacts(key=key, **step.facts)
            case Repeats():
                await self._repeat(step)
            case ProviderTurns():
                self._turn_provider(step)
            case Asked():
                assert self._provider is not None
                found = [one for one in self._provider.asked if step.path in one]
                assert len(found) == step.times, self._provider.asked

    async def finish(self) -> None:
        """Compare every bet and every balance with the oracle's."""
        if self._provider is not None:
            await self._provider.stop()
        await asyncio.sleep(_SETTLED_S)
        expected = dict.fromkeys(ACCOUNTS, BALANCE_MINOR)
        at_stake = dict.fromkeys(ACCOUNTS, 0)
        for one in self._accepted.values():
            paid = self._payout(one)
            expected[one.bet.account] += (paid or 0) - one.bet.stake_minor
            if paid is None:
                at_stake[one.bet.account] += one.bet.stake_minor
        for key in dict.fromkeys(one.bet.key for one in self._accepted.values()):
            await self._check_bets(key)
        for account in ACCOUNTS:
            balance = await self._bookmaker.balance(account)
            assert balance.available_minor - balance.owed_minor == expected[account]
            assert (balance.pending_minor, balance.at_stake_minor) == (0, at_stake[account])
        report = await self._bookmaker.system.compare_bets_and_slips()
        assert report.agree, report.differences

    async def _message(self, step: Message) -> None:
        at_ms = self._moments[step.at] if step.at else _now_ms()
        answer = await self._bookmaker.push(step.make(at_ms, self._moments))
        if step.refused is not None:
            assert step.refused in answer.refused, f"answered {answer}"
            assert bool(step.refused) == bool(answer.refused), f"answered {answer}"

    async def _bet(self, bet: Bet) -> None:
        self._moments[bet.name] = _now_ms()
        image = (await self._bookmaker.images())[_key(bet.key)]
        outcome = image.outcomes.index(bet.outcome)
        odds = bet.odds_milli or image.odds_milli[outcome]
        decision = await self._bookmaker.place(
            bet.name, image, outcome, stake=bet.stake_minor, odds=odds, account=bet.account
        )
        verdict = Reason(int(decision["reason"])).name
        assert verdict == bet.verdict, f"bet {bet.name}: {verdict}"
        if verdict == "ACCEPTED":
            self._accepted[bet.name] = _Accepted(bet, int(decision["odds_milli"]))

    async def _restart(self, step: Restart) -> None:
        if step.what == "pipeline":
            await self._bookmaker.restart_pipeline()
        elif step.what == "shells":
            await self._bookmaker.restart_shells()
        else:
            await self._bookmaker.restart_all()

    async def _trader(self, step: Trader) -> None:
        image = (await self._bookmaker.images())[_key(step.key)]
        (event,) = await self._bookmaker.system.control([step.command(image.market_no)])
        assert type(event).__name__ != "Refused", event

    async def _says(self, step: Says) -> None:
        """Compare statistics, log and verdict with what the feed must say."""
        stats = await self._bookmaker.stats()
        assert stats.opened == step.opened
        for found, wanted in ((stats.unopened, step.unopened), (stats.lost, step.lost)):
            assert found.keys() == wanted.keys(), stats
            for market, why in wanted.items():
                assert why in found[market], stats
        for market, why in step.lost.items():
            assert any(market in line and why in line for line in self._logged), self._logged
        if not step.opened:
            assert any("no market is opened yet" in line for line in self._logged), self._logged
        opened, none_lost = feed_checks(stats)
        assert (opened.passed, none_lost.passed) == (step.opened > 0, not step.lost)
        lines = list(feed_lines(stats))
        for market, why in {**step.unopened, **step.lost}.items():
            assert any(market in line and why in line for line in lines), lines

    async def _repeat(self, step: Repeats) -> None:
        request = (await self._bookmaker.open_requests())[-1]
        await self._bookmaker.request_done(request.producer, request.request_id)
        for body in step.make(_now_ms(), request.request_id, request.after_ms):
            await self._bookmaker.push(body)

    def _turn_provider(self, step: ProviderTurns) -> None:
        if self._provider is None:
            self._provider = Provider(self._bookmaker)
            self._provider.start()
        if step.beats is not None:
            self._provider.beats = step.beats
        if step.answers is not None:
            self._provider.answers = step.answers

    async def _offers(self, step: Offers) -> None:
        image = (await self._bookmaker.images())[_key(step.key)]
        offered = {
            name: odds
            for name, odds, active in zip(
                image.outcomes, image.odds_milli, image.active, strict=True
            )
            if active
        }
        assert offered == dict(step.odds_milli), f"{step.key} offers {offered}"

    def _payout(self, one: _Accepted) -> int | None:
        stated = self._stands.get(one.bet.key)
        if stated is None:
            return None
        if one.bet.name in stated.refunded:
            return one.bet.stake_minor
        result = stated.results.get(one.bet.outcome, stated.rest)
        return payout_minor(one.bet.stake_minor, one.odds_milli, result)

    async def _check_bets(self, key: str) -> None:
        """Compare each bet on a market with what its slip says."""
        for one in self._accepted.values():
            if one.bet.key == key:
                slip = await self._bookmaker.slip(one.bet.account, one.bet.name)
                paid = slip.payout_minor if slip.state is SlipState.SETTLED else None
                assert paid == self._payout(one), f"bet {one.bet.name} is paid {paid}: {slip}"


def _now_ms() -> int:
    return now_ns() // 1_000_000


def _key(key: str) -> str:
    """Return a whole key: that of the stories' own event where none is named."""
    return key if "/" in key else f"{EVENT}/{key}"
