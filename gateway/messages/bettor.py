"""Messages between bettors and gateways: bets, slips, balances and account events.

Owns schemas only; session and services decide what happens. A client message with an unknown field
or a value out of bounds is refused. A gateway omits fields at their defaults, and clients must
ignore fields they do not know.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from engine.common.commands import AccountNoField, MarketNoField, OddsField, RefField, StakeField
from engine.common.rows import BetResult, SlipState
from gateway.messages.base import Asked, BetIdField, IdField, OutcomeField, Sent
from gateway.settings import OPEN_BETS_MAX, PLACE_MANY_MAX

PolicyName = Literal["none", "higher", "any"]

POLICY_NUMBERS: Final[dict[str, int]] = {"none": 0, "higher": 1, "any": 2}

SLIP_STATE_NAMES: Final[dict[int, str]] = {
    SlipState.NONE: "none",
    SlipState.PENDING: "pending",
    SlipState.ACCEPTED: "accepted",
    SlipState.REFUSED: "rejected",
    SlipState.SETTLED: "settled",
}

RESULT_NAMES: Final[dict[int, str]] = {int(result): result.name.lower() for result in BetResult}


class Place(Asked, frozen=True, kw_only=True, tag="place"):
    """Bet on one outcome, for the token's account; answered by `bet`.

    `ref` is the client's own key of the bet: the same ref with the same content is the same bet
    and gets the same answer, however often and wherever it is sent. `odds_milli` are the odds the
    bettor saw; `policy` says what may happen when they moved (none: refuse, higher: take better
    ones, any: take any).
    """

    ref: RefField
    market: MarketNoField
    outcome: OutcomeField
    stake_minor: StakeField
    odds_milli: OddsField
    policy: PolicyName = "none"


class Selection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One bet of a `place_many`."""

    ref: RefField
    market: MarketNoField
    outcome: OutcomeField
    stake_minor: StakeField
    odds_milli: OddsField
    policy: PolicyName = "none"


class PlaceMany(Asked, frozen=True, kw_only=True, tag="place_many"):
    """Place several independent bets; each is answered by a `bet` of its own, in any order."""

    id: IdField = 0
    bets: Annotated[tuple[Selection, ...], Meta(min_length=1, max_length=PLACE_MANY_MAX)]


class AskStatus(Asked, frozen=True, kw_only=True, tag="status"):
    """Ask what became of a bet of the token's account; answered by `slip` (or `error` 606)."""

    id: IdField = 0
    ref: RefField


class AskBalance(Asked, frozen=True, kw_only=True, tag="balance"):
    """Ask for the account's money; answered by `balance`."""

    id: IdField = 0


class AskOpenBets(Asked, frozen=True, kw_only=True, tag="open_bets"):
    """Ask for the bets that are pending or unsettled, oldest first; answered by `open_bets`."""

    id: IdField = 0
    after_bet_id: BetIdField = 0
    limit: Annotated[int, Meta(ge=1, le=OPEN_BETS_MAX)] = OPEN_BETS_MAX


class WatchAccount(Asked, frozen=True, kw_only=True, tag="watch_account"):
    """Begin (or end) to receive `bet_event` and `money_event` of the token's account."""

    id: IdField = 0
    on: bool = True


class Bet(Sent, frozen=True, kw_only=True, tag="bet"):
    """The answer to a placed bet: accepted, rejected, or unknown (then ask `status`).

    `reason` and `message` say why not; `retryable` whether the same selection may pass later or
    with changed stake or odds; `stake_max_minor` is the highest stake that would have passed and
    `odds_milli` the odds accepted, or now offered.
    """

    ref: str
    state: str
    bet_id: int = 0
    odds_milli: int = 0
    reason: int = 0
    message: str = ""
    retryable: bool = False
    stake_max_minor: int = 0


class SlipView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One bet as its account's books hold it: pending, accepted, rejected or settled."""

    bet_id: int
    ref: str
    market: int
    outcome: int
    stake_minor: int
    odds_milli: int
    state: str
    placed_at_ns: int = 0
    reason: int = 0
    message: str = ""
    stake_max_minor: int = 0
    result: str = "none"
    payout_minor: int = 0
    settlement_no: int = 0


class SlipAnswer(Sent, frozen=True, kw_only=True, tag="slip"):
    """What became of a bet."""

    id: int = 0
    slip: SlipView


class BalanceAnswer(Sent, frozen=True, kw_only=True, tag="balance"):
    """The account's money, split by what may be done with it."""

    id: int = 0
    account: AccountNoField
    currency: str
    available_minor: int
    pending_minor: int = 0
    at_stake_minor: int = 0
    owed_minor: int = 0


class OpenBetsAnswer(Sent, frozen=True, kw_only=True, tag="open_bets"):
    """A page of open bets; `more` when the next page is not empty (ask after the last bet id)."""

    id: int = 0
    bets: tuple[SlipView, ...] = ()
    more: bool = False


class Watching(Sent, frozen=True, kw_only=True, tag="watching"):
    """Whether the account's events come from now on."""

    id: int = 0
    on: bool = False


class BetEvent(Sent, frozen=True, kw_only=True, tag="bet_event"):
    """Something happened to a bet of a watched account.

    `posted`: accepted, placed by another session on this gateway. `resolved`: the verdict of a bet
    whose answer had been lost. `settled`: paid, lost or refunded; a `settlement_no` above 1
    replaces an earlier settlement. `reopened`: a settlement was taken back with what it paid, and
    the bet is accepted as before. Events may be lost with a process; `status` is the truth.
    """

    event: Literal["posted", "resolved", "settled", "reopened"]
    slip: SlipView


class MoneyEvent(Sent, frozen=True, kw_only=True, tag="money_event"):
    """Money came into a watched account, or left it; `balance` is the truth."""

    event: Literal["deposited", "withdrawn"]
    amount_minor: int
    available_minor: int
    ref: str = ""
