"""The ledger once more in plain Python: dicts, sums, no kernel; the machine is held against it.

It says each rule in words and keeps no balance that it could add up instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.common.commands import Deposit, LedgerCommand, OpenAccount, SetRate, Withdraw
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from engine.common.units import BALANCE_MINOR_MAX, STAKE_MINOR_MAX

Ref = tuple[int, ...]


@dataclass
class TwinSlip:
    bet_id: int
    account_no: int
    stake_minor: int
    content: tuple[int, ...]
    odds_milli: int
    rate_micro: int
    placed_at_ns: int
    state: SlipState = SlipState.PENDING
    reason: int = 0
    stake_max_minor: int = 0
    payout_minor: int = 0
    settlement_no: int = 0
    result: int = 0

    def answer(self, flags: int) -> tuple[int, ...]:
        return (
            self.bet_id,
            self.stake_max_minor,
            self.odds_milli,
            self.rate_micro,
            self.reason,
            self.state,
            flags,
        )


class LedgerTwin:
    def __init__(self, *, shard: int, slips_max: int) -> None:
        self.shard = shard
        self.slips_max = slips_max
        self.rates: dict[str, int] = {}
        self.currency: dict[int, str] = {}
        self.transfers: dict[tuple[int, str], tuple[str, int]] = {}
        self.balance_minor: dict[int, int] = {}
        self.holding_minor: dict[int, int] = {}
        self.slips: list[TwinSlip] = []
        self.by_ref: dict[tuple[int, Ref], TwinSlip] = {}
        self.house_minor: dict[str, int] = {}

    # --- what an account has -------------------------------------------------------------------

    def available_minor(self, account_no: int) -> int:
        return max(self.balance_minor[account_no], 0)

    def owed_minor(self, account_no: int) -> int:
        return max(-self.balance_minor[account_no], 0)

    def staked_minor(self, account_no: int, state: SlipState) -> int:
        own = (slip for slip in self.slips if slip.account_no == account_no)
        return sum(slip.stake_minor for slip in own if slip.state == state)

    # --- rows ----------------------------------------------------------------------------------

    def resolve(self, rows: Iterable[tuple[int, ...]]) -> None:
        for bet_id, stake_max_minor, odds_milli, reason, _ in rows:
            slip = self.find(bet_id)
            if slip is None or slip.state != SlipState.PENDING:
                continue
            slip.odds_milli, slip.reason = odds_milli, reason
            slip.stake_max_minor = stake_max_minor
            slip.state = SlipState.REFUSED if reason else SlipState.ACCEPTED
            if reason:
                self.balance_minor[slip.account_no] += slip.stake_minor

    def reserve(
        self, rows: Iterable[tuple[Ref, int, int, int, int, int, int, int]], at_ns: int
    ) -> list[tuple[int, ...]]:
        return [self._reserve(*row[:7], at_ns=at_ns) for row in rows]

    def _reserve(
        self,
        ref: Ref,
        stake: int,
        account_no: int,
        market_no: int,
        odds: int,
        outcome: int,
        policy: int,
        *,
        at_ns: int,
    ) -> tuple[int, ...]:
        ref = tuple(ref)
        rate = self.rates.get(self.currency.get(account_no, ""), 0)

        def refused(reason: Reason, most: int = 0) -> tuple[int, ...]:
            return (0, most, odds, rate, reason, SlipState.NONE, 0)

        content = (stake, market_no, odds, outcome, policy)
        known = self.by_ref.get((account_no, ref))
        if known is not None:
            same = known.content == content
            return known.answer(1) if same else refused(Reason.BET_REF_REUSED)
        if len(self.slips) >= self.slips_max:
            return refused(Reason.CAPACITY)
        if account_no not in self.currency:
            return refused(Reason.ACCOUNT_UNKNOWN)
        if ref[0] == 0:
            return refused(Reason.MALFORMED)
        most = min(self.available_minor(account_no), STAKE_MINOR_MAX)
        if stake < 1:
            return refused(Reason.STAKE_TOO_SMALL, most)
        if stake > STAKE_MINOR_MAX:
            return refused(Reason.AMOUNT_OUT_OF_BOUNDS, most)
        if stake > self.available_minor(account_no):
            return refused(Reason.INSUFFICIENT_FUNDS, most)
        bet_id = (self.shard << 48) + len(self.slips) + 1
        slip = TwinSlip(bet_id, account_no, stake, content, odds, rate, at_ns)
        self.slips.append(slip)
        self.by_ref[account_no, ref] = slip
        self.balance_minor[account_no] -= stake
        return slip.answer(0)

    def settle(self, rows: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
        applied = []
        for bet_id, payout_minor, _, settlement_no, result, _ in rows:
            slip = self.find(bet_id)
            if slip is None or slip.state == SlipState.REFUSED:
                continue
            if settlement_no <= slip.settlement_no:
                continue
            currency = self.currency[slip.account_no]
            taken = slip.state == SlipState.SETTLED
            slip.state = SlipState.SETTLED if result else SlipState.ACCEPTED
            moved_minor = slip.stake_minor * (bool(result) - taken)
            self.house_minor[currency] += moved_minor
            self.holding_minor[slip.account_no] -= moved_minor
            change_minor = payout_minor - slip.payout_minor
            self.balance_minor[slip.account_no] += change_minor
            self.holding_minor[slip.account_no] += change_minor
            self.house_minor[currency] -= change_minor
            slip.payout_minor, slip.result = payout_minor, result
            slip.settlement_no = settlement_no
            applied.append((bet_id, settlement_no))
        return applied

    def find(self, bet_id: int) -> TwinSlip | None:
        serial = bet_id - (self.shard << 48)
        return self.slips[serial - 1] if 1 <= serial <= len(self.slips) else None

    # --- commands ------------------------------------------------------------------------------

    def apply(self, command: LedgerCommand) -> Reason:
        match command:
            case SetRate(currency=currency, rate_micro=rate):
                self.rates[currency] = rate
                self.house_minor.setdefault(currency, 0)
                return Reason.ACCEPTED
            case OpenAccount(account_no=no, currency=currency):
                if no in self.currency:
                    return Reason.ACCOUNT_EXISTS
                if currency not in self.rates:
                    return Reason.FIELD_OUT_OF_BOUNDS
                self.currency[no] = currency
                self.balance_minor[no] = self.holding_minor[no] = 0
                return Reason.ACCEPTED
            case Deposit(account_no=no, amount_minor=amount, ref=ref):
                return self._transfer("deposit", no, amount, ref)
            case Withdraw(account_no=no, amount_minor=amount, ref=ref):
                return self._transfer("withdrawal", no, -amount, ref)

    def _transfer(self, kind: str, no: int, change: int, ref: str) -> Reason:
        known = self.transfers.get((no, ref))
        if known is not None:
            return Reason.ACCEPTED if known == (kind, change) else Reason.TRANSFER_REF_REUSED
        if not 1 <= abs(change) <= BALANCE_MINOR_MAX:
            return Reason.AMOUNT_OUT_OF_BOUNDS
        if no not in self.currency:
            return Reason.ACCOUNT_UNKNOWN
        if change > 0 and self.holding_minor[no] + change > BALANCE_MINOR_MAX:
            return Reason.BALANCE_OVER_BOUND
        if change < 0 and -change > self.available_minor(no):
            return Reason.INSUFFICIENT_FUNDS
        self.transfers[no, ref] = (kind, change)
        self.balance_minor[no] += change
        self.holding_minor[no] += change
        return Reason.ACCEPTED
