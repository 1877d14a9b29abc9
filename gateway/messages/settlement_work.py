"""Messages about what is to be settled, and of which results feeds differ.

Owns schemas only; engine.common.stated_results compares what feeds state.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.commands import MarketNoField
from engine.common.ids import MarketNo
from engine.common.stated_matches import StatedMatch
from engine.common.stated_results import StatedResult
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.messages.market import StatusWord

LINES_MAX: Final = 500
"""Markets of one answer."""
MATCHES_MAX: Final = 100
"""Matches of one answer."""


class AskSettlementWork(FromClient, frozen=True, kw_only=True, tag="settlement_work"):
    """Ask which markets are to be settled or looked at; answered by `settlement_list`.

    They are those without a result of fixtures that have ended or are cancelled, those that are
    closed, and those of which feeds state different results, settled or not: with `conflicts` these
    alone. `after` is the last market of an answer that has `more`.
    """

    id: IdField = 0
    conflicts: bool = False
    after: Annotated[MarketNo, Meta(ge=0)] = MarketNo(0)
    limit: Annotated[int, Meta(ge=1, le=LINES_MAX)] = LINES_MAX


class SettlementLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A market to be settled or looked at.

    Of the outcomes `differ`, two of the `statements` of feeds have different results; a
    cancellation is a refund. Feeds that state the same are not shown.
    """

    market: MarketNoField
    key: str
    status: StatusWord
    fixture_state: str = ""
    differ: tuple[int, ...] = ()
    statements: tuple[StatedResult, ...] = ()


class MatchLine(Struct, frozen=True, kw_only=True):
    """A fixture's match of which sources state different things now: its `state`, its `score`.

    The source `priced` is the score by which it was priced last.
    """

    fixture: str
    differ: tuple[str, ...]
    statements: tuple[StatedMatch, ...]


class SettlementList(FromGateway, frozen=True, kw_only=True, tag="settlement_list"):
    """Markets by rising number; with `more` there are others behind the last.

    There are `conflicts` in all. Where the desk did not answer they are `unknown`, and none shown.
    `matches` are those of which feeds differ, at most MATCHES_MAX, the newest first.
    """

    id: int = 0
    lines: tuple[SettlementLine, ...] = ()
    more: bool = False
    conflicts: int = 0
    unknown: bool = False
    matches: tuple[MatchLine, ...] = ()
