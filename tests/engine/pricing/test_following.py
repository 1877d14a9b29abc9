"""What a feed says of a shell's markets: chances become odds there, and count once."""

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
from engine.common.reasons import Reason
from engine.common.views import PriceImage
from engine.pricing.fair_probabilities import Fair, Mark
from engine.pricing.following import UPDATES_IN_CALL_MAX, Follow, Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from engine.pricing.skew import LogOddsSkew
from tests.actors.test_market_shell import Ear, bets, shell_on
from tests.actors.trade import events_of, market, market_control, settle_home
from tests.faults.faulty_disk import FaultyDisk

EVEN = Fair(probabilities=(0.5, 0.3, 0.2), active=(True, True, True))
ACTIVE = SetStatus(market_no=1, status=Status.ACTIVE)


def mark(position: int, *, source: str = "uof:1/odds", digest: int = 0) -> Mark:
    return Mark(source=source, position=position, digest=digest)


def said(
    position: int | None = 1,
    *steps: FeedStep,
    fair: Fair | None = EVEN,
    market_no: int = 1,
    digest: int = 0,
) -> Followed:
    at = None if position is None else mark(position, digest=digest)
    return Followed(market_no=market_no, mark=at, steps=steps, fair=fair)


def follow(shell: MarketShell, *updates: Followed, **words: Any) -> Sequence[Any]:
    return events_of(shell.follow(encode(Follow(by="feed:uof", updates=updates, **words))))


def image(shell: MarketShell, market_no: int = 1) -> PriceImage:
    (found,) = decode_price_images(shell.price_images([market_no]))
    return found


@pytest.fixture
def shell() -> MarketShell:
    shell = shell_on(FaultyDisk())
    shell.control(market_control(market("cup-1/1x2", market_no=1)))
    return shell


def book_sum(found: PriceImage) -> float:
    offered = zip(found.odds_milli, found.active, strict=True)
    return sum(1_000 / milli for milli, active in offered if active)


def test_chances_become_odds_and_come_before_the_steps(shell: MarketShell) -> None:
    (event,) = follow(shell, said(1, ACTIVE))
    assert isinstance(event, FeedApplied)
    assert [type(step) for step in event.events] == [OddsSet, StatusSet]
    found = image(shell)
    assert found.status is Status.ACTIVE
    assert found.odds_milli[0] < 2_000 < found.odds_milli[1] < found.odds_milli[2]
    assert book_sum(found) == pytest.approx(1.05, abs=0.01)


def test_the_margin_is_the_call_s(shell: MarketShell) -> None:
    follow(shell, said(1, ACTIVE), margin=Margin(book_milli=1_200))
    assert book_sum(image(shell)) == pytest.approx(1.2, abs=0.02)


def test_odds_lean_on_the_book_of_the_market_itself(shell: MarketShell) -> None:
    follow(shell, said(1, ACTIVE))
    shell.place(bets(1, stake_minor=1_000_000)[:0].tobytes())
    rows = bets(1, 2, stake_minor=50_000)
    rows["odds_milli"] = image(shell).odds_milli[0]
    shell.place(rows.tobytes())
    before = image(shell).odds_milli
    skew = LogOddsSkew(scale_minor=100_000, log_odds_milli_max=200)
    follow(shell, said(2), skew=skew)
    after = image(shell).odds_milli
    assert after[0] < before[0], "what was backed is shortened"
    assert after[1] > before[1]
    assert after[2] > before[2]


def test_an_outcome_that_is_not_active_keeps_its_odds_and_is_not_offered(
    shell: MarketShell,
) -> None:
    fair = Fair(probabilities=(0.6, 0.0, 0.4), active=(True, False, True))
    before = image(shell).odds_milli
    follow(shell, said(1, fair=fair))
    found = image(shell)
    assert found.active == (True, False, True)
    assert found.odds_milli[1] == before[1]
    assert book_sum(found) == pytest.approx(1.05, abs=0.01)


def test_a_market_of_which_nothing_is_active_offers_nothing(shell: MarketShell) -> None:
    follow(shell, said(1, ACTIVE, fair=Fair(probabilities=(0.0,) * 3, active=(False,) * 3)))
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
def test_chances_that_cannot_be_are_refused_and_open_nothing_at_older_odds(
    shell: MarketShell, fair: Fair
) -> None:
    before = image(shell).odds_milli
    refused, applied = follow(shell, said(1, ACTIVE, fair=fair))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "fair")
    assert "cup-1/1x2" in refused.message
    assert isinstance(applied, FeedApplied)
    assert (image(shell).odds_milli, image(shell).status) == (before, Status.SUSPENDED)


def test_a_message_counts_once_and_a_later_one_overrules_it(shell: MarketShell) -> None:
    follow(shell, said(5, ACTIVE))
    before = image(shell)
    other = Fair(probabilities=(0.2, 0.3, 0.5), active=(True,) * 3)
    for position in (5, 4):
        (event,) = follow(shell, said(position, fair=other))
        assert isinstance(event, Refused)
        assert event.reason is Reason.FEED_POSITION_KNOWN
    assert image(shell) == before
    follow(shell, said(5, fair=other, digest=1))
    assert image(shell).odds_milli[0] > image(shell).odds_milli[2]


def test_what_has_no_mark_is_obeyed_as_often_as_it_is_said(shell: MarketShell) -> None:
    down = SetStatus(market_no=1, status=Status.SUSPENDED, why="silent")
    follow(shell, said(1, ACTIVE))
    for _ in range(2):
        (event,) = follow(shell, said(None, down, fair=None))
        assert isinstance(event, StatusSet)
    assert image(shell).status is Status.SUSPENDED
    assert not any(isinstance(e, Refused) for e in follow(shell, said(2, ACTIVE)))


def test_what_has_no_mark_neither_holds_nor_lets_go(shell: MarketShell) -> None:
    suspend, resume = SuspendMarket(market_no=1, why="silence"), ResumeMarket(market_no=1)
    follow(shell, said(1, ACTIVE), said(None, suspend, fair=None))
    assert image(shell).status is Status.SUSPENDED
    follow(shell, said(2, ACTIVE))
    assert image(shell).status is Status.ACTIVE, "it was no trader's suspension"
    shell.control(market_control(SuspendMarket(market_no=1)))
    for step in (resume, OpenMarket(market_no=1)):
        (refused,) = follow(shell, said(None, step, fair=None))
        assert refused.reason is Reason.MARKET_HELD
    assert image(shell).status is Status.SUSPENDED


def test_many_updates_are_one_record_and_leave_as_one_message(shell: MarketShell) -> None:
    disk = FaultyDisk()
    shell, ear = shell_on(disk), Ear()
    numbers = range(1, 41)
    shell.control(market_control(*(market(f"cup-{no}/1x2", market_no=no) for no in numbers)))
    shell.set_gateways([ear])
    ear.told.clear()
    synced = sum(call.kind == "sync" for call in disk.trace)
    follow(shell, *(said(1, market_no=no) for no in numbers))
    assert sum(call.kind == "sync" for call in disk.trace) == synced + 1
    ((method, payload),) = ear.told
    assert method == "on_prices"
    assert [delta.market_no for delta in decode_price_deltas(payload)] == list(numbers)


def test_replay_gives_the_very_odds_and_positions_and_prices_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = FaultyDisk()
    shell = shell_on(disk)
    shell.control(market_control(market("cup-1/1x2", market_no=1)))
    follow(shell, said(1, ACTIVE), said(2, settle_home()))
    monkeypatch.setattr("engine.pricing.quoting.Quoter.quote", None)
    again = shell_on(disk.killed(calls=len(disk.trace)))
    assert again.state_hash() == shell.state_hash()
    assert again.positions() == shell.positions()


def test_positions_are_told_of_markets_that_a_feed_has_told_anything(shell: MarketShell) -> None:
    shell.control(market_control(market("cup-2/1x2", market_no=2)))
    assert decode_known_markets(shell.positions()) == []
    result = Followed(market_no=1, mark=mark(9, source="uof:1/result"), steps=(settle_home(),))
    follow(shell, said(5, ACTIVE), result)
    (known,) = decode_known_markets(shell.positions())
    assert known.image.key == "cup-1/1x2"
    assert known.positions == {"uof:1/odds": 5, "uof:1/result": 9}
    assert known.results_stand


def test_a_market_that_is_not_here_is_refused_and_holds_up_no_other(shell: MarketShell) -> None:
    missing, applied = follow(shell, said(1, market_no=9), said(1, ACTIVE))
    assert isinstance(missing, Refused)
    assert missing.reason is Reason.MARKET_UNKNOWN
    assert isinstance(applied, FeedApplied)


def test_nothing_to_say_writes_nothing(shell: MarketShell) -> None:
    before = shell.state_hash()
    assert follow(shell, said(1, fair=None)) == []
    assert shell.state_hash() == before


def test_more_than_a_call_may_carry_is_not_run(shell: MarketShell) -> None:
    with pytest.raises(ValueError, match=f"at most {UPDATES_IN_CALL_MAX}"):
        follow(shell, *[said(1)] * (UPDATES_IN_CALL_MAX + 1))


def test_a_shell_in_quarantine_obeys_no_feed() -> None:
    shell = shell_on(FaultyDisk(), quarantine="inspected")
    (event,) = follow(shell, said(1))
    assert isinstance(event, Refused)
    assert event.reason is Reason.QUARANTINED


# --- prices of our own ---------------------------------------------------------------------------


def reprice(shell: MarketShell, **words: Any) -> Sequence[Any]:
    asked: dict[str, Any] = {
        "by": "feed:uof",
        "fixture": "cup-1",
        "model": {"home_rate": 1.6, "away_rate": 1.1},
        "state": {},
        **words,
    }
    return events_of(shell.reprice(encode(Reprice(**asked))))


def test_a_marked_repricing_is_obeyed_once_by_every_market_of_the_fixture() -> None:
    shell = shell_on(FaultyDisk())
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
    again = reprice(shell, mark=mark(7), model={"home_rate": 0.5, "away_rate": 2.5})
    assert [event.reason for event in again] == [Reason.FEED_POSITION_KNOWN] * 2
    assert [image(shell, no) for no in (1, 2)] == before


def test_a_marked_repricing_does_not_open_what_a_trader_holds() -> None:
    shell = shell_on(FaultyDisk())
    shell.control(market_control(market("cup-1/1x2", market_no=1), OpenMarket(market_no=1)))
    shell.control(market_control(SuspendMarket(market_no=1, why="rumours")))
    reprice(shell, mark=mark(7), suspend="goal", resume=True)
    assert image(shell).status is Status.SUSPENDED


def test_each_sport_prices_its_own_markets_and_there_are_no_others() -> None:
    shell = shell_on(FaultyDisk())
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
