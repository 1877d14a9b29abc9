"""Messages between traders and gateways about the results of races.

Owns schemas only; gateway.services.race_results makes settlements of them.
"""

from typing import Annotated

from msgspec import Meta

from engine.common.commands import DEDUCTIONS_MAX, Deduction, MarketNoField, OutcomeNameField
from engine.common.units import DEAD_HEAT_DEN_MAX, OUTCOMES_MAX
from gateway.messages.base import FromClient, IdField

_Tied = Annotated[tuple[OutcomeNameField, ...], Meta(min_length=1, max_length=DEAD_HEAT_DEN_MAX)]


class SettleRace(FromClient, frozen=True, kw_only=True, tag="settle_race"):
    """Settle a race by its order of finish; answered by `controlled`, an event for each market.

    `market` is the win market; its place markets are settled too, each by the places of its own
    terms. `order` has the runners by name from the winner on, those of a dead heat together;
    `withdrawn` names every runner that did not run, also one that is void already. A runner that
    neither names is not placed. A name that the market does not have, or that is given twice, is
    refused, and nothing is settled. `deductions` are those of every market; without any, winners
    have those of the house's table.
    """

    id: IdField = 0
    market: MarketNoField
    order: Annotated[tuple[_Tied, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    withdrawn: Annotated[tuple[OutcomeNameField, ...], Meta(max_length=OUTCOMES_MAX)] = ()
    deductions: Annotated[tuple[Deduction, ...], Meta(max_length=DEDUCTIONS_MAX)] = ()
