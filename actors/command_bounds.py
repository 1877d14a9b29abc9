"""What a market shell writes into commands: what they are checked against, and what markets pay.

Owns which commands get which. A replay so needs neither a clock nor settings nor rules of a sport.
"""

from collections.abc import Callable

import msgspec

from engine.common.commands import CreateMarket, FeedUpdate, MarketCommand, SetOdds
from engine.common.ids import MarketNo
from engine.common.odds_guard import OddsGuard
from engine.common.outcome_marks import OverrideOdds, ReleaseOdds


def with_bounds(
    command: MarketCommand, position_max: int, guard_of: Callable[[MarketNo], OddsGuard]
) -> MarketCommand:
    """Write into a command what it is checked against, so that a replay needs no clock or settings.

    A feed's command gets how far its position may be; odds and releases of odds get their guard,
    and a new market what its outcomes pay by score.
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
    if isinstance(command, CreateMarket):
        from engine.pricing.football.score_payoffs import score_payoffs  # noqa: PLC0415 - see MarketShell._load_kernels

        return msgspec.structs.replace(
            command,
            guard=guard_of(command.market_no),
            payoffs=score_payoffs(command.key, command.outcomes),
        )
    return command
