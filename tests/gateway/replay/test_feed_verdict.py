"""The verdict on a recording: it opens a market, loses none, and says why not."""

from typing import Any

from gateway.messages.feed import FeedStats
from gateway.replay.feed_verdict import LINES_MAX, feed_checks, feed_lines


def stats(**fields: Any) -> FeedStats:
    return FeedStats(
        **{"feed": "exchange", "kinds": {}, "steps_refused": {}, "passed_over": {}} | fields
    )


def test_recording_that_opens_markets_and_loses_none_passes() -> None:
    found = stats(opened=1_200, unopened={"a": "no fair price"})
    assert [str(check) for check in feed_checks(found)] == [
        "passed  the recording opens a market (1,200 opened)",
        "passed  no market of the recording is lost (none)",
    ]
    assert list(feed_lines(found)) == ["market never opened a: no fair price"]


def test_recording_that_opens_no_market_fails_and_says_why_of_each() -> None:
    found = stats(unopened={f"m{number}": "no fair price" for number in range(LINES_MAX + 3)})
    assert [check.passed for check in feed_checks(found)] == [False, True]
    said = list(feed_lines(found))
    assert said[0] == "market never opened m0: no fair price"
    assert (len(said), said[-1]) == (LINES_MAX + 1, "market never opened: 3 more")


def test_recording_that_loses_markets_fails_and_names_the_first() -> None:
    lost = {"a": "market refused: no runners", "b": "results refused: none"}
    opens, loses = feed_checks(stats(opened=1, lost=lost))
    assert (opens.passed, loses.passed) == (True, False)
    assert loses.detail == "2, the first a: market refused: no runners"
    assert list(feed_lines(stats(opened=1, lost=lost))) == [
        "market lost a: market refused: no runners",
        "market lost b: results refused: none",
    ]


def test_parts_without_effect_are_listed_by_reason_and_many_unopened_markets_counted() -> None:
    unopened = {f"m{number}": "no price" for number in range(50)}
    passed_over = {"outcome never seen": 3, "handed over": 0}
    found = stats(opened=1, unopened=unopened, passed_over=passed_over)
    assert list(feed_lines(found)) == [
        "markets never opened: 50 or more",
        "passed over 3 times: outcome never seen",
    ]
