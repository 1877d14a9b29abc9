"""What a market shell writes into commands: the bounds that they are checked against.

Owns which commands get which. A replay so needs neither a clock nor settings.
"""

from collections.abc import Callable

import msgspec

from engine.common.commands import CreateMarket, FeedUpdate, MarketCommand, OddsGuard, SetOdds
from engine.common.ids import MarketNo


def with_bounds(
    command: MarketCommand, position_max: int, guard_of: Callable[[MarketNo], OddsGuard]
) -> MarketCommand:
    """Write into a command what it is checked against, so that a replay needs no clock or settings.

    A feed's command gets how far its position may be; odds get their guard.
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
    if isinstance(command, SetOdds | CreateMarket):
        return msgspec.structs.replace(command, guard=guard_of(command.market_no))
    return command
