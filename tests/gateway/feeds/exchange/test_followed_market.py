"""A market machine follows an exchange's race from the first price to the last payout."""

from typing import Any

import msgspec

from engine.common.commands import CreateMarket, ResumeMarket, SuspendMarket
from engine.common.events import FeedApplied, Refused
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.rows import BetResult
from engine.common.units import NS_PER_MS, ODDS_MILLI_MIN
from engine.market.market import MarketMachine
from engine.pricing.following import Follow, Followed, follow_commands
from gateway.feeds.core.adapter import KnownMarket, MarketUpdate, Received
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.followed_market import market_key
from gateway.feeds.exchange.messages import MarketDefinition
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.engine.market.builders import bet, bet_rows
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner

MARKET_NO = 1
PER_BET = 1_000


class FollowedRace:
    """Apply the adapter's updates to a market machine, as the pipeline and a shell do."""

    def __init__(self, **fields: Any) -> None:
        self.machine = MarketMachine()
        self.settings = ExchangeSettings(every_ms=0)
        self.adapter = ExchangeAdapter(settings=self.settings)
        self.events: list[Any] = []
        self.fields = fields
        self.runners = [runner(i, name=f"Horse {i}") for i in (1, 2, 3, 4)]
        self.pt = 1_000
        self.serial = 0
        self.bodies: list[bytes] = []

    @property
    def at_ns(self) -> int:
        return self.pt * NS_PER_MS

    def change(self, *moved: dict[str, Any], **fields: Any) -> None:
        self.pt += 1_000
        self.fields |= fields
        market = {
            "id": "1.5",
            "marketDefinition": definition(*self.runners, **self.fields),
            "rc": list(moved),
        }
        self.receive(mcm(market, pt=self.pt))

    def receive(self, body: bytes) -> None:
        self.bodies.append(body)
        self.apply(self.adapter.receive(body, at_ns=self.at_ns))

    def apply(self, received: Received) -> None:
        assert received.refused == ""
        updates = [action for action in received.actions if isinstance(action, MarketUpdate)]
        for update in updates:
            if MARKET_NO not in self.machine.market_nos():
                assert update.new_market is not None
                self.machine.apply(
                    CreateMarket(
                        market_no=MARKET_NO,
                        key=update.key,
                        outcomes=update.new_market.outcomes,
                        odds_milli=(ODDS_MILLI_MIN,) * len(update.new_market.outcomes),
                    ),
                    self.at_ns,
                )
            steps = tuple(
                msgspec.structs.replace(step, market_no=MARKET_NO) for step in update.steps
            )
            part = Followed(market_no=MARKET_NO, mark=update.mark, steps=steps, fair=update.fair)
            commands, refused = follow_commands(
                Follow(by="exchange", updates=(part,)), self.machine
            )
            assert refused == []
            self.events += [self.machine.apply(command, self.at_ns) for command in commands]
        self.machine.check()

    def place(self, outcome: int) -> int:
        """Bet ten pounds on an outcome at its current odds; return the reason."""
        self.serial += 1
        odds = self.machine.price_image(MARKET_NO).odds_milli[outcome]
        rows = bet_rows(
            [bet(self.serial, stake=PER_BET, odds=odds, market=MARKET_NO, outcome=outcome)]
        )
        return int(self.machine.place(rows, self.at_ns)[0]["reason"])

    def paid(self) -> dict[int, tuple[int, int]]:
        """Return each bet's last result and payout, by its serial."""
        rows = self.machine.outbox(shard=0, limit=1_000)
        return {int(row["bet_id"]): (int(row["result"]), int(row["payout_minor"])) for row in rows}

    @property
    def image(self) -> Any:
        return self.machine.price_image(MARKET_NO)

    def refusals(self) -> list[Refused]:
        inner = [
            event
            for applied in self.events
            for event in (applied.events if isinstance(applied, FeedApplied) else (applied,))
        ]
        return [event for event in inner if isinstance(event, Refused)]


def opened(**fields: Any) -> FollowedRace:
    race = FollowedRace(**fields)
    race.change(quoted(1, 0.4), quoted(2, 0.3), quoted(3, 0.2), quoted(4, 0.1))
    return race


def test_race_is_opened_repriced_suspended_and_settled_with_exact_payouts() -> None:
    race = opened()
    assert race.image.status == Status.ACTIVE
    assert race.image.key == "exchange.77.202311142200/win?market=1.5"
    book = sum(1_000 / milli for milli in race.image.odds_milli)
    assert 1.0 < book < 1.15
    first_odds = race.image.odds_milli[0]
    assert race.place(0) == Reason.ACCEPTED
    assert race.place(3) == Reason.ACCEPTED

    race.change(quoted(1, 0.45), quoted(2, 0.25), version=1)
    assert race.image.odds_milli[0] < first_odds

    race.change(status="SUSPENDED", version=2)
    assert race.place(0) == Reason.MARKET_SUSPENDED

    race.runners[3] |= {"status": "REMOVED", "adjustmentFactor": 10.0}
    race.change(quoted(1, 0.5), quoted(2, 0.28), quoted(3, 0.22), status="OPEN", version=3)
    assert race.image.status == Status.ACTIVE
    assert race.image.active == (True, True, True, False)
    assert race.place(3) == Reason.OUTCOME_INACTIVE
    later_odds = race.image.odds_milli[0]
    assert race.place(0) == Reason.ACCEPTED
    assert race.place(1) == Reason.ACCEPTED

    for place, status in enumerate(("WINNER", "LOSER", "LOSER")):
        race.runners[place]["status"] = status
    race.change(status="CLOSED", version=4)
    assert race.image.status == Status.SETTLED
    assert race.paid() == {
        1: (BetResult.WON, PER_BET * first_odds * 900 // 1_000_000),
        2: (BetResult.REFUNDED, PER_BET),
        5: (BetResult.WON, PER_BET * later_odds // 1_000),
        6: (BetResult.LOST, 0),
    }
    assert race.refusals() == []


def test_replayed_messages_change_nothing() -> None:
    race = opened()
    race.place(0)
    race.change(quoted(1, 0.45), quoted(2, 0.25), version=1)
    for place, status in enumerate(("WINNER", "LOSER", "LOSER", "LOSER")):
        race.runners[place]["status"] = status
    race.change(status="CLOSED", version=2)
    before, bodies = race.machine.state_hash(), list(race.bodies)
    race.adapter, race.events = ExchangeAdapter(settings=race.settings), []
    for body in bodies:
        race.receive(body)
    assert race.machine.state_hash() == before
    assert {refused.reason for refused in race.refusals()} == {Reason.FEED_POSITION_KNOWN}


def test_market_is_settled_once_across_a_restart_of_the_adapter() -> None:
    race = opened()
    race.place(0)
    race.adapter = ExchangeAdapter(settings=race.settings)
    known = KnownMarket(image=race.image, positions=race.machine.feed_positions(MARKET_NO))
    race.apply(race.adapter.resume([known], at_ns=race.at_ns))
    assert race.image.status == Status.SUSPENDED
    race.change(quoted(1, 0.4), quoted(2, 0.3), quoted(3, 0.2), quoted(4, 0.1))
    assert race.image.status == Status.ACTIVE
    for place, status in enumerate(("WINNER", "LOSER", "LOSER", "LOSER")):
        race.runners[place]["status"] = status
    race.change(status="CLOSED", version=2)
    assert race.image.status == Status.SETTLED
    assert len(race.paid()) == 1


def test_market_held_by_a_trader_stays_suspended_when_the_exchange_reopens_it() -> None:
    race = opened()
    race.machine.apply(SuspendMarket(market_no=MARKET_NO, why="held by a trader"), race.at_ns)
    race.change(status="SUSPENDED", version=2)
    race.change(quoted(1, 0.41), status="OPEN", version=3)
    assert race.image.status == Status.SUSPENDED
    assert Reason.MARKET_HELD in {refused.reason for refused in race.refusals()}
    race.machine.apply(ResumeMarket(market_no=MARKET_NO), race.at_ns)
    assert race.place(0) == Reason.ACCEPTED


def test_dead_heat_pays_each_half_and_a_wrong_result_is_rolled_back() -> None:
    race = opened()
    odds = race.image.odds_milli
    race.place(0)
    race.place(1)
    for place, status in enumerate(("WINNER", "WINNER", "LOSER", "LOSER")):
        race.runners[place]["status"] = status
    race.change(status="CLOSED", version=2)
    assert race.paid() == {
        1: (BetResult.WON, PER_BET * odds[0] // 2_000),
        2: (BetResult.WON, PER_BET * odds[1] // 2_000),
    }
    for one in race.runners:
        one["status"] = "ACTIVE"
    race.change(status="SUSPENDED", version=3)
    assert race.image.status == Status.SUSPENDED
    assert race.paid() == {1: (BetResult.NONE, 0), 2: (BetResult.NONE, 0)}
    for place, status in enumerate(("LOSER", "WINNER", "LOSER", "LOSER")):
        race.runners[place]["status"] = status
    race.change(status="CLOSED", version=4)
    assert race.paid() == {
        1: (BetResult.LOST, 0),
        2: (BetResult.WON, PER_BET * odds[1] // 1_000),
    }
    assert race.refusals() == []


def test_inactive_market_reopens_with_the_exchange() -> None:
    race = opened()
    race.change(status="INACTIVE", version=2)
    assert race.place(0) == Reason.MARKET_INACTIVE
    race.change(quoted(1, 0.41), status="OPEN", version=3)
    assert race.place(0) == Reason.ACCEPTED
    assert race.refusals() == []


def test_every_marked_message_is_one_update() -> None:
    race = opened()
    race.change(quoted(1, 0.45), quoted(2, 0.25), version=2)
    assert all(isinstance(event, FeedApplied) for event in race.events)
    assert len(race.events) == 2


def test_races_of_one_meeting_are_fixtures_of_their_own() -> None:
    def fixture(event_type: str, time: str, market_type: str = "WIN") -> str:
        definition = MarketDefinition(
            status="OPEN",
            event_id="28208915",
            event_type_id=event_type,
            market_type=market_type,
            market_time=time,
        )
        return parse_market_key(market_key(definition, "1.5", feed="x")).fixture

    first, second = "2017-06-14T12:40:00.000Z", "2017-06-14T13:10:00.000Z"
    for races in ("7", "4339"):
        assert fixture(races, first) != fixture(races, second)
        assert fixture(races, first) == fixture(races, first, "PLACE") == "x.28208915.201706141240"
        assert fixture(races, "") == "x.28208915"
    assert fixture("1", first) == fixture("1", second) == "x.28208915"
