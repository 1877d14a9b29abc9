"""When the model of a match changes, and when the fixture is ordered to be priced by it."""

import pytest

from engine.common.commands import SetOdds, SetStatus
from engine.common.lifecycle import Status
from engine.pricing.football.calibration import Calibrated, calibrate
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.model import (
    MEASURED_PROCESS,
    MatchModel,
    MatchState,
    Period,
    Score,
)
from engine.pricing.margin import Method, Removal
from gateway.feeds.core.adapter import MarketUpdate, PriceFixture
from gateway.feeds.uof.match_models import MatchModels
from gateway.feeds.uof.messages import OddsChange
from gateway.feeds.uof.settings import UofSettings
from gateway.feeds.uof.xml import read
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    NOW_MS,
    OVER_UNDER,
    TOTAL,
    alive,
    bet_stop,
    feed_markets,
    market,
    odds_change,
    steps,
    total,
)

BY_MODEL = UofSettings(watch=False, own_prices=True)
TRUTH = MatchModel(home_rate=1.6, away_rate=1.1, **MEASURED_PROCESS)


def event_status(code=6, home=0, away=0, clock="10:00", periods=((6, 0, 0),), red=(0, 0)):
    parts = "".join(
        f'<period_score match_status_code="{c}" number="1" home_score="{h}" away_score="{a}"/>'
        for c, h, a in periods
    )
    return (
        f'<sport_event_status status="1" match_status="{code}" home_score="{home}" '
        f'away_score="{away}"><clock match_time="{clock}"/><period_scores>{parts}</period_scores>'
        f'<statistics><red_cards home="{red[0]}" away="{red[1]}"/></statistics>'
        "</sport_event_status>"
    )


def priced(state, *, model=TRUTH, status=1):
    """Return the match winner and a total with the probabilities of a model."""
    keys = (f"{EVENT}/1x2", f"{EVENT}/{TOTAL}")
    chances = FixtureBoard(keys).probabilities(model, state)

    def rows(ids, key):
        return [
            (name, f'probabilities="{p:.9f}" odds="{max(1.01, 0.95 / p):.3f}"')
            for name, p in zip(ids, chances[key], strict=True)
        ]

    return market(1, rows("123", keys[0]), status=status), total(
        status, rows(("12", "13"), keys[1])
    )


def orders(received):
    return [action for action in received.actions if isinstance(action, PriceFixture)]


def test_a_model_is_fitted_to_the_feeds_odds_and_ordered_to_price_the_fixture():
    feed = feed_markets(BY_MODEL)

    received = feed.receive(odds_change(*priced(MatchState()), at=1, product=3))

    (order,) = orders(received)
    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-4)
    assert order.model.away_rate == pytest.approx(TRUTH.away_rate, abs=1e-4)
    assert (order.fixture, order.sport, order.suspend) == (EVENT, "football", "")
    assert (order.mark.source, order.mark.position) == ("uof:3/price", NOW_MS + 1)


def test_markets_that_the_model_knows_take_its_price_and_the_others_the_feeds_odds():
    feed = feed_markets(BY_MODEL)

    received = feed.receive(
        odds_change(*priced(MatchState()), market(40, (("sr:player:1", "5.0"),)), at=1)
    )

    steps_by_key = {
        action.key.partition("/")[2]: [type(step) for step in action.steps]
        for action in received.actions
        if isinstance(action, MarketUpdate) and action.steps
    }
    assert steps_by_key["1x2"] == steps_by_key[TOTAL] == [SetStatus]
    assert steps_by_key["uof_40"] == [SetOdds, SetStatus]
    kinds = [type(action) for action in received.actions]
    assert kinds == [
        MarketUpdate,
        MarketUpdate,
        PriceFixture,
        MarketUpdate,
        MarketUpdate,
        MarketUpdate,
    ]


@pytest.mark.parametrize(
    ("number", "key", "ids"),
    [
        (540, "double_chance_first_half_both_teams_to_score", range(1718, 1724)),
        (541, "double_chance_second_half_both_teams_to_score", range(1718, 1724)),
        (548, "multigoals", (1804, *range(1730, 1746))),
        (550, "away_multigoals", (1805, *range(1746, 1750))),
        (551, "multiscores", (1803, *range(1750, 1760))),
        (552, "first_half_multigoals", (1805, *range(1746, 1750))),
        (820, "half_time_full_time_exact_goals", range(1854, 1890)),
        (46, "half_time_full_time_correct_score", range(326, 418, 2)),
        (184, "next_goal_1x2?goalnr=1", range(814, 828, 2)),
    ],
)
def test_combinations_and_overlapping_outcomes_open_with_the_models_price(number, key, ids):
    feed = feed_markets(BY_MODEL)
    outcomes = tuple((str(one), "1.9") for one in ids)
    specifiers = key.partition("?")[2]

    received = feed.receive(
        odds_change(*priced(MatchState()), market(number, outcomes, specifiers=specifiers), at=1)
    )

    (order,) = orders(received)
    assert f"{EVENT}/{key}" in [action.key for action in received.actions[:4] if action != order]
    assert feed.status(key) is Status.ACTIVE
    quotes = FixtureBoard([f"{EVENT}/{key}"]).quotes(order.model, order.state, Margin())
    assert all(quote.active for quote in quotes[f"{EVENT}/{key}"])


def test_flex_correct_scores_open_from_the_score_so_far_with_the_models_price():
    feed = feed_markets(BY_MODEL)
    state = MatchState(period=Period.FIRST_HALF, clock_s=600, first_half=Score(home=1))
    outcomes = tuple((str(one), "9.0") for one in (110, *range(114, 168, 2)))

    received = feed.receive(
        odds_change(*priced(MatchState()), market(41, outcomes, specifiers="score=1:0"), at=1)
    )

    key = f"{EVENT}/flex_correct_score?score=1:0"
    assert feed.status("flex_correct_score?score=1:0") is Status.ACTIVE
    (order,) = orders(received)
    board = FixtureBoard([key, f"{EVENT}/correct_score"])
    fair = {
        name: dict(zip(board.outcomes(name), row, strict=True))
        for name, row in board.probabilities(order.model, state).items()
    }
    assert fair[key]["+1:2"] == pytest.approx(fair[f"{EVENT}/correct_score"]["2:2"])
    assert 0.98 < sum(fair[key].values()) < 1.0


def test_a_market_of_the_models_sport_stays_suspended_without_a_model():
    feed = feed_markets(BY_MODEL)

    received = feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    assert orders(received) == []
    assert feed.status("1x2") is Status.SUSPENDED
    assert feed.adapter.passed_over() == {"no model": 1, "no fit": 1}
    assert feed.adapter.lost() == {EVENT: "no fit: no model: no odds of a total"}

    feed.receive(odds_change(market(1, MATCH_WINNER), total(outcomes=OVER_UNDER), at=2))
    assert feed.status("1x2") is Status.ACTIVE
    assert feed.adapter.lost() == {}


@pytest.mark.parametrize(
    "others",
    [
        (market(1, (("1", "2.0"), ("2", "3.4"), ("99", "3.6"))), total()),
        (market(1, MATCH_WINNER), market(18, (("a", "1.9"),), specifiers="total=2.5")),
    ],
)
def test_a_market_that_football_does_not_know_is_not_fitted(others):
    feed = feed_markets(BY_MODEL)

    received = feed.receive(odds_change(*others, market(40, (("a", "2"),), status=-1), at=1))

    assert orders(received) == []
    assert feed.status("uof_40") is Status.SUSPENDED


def with_totals(*, favourite: bool) -> bytes:
    """Return an odds_change of TRUTH with four totals, the least balanced of which contradicts it.

    With `favourite`, that total is the provider's favourite line.
    """
    lines = ("1.5", "2.5", "3.5", "5.5")
    keys = [f"{EVENT}/1x2", *(f"{EVENT}/total?total={line}" for line in lines)]
    chances = FixtureBoard(keys).probabilities(TRUTH, MatchState())
    chances[keys[-1]] = (0.06, 0.94)
    markets = []
    for key in keys:
        ids, specifiers = ("12", "13"), key.partition("?")[2]
        number = 18 if specifiers else 1
        rows = [
            (name, f'probabilities="{p:.9f}" odds="2"')
            for name, p in zip(ids if specifiers else "123", chances[key], strict=True)
        ]
        markets.append(market(number, rows, specifiers=specifiers))
    if favourite:
        markets[-1] = markets[-1].replace(" status=", ' favourite="1" status=', 1)
    return odds_change(*markets, at=1)


def test_a_model_is_fitted_to_the_three_most_balanced_totals():
    (order,) = orders(feed_markets(BY_MODEL).receive(with_totals(favourite=False)))

    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-4)
    assert order.model.away_rate == pytest.approx(TRUTH.away_rate, abs=1e-4)


def test_a_model_is_fitted_to_the_favourite_total_however_unbalanced():
    (order,) = orders(feed_markets(BY_MODEL).receive(with_totals(favourite=True)))

    assert order.model.home_rate != pytest.approx(TRUTH.home_rate, abs=1e-3)


def test_a_model_is_not_fitted_to_suspended_markets():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), at=1))

    other = priced(MatchState(), model=MatchModel(home_rate=2.5, away_rate=0.5), status=-1)
    (order,) = orders(feed.receive(odds_change(*other, at=2)))

    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-4)
    assert not order.resume


def quoted_only(home_draw_away, over_under):
    """Return the match winner and a total with odds and no probabilities."""
    winner = [(n, f'odds="{each}"') for n, each in zip("123", home_draw_away, strict=True)]
    both = [(n, f'odds="{each}"') for n, each in zip(("12", "13"), over_under, strict=True)]
    return market(1, winner), total(1, both)


@pytest.mark.parametrize(
    ("methods", "method"),
    [
        ((), None),
        (("1x2=power", "total=odds_ratio"), Removal(method_by_type={"1x2": Method.POWER,
                                                                    "total": Method.ODDS_RATIO})),
        (("total=proportional",), Removal(method_by_type={"total": Method.PROPORTIONAL})),
    ],
)  # fmt: skip
def test_a_model_is_fitted_after_the_margin_came_off_as_the_settings_say(methods, method):
    odds = {"1x2": (1.3, 5.5, 11.0), TOTAL: (1.15, 5.6)}
    feed = feed_markets(UofSettings(watch=False, own_prices=True, methods=methods))

    (order,) = orders(feed.receive(odds_change(*quoted_only(odds["1x2"], odds[TOTAL]), at=1)))

    found = calibrate(odds, base=order.model, method=method)
    other = calibrate(odds, base=order.model, method=Method.ODDS_RATIO)
    assert isinstance(found, Calibrated)
    assert isinstance(other, Calibrated)
    assert order.model.home_rate == pytest.approx(found.model.home_rate, abs=1e-6)
    assert order.model.home_rate != pytest.approx(other.model.home_rate, abs=1e-3)


def test_past_the_bound_of_matches_the_one_without_messages_longest_is_dropped():
    models = MatchModels(matches_max=2)
    for at, event in enumerate(("sr:match:1", "sr:match:2", "sr:match:1", "sr:match:3"), 1):
        message = read(odds_change(at=at, event=event))
        assert isinstance(message, OddsChange)
        models.update(message, lambda _: None)

    newest = [models.newest_ms(f"sr:match:{number}") for number in (1, 2, 3)]
    assert newest == [NOW_MS + 3, 0, NOW_MS + 4]


def test_a_suspended_market_that_the_model_does_not_know_does_not_prevent_resuming():
    feed = feed_markets(BY_MODEL)
    scorers = market(40, (("sr:player:1", "5.0"),), status=-1)

    (order,) = orders(feed.receive(odds_change(*priced(MatchState()), scorers, at=1)))

    assert feed.status("uof_40") is Status.SUSPENDED
    assert order.resume


def test_a_live_match_is_priced_from_its_state():
    feed = feed_markets(BY_MODEL)
    state = MatchState(
        period=Period.SECOND_HALF, clock_s=3_600, first_half=Score(home=1), away_red_cards=1
    )
    body = odds_change(
        *priced(state), at=1,
        status=event_status(7, 1, 0, "60:00", ((6, 1, 0), (7, 0, 0)), red=(0, 1)),
    )  # fmt: skip

    (order,) = orders(feed.receive(body))

    assert order.state == state
    assert order.model.home_rate == pytest.approx(TRUTH.home_rate, abs=1e-3)


def test_a_goal_suspends_until_the_match_is_priced_again():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), at=1))

    suspended = priced(MatchState(), status=-1)
    goal = event_status(6, 1, 0, "12:00", ((6, 1, 0),))
    (order,) = orders(feed.receive(odds_change(*suspended, at=2, status=goal)))
    assert (order.suspend, order.resume) == ("goal", False)
    assert order.state.first_half == Score(home=1)

    state = MatchState(period=Period.FIRST_HALF, clock_s=780, first_half=Score(home=1))
    reopened = odds_change(
        *priced(state), at=3, status=event_status(6, 1, 0, "13:00", ((6, 1, 0),))
    )
    (order,) = orders(feed.receive(reopened))
    assert (order.suspend, order.resume) == ("", True)


def test_an_unchanged_match_is_not_priced_again():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), at=1))

    assert orders(feed.receive(odds_change(market(26, status=0), at=2))) == []


def test_an_odds_change_older_than_the_newest_prices_nothing():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), at=5))

    other = MatchModel(home_rate=2.5, away_rate=0.5)
    assert orders(feed.receive(odds_change(*priced(MatchState(), model=other), at=4))) == []


def test_the_prematch_producer_does_not_price_a_match_of_the_live_producer():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), at=1, product=1))

    other = MatchModel(home_rate=2.5, away_rate=0.5)
    received = feed.receive(odds_change(*priced(MatchState(), model=other), at=2, product=3))

    assert received.actions == ()


def test_a_bet_stop_suspends_model_prices_too():
    feed = feed_markets(BY_MODEL)
    feed.receive(odds_change(*priced(MatchState()), at=1))

    (order,) = orders(feed.receive(bet_stop(at=2)))

    assert (order.suspend, order.resume) == ("bet stop: all", False)


def test_model_prices_are_suspended_by_silence_and_resumed_by_the_recovery():
    feed = feed_markets(UofSettings(own_prices=True))
    feed.recover(at=0)
    feed.receive(odds_change(*priced(MatchState()), at=1))
    (silent,) = orders(feed.tick(at=30_000))
    feed.receive(alive(at=31_000), at=31_000)
    (back,) = orders(feed.complete(feed.requests[-1], at=31_001))

    assert (silent.suspend, silent.resume) == ("feed silent", False)
    assert (back.suspend, back.resume) == ("", True)
    assert silent.mark.position == back.mark.position
    assert silent.mark.digest != back.mark.digest


def test_orders_of_two_processes_have_different_digests():
    def digests(started_ns: int) -> list[int]:
        feed = feed_markets(UofSettings(own_prices=True))
        feed.adapter.resume([], at_ns=started_ns)
        feed.recover(at=0)
        feed.receive(odds_change(*priced(MatchState()), at=1))
        (silent,) = orders(feed.tick(at=30_000))
        feed.receive(alive(at=31_000), at=31_000)
        (back,) = orders(feed.complete(feed.requests[-1], at=31_001))
        return [silent.mark.digest, back.mark.digest]

    assert len(dict.fromkeys(digests(1) + digests(2))) == 4


def test_nothing_is_priced_by_the_model_without_the_setting():
    feed = feed_markets()

    received = feed.receive(odds_change(*priced(MatchState()), at=1))

    assert orders(received) == []
    assert [type(step) for step in steps(received)] == [SetOdds, SetStatus] * 2
