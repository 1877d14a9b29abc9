"""What settlements of LSports' feed are worth to bets: each story is a row of a table."""

from typing import Any

import pytest

from engine.common.lifecycle import Status
from tests.gateway.feeds.lsports.following import Following
from tests.gateway.feeds.lsports.provider import TOTALS

HALF, LINE = {"Over": "1.90", "Under": "2.00"}, "2.25"
KEY = "lsports.24605698/lsports_2?line=2.25"
LOST, WON, REFUND, HALF_LOST, HALF_WON, CANCELLED = 1, 2, 3, 4, 5, -1


def with_totals() -> Following:
    """Return a feed with bets of 100 on over at 1.90 and on under at 2.00."""
    following = Following().opened()
    following.receive(following.provider.odds(HALF, market=TOTALS, line=LINE))
    assert [following.bet(0, 1_900, key=KEY), following.bet(1, 2_000, key=KEY)] == [0, 0]
    return following


def settle(following: Following, **results: int) -> None:
    following.receive(following.provider.settle(results, market=TOTALS, line=LINE))


@pytest.mark.parametrize(
    ("given", "paid"),
    [
        ([{"Over": WON, "Under": LOST}], (190, 0)),
        ([{"Over": LOST, "Under": WON}], (0, 200)),
        ([{"Over": REFUND, "Under": REFUND}], (100, 100)),
        ([{"Over": HALF_WON, "Under": HALF_LOST}], (145, 50)),
        ([{"Over": HALF_LOST, "Under": HALF_WON}], (50, 150)),
        ([{"Over": WON}], None),
        ([{"Over": WON}, {"Under": LOST}], (190, 0)),
        ([{"Over": WON, "Under": LOST}, {"Over": LOST, "Under": WON}], (0, 200)),
        ([{"Over": WON, "Under": LOST}, {"Under": REFUND}], (190, 100)),
        ([{"Over": WON, "Under": LOST}, {"Over": WON, "Under": LOST}], (190, 0)),
        ([{"Over": WON, "Under": LOST}, {"Over": CANCELLED, "Under": CANCELLED}], (None, None)),
        ([{"Over": WON, "Under": LOST}, {"Over": CANCELLED}, {"Over": LOST}], (0, 0)),
        (
            [
                {"Over": WON, "Under": LOST},
                {"Over": CANCELLED, "Under": CANCELLED},
                {"Over": LOST, "Under": WON},
            ],
            (0, 200),
        ),
        ([{"Over": 9, "Under": LOST}], None),
        ([{"Over": WON, "Under": 0}], None),
    ],
)
def test_settlements_and_corrections_pay_as_told(
    given: list[dict[str, int]], paid: tuple[Any, Any] | None
) -> None:
    following = with_totals()
    for results in given:
        settle(following, **results)
    found = following.paid()
    if paid is None:
        assert found == {}
    elif paid == (None, None):
        assert following.status(KEY) is Status.SUSPENDED
        assert set(found.values()) == {("NONE", 0)}
    else:
        assert (found[1][1], found[2][1]) == paid
        assert following.status(KEY) is Status.SETTLED


def test_a_result_before_the_odds_is_remembered_and_no_bet_is_taken_on_it() -> None:
    following = Following().opened()
    provider = following.provider
    late = provider.odds(HALF, market=TOTALS, line=LINE)
    settle(following, Over=WON, Under=LOST)
    following.receive(late)
    assert KEY not in following.feed.numbers
    following.began()
    following.answer()
    assert KEY not in following.feed.numbers


def test_odds_never_open_a_settled_bet_and_a_cancelled_settlement_does() -> None:
    following = with_totals()
    settle(following, Over=WON)
    following.receive(following.provider.odds(HALF, market=TOTALS, line=LINE))
    assert following.odds(KEY) == {"Over": None, "Under": 2_000}
    assert following.adapter.passed_over() == {"odds of a settled bet": 1}
    settle(following, Over=CANCELLED)
    assert following.odds(KEY)["Over"] is None
    following.receive(following.provider.odds({"Over": "1.50"}, market=TOTALS, line=LINE))
    assert following.odds(KEY) == {"Over": 1_500, "Under": 2_000}


@pytest.mark.parametrize("change", ["settle", "correct", "cancel"])
def test_what_a_snapshot_says_of_results_is_obeyed(change: str) -> None:
    following = with_totals()
    provider = following.provider
    if change != "settle":
        settle(following, Over=WON, Under=LOST)
    missed = {
        "settle": {"Over": LOST, "Under": WON},
        "correct": {"Over": LOST, "Under": WON},
        "cancel": {"Over": CANCELLED, "Under": CANCELLED},
    }[change]
    provider.settle(missed, market=TOTALS, line=LINE)
    if change == "cancel":
        provider.odds(HALF, market=TOTALS, line=LINE)
    following.began()
    following.answer()
    if change == "cancel":
        assert following.status(KEY) is Status.ACTIVE
    else:
        assert (following.paid()[1], following.paid()[2]) == (("LOST", 0), ("WON", 200))


@pytest.mark.parametrize("missed", [{}, {"Over": LOST, "Under": WON}])
def test_a_restart_keeps_results_and_takes_corrections_that_came_meanwhile(
    missed: dict[str, int],
) -> None:
    following = with_totals()
    settle(following, Over=WON, Under=LOST)
    if missed:
        following.provider.settle(missed, market=TOTALS, line=LINE)
    following.restarted()
    following.receive(following.provider.heartbeat())
    following.answer()
    assert following.status(KEY) is Status.SETTLED
    expected = (0, 200) if missed else (190, 0)
    assert tuple(payout for _, payout in following.paid().values()) == expected


def test_a_settlement_that_comes_again_after_a_restart_does_not_undo_its_correction() -> None:
    following = with_totals()
    provider = following.provider
    wrong = provider.settle({"Over": WON, "Under": LOST}, market=TOTALS, line=LINE)
    right = provider.settle({"Over": LOST, "Under": WON}, market=TOTALS, line=LINE)
    following.receive(wrong, right)
    following.restarted()
    following.receive(wrong)
    assert tuple(payout for _, payout in following.paid().values()) == (0, 200)


def test_a_market_that_its_finished_fixture_leaves_settled_in_part_is_named_until_it_is_whole() -> (
    None
):
    following = with_totals()
    settle(following, Over=WON)
    assert following.adapter.lost() == {}
    following.receive(following.provider.fixture(status=3))
    assert following.adapter.lost() == {KEY: "results refused: no settlement of Under"}
    settle(following, Under=LOST)
    assert following.adapter.lost() == {}
    assert following.status(KEY) is Status.SETTLED


def test_a_market_that_never_took_bets_is_named_with_the_reason() -> None:
    following = Following().opened()
    following.receive(following.provider.odds(HALF, market=TOTALS, line=LINE, status=2))
    assert following.adapter.unopened() == {KEY: "no bet is open"}
    following.receive(following.provider.odds(HALF, market=TOTALS, line=LINE))
    assert following.adapter.unopened() == {}
    long = {"x" * 300: "2.00", "y": "2.00"}
    following.receive(following.provider.odds(long, market=9))
    (why,) = following.adapter.unopened().values()
    assert why.startswith("an outcome's name has over")
