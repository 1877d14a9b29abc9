"""What feeds state as results of one shell's markets, for the part that watches.

Owns them in memory, of each feed the last, and tells the watcher of markets of which several feeds
have stated one: as they change, and to a watcher that is new. A new process of the shell begins
with nothing. A person who settles or cancels a market has decided: what feeds said before counts no
more.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import UnsetType

from actors.match_notices import WATCHER
from actors.messages import encode
from actors.peer import Peer
from engine.common.commands import (
    CancelMarket,
    FeedStep,
    FeedUpdate,
    MarketCommand,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.events import FeedApplied, MarketEvent, Refused
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.common.stated_results import MarketStatements, StatedOutcome, StatedResult
from engine.market.settlement import canonical_result

MARKETS_MAX: Final = 16_384
"""Markets of which results are remembered; past it the one stated longest ago is forgotten."""
FEEDS_MAX: Final = 8
"""Feeds of one market that are remembered; others are not."""
STATEMENTS_IN_CALL_MAX: Final = 256
_ROLE: Final = "feed:"
_STATING: Final = (SettleMarket, CancelMarket, RollBackSettlement, RollBackCancel)
_KNOWN: Final = (Reason.ALREADY_SETTLED, Reason.TRANSITION_NOT_ALLOWED)
"""Refusals of a result that another has stated before, or that comes to a market that is decided:
it is stated all the same."""


class FeedResults:
    """The results that feeds have stated of the markets of one shell."""

    def __init__(self) -> None:
        self._stated: dict[MarketNo, dict[str, StatedResult]] = {}

    def note(
        self,
        by: str,
        commands: Iterable[MarketCommand],
        events: Iterable[MarketEvent],
        gateways: Mapping[str, Peer],
    ) -> None:
        """Take commands with their events; tell the watcher where several feeds have a say."""
        changed: dict[MarketNo, None] = {}
        for command, event in zip(commands, events, strict=True):
            if isinstance(command, FeedUpdate):
                if isinstance(event, FeedApplied):
                    for step, done in zip(command.steps, event.events, strict=True):
                        if isinstance(step, _STATING) and self._take(by, step, done):
                            changed[command.market_no] = None
            elif isinstance(command, _STATING) and self._take(by, command, event):
                changed[command.market_no] = None
        if changed and WATCHER in gateways:
            self._send(gateways[WATCHER], changed)

    def notify(self, peer: Peer) -> None:
        """Tell a peer that is new, if it watches, of all markets of several feeds."""
        if peer.name == WATCHER:
            several = [number for number, stated in self._stated.items() if len(stated) > 1]
            self._send(peer, several)

    def _take(self, by: str, step: FeedStep | MarketCommand, done: object) -> bool:
        """Note what a command states; say whether the watcher is to be notified."""
        assert isinstance(step, _STATING)
        if isinstance(done, Refused) and done.reason not in _KNOWN:
            return False
        number = step.market_no
        if not by.startswith(_ROLE):
            if isinstance(done, Refused):
                return False
            self._stated.pop(number, None)
            return True
        of_market = self._stated.pop(number, {})
        feed, several = by.removeprefix(_ROLE), len(of_market) > 1
        before = of_market.get(feed)
        if isinstance(step, SettleMarket):
            of_market |= _room(of_market, feed, _settled(feed, step, before))
        elif isinstance(step, CancelMarket):
            of_market |= _room(of_market, feed, StatedResult(feed=feed, cancelled=True))
        else:
            of_market.pop(feed, None)
        if of_market:
            self._stated[number] = of_market
        if len(self._stated) > MARKETS_MAX:
            del self._stated[next(iter(self._stated))]
        return several or len(of_market) > 1

    def _send(self, watcher: Peer, numbers: Iterable[MarketNo]) -> None:
        sent = [
            MarketStatements(
                market_no=number, statements=tuple(self._stated.get(number, {}).values())
            )
            for number in numbers
        ]
        for start in range(0, len(sent), STATEMENTS_IN_CALL_MAX):
            watcher.notify("on_results", encode(sent[start : start + STATEMENTS_IN_CALL_MAX]))


def _room(
    of_market: Mapping[str, StatedResult], feed: str, stated: StatedResult
) -> dict[str, StatedResult]:
    return {feed: stated} if feed in of_market or len(of_market) < FEEDS_MAX else {}


def _settled(feed: str, step: SettleMarket, before: StatedResult | None) -> StatedResult:
    """Return what a feed states with a settlement of all outcomes, or of some beside earlier."""
    results: dict[int, StatedOutcome] = {}
    outcomes: Sequence[int] = range(len(step.results))
    if not isinstance(step.outcomes, UnsetType):
        outcomes = step.outcomes
        if before is not None:
            results = {each.outcome: each for each in before.results}
    for outcome, result in zip(outcomes, step.results, strict=False):
        results[outcome] = StatedOutcome(outcome=outcome, result=canonical_result(result))
    return StatedResult(feed=feed, results=tuple(results[at] for at in sorted(results)))
