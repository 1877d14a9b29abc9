"""What a machine shows of itself: plain frozen pictures, safe to encode and to keep.

Owns the read side's shapes; a picture never reaches back into the machine that made it.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.commands import Limits
from engine.common.lifecycle import Status
from engine.common.rows import BetResult, SlipState


class PriceImage(Struct, frozen=True, kw_only=True):
    """What a bettor sees of a market. `version` rises with every visible change."""

    market_no: int
    key: str
    status: Status
    version: int
    outcomes: tuple[str, ...]
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]


class PriceDelta(Struct, frozen=True, kw_only=True):
    """A market's moving part, in absolute values, so that a missed delta costs nothing."""

    market_no: int
    version: int
    status: Status
    odds_milli: tuple[int, ...]
    active: tuple[bool, ...]


class BookImage(Struct, frozen=True, kw_only=True):
    """What a trader sees of a market: the prices and, in base currency, the book behind them.

    `stake_minor[i]` was taken on outcome i; `liability_minor[i]` is what the house pays if it wins,
    less all stakes taken. A market that is `held` becomes ACTIVE by a trader's word alone;
    `results_stand` also of a market that was cancelled after its settlement. `windows` of cancelled
    bets stand: these bets are refunded, and still in the figures.
    """

    prices: PriceImage
    limits: Limits
    bets: int
    stake_taken_minor: int
    stake_minor: tuple[int, ...]
    payout_minor: tuple[int, ...]
    liability_minor: tuple[int, ...]
    settlement_no: int
    held: bool = False
    results_stand: bool = False
    windows: int = 0


class Balance(Struct, frozen=True, kw_only=True):
    """An account's money, split by what may be done with it.

    `available` may be staked, `pending` waits for a market's verdict, `at_stake` rides on
    accepted bets, `owed` is a clawback that the balance did not cover.
    """

    account_no: int
    currency: str
    available_minor: int
    pending_minor: int
    at_stake_minor: int
    owed_minor: Annotated[int, Meta(ge=0)] = 0


class Slip(Struct, frozen=True, kw_only=True):
    """One bet as its account's books hold it; `reason` is 0 unless it was refused."""

    bet_id: int
    ref: str
    account_no: int
    market_no: int
    outcome: int
    stake_minor: int
    odds_milli: int
    state: SlipState
    reason: int
    stake_max_minor: int
    placed_at_ns: int
    result: BetResult
    payout_minor: int
    settlement_no: int


class LedgerTotals(Struct, frozen=True, kw_only=True):
    """One currency's books: the six figures always add up to zero.

    `external` is minus the net deposits, `house` the profit taken from settled bets; `owed` is a
    claim on bettors and so zero or negative here.
    """

    currency: str
    external_minor: int
    available_minor: int
    pending_minor: int
    at_stake_minor: int
    owed_minor: int
    house_minor: int
