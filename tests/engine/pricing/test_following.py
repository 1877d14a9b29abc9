"""Following a feed: a market shell makes odds of probabilities and applies a message once."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from actors.market_shell import MarketShell
from actors.messages import decode_known_markets, decode_price_deltas, decode_price_images, encode
from engine.common.commands import (
    CreateMarket,
    FeedStep,
    OpenMarket,
    ResumeMarket,
    SetStatus,
    SuspendMarket,
)
from engine.common.events import FeedApplied, OddsSet, Refused, StatusSet
from engine.common.lifecycle import Status
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.reasons import Reason
from engine.common.views import PriceImage
from engine.pricing.fair_probabilities import Fair, Mark
from engine.pricing.following import UPDATES_IN_CALL_MAX, Follow, Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from engine.pricing.skew import LogOddsSkew
from tests.actors.stand_ins import RecordingGateway
from tests.actors.trade import (
    bets,
    events_of,
    market,
    market_control,
    market_shell_on,
    settle_home,
)
from tests.faults.faulty_disk import FaultyDisk

EVEN = Fair(probabilities=(0.5, 0.3, 0.2), active=(True, True, True))
ACTIVE = SetStatus(market_no=1, status=Status.ACTIVE)


def mark(position: int, *, source: str = "uof:1/odds", digest: int = 0) -> Mark:
    return Mark(source=source, position=position, digest=digest)


def update(
    position: int | None = 1,
    *steps: FeedStep,
    fair: Fair | None = EVEN,
    market_no: int = 1,
    digest: int = 0,
) -> Followed:
    at = None if position is None else mark(position, digest=digest)
    return Followed(market_no=market_no, mark=at, steps=steps, fair=fair)


def follow(shell: MarketShell, *updates: Followed, **fields: Any) -> Sequence[Any]:
    return events_of(shell.follow(encode(Follow(by="feed:uof", updates=updates, **fields))))


def image(shell: MarketShell, market_no: int = 1) -> PriceImage:
    (image_now,) = decode_price_images(shell.price_images([market_no]))
    return image_now


@pytest.fixture
def shell() -> MarketShell:
    shell = market_shell_on(FaultyDisk())
    shell.control(market_control(market("cup-1/1x2", market_no=1)))
    return shell


def book_sum(image_now: PriceImage) -> float:
    offered = zip(image_now.odds_milli, image_now.active, strict=True)
    return sum(1_000 / milli for milli, active in offered if active)


def test_probabilities_become_odds_that_are_set_before_the_steps(shell: MarketShell) -> None:
    (event,) = follow(shell, update(1, ACTIVE))
    assert isinstance(event, FeedApplied)
    assert [type(step) for step in event.events] == [OddsSet, StatusSet]
    image_now = image(shell)
    assert image_now.status is Status.ACTIVE
    assert image_now.odds_milli[0] < 2_000 < image_now.odds_milli[1] < image_now.odds_milli[2]
    assert book_sum(image_now) == pytest.approx(1.05, abs=0.01)


def test_odds_have_the_margin_of_the_request(shell: MarketShell) -> None:
    follow(shell, update(1, ACTIVE), margin=Margin(book_milli=1_200))
    assert book_sum(image(shell)) == pytest.approx(1.2, abs=0.02)


def test_odds_are_skewed_by_the_markets_own_book(shell: MarketShell) -> None:
    follow(shell, update(1, ACTIVE))
    rows = bets(1, 2, stake_minor=50_000)
    rows["odds_milli"] = image(shell).odds_milli[0]
    shell.place(rows.tobytes())
    before = image(shell).odds_milli
    skew = LogOddsSkew(scale_minor=100_000, log_odds_milli_max=200)
    follow(shell, update(2), skew=skew)
    after = image(shell).odds_milli
    assert after[0] < before[0], "the odds of the backed outcome shorten"
    assert after[1] > before[1]
    assert after[2] > before[2]


def test_an_outcome_that_is_not_active_keeps_its_odds_and_is_not_offered(
    shell: MarketShell,
) -> None:
    fair = Fair(probabilities=(0.6, 0.0, 0.4), active=(True, False, True))
    before = image(shell).odds_milli
    follow(shell, update(1, fair=fair))
    image_now = image(shell)
    assert image_now.active == (True, False, True)
    assert image_now.odds_milli[1] == before[1]
    assert book_sum(image_now) == pytest.approx(1.05, abs=0.01)


def test_a_traders_odds_and_hold_stand_and_a_feed_that_begins_again_hears_of_neither(
    shell: MarketShell,
) -> None:
    follow(shell, update(1, ACTIVE))
    before = image(shell)
    standing = (
        StandingOdds(outcome=0, odds_milli=1_500),
        StandingOdds(outcome=1, odds_milli=2_000),
    )
    shell.control(
        market_control(
            OverrideOdds(market_no=1, quotes=standing), SuspendOutcomes(market_no=1, outcomes=(2,))
        )
    )
    follow(shell, update(2, fair=Fair(probabilities=(0.6, 0.0, 0.4), active=(True, False, True))))
    now = image(shell)
    assert (now.odds_milli[:2], now.active) == ((1_500, 2_000), (True, False, False))
    (known,) = decode_known_markets(shell.positions())
    assert known.image.odds_milli[1] == before.odds_milli[1], "odds that the feed gave none for"
    assert known.image.active == (True, False, True)
    shell.control(market_control(ReleaseOdds(market_no=1), ResumeOutcomes(market_no=1)))
    assert (image(shell).odds_milli, image(shell).active) == (
        known.image.odds_milli,
        known.image.active,
    )
    assert image(shell).odds_milli[0] < before.odds_milli[0], "those of the feed's last message"


def test_a_market_without_active_outcomes_offers_none(shell: MarketShell) -> None:
    follow(shell, update(1, ACTIVE, fair=Fair(probabilities=(0.0,) * 3, active=(False,) * 3)))
    assert image(shell).active == (False, False, False)


@pytest.mark.parametrize(
    "fair",
    [
        Fair(probabilities=(0.5, 0.5), active=(True, True)),
        Fair(probabilities=(0.5, 0.3, 0.2), active=(True, True)),
        Fair(probabilities=(1.5, 0.3, 0.2), active=(True,) * 3),
        Fair(probabilities=(float("nan"), 0.3, 0.2), active=(True,) * 3),
        Fair(probabilities=(-0.1, 0.3, 0.2), active=(True,) * 3),
        Fair(probabilities=(0.5, 0.3, 0.2), active=(True,) * 3, winners=0),
    ],
)
def test_impossible_probabilities_are_refused_and_do_not_open_the_market_at_its_old_odds(
    shell: MarketShell, fair: Fair
) -> None:
    before = image(shell).odds_milli
    refused, applied = follow(shell, update(1, ACTIVE, fair=fair))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "fair")
    assert "cup-1/1x2" in refused.message
    assert isinstance(applied, FeedApplied)
    assert (image(shell).odds_milli, image(shell).status) == (before, Status.SUSPENDED)


def test_odds_above_the_highest_are_shortened_to_the_ladders_next_price(shell: MarketShell) -> None:
    bounded = msgspec.structs.replace(EVEN, odds_milli_max=(1_875, 1_000, 10_000))
    follow(shell, update(1, ACTIVE, fair=EVEN))
    longest = image(shell).odds_milli
    follow(shell, update(2, ACTIVE, fair=bounded))
    now = image(shell)
    assert now.odds_milli == (1_870, longest[1], longest[2])
    assert now.active == (True, False, True)


@pytest.mark.parametrize("highest", [(2_000,), (2_000, 2_000, -1)])
def test_highest_odds_that_fit_no_market_are_refused(
    shell: MarketShell, highest: tuple[int, ...]
) -> None:
    (refused,) = follow(
        shell, update(1, fair=msgspec.structs.replace(EVEN, odds_milli_max=highest))
    )
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "fair")
    assert "highest odds" in refused.message


def test_a_message_is_applied_once_and_a_later_one_overrules_it(shell: MarketShell) -> None:
    follow(shell, update(5, ACTIVE))
    before = image(shell)
    other = Fair(probabilities=(0.2, 0.3, 0.5), active=(True,) * 3)
    for position in (5, 4):
        (event,) = follow(shell, update(position, fair=other))
        assert isinstance(event, Refused)
        assert event.reason is Reason.FEED_POSITION_KNOWN
    assert image(shell) == before
    follow(shell, update(5, fair=other, digest=1))
    assert image(shell).odds_milli[0] > image(shell).odds_milli[2]


def test_steps_without_a_mark_are_applied_at_every_request(shell: MarketShell) -> None:
    down = SetStatus(market_no=1, status=Status.SUSPENDED, why="silent")
    follow(shell, update(1, ACTIVE))
    for _ in range(2):
        (event,) = follow(shell, update(None, down, fair=None))
        assert isinstance(event, StatusSet)
    assert image(shell).status is Status.SUSPENDED
    assert not any(isinstance(e, Refused) for e in follow(shell, update(2, ACTIVE)))


def test_steps_without_a_mark_neither_set_nor_release_a_traders_hold(shell: MarketShell) -> None:
    suspend, resume = SuspendMarket(market_no=1, why="silence"), ResumeMarket(market_no=1)
    follow(shell, update(1, ACTIVE), update(None, suspend, fair=None))
    assert image(shell).status is Status.SUSPENDED
    follow(shell, update(2, ACTIVE))
    assert image(shell).status is Status.ACTIVE, "no trader holds the market"
    shell.control(market_control(SuspendMarket(market_no=1)))
    for step in (resume, OpenMarket(market_no=1)):
        (refused,) = follow(shell, update(None, step, fair=None))
        assert refused.reason is Reason.MARKET_HELD
    assert image(shell).status is Status.SUSPENDED


def test_many_updates_are_one_journal_record_and_one_price_message(shell: MarketShell) -> None:
    disk = FaultyDisk()
    shell, gateway = market_shell_on(disk), RecordingGateway()
    numbers = range(1, 41)
    shell.control(market_control(*(market(f"cup-{no}/1x2", market_no=no) for no in numbers)))
    shell.set_gateways([gateway])
    gateway.notified.clear()
    synced = sum(call.kind == "sync" for call in disk.trace)
    follow(shell, *(update(1, market_no=no) for no in numbers))
    assert sum(call.kind == "sync" for call in disk.trace) == synced + 1
    ((method, payload),) = gateway.notified
    assert method == "on_prices"
    assert [delta.market_no for delta in decode_price_deltas(payload)] == list(numbers)


def test_replay_restores_odds_and_positions_without_pricing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = FaultyDisk()
    shell = market_shell_on(disk)
    shell.control(market_control(market("cup-1/1x2", market_no=1)))
    follow(shell, update(1, ACTIVE), update(2, settle_home()))
    monkeypatch.setattr("engine.pricing.quoting.Quoter.quote", None)
    restarted = market_shell_on(disk.killed(calls=len(disk.trace)))
    assert restarted.state_hash() == shell.state_hash()
    assert restarted.positions() == shell.positions()


def test_positions_are_listed_for_markets_that_a_feed_has_updated(shell: MarketShell) -> None:
    shell.control(market_control(market("cup-2/1x2", market_no=2)))
    assert decode_known_markets(shell.positions()) == []
    result = Followed(market_no=1, mark=mark(9, source="uof:1/result"), steps=(settle_home(),))
    follow(shell, update(5, ACTIVE), result)
    (known,) = decode_known_markets(shell.positions())
    assert known.image.key == "cup-1/1x2"
    assert known.positions == {"uof:1/odds": 5, "uof:1/result": 9}
    assert known.results_stand


def test_an_update_of_a_market_not_hosted_is_refused_and_the_others_are_applied(
    shell: MarketShell,
) -> None:
    missing, applied = follow(shell, update(1, market_no=9), update(1, ACTIVE))
    assert isinstance(missing, Refused)
    assert missing.reason is Reason.MARKET_UNKNOWN
    assert isinstance(applied, FeedApplied)


def test_an_update_without_steps_or_probabilities_journals_nothing(shell: MarketShell) -> None:
    before = shell.state_hash()
    assert follow(shell, update(1, fair=None)) == []
    assert shell.state_hash() == before


def test_more_updates_than_one_call_may_carry_are_an_error(shell: MarketShell) -> None:
    with pytest.raises(ValueError, match=f"at most {UPDATES_IN_CALL_MAX}"):
        follow(shell, *[update(1)] * (UPDATES_IN_CALL_MAX + 1))


def test_a_shell_in_quarantine_refuses_feed_updates() -> None:
    shell = market_shell_on(FaultyDisk(), quarantine="inspected")
    (event,) = follow(shell, update(1))
    assert isinstance(event, Refused)
    assert event.reason is Reason.QUARANTINED


# --- odds from a model ---------------------------------------------------------------------------


def reprice(shell: MarketShell, **fields: Any) -> Sequence[Any]:
    request: dict[str, Any] = {
        "by": "feed:uof",
        "fixture": "cup-1",
        "model": {"home_rate": 1.6, "away_rate": 1.1},
        "state": {},
        **fields,
    }
    return events_of(shell.reprice(encode(Reprice(**request))))


def test_a_marked_repricing_is_applied_once_by_every_market_of_the_fixture() -> None:
    shell = market_shell_on(FaultyDisk())
    shell.control(
        market_control(
            market("cup-1/1x2", market_no=1),
            CreateMarket(
                market_no=2,
                key="cup-1/both_teams_to_score",
                outcomes=("yes", "no"),
                odds_milli=(2_000, 2_000),
            ),
            OpenMarket(market_no=1),
        )
    )
    events = reprice(shell, mark=mark(7), suspend="goal", resume=True)
    assert [type(event) for event in events] == [FeedApplied] * 2
    assert (image(shell, 1).status, image(shell, 2).status) == (Status.ACTIVE, Status.INACTIVE)
    before = [image(shell, no) for no in (1, 2)]
    repeated = reprice(shell, mark=mark(7), model={"home_rate": 0.5, "away_rate": 2.5})
    assert [event.reason for event in repeated] == [Reason.FEED_POSITION_KNOWN] * 2
    assert [image(shell, no) for no in (1, 2)] == before


def test_a_marked_repricing_does_not_open_a_market_that_a_trader_holds() -> None:
    shell = market_shell_on(FaultyDisk())
    shell.control(market_control(market("cup-1/1x2", market_no=1), OpenMarket(market_no=1)))
    shell.control(market_control(SuspendMarket(market_no=1, why="rumours")))
    reprice(shell, mark=mark(7), suspend="goal", resume=True)
    assert image(shell).status is Status.SUSPENDED


def test_a_repricing_changes_markets_of_its_sport_alone_and_unknown_sports_are_refused() -> None:
    shell = market_shell_on(FaultyDisk())
    winner = CreateMarket(
        market_no=2, key="cup-1/winner", outcomes=("home", "away"), odds_milli=(2_000, 2_000)
    )
    shell.control(market_control(market("cup-1/1x2", market_no=1), winner))
    football, tennis = image(shell, 1), image(shell, 2)
    reprice(shell, sport="tennis", model={"home_serve": 0.68, "away_serve": 0.6})
    assert image(shell, 1) == football
    assert image(shell, 2).odds_milli != tennis.odds_milli
    before = image(shell, 2)
    reprice(shell)
    assert image(shell, 1).odds_milli != football.odds_milli
    assert image(shell, 2) == before
    with pytest.raises(msgspec.ValidationError, match="one of football"):
        reprice(shell, sport="curling")
