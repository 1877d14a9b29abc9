"""A race of the exchange's, traded by a market of ours from its first price to its last penny."""

from typing import Any

import msgspec

from engine.common.commands import CreateMarket, ResumeMarket, SuspendMarket
from engine.common.events import FeedApplied, Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.rows import BetResult
from engine.common.units import NS_PER_MS, ODDS_MILLI_MIN
from engine.market.market import MarketMachine
from engine.pricing.following import Follow, Followed, follow_commands
from gateway.feeds.core.adapter import KnownMarket, MarketUpdate, Received
from gateway.feeds.exchange.adapter import ExchangeAdapter, ExchangeSettings
from tests.engine.market.builders import bet, bet_rows
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner

NO = 1
PER_BET = 1_000


class PriceGateway:
    """The adapter's intents carried out on a market machine, as the desk and a shell do it."""

    def __init__(self, **words: Any) -> None:
        self.machine = MarketMachine()
        self.settings = ExchangeSettings(every_ms=0)
        self.adapter = ExchangeAdapter(settings=self.settings)
        self.events: list[Any] = []
        self.words = words
        self.runners = [runner(i, name=f"Horse {i}") for i in (1, 2, 3, 4)]
        self.pt = 1_000
        self.serial = 0
        self.bodies: list[bytes] = []

    @property
    def at_ns(self) -> int:
        return self.pt * NS_PER_MS

    def say(self, *moved: dict[str, Any], **words: Any) -> None:
        self.pt += 1_000
        self.words |= words
        market = {
            "id": "1.5",
            "marketDefinition": definition(*self.runners, **self.words),
            "rc": list(moved),
        }
        self.hear(mcm(market, pt=self.pt))

    def hear(self, body: bytes) -> None:
        self.bodies.append(body)
        self.carry_out(self.adapter.receive(body, at_ns=self.at_ns))

    def carry_out(self, received: Received) -> None:
        assert received.refused == ""
        tells = [action for action in received.actions if isinstance(action, MarketUpdate)]
        for notify in tells:
            if NO not in self.machine.market_nos():
                assert notify.new_market is not None
                self.machine.apply(
                    CreateMarket(
                        market_no=NO,
                        key=notify.key,
                        outcomes=notify.new_market.outcomes,
                        odds_milli=(ODDS_MILLI_MIN,) * len(notify.new_market.outcomes),
                    ),
                    self.at_ns,
                )
            steps = tuple(msgspec.structs.replace(step, market_no=NO) for step in notify.steps)
            part = Followed(market_no=NO, mark=notify.mark, steps=steps, fair=notify.fair)
            commands, refused = follow_commands(
                Follow(by="exchange", updates=(part,)), self.machine
            )
            assert refused == []
            self.events += [self.machine.apply(command, self.at_ns) for command in commands]
        self.machine.check()

    def place(self, outcome: int) -> int:
        """Bet ten pounds on an outcome at the odds of now; return the reason."""
        self.serial += 1
        odds = self.machine.price_image(NO).odds_milli[outcome]
        rows = bet_rows([bet(self.serial, stake=PER_BET, odds=odds, market=NO, outcome=outcome)])
        return int(self.machine.place(rows, self.at_ns)[0]["reason"])

    def paid(self) -> dict[int, tuple[int, int]]:
        """Return each bet's last result and payout, by its serial."""
        rows = self.machine.outbox(shard=0, limit=1_000)
        return {int(row["bet_id"]): (int(row["result"]), int(row["payout_minor"])) for row in rows}

    @property
    def image(self) -> Any:
        return self.machine.price_image(NO)

    def refusals(self) -> list[Refused]:
        inner = [
            event
            for applied in self.events
            for event in (applied.events if isinstance(applied, FeedApplied) else (applied,))
        ]
        return [event for event in inner if isinstance(event, Refused)]


def opened(**words: Any) -> PriceGateway:
    house = PriceGateway(**words)
    house.say(quoted(1, 0.4), quoted(2, 0.3), quoted(3, 0.2), quoted(4, 0.1))
    return house


def test_race_is_opened_followed_suspended_thinned_out_and_settled_to_the_penny() -> None:
    house = opened()
    assert house.image.status == Status.ACTIVE
    assert house.image.key == "exchange.77/win?market=1.5"
    book = sum(1_000 / milli for milli in house.image.odds_milli)
    assert 1.0 < book < 1.15
    first_odds = house.image.odds_milli[0]
    assert house.place(0) == Reason.ACCEPTED
    assert house.place(3) == Reason.ACCEPTED

    house.say(quoted(1, 0.45), quoted(2, 0.25), version=1)
    assert house.image.odds_milli[0] < first_odds

    house.say(status="SUSPENDED", version=2)
    assert house.place(0) == Reason.MARKET_SUSPENDED

    house.runners[3] |= {"status": "REMOVED", "adjustmentFactor": 10.0}
    house.say(quoted(1, 0.5), quoted(2, 0.28), quoted(3, 0.22), status="OPEN", version=3)
    assert house.image.status == Status.ACTIVE
    assert house.image.active == (True, True, True, False)
    assert house.place(3) == Reason.OUTCOME_INACTIVE
    later_odds = house.image.odds_milli[0]
    assert house.place(0) == Reason.ACCEPTED
    assert house.place(1) == Reason.ACCEPTED

    for place, status in enumerate(("WINNER", "LOSER", "LOSER")):
        house.runners[place]["status"] = status
    house.say(status="CLOSED", version=4)
    assert house.image.status == Status.SETTLED
    assert house.paid() == {
        1: (BetResult.WON, PER_BET * first_odds * 900 // 1_000_000),
        2: (BetResult.REFUNDED, PER_BET),
        5: (BetResult.WON, PER_BET * later_odds // 1_000),
        6: (BetResult.LOST, 0),
    }
    assert house.refusals() == []


def test_the_same_messages_again_change_nothing() -> None:
    house = opened()
    house.place(0)
    house.say(quoted(1, 0.45), quoted(2, 0.25), version=1)
    for place, status in enumerate(("WINNER", "LOSER", "LOSER", "LOSER")):
        house.runners[place]["status"] = status
    house.say(status="CLOSED", version=2)
    before, bodies = house.machine.state_hash(), list(house.bodies)
    house.adapter, house.events = ExchangeAdapter(settings=house.settings), []
    for body in bodies:
        house.hear(body)
    assert house.machine.state_hash() == before
    assert {refused.reason for refused in house.refusals()} == {Reason.FEED_POSITION_KNOWN}


def test_restart_with_the_markets_own_memory_settles_once() -> None:
    house = opened()
    house.place(0)
    house.adapter = ExchangeAdapter(settings=house.settings)
    known = KnownMarket(image=house.image, positions=house.machine.feed_positions(NO))
    house.carry_out(house.adapter.resume([known], at_ns=house.at_ns))
    assert house.image.status == Status.SUSPENDED
    house.say(quoted(1, 0.4), quoted(2, 0.3), quoted(3, 0.2), quoted(4, 0.1))
    assert house.image.status == Status.ACTIVE
    for place, status in enumerate(("WINNER", "LOSER", "LOSER", "LOSER")):
        house.runners[place]["status"] = status
    house.say(status="CLOSED", version=2)
    assert house.image.status == Status.SETTLED
    assert len(house.paid()) == 1


def test_traders_hold_outlasts_the_exchange() -> None:
    house = opened()
    house.machine.apply(SuspendMarket(market_no=NO, why="a trader's doubt"), house.at_ns)
    house.say(status="SUSPENDED", version=2)
    house.say(quoted(1, 0.41), status="OPEN", version=3)
    assert house.image.status == Status.SUSPENDED
    assert Reason.MARKET_HELD in {refused.reason for refused in house.refusals()}
    house.machine.apply(ResumeMarket(market_no=NO), house.at_ns)
    assert house.place(0) == Reason.ACCEPTED


def test_dead_heat_pays_each_half_and_a_wrong_result_is_taken_back() -> None:
    house = opened()
    odds = house.image.odds_milli
    house.place(0)
    house.place(1)
    for place, status in enumerate(("WINNER", "WINNER", "LOSER", "LOSER")):
        house.runners[place]["status"] = status
    house.say(status="CLOSED", version=2)
    assert house.paid() == {
        1: (BetResult.WON, PER_BET * odds[0] // 2_000),
        2: (BetResult.WON, PER_BET * odds[1] // 2_000),
    }
    for one in house.runners:
        one["status"] = "ACTIVE"
    house.say(status="SUSPENDED", version=3)
    assert house.image.status == Status.SUSPENDED
    assert house.paid() == {1: (BetResult.NONE, 0), 2: (BetResult.NONE, 0)}
    for place, status in enumerate(("LOSER", "WINNER", "LOSER", "LOSER")):
        house.runners[place]["status"] = status
    house.say(status="CLOSED", version=4)
    assert house.paid() == {
        1: (BetResult.LOST, 0),
        2: (BetResult.WON, PER_BET * odds[1] // 1_000),
    }
    assert house.refusals() == []


def test_market_that_the_exchange_takes_down_comes_back() -> None:
    house = opened()
    house.say(status="INACTIVE", version=2)
    assert house.place(0) == Reason.MARKET_INACTIVE
    house.say(quoted(1, 0.41), status="OPEN", version=3)
    assert house.place(0) == Reason.ACCEPTED
    assert house.refusals() == []


def test_every_marked_word_is_one_update() -> None:
    house = opened()
    house.say(quoted(1, 0.45), quoted(2, 0.25), version=2)
    assert all(isinstance(event, FeedApplied) for event in house.events)
    assert len(house.events) == 2
