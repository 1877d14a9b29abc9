"""Views: frozen copies of what a market or a ledger holds, safe to encode and to keep.

Owns the shapes of the read side. A view never refers back to the machine that made it.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.acceptance import Acceptance
from engine.common.book_result import BookResult
from engine.common.commands import Limits
from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.lifecycle import Status
from engine.common.offers import OfferRule
from engine.common.rows import BetResult, SlipState
from engine.common.units import Minor, Nanos, OddsMilli


class PriceImage(Struct, frozen=True, kw_only=True, gc=False):
    """A market as a bettor sees it; `version` rises with every visible change."""

    market_no: MarketNo
    key: str
    status: Status
    version: int
    outcomes: tuple[str, ...]
    odds_milli: tuple[OddsMilli, ...]
    active: tuple[bool, ...]


class PriceDelta(Struct, frozen=True, kw_only=True, gc=False):
    """The part of a market that changes, in absolute values: a missed delta does no harm."""

    market_no: MarketNo
    version: int
    status: Status
    odds_milli: tuple[OddsMilli, ...]
    active: tuple[bool, ...]


class StakesImage(Struct, frozen=True, kw_only=True, gc=False):
    """What is staked in a market, in base currency, as `BookImage` states it.

    It is the part of a book that is read of all markets of a fixture or the house over and over.
    """

    market_no: MarketNo
    key: str
    outcomes: tuple[str, ...]
    status: Status
    stake_taken_minor: Minor
    stake_minor: tuple[Minor, ...]
    payout_minor: tuple[Minor, ...]

    @property
    def liability_minor(self) -> tuple[Minor, ...]:
        """What the house loses if an outcome wins: its payout less all stakes taken."""
        return tuple(Minor(payout - self.stake_taken_minor) for payout in self.payout_minor)


class BookImage(Struct, frozen=True, kw_only=True):
    """A market as a trader sees it: the prices and, in base currency, the book behind them.

    `stake_minor[i]` is staked on outcome i, and `payout_minor[i]` is what the house pays if outcome
    i wins; `liability_minor[i]` is that payout less all stakes taken. Bets that are cancelled count
    in none of these; `bets` counts them. A leg of a slip counts with what its slip charges to it at
    present, and with nothing when the slip was refused. A bet in another currency adds its stake
    rounded down and its possible win rounded up, so no liability is stated too low. `results[i]` is
    what outcome i has brought, `result` their sum. Only a trader can make a `held` market ACTIVE.
    `results_stand` is true also for a market cancelled after its settlement. `windows` counts the
    windows of cancelled bets. `fixture_worst_minor` is what the house loses on the market's whole
    fixture at the worst score, as its limit counts it; None while no market of it has that limit.
    A trader holds the outcomes of `outcome_held`, and the odds of those of `overridden` stand;
    `due_odds_milli` are the odds that a release would give. `acceptance` says whether bets wait.
    Those of `stopped_by` have stopped the market with others, and it is `held` until none does;
    `held_alone` says that a trader's command to the market alone holds it.
    """

    prices: PriceImage
    limits: Limits
    bets: int
    stake_taken_minor: Minor
    stake_minor: tuple[Minor, ...]
    payout_minor: tuple[Minor, ...]
    liability_minor: tuple[Minor, ...]
    settlement_no: int
    held: bool = False
    results_stand: bool = False
    windows: int = 0
    results: tuple[BookResult, ...] = ()
    result: BookResult = BookResult()
    fixture_worst_minor: Minor | None = None
    outcome_held: tuple[bool, ...] = ()
    overridden: tuple[bool, ...] = ()
    due_odds_milli: tuple[OddsMilli, ...] = ()
    acceptance: Acceptance = Acceptance()
    stopped_by: tuple[str, ...] = ()
    held_alone: bool = False


class GridImage(Struct, frozen=True, kw_only=True, gc=False):
    """What the house loses on a fixture's open bets by how the fixture ends, in base currency.

    `loss_minor` has a figure for each cell of the first sheet (negative: a profit), of its
    `markets` alone. The `markets_beside` are those of other sheets and those without cells: at
    their own worst they lose `beside_minor` more, and `worst_minor` is that at the worst cell.
    Halves of a minor unit are rounded up. `limit_minor_min` is the least limit of the fixture's
    markets, 0 for none.
    """

    fixture: str
    markets: int
    markets_beside: int
    loss_minor: tuple[Minor, ...]
    beside_minor: Minor
    worst_minor: Minor
    limit_minor_min: Minor


class FreeBetView(Struct, frozen=True, kw_only=True, gc=False):
    """A free bet of an account: what is left of it, until it expires."""

    free_bet: int
    offer_no: int
    amount_minor: Minor
    left_minor: Minor
    expires_at_ns: Nanos


class Balance(Struct, frozen=True, kw_only=True):
    """An account's money in four figures, and what its open bets can still pay.

    `available` can be staked, `pending` is reserved until a market's verdict, `at_stake` is the
    stakes of accepted bets, `owed` is what a reversed payout took beyond the balance.
    """

    account_no: AccountNo
    currency: str
    available_minor: Minor
    pending_minor: Minor
    at_stake_minor: Minor
    owed_minor: Annotated[Minor, Meta(ge=0)] = Minor(0)
    open_payout_minor: Minor = Minor(0)
    free_bets: tuple[FreeBetView, ...] = ()
    """A page of the free bets that have something left, oldest first, expired ones among them."""
    before_free_bet: int = 0
    """The number before which the next page is: that of older ones; 0 when there are none."""


class SlipLegView(Struct, frozen=True, kw_only=True, gc=False):
    """One leg of a slip; `reason` is 0 unless this leg's market refused it.

    `stake_max_minor` is the highest stake that a market which refused the leg would have taken.
    `back_num / back_den` is the fraction of the stake that a settled leg gives back, 0 / 0 before.
    `event` is the number of the leg's fixture within the slip, `position` its place in the lines.
    `early_lead` is the largest lead that the leg's side has reached after it was placed, and
    `pre_match` whether that was before play began: an offer may pay the leg at it.
    """

    bet_id: BetId
    market_no: MarketNo
    outcome: int
    odds_milli: OddsMilli
    state: SlipState
    reason: int
    stake_max_minor: Minor
    result: BetResult
    back_num: int
    back_den: int
    event: int
    position: int
    early_lead: int = 0
    pre_match: bool = False


class SlipBetView(Struct, frozen=True, kw_only=True, gc=False):
    """One bet of a slip: `stake_minor` on each of its `lines`.

    `positions` are those it is over and `bankers` those of them in every line; `sizes` are the
    numbers of other positions that a line may have. `payout_minor_max` is 0 for no bound.
    """

    stake_minor: Minor
    sizes: tuple[int, ...]
    positions: tuple[int, ...]
    bankers: tuple[int, ...]
    lines: int
    payout_minor_max: Minor


class SlipOfferView(Struct, frozen=True, kw_only=True, gc=False):
    """The offer that a slip took, and what it has given beside the payout.

    `added_minor` is the stake that the free bet number `free_bet` paid, less what the payout has
    returned of it; or what a boost or bonus added. `earned_free_bet` is the number of the free bet
    that an insurance has earned, 0 for none.
    """

    offer_no: int
    added_minor: Minor
    free_bet: int = 0
    earned_free_bet: int = 0


class OfferView(Struct, frozen=True, kw_only=True):
    """An offer, and what its account has given to bettors of a shard so far: its cost."""

    offer_no: int
    name: str
    currency: str
    active: bool
    rule: OfferRule
    given_minor: Minor


class EarlyStanding(Struct, frozen=True, kw_only=True, gc=False):
    """Open legs on one outcome whose slips took one early payout, in base currency.

    `payout_minor` is what the `legs` without the lead would pay as the singles that run on them;
    the `marked` ones have reached it.
    """

    offer_no: int
    lead: int
    market_no: MarketNo
    outcome: int
    legs: int
    payout_minor: Minor
    marked_legs: int
    marked_payout_minor: Minor


class Slip(Struct, frozen=True, kw_only=True):
    """One bet as its account records it; `reason` is 0 unless the bet was refused.

    A slip of several legs has them in `legs` and its bets in `bets`; its own market, outcome and
    odds are 0. A single has neither.
    """

    bet_id: BetId
    ref: str
    account_no: AccountNo
    market_no: MarketNo
    outcome: int
    stake_minor: Minor
    odds_milli: OddsMilli
    state: SlipState
    reason: int
    stake_max_minor: Minor
    placed_at_ns: Nanos
    result: BetResult
    payout_minor: Minor
    settlement_no: int
    legs: tuple[SlipLegView, ...] = ()
    bets: tuple[SlipBetView, ...] = ()
    offer: SlipOfferView | None = None


class SlipPage(Struct, frozen=True, kw_only=True):
    """Some of an account's slips, and where the next page begins.

    The next page is that before the bet `before_bet_id`; 0 when no other follows.
    """

    slips: list[Slip]
    before_bet_id: BetId


class LedgerTotals(Struct, frozen=True, kw_only=True):
    """The ledger's totals in one currency: the seven figures always add up to zero.

    `external` is minus the net deposits, `house` is the profit from settled bets, `offers` is minus
    what the offers' accounts have given, and `owed` is a claim on bettors, so zero or negative
    here.
    """

    currency: str
    external_minor: Minor
    available_minor: Minor
    pending_minor: Minor
    at_stake_minor: Minor
    owed_minor: Minor
    house_minor: Minor
    offers_minor: Minor = Minor(0)
