"""What a market shell writes into commands: what checks them, who stops, and what markets pay.

Owns which commands get which. A replay so needs neither a clock nor settings nor rules of a sport.
"""

from collections.abc import Callable

import msgspec
from msgspec import UNSET

from engine.common.commands import (
    CreateMarket,
    FeedUpdate,
    HandOverMarket,
    MarketCommand,
    OpenMarket,
    ResumeMarket,
    ResumeWithAll,
    SetOdds,
    SuspendWithAll,
)
from engine.common.house import AUTHOR_CHARS_MAX
from engine.common.ids import MarketNo
from engine.common.odds_guard import OddsGuard
from engine.common.outcome_marks import OverrideOdds, ReleaseOdds

_BY_NAME = SuspendWithAll | ResumeWithAll | OpenMarket | ResumeMarket | HandOverMarket
"""Commands that set or end the stop of whoever gives them."""


def with_bounds(
    command: MarketCommand,
    position_max: int,
    guard_of: Callable[[MarketNo], OddsGuard],
    *,
    by: str,
) -> MarketCommand:
    """Write into a command what it is checked against, so that a replay needs no clock or settings.

    A feed's command gets how far its position may be; odds and releases of odds get their guard,
    and a new market what its outcomes pay by score. What sets or ends a person's stop gets `by`,
    who gives it.
    """
    if isinstance(command, FeedUpdate):
        steps = tuple(
            [
                msgspec.structs.replace(step, guard=guard_of(command.market_no))
                if isinstance(step, SetOdds)
                else step
                for step in command.steps
            ]
        )
        return msgspec.structs.replace(command, position_max=position_max, steps=steps)
    if isinstance(command, SetOdds | OverrideOdds | ReleaseOdds):
        return msgspec.structs.replace(command, guard=guard_of(command.market_no))
    if isinstance(command, _BY_NAME):
        return msgspec.structs.replace(command, by=by[:AUTHOR_CHARS_MAX] or UNSET)
    if isinstance(command, CreateMarket):
        from engine.pricing.football.score_payoffs import score_payoffs  # noqa: PLC0415 - see MarketShell._load_kernels

        return msgspec.structs.replace(
            command,
            guard=guard_of(command.market_no),
            payoffs=score_payoffs(command.key, command.outcomes),
        )
    return command
