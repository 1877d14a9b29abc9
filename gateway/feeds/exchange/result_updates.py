"""Send a closed market's results, and roll them back when the exchange opens it again.

Owns the difference between the results that a market should have and those that it was sent. It
does not decide what the results are.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from engine.common.commands import RollBackSettlement, SettleMarket
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import MARKET_NO_LATER, Action, Mark, MarketUpdate
from gateway.feeds.exchange.followed_market import DesiredStatus, Follower
from gateway.feeds.exchange.results import ResultRules, deductions
from gateway.feeds.exchange.sent_state import SentState


class ExchangeCounts(Struct):
    """Counts of what was not followed or not settled, for metrics."""

    markets_refused: int = 0
    results_refused: int = 0
    deductions_unsure: int = 0


class ResultUpdates:
    """The results of one exchange's markets.

    Parameters
    ----------
    feed : str
        The feed's name, which begins the sources of marks.
    rules : ResultRules
        The exchange's rules on withdrawals.
    counts : ExchangeCounts
        Counts what is not settled here.
    """

    def __init__(self, feed: str, rules: ResultRules, counts: ExchangeCounts) -> None:
        self._source: Final = f"{feed}/result"
        self._rules: Final = rules
        self._counts: Final = counts

    def roll_back(self, follower: Follower, sent: SentState, mark: Mark | None) -> Iterator[Action]:
        """Roll results back when the exchange opens a market that it had closed."""
        if sent.results is None and not sent.stands:
            return
        sent.results, sent.stands, sent.status = None, False, Status.SUSPENDED
        step = RollBackSettlement(market_no=MARKET_NO_LATER, why="the exchange opened it again")
        yield MarketUpdate(key=follower.key, mark=self._mark(mark), steps=(step,))

    def settle(
        self,
        follower: Follower,
        sent: SentState,
        desired: DesiredStatus,
        mark: Mark | None,
        *,
        market_type: str,
    ) -> Iterator[Action]:
        """Send results that are new, under a source of their own."""
        if desired.results is None:
            self._counts.results_refused += mark is not None
            return
        place = market_type in self._rules.place_types
        deducted = deductions(follower.removals, place=place, rules=self._rules)
        if sent.results == (desired.results, deducted):
            return
        sent.results = (desired.results, deducted)
        if sent.stands and deducted:
            # The standing settlement used withdrawal times that this process cannot know.
            sent.stands = False
            self._counts.deductions_unsure += 1
            return
        sent.stands = False
        step = SettleMarket(market_no=MARKET_NO_LATER, results=desired.results, deductions=deducted)
        yield MarketUpdate(key=follower.key, mark=self._mark(mark), steps=(step,))

    def _mark(self, mark: Mark | None) -> Mark | None:
        if mark is None:
            return None
        return Mark(source=self._source, position=mark.position, digest=mark.digest)
