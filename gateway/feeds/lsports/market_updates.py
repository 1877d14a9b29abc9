"""What a market of LSports' feed should be, and the update that brings it there.

Owns the comparison of what is known of a market with what it was sent. It does not decide whether
the feed can be trusted: the caller says why a market must not take bets.
"""

from typing import Final

from engine.common.commands import (
    FeedStep,
    Limits,
    RollBackSettlement,
    SetOdds,
    SetStatus,
    SettleMarket,
)
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import MARKET_NO_LATER, Mark, MarketUpdate, NewMarket
from gateway.feeds.lsports.market_registry import Market

NOTHING_OPEN: Final = "no bet is open"
_CANCELLED: Final = "the provider cancelled the settlement"


class MarketUpdates:
    """Make the updates of one feed's markets.

    Parameters
    ----------
    feed : str
        The feed's name, which begins the sources of marks.
    limits : Limits | None
        Limits of new markets; None: those of the configuration.
    """

    def __init__(self, feed: str, limits: Limits | None) -> None:
        self._odds_source: Final = f"{feed}/odds"
        self._result_source: Final = f"{feed}/result"
        self._limits: Final = limits

    def of_odds(self, market: Market, *, ms: int, digest: int, doubt: str) -> list[MarketUpdate]:
        """Return the update of a live message about a market, which is the market's whole state.

        The market gets it even if it was sent the same before: it may have been suspended here
        since, for odds that it refused.
        """
        if market.results_stand or not self._exists(market, doubt):
            return []
        market.odds_ms = max(market.odds_ms, ms)
        mark = Mark(source=self._odds_source, position=market.odds_ms, digest=digest)
        return [self._update(market, mark, self._steps(market, doubt))]

    def of_change(self, market: Market, *, doubt: str, ms: int) -> list[MarketUpdate]:
        """Return the update for what no message of odds brought, if the market should change.

        A market that is made by it gets a position in its feed (`ms`, the time of the newest
        message that its state rests on): by its positions it is found again after a restart.
        """
        made = not market.outcomes
        if market.results_stand or not self._exists(market, doubt):
            return []
        mark = None
        if made:
            market.odds_ms = max(market.odds_ms, ms)
            mark = Mark(source=self._odds_source, position=market.odds_ms)
        why = self.why_suspended(market, doubt)
        if why and market.sent_status is not Status.ACTIVE:
            return []
        unchanged = market.sent_status is Status.ACTIVE and (
            market.quotes == market.current_quotes()
        )
        if not why and unchanged:
            return []
        return [self._update(market, mark, self._steps(market, doubt))]

    def of_results(self, market: Market, *, ms: int | None, digest: int = 0) -> list[MarketUpdate]:
        """Return the settlement, correction or roll-back that a market is due.

        Parameters
        ----------
        ms : int | None
            Time of the settlement message; None: a snapshot.
        """
        step: SettleMarket | RollBackSettlement | None = None
        results = market.current_results() if market.outcomes else ()
        if results and results != market.results:
            step = SettleMarket(market_no=MARKET_NO_LATER, results=results)
            market.results, market.results_stand = results, True
        elif not results and market.results_stand and market.settlement_cancelled:
            step = RollBackSettlement(market_no=MARKET_NO_LATER, why=_CANCELLED)
            market.results, market.results_stand = (), False
            market.sent_status = Status.SUSPENDED
        if step is None:
            return []
        mark = None
        if ms is not None:
            market.result_ms = max(market.result_ms, ms)
            mark = Mark(source=self._result_source, position=market.result_ms, digest=digest)
        return [self._update(market, mark, (step,))]

    def suspend(self, market: Market, why: str) -> list[MarketUpdate]:
        """Return the suspension of a market that takes bets, for a reason that is not kept."""
        if market.sent_status is not Status.ACTIVE or market.results_stand:
            return []
        market.sent_status = Status.SUSPENDED
        return [self._update(market, None, (_status(Status.SUSPENDED, why),))]

    def why_suspended(self, market: Market, doubt: str) -> str:
        """Return why a market must not take bets; empty when it may."""
        why = market.refused or doubt or market.fixture.stopped
        if not why and not any(bet.offered for bet in market.bets.values()):
            why = NOTHING_OPEN
        return why

    def _exists(self, market: Market, doubt: str) -> bool:
        """Say whether a market exists here; it is made when it is first to take bets."""
        if not market.outcomes and not self.why_suspended(market, doubt):
            market.outcomes = tuple(market.bets)
        return bool(market.outcomes)

    def _steps(self, market: Market, doubt: str) -> tuple[FeedStep, ...]:
        why = self.why_suspended(market, doubt)
        if why:
            market.sent_status = Status.SUSPENDED
            return (_status(Status.SUSPENDED, why),)
        market.sent_status, market.quotes = Status.ACTIVE, market.current_quotes()
        odds = SetOdds(market_no=MARKET_NO_LATER, quotes=market.quotes)
        return (odds, _status(Status.ACTIVE, ""))

    def _update(
        self, market: Market, mark: Mark | None, steps: tuple[FeedStep, ...]
    ) -> MarketUpdate:
        fixture = market.fixture
        new_market = NewMarket(
            outcomes=market.outcomes,
            limits=self._limits,
            sport=fixture.sport,
            phase="live" if fixture.live else "prematch",
        )
        return MarketUpdate(key=market.key, mark=mark, steps=steps, new_market=new_market)


def _status(status: Status, why: str) -> SetStatus:
    return SetStatus(market_no=MARKET_NO_LATER, status=status, why=why)
