"""Messages between bettors and gateways: bets, slips, balances and account events.

Owns schemas only; gateway.session and gateway.services decide what happens. A client message with
an unknown field or a value out of bounds is refused. A gateway omits fields at their defaults, and
clients must ignore unknown fields.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from engine.common.commands import AccountNoField, MarketNoField, OddsField, RefField, StakeField
from engine.common.ids import BetId, MarketNo
from engine.common.units import Minor, Nanos, OddsMilli
from gateway.messages.base import (
    BetIdField,
    FromClient,
    FromGateway,
    IdField,
    OutcomeField,
    Stale,
    enumerated,
)
from gateway.settings import HISTORY_MAX, OPEN_BETS_MAX, PLACE_MANY_MAX

PolicyName = Literal["none", "higher", "any"]

POLICY_NUMBERS: Final[dict[str, int]] = {"none": 0, "higher": 1, "any": 2}

NamedBet = Literal[
    "accumulator",
    "singles",
    "doubles",
    "trebles",
    "trixie",
    "patent",
    "yankee",
    "lucky15",
    "canadian",
    "lucky31",
    "heinz",
    "lucky63",
    "super_heinz",
    "goliath",
]
"""Names of bets on combinations, which stand for the sizes of their lines."""

BetWord = Annotated[str, enumerated(("accepted", "rejected", "unknown"))]
SlipWord = Annotated[str, enumerated(("none", "pending", "accepted", "rejected", "settled"))]
LegWord = Annotated[
    str, enumerated(("none", "pending", "accepted", "rejected", "settled", "released"))
]
ResultWord = Annotated[
    str, enumerated(("none", "won", "lost", "refunded", "half_won", "half_lost", "cancelled"))
]


class Place(FromClient, frozen=True, kw_only=True, tag="place"):
    """Place a bet on one outcome, for the token's account; answered by `bet`.

    `ref` is the client's own key of the bet: the same ref with the same content is never booked
    twice, however often and wherever it is sent. `odds_milli` are the odds that the bettor saw.
    `policy` states which changed odds are accepted: `none` (no change), `higher` (better odds) or
    `any`.
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


FreeBetField = Annotated[int, Meta(ge=0, lt=1 << 31)]
"""The number of a free bet of the account, 0 for none."""


class PlaceMany(FromClient, frozen=True, kw_only=True, tag="place_many"):
    """Place several independent bets; each is answered by its own `bet`, in any order."""

    id: IdField = 0
    bets: Annotated[tuple[Selection, ...], Meta(min_length=1, max_length=PLACE_MANY_MAX)]


class AskStatus(FromClient, frozen=True, kw_only=True, tag="status"):
    """Ask for the state of a bet of the token's account; answered by `slip` (or `error` 606)."""

    id: IdField = 0
    ref: RefField


class AskBalance(FromClient, frozen=True, kw_only=True, omit_defaults=True, tag="balance"):
    """Ask for the account's balance; answered by `balance`.

    `before_free_bet` is that of the last answer, for its older free bets; 0 for the newest.
    """

    id: IdField = 0
    before_free_bet: FreeBetField = 0


class AskOpenBets(FromClient, frozen=True, kw_only=True, tag="open_bets"):
    """Ask for the pending and unsettled bets, oldest first; answered by `open_bets`."""

    id: IdField = 0
    after_bet_id: BetIdField = 0
    limit: Annotated[int, Meta(ge=1, le=OPEN_BETS_MAX)] = OPEN_BETS_MAX


class AskHistory(FromClient, frozen=True, kw_only=True, tag="history"):
    """Ask for the settled bets, newest first; answered by `history`, or `error` 606.

    They are those that were paid, lost, refunded or cancelled, by falling bet id. `before_bet_id`
    is that of the last answer, 0 for the newest; one that is no bet of the account is refused.
    """

    id: IdField = 0
    before_bet_id: BetIdField = 0
    limit: Annotated[int, Meta(ge=1, le=HISTORY_MAX)] = HISTORY_MAX


AccountRequest = AskStatus | AskBalance | AskOpenBets | AskHistory
"""What a bettor asks his account."""


class WatchAccount(FromClient, frozen=True, kw_only=True, tag="watch_account"):
    """Begin, or with `on` false stop, to receive the account's events.

    They are `bet_event`, `money_event` and `free_bet_event`.
    """

    id: IdField = 0
    on: bool = True


class Bet(FromGateway, frozen=True, kw_only=True, tag="bet"):
    """The answer to a placed bet: accepted, rejected, or unknown (then ask `status`).

    `reason` and `message` say why a bet was not accepted. `retryable` says whether the same
    selection may be accepted later, or with another stake or odds. `stake_max_minor` is the highest
    stake that would have been accepted; `odds_milli` are the odds accepted, or offered now. With
    `reason` 805 both are what a trader offers instead: a bet of this account on the outcome, up to
    the stake, at exactly these odds, until `until_ms` (UTC, in milliseconds, by the gateway's
    clock; 0: not known, or over), unless a stop of the market or the outcome ends the offer before.

    `final` says that the account has recorded this answer under the ref: every later sending of the
    ref, on any connection, gets it again, also when its reason would no longer apply; place the bet
    anew under another ref. Without `final`, this sending booked nothing and the ref stays free; the
    answer says nothing of other sendings of the ref, of which `status` tells.
    """

    ref: str
    state: BetWord
    final: bool = False
    bet_id: BetId = BetId(0)
    odds_milli: OddsMilli = OddsMilli(0)
    reason: int = 0
    message: str = ""
    retryable: bool = False
    stake_max_minor: Minor = Minor(0)
    until_ms: int = 0


class BetWaits(FromGateway, frozen=True, kw_only=True, tag="bet_waits"):
    """A placed bet waits at its market; its `bet` or `slip_bet` follows.

    With `reason` 801 it waits out a delay, and is then decided by the odds and the state of that
    time; with 802 it waits for a trader. It is decided in at most `wait_ms`, at `until_ms` (UTC, in
    milliseconds) by the gateway's clock. The stake is reserved meanwhile. A connection that is lost
    does not end the wait: the same ref again, or `status`, tells what became of it.
    """

    ref: str
    bet_id: BetId
    reason: int
    message: str = ""
    wait_ms: int = 0
    until_ms: int = 0


class LegView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One leg of a slip as its account records it.

    `released`: its market accepted it, and the slip was refused for another leg. A settled leg
    gives `back_num / back_den` of a stake on it back: odds of 2.500 that won 2500/1000, refunded
    1/1, lost 0/1. `event` numbers the events of the slip; legs of one event share no line.
    `early_lead` is the largest lead that the leg's side has reached, as its market told: an offer
    may pay at it.
    """

    bet_id: BetId
    market: MarketNo
    outcome: int
    odds_milli: OddsMilli
    state: LegWord
    event: int = 0
    reason: int = 0
    message: str = ""
    stake_max_minor: Minor = Minor(0)
    result: ResultWord = "none"
    back_num: int = 0
    back_den: int = 0
    early_lead: int = 0


class BetLinesView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One bet of a slip: `stake_minor` on each of its `lines`; see `place_slip`.

    `payout_minor_max` is the most that it may pay by the odds at which its legs were accepted; 0
    is no bound.
    """

    stake_minor: Minor
    lines: int
    sizes: tuple[int, ...]
    positions: tuple[int, ...]
    bankers: tuple[int, ...] = ()
    payout_minor_max: Minor = Minor(0)


class OfferView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The offer that a slip took, or the free bet that pays its stake.

    `added_minor` is what the offer has given so far beside the payout: a boost or a bonus; of a
    free bet its stake, less what the payout has returned of it. So the bettor has paid the slip's
    stake and received `payout_minor + added_minor`. `earned_free_bet` is the number of the free bet
    that an insurance has given. A slip that was accepted just now may show `offer` 0 with its
    `free_bet`.
    """

    offer: int = 0
    added_minor: Minor = Minor(0)
    free_bet: int = 0
    earned_free_bet: int = 0


class FreeBet(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A free bet of the account: what is left of it, until it expires."""

    free_bet: int
    offer: int
    amount_minor: Minor
    left_minor: Minor
    expires_at_ns: Nanos


class SlipView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One bet as its account records it: pending, accepted, rejected or settled.

    A slip of several legs has `legs` and `bets`; its `stake_minor` is that of all lines, and its
    `market`, `outcome` and `odds_milli` are 0. `positions` are those of the legs, in their order,
    where a leg has another than its own number.

    `stale` when the account's journal is damaged: the bet may have gone further since.
    """

    bet_id: BetId
    ref: str
    market: MarketNo
    outcome: int
    stake_minor: Minor
    odds_milli: OddsMilli
    state: SlipWord
    placed_at_ns: Nanos = Nanos(0)
    reason: int = 0
    message: str = ""
    stake_max_minor: Minor = Minor(0)
    result: ResultWord = "none"
    payout_minor: Minor = Minor(0)
    settlement_no: int = 0
    legs: tuple[LegView, ...] = ()
    bets: tuple[BetLinesView, ...] = ()
    positions: tuple[int, ...] = ()
    offer: OfferView | None = None
    stale: Stale = ""


class SlipAnswer(FromGateway, frozen=True, kw_only=True, tag="slip"):
    """The state of a bet."""

    id: int = 0
    slip: SlipView


class BalanceAnswer(FromGateway, frozen=True, kw_only=True, tag="balance"):
    """The account's balance: available, pending, at stake, and owed to the house.

    `free_bets` are the newest 50 that have something left, oldest first, expired ones among them.
    With a `before_free_bet` there are older ones: ask with it for the next 50.

    `stale` when the account's journal is damaged: bets and transfers may be missing.
    """

    id: int = 0
    account: AccountNoField
    currency: str
    available_minor: Minor
    pending_minor: Minor = Minor(0)
    at_stake_minor: Minor = Minor(0)
    owed_minor: Minor = Minor(0)
    free_bets: tuple[FreeBet, ...] = ()
    before_free_bet: int = 0
    stale: Stale = ""


class OpenBetsAnswer(FromGateway, frozen=True, kw_only=True, tag="open_bets"):
    """A page of open bets; with `more`, ask for the next page after the last bet id.

    A page holds 1,024 legs and bets of slips at most, and ends before a slip that would pass that.

    `stale` when the account's journal is damaged: bets may be missing, or have gone further.
    """

    id: int = 0
    bets: tuple[SlipView, ...] = ()
    more: bool = False
    stale: Stale = ""


class HistoryAnswer(FromGateway, frozen=True, kw_only=True, tag="history"):
    """A page of settled bets; with a `before_bet_id`, ask for the next page with it.

    A page may be short, and even empty, although others follow: it holds 1,024 legs and bets of
    slips at most, and its account looks at a bounded number of bets for it. A bet that is settled
    while pages are asked for is in none of them twice; one that was settled before the first page
    is in one of them. A settlement that is rolled back makes its bet an open one again.

    `stale` when the account's journal is damaged: bets may be missing, or have gone further.
    """

    id: int = 0
    bets: tuple[SlipView, ...] = ()
    before_bet_id: BetId = BetId(0)
    stale: Stale = ""


class Watching(FromGateway, frozen=True, kw_only=True, tag="watching"):
    """Whether this session receives the account's events now."""

    id: int = 0
    on: bool = False


class BetEvent(FromGateway, frozen=True, kw_only=True, tag="bet_event"):
    """A change of a bet of a watched account.

    `posted`: another session on this gateway placed it and it was accepted. `resolved`: the verdict
    of a bet whose answer was lost. `settled`: won, lost or refunded; a `settlement_no` above 1
    replaces an earlier settlement. `reopened`: a settlement and its payout were rolled back, and
    the bet is accepted as before. `offer_changed`: what its `offer` gives has changed, while its
    state and payout have not: an early payout was paid, or the free bet of an insurance was earned
    or taken back. Events can be lost with a process; `status` is authoritative.

    A leg of a slip that is settled while the slip stays open is no event.
    """

    event: Literal["posted", "resolved", "settled", "reopened", "offer_changed"]
    slip: SlipView


class MoneyEvent(FromGateway, frozen=True, kw_only=True, tag="money_event"):
    """A deposit to a watched account, or a withdrawal; `balance` is authoritative."""

    event: Literal["deposited", "withdrawn"]
    amount_minor: Minor
    available_minor: Minor
    ref: str = ""


class FreeBetEvent(FromGateway, frozen=True, kw_only=True, tag="free_bet_event"):
    """A watched account was granted a free bet; `balance` is authoritative.

    One that an insurance has earned is shown by the `bet_event` of its slip.
    """

    event: Literal["granted"]
    free_bet: FreeBet
