"""Offers on a ledger's tables: setting them, granting free bets, and what each has given.

Owns the checks of the commands, and when the offers of slips are brought in line. Never decides
what an offer gives: engine.ledger.offers_given_nb does.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from engine.common.events import FreeBetGranted, LedgerEvent, OfferSet, Refused
from engine.common.offers import (
    FULL_COVER_LEGS_MAX,
    OFFER_CAP_MINOR_MAX,
    OFFER_LEGS_MAX,
    OFFERS_MAX,
    ONE_WINNER_MILLI_MIN,
    BoostRule,
    EarlyPayoutRule,
    FreeBetRule,
    FullCoverRule,
    GrantFreeBet,
    InsuranceRule,
    LadderStep,
    OddsBoostRule,
    OfferKind,
    OfferRule,
    SetOffer,
)
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import FLAG_HEAD, Rows, U64s
from engine.common.units import BALANCE_MINOR_MAX, PAYOUT_MINOR_MAX, STAKE_MINOR_MAX, Nanos
from engine.ledger.offer_rows import GRANTS_MAX, OFFER
from engine.ledger.offers_given_nb import bring_offers_nb
from engine.ledger.rows import HOLDING_MINOR_MAX, SETTLEMENTS_MAX
from engine.ledger.tables import LedgerTables

assert HOLDING_MINOR_MAX + SETTLEMENTS_MAX * (PAYOUT_MINOR_MAX + OFFER_CAP_MINOR_MAX) < 1 << 63

KINDS: Final[dict[type[OfferRule], OfferKind]] = {
    FreeBetRule: OfferKind.FREE_BET,
    BoostRule: OfferKind.BOOST,
    OddsBoostRule: OfferKind.ODDS_BOOST,
    InsuranceRule: OfferKind.INSURANCE,
    FullCoverRule: OfferKind.FULL_COVER,
    EarlyPayoutRule: OfferKind.EARLY_PAYOUT,
}


def set_offer(tables: LedgerTables, command: SetOffer) -> LedgerEvent:
    """Set an offer, open or withdraw it; a known number keeps its rule."""
    number, offers = command.offer_no, tables.offers
    if not 1 <= number <= OFFERS_MAX:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "offer_no", f"1 to {OFFERS_MAX}")
    if command.currency not in tables.currencies:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "currency", "this currency has no rate")
    ladder = command.rule.ladder if isinstance(command.rule, BoostRule | FullCoverRule) else ()
    legs = [step.legs for step in ladder]
    if sorted(set(legs)) != legs:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "rule.ladder", "the numbers of legs rise")
    row = offer_row(command.rule, currency=tables.currencies.index(command.currency))
    if not _can_give(command.rule, row):
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "rule.ladder", "it never adds anything")
    row["active"] = command.active
    if offers.is_known(number):
        kept = offers.offers[number : number + 1].copy()
        kept["active"] = command.active
        if kept.tobytes() != row.tobytes() or offers.names[number] != command.name:
            return _refused(Reason.OFFER_EXISTS, "offer_no")
    offers.put_offer(number, row, command.name)
    return OfferSet(offer_no=number, active=command.active)


def _can_give(rule: OfferRule, row: Rows) -> bool:
    """Return whether there is a bet to which a rule with a ladder can add something."""
    ladder = row["ladder_milli"][0]
    if isinstance(rule, BoostRule):
        return bool(ladder.any())
    if isinstance(rule, FullCoverRule):
        some_milli = ladder[rule.legs_min : FULL_COVER_LEGS_MAX + 1].any()
        return rule.one_winner_milli > ONE_WINNER_MILLI_MIN or bool(some_milli)
    return True


def offer_row(rule: OfferRule, *, currency: int) -> Rows:
    """Return a rule as an OFFER row, active; fields that its kind has not are 0."""
    row = np.zeros(1, OFFER)
    row["kind"] = KINDS[type(rule)]
    row["currency"] = currency
    for name in (
        "cap_minor",
        "stake_minor_max",
        "expires_after_ns",
        "market_no",
        "odds_milli_min",
        "odds_milli",
        "outcome",
        "one_winner_milli",
        "legs_min",
        "void_excludes",
        "lead",
        "pre_match",
        "uses_max",
    ):
        if hasattr(rule, name):
            row[name] = getattr(rule, name)
    if isinstance(rule, FreeBetRule):
        row["stake_minor_max"] = STAKE_MINOR_MAX
    if isinstance(rule, BoostRule | FullCoverRule):
        for step in rule.ladder:
            row["ladder_milli"][0, step.legs :] = step.milli
    row["active"] = 1
    return row


def rule_of(row: Any) -> OfferRule:
    """Return the rule of an OFFER row."""
    kind = OfferKind(int(row["kind"]))
    rule = next(each for each, number in KINDS.items() if number == kind)
    fields: dict[str, Any] = {
        name: _ladder_of(row) if name == "ladder" else int(row[name])
        for name in rule.__struct_fields__
    }
    for name in fields.keys() & {"void_excludes", "pre_match"}:
        fields[name] = bool(fields[name])
    return rule(**fields)


def _ladder_of(row: Any) -> tuple[LadderStep, ...]:
    """Return the steps of an OFFER row's ladder, without those that change nothing."""
    values = row["ladder_milli"].tolist()
    return tuple(
        LadderStep(legs=legs, milli=values[legs])
        for legs in range(1, OFFER_LEGS_MAX + 1)
        if values[legs] != values[legs - 1]
    )


def grant_free_bet(
    tables: LedgerTables, command: GrantFreeBet, ref: U64s | None, at_ns: Nanos
) -> LedgerEvent:
    """Grant an account a free bet; a known ref is checked first and gets its earlier answer."""
    offers = tables.offers
    if ref is None:
        return _refused(Reason.MALFORMED, "ref", "1 to 32 printable characters, no space")
    account = tables.account_slot(command.account_no)
    if account >= 0:
        known = offers.grant_slot(
            account=account, account_no=command.account_no, seed=tables.ref_seed, ref=ref
        )
        if known >= 0:
            row = offers.grants[known]
            content = (row["offer"], row["amount_minor"], row["expires_at_ns"])
            if content != (command.offer_no, command.amount_minor, command.expires_at_ns):
                return _refused(Reason.TRANSFER_REF_REUSED, "ref")
            return _granted(command, known + 1, known=True)
    refusal = _grant_refusal(tables, command, account, at_ns)
    if refusal is not None:
        return refusal
    offers.make_room(1)
    slot = offers.grants_len
    row = offers.grants[slot]
    row["ref"] = ref
    row["amount_minor"] = command.amount_minor
    row["granted_at_ns"] = at_ns
    row["expires_at_ns"] = command.expires_at_ns
    row["account"] = account
    row["offer"] = command.offer_no
    offers.ends[1] += 1
    offers.note_grants(slot)
    offers.index_grant(slot, seed=tables.ref_seed, accounts=tables.accounts)
    return _granted(command, slot + 1, known=False)


def _grant_refusal(
    tables: LedgerTables, command: GrantFreeBet, account: int, at_ns: Nanos
) -> Refused | None:
    offers = tables.offers
    if not 1 <= command.amount_minor <= BALANCE_MINOR_MAX:
        return _refused(Reason.AMOUNT_OUT_OF_BOUNDS, "amount_minor", f"1 to {BALANCE_MINOR_MAX}")
    if account < 0:
        return _refused(Reason.ACCOUNT_UNKNOWN, "account_no")
    if not offers.is_known(command.offer_no):
        return _refused(Reason.OFFER_UNKNOWN, "offer_no")
    offer = offers.offers[command.offer_no]
    if not offer["active"]:
        return _refused(Reason.OFFER_WITHDRAWN, "offer_no")
    if offer["kind"] != OfferKind.FREE_BET:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "offer_no", "an offer of the kind free_bet")
    if offer["currency"] != tables.accounts["currency"][account]:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "offer_no", "an offer in its currency")
    if command.expires_at_ns <= at_ns:
        return _refused(Reason.FREE_BET_EXPIRED, "expires_at_ns")
    if offers.grants_len >= GRANTS_MAX:
        return _refused(Reason.CAPACITY, "ref", f"at most {GRANTS_MAX}")
    return None


def make_room_for_offers(tables: LedgerTables, reservations: Rows) -> None:
    """Make room for the slips among some reservations that name an offer."""
    heads = reservations["flags"] & FLAG_HEAD > 0
    tables.offers.make_room(int(np.count_nonzero(reservations["odds_milli"][heads])))


def note_taken(tables: LedgerTables, *, offered_before: int, grants_before: int) -> None:
    """Note the free bets that new slips promise, and the stakes that free bets paid for others."""
    offers = tables.offers
    offers.note_grants(grants_before)
    new = offers.used_offered()[offered_before:]
    given = np.zeros(len(offers.offers), np.int64)
    np.add.at(given, new["offer"], new["added_minor"])
    offers.add_given(given)


def bring_offers(tables: LedgerTables, bet_ids: U64s, at_ns: Nanos) -> None:
    """Bring the offers of the slips that have legs among some bets in line with what stands.

    Room for one slip's bets behind those in use is the caller's to make.
    """
    offers = tables.offers
    if not offers.offered_len:
        return
    given = np.zeros(len(offers.offers), np.int64)
    bring_offers_nb(
        np.ascontiguousarray(bet_ids),
        tables.slips,
        tables.slips_len,
        tables.accounts,
        tables.ranges,
        tables.slip_bets,
        tables.slip_bets_len,
        tables.scratch,
        offers.store,
        given,
        at_ns,
    )
    offers.add_given(given)


def given_by_currency(tables: LedgerTables) -> Sequence[int]:
    """Return what all offers of each currency have given."""
    sums = [0] * len(tables.currencies)
    for number, amount_minor in enumerate(tables.offers.given_minor):
        if amount_minor:
            sums[int(tables.offers.offers["currency"][number])] += amount_minor
    return sums


def _refused(reason: Reason, field: str, message: str = "") -> Refused:
    return Refused(reason=reason, field=field, message=message or MESSAGES[reason])


def _granted(command: GrantFreeBet, number: int, *, known: bool) -> FreeBetGranted:
    return FreeBetGranted(
        account_no=command.account_no,
        offer_no=command.offer_no,
        free_bet=number,
        amount_minor=command.amount_minor,
        ref=command.ref,
        known=known,
    )
