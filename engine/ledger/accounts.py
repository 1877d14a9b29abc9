"""Accounts: their currencies, opening, deposits and withdrawals, as commands on a ledger's tables.

Owns the checks of these commands and the movement of money between `external` and an account.
Never touches a bet: LedgerMachine does.
"""

from typing import assert_never

import numpy as np

from engine.common.account_changes import (
    FACTOR_MILLI_MAX,
    FACTOR_MILLI_MIN,
    FACTOR_MILLI_ONE,
    BlockAccount,
    ChangedField,
    SetAccountFactor,
)
from engine.common.commands import (
    Deposit,
    LedgerCommand,
    OpenAccount,
    SetRate,
    Withdraw,
)
from engine.common.events import (
    AccountBlocked,
    AccountBoundSet,
    AccountFactorSet,
    AccountOpened,
    CombinationBoundSet,
    Deposited,
    LedgerEvent,
    PayoutBoundSet,
    RateSet,
    Refused,
    Withdrawn,
)
from engine.common.house import StartHouse, StopHouse
from engine.common.ids import ACCOUNT_NO_MAX, MalformedIdError, check_bet_ref
from engine.common.offers import GrantFreeBet, SetOffer
from engine.common.payout_bounds import (
    COMBINATION_MINOR_MAX,
    SetAccountBound,
    SetCombinationBound,
    SetPayoutBound,
)
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import U64s
from engine.common.units import BALANCE_MINOR_MAX, PAYOUT_MINOR_MAX, RATE_MICRO_MAX, Minor, Nanos
from engine.ledger.house import command_house
from engine.ledger.offers import grant_free_bet, set_offer
from engine.ledger.open_slips_nb import transfer_nb
from engine.ledger.rows import CURRENCIES_MAX, HOLDINGS, TransferKind
from engine.ledger.tables import LedgerTables


def apply_command(
    tables: LedgerTables, command: LedgerCommand, at_ns: Nanos, *, by: str
) -> LedgerEvent:
    """Apply a command of somebody, or refuse it with a reason and change nothing."""
    match command:
        case SetRate():
            return _set_rate(tables, command)
        case OpenAccount():
            return _open_account(tables, command)
        case Deposit():
            return _transfer(tables, command, TransferKind.DEPOSIT, at_ns)
        case Withdraw():
            return _transfer(tables, command, TransferKind.WITHDRAWAL, at_ns)
        case SetOffer():
            return set_offer(tables, command)
        case GrantFreeBet():
            return grant_free_bet(tables, command, ref_u64s(command.ref), at_ns)
        case SetPayoutBound():
            return _set_payout_bound(tables, command)
        case SetAccountBound():
            return _set_account_bound(tables, command, at_ns, by)
        case BlockAccount():
            return _block_account(tables, command, at_ns, by)
        case SetAccountFactor():
            return _set_account_factor(tables, command, at_ns, by)
        case SetCombinationBound():
            return _set_combination_bound(tables, command)
        case StopHouse() | StartHouse():
            return command_house(tables, command, at_ns)
        case _:
            assert_never(command)


def _set_rate(tables: LedgerTables, command: SetRate) -> LedgerEvent:
    """Set a currency's rate for later bets; each slip keeps the rate of its reservation."""
    code = command.currency
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        return _refused(Reason.MALFORMED, "currency", "a currency is three capital letters")
    if not 1 <= command.rate_micro <= RATE_MICRO_MAX:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "rate_micro", f"1 to {RATE_MICRO_MAX}")
    if code not in tables.currencies:
        if len(tables.currencies) == CURRENCIES_MAX:
            return _refused(Reason.CAPACITY, "currency", f"at most {CURRENCIES_MAX}")
        tables.currencies.append(code)
        tables.external_minor.append(Minor(0))
        tables.house_minor.append(Minor(0))
    tables.rates_micro[tables.currencies.index(code)] = command.rate_micro
    tables.convert_bounds()
    return RateSet(currency=code, rate_micro=command.rate_micro)


def _open_account(tables: LedgerTables, command: OpenAccount) -> LedgerEvent:
    if not 0 <= command.account_no <= ACCOUNT_NO_MAX:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "account_no", f"0 to {ACCOUNT_NO_MAX}")
    if tables.account_slot(command.account_no) >= 0:
        return _refused(Reason.ACCOUNT_EXISTS, "account_no")
    if command.currency not in tables.currencies:
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "currency", "this currency has no rate")
    if tables.accounts_len == tables.accounts_max:
        return _refused(Reason.CAPACITY, "account_no", f"at most {tables.accounts_max}")
    slot = tables.add_account()
    tables.accounts["account_no"][slot] = command.account_no
    tables.accounts["currency"][slot] = tables.currencies.index(command.currency)
    tables.index_account(slot)
    return AccountOpened(account_no=command.account_no, currency=command.currency)


def _transfer(
    tables: LedgerTables, command: Deposit | Withdraw, kind: TransferKind, at_ns: Nanos
) -> LedgerEvent:
    """Deposit or withdraw; a known ref is checked first and gets its earlier answer."""
    amount_minor = command.amount_minor
    ref = ref_u64s(command.ref)
    if ref is None:
        return _refused(Reason.MALFORMED, "ref", "1 to 32 printable characters, no space")
    account = tables.account_slot(command.account_no)
    known = tables.transfer_slot(account=account, ref=ref) if account >= 0 else -1
    if known >= 0:
        row = tables.transfers[known]
        if (row["kind"], row["amount_minor"]) != (kind, amount_minor):
            return _refused(Reason.TRANSFER_REF_REUSED, "ref")
        return _transferred(command, Minor(int(row["available_minor"])), known=True)
    if not 1 <= amount_minor <= BALANCE_MINOR_MAX:
        return _refused(Reason.AMOUNT_OUT_OF_BOUNDS, "amount_minor", f"1 to {BALANCE_MINOR_MAX}")
    if account < 0:
        return _refused(Reason.ACCOUNT_UNKNOWN, "account_no")
    if tables.transfers_len == tables.transfers_max:
        return _refused(Reason.CAPACITY, "ref", f"at most {tables.transfers_max}")
    change_minor = amount_minor if kind == TransferKind.DEPOSIT else Minor(-amount_minor)
    reason = _funds_reason(tables, account, change_minor)
    if reason is not None:
        return _refused(reason, "amount_minor")
    available_minor = _move(tables, account, change_minor)
    slot = tables.add_transfer()
    row = tables.transfers[slot]
    row["ref"] = ref
    row["amount_minor"] = amount_minor
    row["available_minor"] = available_minor
    row["at_ns"] = at_ns
    row["account"] = account
    row["kind"] = kind
    tables.index_transfer(slot)
    return _transferred(command, available_minor, known=False)


def _set_payout_bound(tables: LedgerTables, command: SetPayoutBound) -> LedgerEvent:
    most_minor = command.open_payout_minor_max
    if not 0 <= most_minor <= PAYOUT_MINOR_MAX:
        return _bound_refused()
    tables.open_payout_minor_max = most_minor
    tables.convert_bounds()
    return PayoutBoundSet(open_payout_minor_max=most_minor)


def _set_account_bound(
    tables: LedgerTables, command: SetAccountBound, at_ns: Nanos, by: str
) -> LedgerEvent:
    most_minor = command.open_payout_minor_max
    if not 0 <= most_minor <= PAYOUT_MINOR_MAX:
        return _bound_refused()
    account = tables.account_slot(command.account_no)
    if account < 0:
        return _refused(Reason.ACCOUNT_UNKNOWN, "account_no")
    change = ChangedField.OPEN_PAYOUT_MINOR_MAX
    _change(tables, account, change, most_minor, at_ns=at_ns, by=by, why=command.why)
    return AccountBoundSet(account_no=command.account_no, open_payout_minor_max=most_minor)


def _block_account(
    tables: LedgerTables, command: BlockAccount, at_ns: Nanos, by: str
) -> LedgerEvent:
    account = tables.account_slot(command.account_no)
    if account < 0:
        return _refused(Reason.ACCOUNT_UNKNOWN, "account_no")
    value = int(command.blocked)
    _change(tables, account, ChangedField.BLOCKED, value, at_ns=at_ns, by=by, why=command.why)
    return AccountBlocked(account_no=command.account_no, blocked=command.blocked)


def _set_account_factor(
    tables: LedgerTables, command: SetAccountFactor, at_ns: Nanos, by: str
) -> LedgerEvent:
    factor_milli = command.factor_milli
    if not FACTOR_MILLI_MIN <= factor_milli <= FACTOR_MILLI_MAX:
        bound = f"{FACTOR_MILLI_MIN} to {FACTOR_MILLI_MAX}"
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "factor_milli", bound)
    account = tables.account_slot(command.account_no)
    if account < 0:
        return _refused(Reason.ACCOUNT_UNKNOWN, "account_no")
    before = int(tables.accounts["factor_milli"][account]) or FACTOR_MILLI_ONE
    # One value has one form: 1.000 is 0, as of an account that nobody changed.
    stored = 0 if factor_milli == FACTOR_MILLI_ONE else factor_milli
    tables.accounts["factor_milli"][account] = stored
    change = ChangedField.FACTOR_MILLI
    tables.changes.note(account, change, before, factor_milli, at_ns=at_ns, by=by, why=command.why)
    return AccountFactorSet(account_no=command.account_no, factor_milli=factor_milli)


def _change(
    tables: LedgerTables,
    account: int,
    field: ChangedField,
    value: int,
    *,
    at_ns: Nanos,
    by: str,
    why: str,
) -> None:
    """Write a field of an account's row, and keep who changed it."""
    before = int(tables.accounts[field.value][account])
    tables.accounts[field.value][account] = value
    tables.changes.note(account, field, before, value, at_ns=at_ns, by=by, why=why)


def _set_combination_bound(tables: LedgerTables, command: SetCombinationBound) -> LedgerEvent:
    most_minor = command.combination_payout_minor_max
    if not 0 <= most_minor <= COMBINATION_MINOR_MAX:
        bound = f"0 to {COMBINATION_MINOR_MAX}"
        return _refused(Reason.FIELD_OUT_OF_BOUNDS, "combination_payout_minor_max", bound)
    tables.combinations.payout_minor_max = most_minor
    return CombinationBoundSet(combination_payout_minor_max=most_minor)


def _bound_refused() -> Refused:
    bound = f"0 to {PAYOUT_MINOR_MAX}"
    return _refused(Reason.FIELD_OUT_OF_BOUNDS, "open_payout_minor_max", bound)


def _funds_reason(tables: LedgerTables, account: int, change_minor: Minor) -> Reason | None:
    """Return why an account's balance refuses a deposit (positive) or withdrawal (negative)."""
    figures = tables.accounts[account]
    holding_minor = sum(int(figures[name]) for name in HOLDINGS) - int(figures["owed_minor"])
    if holding_minor + change_minor > BALANCE_MINOR_MAX and change_minor > 0:
        return Reason.BALANCE_OVER_BOUND
    if int(figures["available_minor"]) + change_minor < 0 and change_minor < 0:
        return Reason.INSUFFICIENT_FUNDS
    return None


def _move(tables: LedgerTables, account: int, change_minor: Minor) -> Minor:
    """Move money between an account and `external`; return the available balance after it."""
    transfer_nb(tables.accounts, account, change_minor)
    figures = tables.accounts[account]
    currency = int(figures["currency"])
    tables.external_minor[currency] = Minor(tables.external_minor[currency] - change_minor)
    return Minor(int(figures["available_minor"]))


def ref_u64s(ref: str) -> U64s | None:
    """Return a ref as the four u64s of a row, or None when it is malformed."""
    try:
        data = check_bet_ref(ref)
    except MalformedIdError:
        return None
    return np.frombuffer(data.ljust(32, b"\0"), "<u8")


def _refused(reason: Reason, field: str, message: str = "") -> Refused:
    return Refused(reason=reason, field=field, message=message or MESSAGES[reason])


def _transferred(
    command: Deposit | Withdraw, available_minor: Minor, *, known: bool
) -> LedgerEvent:
    event = Deposited if isinstance(command, Deposit) else Withdrawn
    return event(
        account_no=command.account_no,
        amount_minor=command.amount_minor,
        available_minor=available_minor,
        ref=command.ref,
        known=known,
    )
