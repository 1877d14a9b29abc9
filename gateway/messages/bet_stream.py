"""Messages by which the trading floor is shown bets as they are decided.

Owns schemas only; gateway.services.bet_stream filters and sends them.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta

from engine.common.account_changes import FACTOR_MILLI_MAX
from engine.common.commands import AccountNoField, MarketNoField
from engine.common.units import Minor
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField
from gateway.messages.bet_lines import BetLine

NAMED_MAX: Final = 100
"""Accounts, markets, fixtures, types or reasons that one filter may name."""
LINES_MAX: Final = 50
"""Lines of one `bet_seen`."""

AT_LEAST_MINOR_MAX: Final = 1_000_000_000_000
"""The highest amount of a filter: the gateway multiplies it by a million in one word."""

AtLeastField = Annotated[Minor, Meta(ge=0, le=AT_LEAST_MINOR_MAX)]
FactorField = Annotated[int, Meta(ge=0, le=FACTOR_MILLI_MAX)]
TypeField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{1,64}\Z")]
ReasonField = Annotated[int, Meta(ge=0, le=999)]
StreamState = Literal["accepted", "rejected", "pending"]
KindField = Literal["single", "slip", "leg"]


class WatchBets(FromClient, frozen=True, kw_only=True, omit_defaults=True, tag="watch_bets"):
    """Begin, or with `on` false stop, to be shown bets as they are decided, of all gateways.

    Answered by `watching_bets`, then `bet_seen`. A session has one filter: a new one replaces it. A
    bet must pass every part of it that is given, and one of those that a part names. Amounts are in
    base currency; `payout_minor_min` is of what the bet pays if it wins.

    The factor is the account's at the market's decision: refusals by the account, and slips as a
    whole, count as 1000.

    A slip is shown when it is decided as a whole, and each of its legs when its market decides it.
    A slip has no market, so filters of markets, fixtures and types show legs alone.
    """

    id: IdField = 0
    on: bool = True
    stake_minor_min: AtLeastField = Minor(0)
    payout_minor_min: AtLeastField = Minor(0)
    factor_milli_min: FactorField = 0
    factor_milli_max: FactorField = FACTOR_MILLI_MAX
    accounts: Annotated[tuple[AccountNoField, ...], Meta(max_length=NAMED_MAX)] = ()
    markets: Annotated[tuple[MarketNoField, ...], Meta(max_length=NAMED_MAX)] = ()
    fixtures: Annotated[tuple[FixtureField, ...], Meta(max_length=NAMED_MAX)] = ()
    types: Annotated[tuple[TypeField, ...], Meta(max_length=NAMED_MAX)] = ()
    states: Annotated[tuple[StreamState, ...], Meta(max_length=3)] = ()
    reasons: Annotated[tuple[ReasonField, ...], Meta(max_length=NAMED_MAX)] = ()
    kinds: Annotated[tuple[KindField, ...], Meta(max_length=3)] = ()


class WatchingBets(FromGateway, frozen=True, kw_only=True, tag="watching_bets"):
    """Whether this session is shown bets now."""

    id: int = 0
    on: bool = False


class BetSeen(FromGateway, frozen=True, kw_only=True, tag="bet_seen"):
    """Bets that were decided just now, in the order in which this gateway was told of them.

    At most ten a second are sent to a session, each with the newest 50 lines that pass its filter.
    `missed` counts the lines since the last message that were not sent: those past the 50, and
    those that were dropped on the way because too many came or the session did not read; what was
    dropped at a shell may not have passed the filter. `find_bets` has all.
    """

    bets: tuple[BetLine, ...] = ()
    missed: int = 0
