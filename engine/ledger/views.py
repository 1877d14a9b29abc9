"""Views of a ledger, copied from its tables.

Owns how rows become what bettors and the house see. Never changes a row.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.rows import FLAG_PRE_MATCH, BetResult, SlipKind, SlipState
from engine.common.units import Minor, Nanos, OddsMilli
from engine.common.views import (
    Balance,
    FreeBetView,
    LedgerTotals,
    OfferView,
    Slip,
    SlipBetView,
    SlipLegView,
    SlipOfferView,
)
from engine.ledger.offers import given_by_currency, rule_of
from engine.ledger.tables import LedgerTables, exact_sum

# One conversion of all rows takes a fifth of the time of a conversion of each field.
_LEG_FIELDS: Final = (
    "bet_id",
    "market_no",
    "outcome",
    "odds_milli",
    "state",
    "reason",
    "stake_max_minor",
    "result",
    "payout_minor",
    "back_den",
    "event",
    "position",
    "held",
    "bets",
)

FREE_BETS_SHOWN_MAX: Final = 50
"""Free bets of an account that one page of a balance shows."""
_FREE_BETS_READ: Final = 512


def balance(
    tables: LedgerTables, account_no: AccountNo, *, before_free_bet: int = 0
) -> Balance | None:
    """Return an account's money, or None when the account is not in the tables.

    The free bets are a page of those with something left: the newest ones, or the newest of those
    with a number below `before_free_bet`.
    """
    slot = tables.account_slot(account_no)
    if slot < 0:
        return None
    row = tables.accounts[slot]
    free_bets, earlier = _free_bets_of(tables, slot, before_free_bet)
    return Balance(
        account_no=account_no,
        currency=tables.currencies[int(row["currency"])],
        available_minor=Minor(int(row["available_minor"])),
        pending_minor=Minor(int(row["pending_minor"])),
        at_stake_minor=Minor(int(row["at_stake_minor"])),
        owed_minor=Minor(int(row["owed_minor"])),
        open_payout_minor=Minor(int(row["open_payout_minor"])),
        free_bets=free_bets,
        before_free_bet=earlier,
    )


def slip_at(tables: LedgerTables, slot: int) -> Slip:
    """Return the slip at a slot, which may be the slot of one of its legs."""
    row = tables.slips[slot]
    if row["kind"] == SlipKind.LEG:
        slot -= int(row["legs"])
        row = tables.slips[slot]
    head = row["kind"] == SlipKind.HEAD
    return Slip(
        bet_id=BetId(int(row["bet_id"])),
        ref=row["ref"].tobytes().rstrip(b"\0").decode("ascii", "backslashreplace"),
        account_no=AccountNo(int(row["account_no"])),
        market_no=MarketNo(int(row["market_no"])),
        outcome=int(row["outcome"]),
        stake_minor=Minor(int(row["stake_minor"])),
        odds_milli=OddsMilli(int(row["odds_milli"])),
        state=SlipState(int(row["state"])),
        reason=int(row["reason"]),
        stake_max_minor=Minor(int(row["stake_max_minor"])),
        placed_at_ns=Nanos(int(row["placed_at_ns"])),
        result=BetResult(int(row["result"])),
        payout_minor=Minor(int(row["payout_minor"])),
        settlement_no=int(row["settlement_no"]),
        legs=_legs_of(tables, slot) if head else (),
        bets=_bets_of(tables, slot) if head else (),
        offer=_offer_of(tables, slot) if row["offer"] else None,
    )


def slips_at(tables: LedgerTables, slots: Sequence[int], *, parts_max: int) -> list[Slip]:
    """Return the slips at some slots, up to the one with which their legs and bets pass a bound."""
    slips: list[Slip] = []
    parts = 0
    for slot in slots:
        if parts > parts_max:
            break
        slips.append(slip_at(tables, slot))
        parts += len(slips[-1].legs) + len(slips[-1].bets)
    return slips


def _legs_of(tables: LedgerTables, slot: int) -> tuple[SlipLegView, ...]:
    """Return the legs of the head at a slot."""
    count = int(tables.slips["legs"][slot])
    rows = tables.slips[slot + 1 : slot + 1 + count][list(_LEG_FIELDS)]
    return tuple(
        SlipLegView(
            bet_id=BetId(bet_id),
            market_no=MarketNo(market_no),
            outcome=outcome,
            odds_milli=OddsMilli(odds_milli),
            state=SlipState(state),
            reason=reason,
            stake_max_minor=Minor(stake_max_minor),
            result=BetResult(result),
            back_num=back_num,
            back_den=back_den,
            event=event,
            position=position,
            early_lead=early_lead,
            pre_match=bool(early_flags & FLAG_PRE_MATCH),
        )
        for (
            bet_id,
            market_no,
            outcome,
            odds_milli,
            state,
            reason,
            stake_max_minor,
            result,
            back_num,
            back_den,
            event,
            position,
            early_lead,
            early_flags,
        ) in rows.tolist()
    )


def _bets_of(tables: LedgerTables, slot: int) -> tuple[SlipBetView, ...]:
    """Return the bets of the head at a slot."""
    first, count = int(tables.slips["bets_first"][slot]), int(tables.slips["bets"][slot])
    bets = tables.slip_bets[first : first + count].tolist()
    return tuple(
        SlipBetView(
            stake_minor=Minor(stake_minor),
            sizes=_bits(sizes),
            positions=_bits(positions),
            bankers=_bits(bankers),
            lines=lines,
            payout_minor_max=Minor(payout_minor_max),
        )
        for stake_minor, payout_minor_max, sizes, positions, bankers, lines, _ in bets
    )


def _offer_of(tables: LedgerTables, slot: int) -> SlipOfferView:
    """Return what the head at a slot took, and what that has given."""
    offered, grants = tables.offers.used_offered(), tables.offers.grants
    row = offered[int(np.searchsorted(offered["head"], np.uint32(slot)))]
    grant = int(row["grant"])
    earned = grant and not row["pays"] and grants["amount_minor"][grant - 1]
    return SlipOfferView(
        offer_no=int(row["offer"]),
        added_minor=Minor(int(row["added_minor"])),
        free_bet=grant if row["pays"] else 0,
        earned_free_bet=grant if earned else 0,
    )


def _free_bets_of(
    tables: LedgerTables, account: int, before: int
) -> tuple[tuple[FreeBetView, ...], int]:
    """Return a page of an account's free bets with something left, and what the next is before."""
    numbers, grants = tables.offers.grants_of.get(account, []), tables.offers.grants
    found: list[int] = []
    # Each insured slip has a row, most of them without an amount: they are read many at a time.
    upto = bisect_left(numbers, before) if before else len(numbers)
    for end in range(upto, 0, -_FREE_BETS_READ):
        part = np.array(numbers[max(0, end - _FREE_BETS_READ) : end])
        left = grants["amount_minor"][part - 1] > grants["used_minor"][part - 1]
        found += part[left][::-1].tolist()
        if len(found) > FREE_BETS_SHOWN_MAX:
            break
    page = found[:FREE_BETS_SHOWN_MAX]
    shown = tuple([_free_bet(number, grants[number - 1]) for number in reversed(page)])
    return shown, page[-1] if len(found) > len(page) else 0


def _free_bet(number: int, row: Any) -> FreeBetView:
    amount_minor = int(row["amount_minor"])
    return FreeBetView(
        free_bet=number,
        offer_no=int(row["offer"]),
        amount_minor=Minor(amount_minor),
        left_minor=Minor(amount_minor - int(row["used_minor"])),
        expires_at_ns=Nanos(int(row["expires_at_ns"])),
    )


def offers(tables: LedgerTables) -> list[OfferView]:
    """Return every offer, by its number, with what it has given so far."""
    rows = tables.offers.offers
    return [
        OfferView(
            offer_no=number,
            name=tables.offers.names[number],
            currency=tables.currencies[int(rows["currency"][number])],
            active=bool(rows["active"][number]),
            rule=rule_of(rows[number]),
            given_minor=tables.offers.given_minor[number],
        )
        for number in np.flatnonzero(rows["kind"]).tolist()
    ]


def _bits(mask: int) -> tuple[int, ...]:
    """Return the numbers of the bits that a mask has."""
    return tuple(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def totals(tables: LedgerTables) -> list[LedgerTotals]:
    """Return the totals of each currency, in the order in which rates were first set."""
    accounts = tables.used_accounts()
    given = given_by_currency(tables)
    by_currency = []
    for currency, code in enumerate(tables.currencies):
        own = accounts[accounts["currency"] == currency]
        by_currency.append(
            LedgerTotals(
                currency=code,
                external_minor=tables.external_minor[currency],
                available_minor=Minor(exact_sum(own["available_minor"])),
                pending_minor=Minor(exact_sum(own["pending_minor"])),
                at_stake_minor=Minor(exact_sum(own["at_stake_minor"])),
                owed_minor=Minor(-exact_sum(own["owed_minor"])),
                house_minor=tables.house_minor[currency],
                offers_minor=Minor(-given[currency]),
            )
        )
    return by_currency
