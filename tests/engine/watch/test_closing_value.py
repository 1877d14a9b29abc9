"""Closing-line value is the mean logarithm of accepted over closing odds, with its error."""

from math import log, sqrt
from statistics import mean, stdev

import pytest

from engine.watch.closing_value import ClosingValueDetector, ClosingValueRule
from engine.watch.facts import Fact
from tests.engine.watch.streams import bet, kick_off, odds, see

RULE = ClosingValueRule(value_min=0.0, fixtures_min=4, false_share=0.05)
CLOSES = (2_000, 1_900, 1_950, 1_850, 2_050)


def fixtures(account: int, *, accepted_at: int) -> list[Fact]:
    """One bet on each of five fixtures, at odds that then close elsewhere."""
    facts: list[Fact] = []
    for n, close in enumerate(CLOSES):
        name, market, at_s = f"f-{n}", 10 + n, 1_000.0 * n
        facts += [
            odds(at_s, accepted_at, 1_800, market=market, fixture=name),
            bet(at_s + 10.0, account, odds=accepted_at, market=market, fixture=name),
            odds(at_s + 500.0, close, 1_800, market=market, fixture=name),
            kick_off(at_s + 600.0, fixture=name),
            odds(at_s + 700.0, 5_000, 1_100, market=market, fixture=name),
        ]
    return facts


def test_an_account_that_beats_the_close_is_found_with_its_figures() -> None:
    found = see(ClosingValueDetector(RULE), fixtures(5, accepted_at=2_200))
    values = [log(2_200 / close) for close in CLOSES]
    figures = found[-1].figures
    assert found[-1].accounts == (5,)
    assert figures["closing_value"] == pytest.approx(mean(values))
    assert figures["standard_error"] == pytest.approx(stdev(values) / sqrt(len(values)))
    assert figures["fixtures"] == 5


def test_an_account_near_the_close_is_not_found() -> None:
    assert not see(ClosingValueDetector(RULE), fixtures(5, accepted_at=1_950))


def test_many_bets_on_one_fixture_are_one_observation() -> None:
    facts = fixtures(5, accepted_at=2_200)[:4]
    facts += [bet(20.0 + n, 5, odds=2_200, market=10, fixture="f-0") for n in range(50)]
    detector = ClosingValueDetector(RULE)
    assert not see(detector, facts)
    value = detector.accounts.use(5)
    assert (value.fixtures, value.bets) == (1, 51)
    assert value.mean == pytest.approx(log(2_200 / 2_000))


def test_bets_in_play_and_refused_ones_have_no_closing_value() -> None:
    detector = ClosingValueDetector(RULE)
    see(
        detector,
        [
            odds(0.0, 2_000),
            bet(1.0, 5, accepted=False),
            kick_off(2.0),
            bet(3.0, 5),
            kick_off(4.0),
        ],
    )
    assert not len(detector.accounts)


def test_an_outcome_withdrawn_before_kick_off_has_no_close() -> None:
    detector = ClosingValueDetector(RULE)
    withdrawn = odds(2.0, 2_000, 1_800)._replace(active=(False, True))
    see(detector, [bet(1.0, 5), bet(1.0, 6, outcome=1), bet(1.0, 7, outcome=2), withdrawn])
    see(detector, [kick_off(3.0)])
    assert list(detector.accounts.items) == [6]
