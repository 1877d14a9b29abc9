"""What traders ask of accounts and their bets: an account as a whole, its totals, lines of bets.

Owns how rows become these. Never changes a row and never holds its shard up for long: what may be
long is a page.
"""

from typing import Any, Final

import numpy as np

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.account_views import (
    AccountTotals,
    AccountView,
    ExposedAccount,
    ExposedAccounts,
)
from engine.common.bet_lines import BET_LINE
from engine.common.ids import AccountNo, BetId
from engine.common.rows import Rows, SlipKind, SlipState
from engine.common.units import (
    BETS_MAX,
    Minor,
    Nanos,
    base_amount_minor_max_up,
    base_minor_up,
    payout_minor,
)
from engine.ledger import slip_chains_nb as chain
from engine.ledger.slip_nb import NO_BOUND
from engine.ledger.slip_pages import HISTORY_STEPS_MAX, bet_before, chain_begin
from engine.ledger.tables import LedgerTables
from engine.ledger.views import balance

TOTALS_STEPS_MAX: Final = 65_536
"""Bets of an account that one page of its totals adds up: some 10 ms."""
_COPIED: Final = (
    "ref", "bet_id", "stake_minor", "stake_max_minor", "account_no", "market_no",
    "odds_milli", "odds_seen_milli", "rate_micro", "settlement_no", "outcome", "reason", "kind",
    "state", "result", "policy",
)  # fmt: skip


class AccountReads:
    """Reads of one shard's tables."""

    def __init__(self, tables: LedgerTables) -> None:
        self._tables = tables

    def account(self, account_no: AccountNo) -> AccountView | None:
        """Return an account as traders see it, or None when it is not in this shard."""
        tables = self._tables
        money = balance(tables, account_no)
        if money is None:
            return None
        slot = tables.account_slot(account_no)
        row = tables.accounts[slot]
        return AccountView(
            balance=money,
            rate_micro=int(tables.rates_micro[int(row["currency"])]),
            blocked=bool(row["blocked"]),
            factor_milli=int(row["factor_milli"]) or FACTOR_MILLI_ONE,
            open_payout_minor_max=Minor(int(row["open_payout_minor_max"])),
            house_open_payout_minor_max=tables.open_payout_minor_max,
            open_payout_bound_minor=self._bound_minor(row),
            changes=tables.changes.of(slot),
        )

    def _bound_minor(self, row: Any) -> Minor | None:
        """Return the bound of an account's open payout in its currency, None for none."""
        tables, currency = self._tables, int(row["currency"])
        own_minor = int(row["open_payout_minor_max"])
        if own_minor:
            return Minor(base_amount_minor_max_up(own_minor, int(tables.rates_micro[currency])))
        bound_minor = int(tables.payouts_max[currency])
        return None if bound_minor >= NO_BOUND else Minor(bound_minor)

    def exposed(self, limit: int) -> ExposedAccounts:
        """Return the accounts on which the house can lose most, at most `limit`, and the sums.

        That is what open bets can pay if all of them win, less what they staked. One look at all
        accounts of the shard: some 10 ms for a million of which 10,000 have open bets.
        """
        tables = self._tables
        accounts = tables.accounts[: tables.accounts_len]
        rows = accounts[np.flatnonzero(accounts["open_payout_minor"])]
        rates_micro = tables.rates_micro[rows["currency"]]
        staked_minor = rows["pending_minor"] + rows["at_stake_minor"]
        # Floats only choose; what is shown, and its order, is exact.
        weights = (rows["open_payout_minor"] - staked_minor) * rates_micro.astype(np.float64)
        chosen = np.arange(len(rows))
        if len(rows) > limit:
            chosen = np.argpartition(-weights, limit - 1)[:limit]
        found = [self._exposed(rows[at]) for at in chosen.tolist()]
        found.sort(key=lambda one: (-one.at_risk_minor, one.account_no))
        payout_minor = stake_minor = 0
        for currency, rate_micro in enumerate(
            tables.rates_micro[: len(tables.currencies)].tolist()
        ):
            own = rows["currency"] == currency
            payout_minor += base_minor_up(_exact_sum(rows["open_payout_minor"][own]), rate_micro)
            stake_minor += base_minor_up(_exact_sum(staked_minor[own]), rate_micro)
        return ExposedAccounts(
            accounts=tuple(found),
            open=len(rows),
            open_payout_minor=Minor(payout_minor),
            staked_minor=Minor(stake_minor),
        )

    def _exposed(self, row: Any) -> ExposedAccount:
        tables, currency = self._tables, int(row["currency"])
        return ExposedAccount(
            account_no=AccountNo(int(row["account_no"])),
            currency=tables.currencies[currency],
            rate_micro=int(tables.rates_micro[currency]),
            open_payout_minor=Minor(int(row["open_payout_minor"])),
            staked_minor=Minor(int(row["pending_minor"]) + int(row["at_stake_minor"])),
            blocked=bool(row["blocked"]),
            factor_milli=int(row["factor_milli"]) or FACTOR_MILLI_ONE,
            open_payout_bound_minor=self._bound_minor(row),
        )

    def totals(
        self,
        account_no: AccountNo,
        *,
        since_ns: Nanos,
        before_bet_id: BetId,
        steps_max: int = TOTALS_STEPS_MAX,
    ) -> AccountTotals | None:
        """Add up a page of an account's bets that were placed since a time, the newest first.

        The next page is that before the bet `before_bet_id` of the answer. None when the account
        does not have the bet that the page is to be before.
        """
        tables = self._tables
        first = chain_begin(tables, account_no, before_bet_id=before_bet_id)
        if first is None:
            return None
        sums = np.zeros(chain.TOTALS_LEN, np.int64)
        last = chain.add_totals_nb(
            tables.slips,
            tables.chains.earlier,
            first,
            steps_max,
            since_ns,
            tables.offers.offered,
            tables.offers.offered_len,
            sums,
        )
        return AccountTotals(
            settled=int(sums[chain.SETTLED_BETS]),
            turnover_minor=Minor(int(sums[chain.TURNOVER])),
            paid_minor=Minor(int(sums[chain.PAID])),
            offers_minor=Minor(int(sums[chain.GIVEN])),
            open=int(sums[chain.OPEN_BETS]),
            pending=int(sums[chain.PENDING_BETS]),
            refused=int(sums[chain.REFUSED_BETS]),
            before_bet_id=bet_before(tables, last),
        )

    def bets(
        self,
        account_no: AccountNo,
        *,
        states: int,
        before_bet_id: BetId,
        limit: int,
    ) -> tuple[Rows, BetId] | None:
        """Return a page of an account's bets in some states (bits), by falling bet id.

        Returns
        -------
        tuple of BET_LINE rows and BetId, or None
            One line for each single or slip, and the bet that the next page is before, 0 for none.
            A page may be short although others follow. None when the account does not have the bet
            that the page is to be before.
        """
        tables = self._tables
        first = chain_begin(tables, account_no, before_bet_id=before_bet_id)
        if first is None:
            return None
        slots = np.empty(min(limit, HISTORY_STEPS_MAX), np.uint32)
        count, last = chain.slots_in_states_nb(
            tables.slips,
            tables.chains.earlier,
            first,
            states,
            HISTORY_STEPS_MAX,
            BETS_MAX,
            slots,
        )
        return lines_of(tables.slips[slots[:count]]), bet_before(tables, last)

    def bet(self, bet_id: BetId) -> Rows:
        """Return the lines of a bet: a single's, or a slip's with its legs' behind it, or none.

        A leg's id stands for its slip.
        """
        tables = self._tables
        slot = tables.slot_of_bet(bet_id)
        if slot < 0:
            return np.zeros(0, BET_LINE)
        row = tables.slips[slot]
        if row["kind"] == SlipKind.LEG:
            slot -= int(row["legs"])
        legs = int(tables.slips["legs"][slot])
        return lines_of(tables.slips[slot : slot + 1 + legs])


def _exact_sum(amounts: Any) -> int:
    """Return the exact sum of 64-bit amounts, which may be more than 63 bits hold."""
    return (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFFFFFF).sum())


def lines_of(slips: Rows) -> Rows:
    """Return SLIP rows as BET_LINE rows."""
    lines: Rows = np.zeros(len(slips), BET_LINE)
    for name in _COPIED:
        lines[name] = slips[name]
    lines["at_ns"] = slips["placed_at_ns"]
    refused = slips["state"] == SlipState.REFUSED
    odds_milli: Any = np.where(refused, slips["odds_seen_milli"], slips["odds_milli"])
    stake_minor: Any = slips["stake_minor"]
    head, leg = slips["kind"] == SlipKind.HEAD, slips["kind"] == SlipKind.LEG
    single_minor = payout_minor(stake_minor, odds_milli.astype(np.int64))
    lines["payout_minor"] = np.where(head, slips["charged_minor"], single_minor)
    lines["odds_seen_milli"][head] = 0
    lines["paid_minor"] = np.where(leg, 0, slips["payout_minor"])
    lines["legs"] = np.where(leg, 0, slips["legs"])
    return lines
