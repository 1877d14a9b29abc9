"""How an exchange is followed: the settings of its adapter, with their bounds.

Owns the values alone. The section of a system's settings is gateway.feeds.core.settings.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.commands import Limits
from gateway.feeds.exchange.fair_price import FairRules
from gateway.feeds.exchange.order_book import MARKETS_MAX
from gateway.feeds.exchange.results import ResultRules


class ExchangeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an exchange is followed.

    New prices are sent when some runner's log-odds moved by `move_min` (0.01 is about 1% of the
    odds), and at most every `every_ms`; the last is never lost. A stream that sends heartbeats and
    is silent for `silence_heartbeats` of them is not trusted; a recording has no heartbeats and is
    trusted. A message whose `pt` is more than `ahead_ms_max` ahead of our clock is refused, and
    holds all markets suspended until the next image.
    """

    fair: FairRules = FairRules()
    result: ResultRules = ResultRules()
    limits: Limits | None = None
    move_min: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.01
    every_ms: Annotated[int, Meta(ge=0, le=60_000)] = 100
    silence_heartbeats: Annotated[int, Meta(ge=2, le=100)] = 3
    ahead_ms_max: Annotated[int, Meta(ge=1, le=3_600_000)] = 60_000
    markets_max: Annotated[int, Meta(ge=1, le=MARKETS_MAX)] = MARKETS_MAX
