"""Odds far from a model's and odds of decided outcomes are refused while the model's are fresh."""

from pathlib import Path
from typing import Any

import pytest

from actors.market_shell import MarketShell
from actors.messages import encode
from actors.settings import MarketShellSettings
from engine.common.commands import (
    CreateMarket,
    MarketCommand,
    OpenMarket,
    Quote,
    SetOdds,
    SetStatus,
    SuspendMarket,
)
from engine.common.events import FeedApplied, OddsSet, Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.pricing.fair_probabilities import Fair, Mark
from engine.pricing.following import Follow, Followed
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from engine.pricing.repricing import Reprice
from persistence.journal import JournalOptions
from tests.actors.trade import events_of, market_control

SECOND_NS = 1_000_000_000
KEY = "cup-1/1x2"
TOTAL = "cup-1/total?total=2.5"
THREE_GOALS = {"period": Period.SECOND_HALF, "clock_s": 3_000, "first_half": Score(home=2, away=1)}
OPTIONS = JournalOptions(allocate_bytes=1, snapshot_aside=False)


class Shell:
    """A market shell with two suspended markets and a clock that the test moves."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.now_ns = 1_000 * SECOND_NS
        self.arguments: dict[str, Any] = {
            "name": "m",
            "folder": str(folder),
            "options": OPTIONS,
            "settings": MarketShellSettings(**settings),
            "clock": lambda: self.now_ns,
        }
        self.shell = MarketShell(**self.arguments)
        for number, key, names in (
            (1, KEY, ("home", "draw", "away")),
            (2, TOTAL, ("over", "under")),
        ):
            created = CreateMarket(
                market_no=number, key=key, outcomes=names, odds_milli=(1_900,) * len(names)
            )
            self.do(created, OpenMarket(market_no=number), SuspendMarket(market_no=number))

    def do(self, *commands: MarketCommand) -> list[Any]:
        return events_of(self.shell.control(market_control(*commands)))

    def reprice(self, **state: Any) -> tuple[int, ...]:
        """Price the match by the model; return the odds of the first market."""
        request = Reprice(
            by="feed:a",
            fixture="cup-1",
            model=MatchModel(home_rate=1.4, away_rate=1.1),
            state=MatchState(**state),
        )
        events = events_of(self.shell.reprice(encode(request)))
        assert not any(isinstance(event, Refused) for event in events)
        return self.shell._machine().price_image(1).odds_milli

    def follow(self, by: str, *updates: Followed) -> list[Any]:
        return events_of(self.shell.follow(encode(Follow(by=by, updates=updates))))


def odds(outcome: int, odds_milli: int, *, market_no: int = 1, override: bool = False) -> SetOdds:
    quote = Quote(outcome=outcome, odds_milli=odds_milli)
    return SetOdds(market_no=market_no, quotes=(quote,), override=override)


def refusal(events: list[Any]) -> tuple[Reason, str] | None:
    (event,) = events
    return (event.reason, event.message) if isinstance(event, Refused) else None


def test_odds_far_from_the_models_are_refused_with_both_figures_unless_they_are_meant(
    tmp_path: Path,
) -> None:
    it = Shell(tmp_path)
    home, _, _ = it.reprice()
    wrong = odds(0, 10 * home)
    reason, message = refusal(it.do(wrong)) or (None, "")
    assert reason is Reason.ODDS_OFF_MODEL
    assert message.startswith(f"{10 * home} where the model or the second source has {home}")
    assert refusal(it.do(odds(0, home + 100))) is None
    assert refusal(it.do(odds(0, 10 * home, override=True))) is None


def test_odds_of_an_outcome_that_is_decided_are_refused_unless_they_are_meant(
    tmp_path: Path,
) -> None:
    it = Shell(tmp_path)
    it.reprice(**THREE_GOALS)
    for outcome in (0, 1):
        assert refusal(it.do(odds(outcome, 1_900, market_no=2))) == (
            Reason.ODDS_DECIDED,
            f"outcome {outcome} is decided, by the model or the second source",
        )
    assert refusal(it.do(odds(0, 1_900, market_no=2, override=True))) is None
    it.reprice()  # the goals did not count
    assert refusal(it.do(odds(1, 1_900, market_no=2))) is None


@pytest.mark.parametrize(
    ("settings", "later_s"),
    [({}, 61), ({"odds_model_step_milli_max": 0}, 0), ({"odds_model_age_ms_max": 1}, 1)],
)
def test_odds_are_not_compared_with_a_models_that_are_old_or_switched_off(
    tmp_path: Path, settings: dict[str, int], later_s: int
) -> None:
    it = Shell(tmp_path, odds_book_milli_min=0, **settings)
    home, _, _ = it.reprice(**THREE_GOALS)
    it.now_ns += later_s * SECOND_NS
    assert refusal(it.do(odds(0, 10 * home))) is None
    assert refusal(it.do(odds(0, 1_900, market_no=2))) is None


def followed(position: int, *, fair: Fair | None = None, odds_milli: int = 0) -> Followed:
    steps = (odds(0, odds_milli), SetStatus(market_no=1, status=Status.ACTIVE))
    mark = Mark(source="f", position=position)
    return Followed(market_no=1, mark=mark, fair=fair, steps=steps if odds_milli else ())


def test_a_second_feed_is_held_to_the_probabilities_of_the_first_and_suspended(
    tmp_path: Path,
) -> None:
    it = Shell(tmp_path)
    fair = Fair(probabilities=(0.5, 0.3, 0.2), active=(True, True, True))
    it.follow("feed:a", followed(1, fair=fair))
    own = it.follow("feed:a", followed(2, odds_milli=20_000))
    assert isinstance(own[0].events[0], Refused)
    assert own[0].events[0].reason is Reason.BOOK_SUM_LOW, "one's own odds are no second source"
    (event,) = it.follow("feed:b", followed(3, odds_milli=20_000))
    assert isinstance(event, FeedApplied)
    assert event.events[0].reason is Reason.ODDS_OFF_MODEL
    assert it.shell._machine().price_image(1).status is Status.SUSPENDED


def test_an_outcome_that_a_feed_withdrew_is_not_decided(tmp_path: Path) -> None:
    it = Shell(tmp_path)
    fair = Fair(probabilities=(0.0, 0.6, 0.4), active=(False, True, True))
    it.follow("feed:a", followed(1, fair=fair))
    assert refusal(it.do(odds(0, 1_900))) is None
    fair = Fair(probabilities=(0.0, 0.6, 0.4), active=(True, True, True))
    it.follow("feed:a", followed(2, fair=fair))
    assert (refusal(it.do(odds(0, 1_900))) or [None])[0] is Reason.ODDS_DECIDED


def test_a_repeated_message_of_a_feed_does_not_bring_its_old_probabilities_back(
    tmp_path: Path,
) -> None:
    it = Shell(tmp_path)
    first = Fair(probabilities=(0.9, 0.06, 0.04), active=(True, True, True))
    later = Fair(probabilities=(0.1, 0.5, 0.4), active=(True, True, True))
    it.follow("feed:a", followed(1, fair=first))
    it.follow("feed:a", followed(2, fair=later))
    assert isinstance(it.follow("feed:a", followed(1, fair=first))[0], Refused)
    assert isinstance(it.do(odds(0, 9_000))[0], OddsSet)


def test_a_replay_decides_as_the_shell_did_without_a_model(tmp_path: Path) -> None:
    it = Shell(tmp_path)
    home, _, _ = it.reprice()
    it.do(odds(0, 10 * home))
    it.do(odds(0, home + 100))
    before = it.shell.state_hash()
    it.shell.stop()
    again = MarketShell(**{**it.arguments, "settings": MarketShellSettings()})
    assert again.state_hash() == before
    again.stop()
