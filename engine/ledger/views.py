"""Views of a ledger, copied from its tables.

Owns how rows become what bettors and the house see. Never changes a row.
"""

from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.rows import BetResult, SlipState
from engine.common.units import Minor, Nanos, OddsMilli
from engine.common.views import Balance, LedgerTotals, Slip
from engine.ledger.tables import LedgerTables, exact_sum


def balance(tables: LedgerTables, account_no: AccountNo) -> Balance | None:
    """Return an account's money, or None when the account is not in the tables."""
    slot = tables.account_slot(account_no)
    if slot < 0:
        return None
    row = tables.accounts[slot]
    return Balance(
        account_no=account_no,
        currency=tables.currencies[int(row["currency"])],
        available_minor=Minor(int(row["available_minor"])),
        pending_minor=Minor(int(row["pending_minor"])),
        at_stake_minor=Minor(int(row["at_stake_minor"])),
        owed_minor=Minor(int(row["owed_minor"])),
    )


def slip_at(tables: LedgerTables, slot: int) -> Slip:
    """Return the slip at a slot."""
    row = tables.slips[slot]
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
    )


def totals(tables: LedgerTables) -> list[LedgerTotals]:
    """Return the totals of each currency, in the order in which rates were first set."""
    accounts = tables.used_accounts()
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
            )
        )
    return by_currency
