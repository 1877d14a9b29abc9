"""Messages by which traders set offers, grant free bets, and see what each offer costs.

Owns schemas only; the ledger decides. How a bettor takes an offer is in gateway.messages.slips, and
what it has given in gateway.messages.bettor.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.commands import AccountNoField, AmountField, CurrencyField, RefField, TimeField
from engine.common.ids import AccountNo
from engine.common.offers import OFFER_CHARS_MAX, OfferNoField, OfferRule
from engine.common.units import Minor
from gateway.messages.base import FromClient, FromGateway, IdField


class PutOffer(FromClient, frozen=True, kw_only=True, tag="set_offer"):
    """Set an offer in every account shard, open it or withdraw it; answered by `offer_set`.

    `offer` is its number, for accounts of one currency. A rule never changes: another one under a
    known number is refused with 614, and needs a number of its own. `active` false withdraws the
    offer from bets to come. Sent again it changes nothing: after an `error` of 909, where a shard
    did not answer, send it again until every shard has it.

    Kinds of rules: `free_bet` (the stake is paid and not returned), `boost` (accumulators win more
    by a ladder), `odds_boost` (better odds for one selection), `insurance` (one lost leg: the stake
    as a free bet), `full_cover` (one winner, all winners), `early_payout` (a leg counts as won once
    its side leads).
    """

    id: IdField = 0
    offer: OfferNoField
    name: Annotated[str, Meta(min_length=1, max_length=OFFER_CHARS_MAX)]
    currency: CurrencyField
    rule: OfferRule
    active: bool = True


class GiveFreeBet(FromClient, frozen=True, kw_only=True, tag="grant_free_bet"):
    """Grant an account a free bet by an offer of this kind; answered by `free_bet_granted`.

    It can be used in parts, before `expires_at_ns`. A `ref` counts once for its account.
    """

    id: IdField = 0
    account: AccountNoField
    offer: OfferNoField
    amount_minor: AmountField
    expires_at_ns: TimeField
    ref: RefField


class ListOffers(FromClient, frozen=True, kw_only=True, tag="list_offers"):
    """Ask for all offers and what each has cost so far; answered by `offers`."""

    id: IdField = 0


OfferRequest = PutOffer | GiveFreeBet | ListOffers
"""What concerns offers."""


class OfferPut(FromGateway, frozen=True, kw_only=True, tag="offer_set"):
    """Every account shard has the offer."""

    id: int = 0
    offer: int
    active: bool = True


class FreeBetGiven(FromGateway, frozen=True, kw_only=True, tag="free_bet_granted"):
    """The account has the free bet, by whose number slips name it; `known`: it had it before."""

    id: int = 0
    account: AccountNo
    free_bet: int
    known: bool = False


class OfferLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One offer: `given_minor` is what its ledger account has given in all shards, its cost.

    `shards` is how many account shards have it, of those that answered. `differs` are the numbers
    of the shards that have not what the first of them has: the offer's name, rule, or whether it is
    active. Send `set_offer` again to mend it.
    """

    offer: int
    name: str
    currency: str
    rule: OfferRule
    given_minor: Minor
    shards: int
    active: bool = False
    differs: tuple[int, ...] = ()


class Offers(FromGateway, frozen=True, kw_only=True, tag="offers"):
    """All offers by number; `missing` account shards did not answer, and count in no figure."""

    id: int = 0
    offers: tuple[OfferLine, ...] = ()
    missing: int = 0
