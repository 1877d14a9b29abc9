"""The ledger in plain Python: dicts and sums, without kernels, written from the rules alone.

Takes from the engine only the commands of its input: numbers and bounds are stated by the tests.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.commands import Deposit, LedgerCommand, OpenAccount, SetRate, Withdraw
from engine.common.house import StartHouse, StopHouse
from engine.common.payout_bounds import SetAccountBound, SetCombinationBound, SetPayoutBound
from tests.engine.common.stated_rules import REASON_NUMBERS, SLIP_STATE_NUMBERS

Ref = tuple[int, ...]
UNRECORDED = [
    REASON_NUMBERS[name] for name in ("BUSY", "QUARANTINED", "DISK_FULL", "UNAVAILABLE", "UNKNOWN")
]
STAKE_MAX = 1_000_000_000
BALANCE_MAX = 10**15
PAYOUT_MAX = 10**13
NONE, PENDING, ACCEPTED, REFUSED, SETTLED = (
    SLIP_STATE_NUMBERS[name] for name in ("NONE", "PENDING", "ACCEPTED", "REFUSED", "SETTLED")
)
OPEN = (PENDING, ACCEPTED)


def within(bound_minor: int, rate_micro: int) -> int:
    """Return the most of a currency that is worth a bound in base currency, or less."""
    return min(bound_minor * 1_000_000 // rate_micro, PAYOUT_MAX)


@dataclass
class TwinSlip:
    bet_id: int
    account_no: int
    stake_minor: int
    content: tuple[int, ...]
    odds_milli: int
    rate_micro: int
    placed_at_ns: int
    state: int = PENDING
    reason: int = 0
    stake_max_minor: int = 0
    payout_minor: int = 0
    settlement_no: int = 0
    result: int = 0
    shared: int = 0

    def payable_minor(self) -> int:
        """Return the most that the bet can still pay."""
        return self.stake_minor * self.odds_milli // 1_000 if self.state in OPEN else 0

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
        self.disputes: dict[int, int] = {}
        self.stopped = False
        self.house_bound = 0
        self.own_bounds: dict[int, int] = {}
        self.combination_bound = 0
        self.blocked: set[int] = set()
        self.factors: dict[int, int] = {}
        self.opened: dict[int, dict[int, TwinSlip]] = {}
        """By account, slips that are open; some are not any more."""

    # --- balances ------------------------------------------------------------------------------

    def available_minor(self, account_no: int) -> int:
        return max(self.balance_minor[account_no], 0)

    def owed_minor(self, account_no: int) -> int:
        return max(-self.balance_minor[account_no], 0)

    def staked_minor(self, account_no: int, state: int) -> int:
        own = (slip for slip in self.slips if slip.account_no == account_no)
        return sum(slip.stake_minor for slip in own if slip.state == state)

    def open_payout_minor(self, account_no: int) -> int:
        own = self.opened.setdefault(account_no, {})
        for bet_id in [bet_id for bet_id, slip in own.items() if slip.state not in OPEN]:
            del own[bet_id]
        return sum(slip.payable_minor() for slip in own.values())

    def note_open(self, slip: TwinSlip) -> None:
        self.opened.setdefault(slip.account_no, {})[slip.bet_id] = slip

    def payout_room_minor(self, account_no: int) -> int | None:
        """Return by how much the open payout may grow, None for any amount."""
        bound_minor = self.own_bounds.get(account_no) or self.house_bound
        if not bound_minor:
            return None
        most_minor = within(bound_minor, self.rates[self.currency[account_no]])
        return most_minor - self.open_payout_minor(account_no)

    # --- rows ----------------------------------------------------------------------------------

    def resolve(self, rows: Iterable[tuple[int, ...]]) -> None:
        for bet_id, stake_max_minor, odds_milli, reason, _ in rows:
            slip = self.find(bet_id)
            if slip is None or slip.state != PENDING:
                continue
            if slip.shared and reason in UNRECORDED:
                continue
            slip.odds_milli, slip.reason = odds_milli, reason
            slip.stake_max_minor = stake_max_minor
            slip.state = REFUSED if reason else ACCEPTED
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

        def refused(reason: str, stake_max: int = 0) -> tuple[int, ...]:
            return (0, stake_max, odds, rate, REASON_NUMBERS[reason], NONE, 0)

        content = (stake, market_no, odds, outcome, policy)
        known = self.by_ref.get((account_no, ref))
        if known is not None:
            if known.content != content:
                return refused("BET_REF_REUSED")
            known.shared |= known.state == PENDING
            return known.answer(1)
        if self.stopped:
            return refused("HOUSE_STOPPED")
        if len(self.slips) >= self.slips_max:
            return refused("CAPACITY")
        if account_no not in self.currency:
            return refused("ACCOUNT_UNKNOWN")
        if account_no in self.blocked:
            return refused("ACCOUNT_BLOCKED")
        if ref[0] == 0:
            return refused("MALFORMED")
        stake_max = min(self.available_minor(account_no), STAKE_MAX)
        room = self.payout_room_minor(account_no)
        if room is not None:
            stake_max = min(stake_max, max((1_000 * room + 999) // odds, 0))
        if stake < 1:
            return refused("STAKE_TOO_SMALL", stake_max)
        if stake > STAKE_MAX:
            return refused("AMOUNT_OUT_OF_BOUNDS", stake_max)
        if stake > self.available_minor(account_no):
            return refused("INSUFFICIENT_FUNDS", stake_max)
        if room is not None and stake * odds // 1_000 > room:
            return refused("ACCOUNT_LIABILITY", stake_max)
        bet_id = (self.shard << 48) + len(self.slips) + 1
        slip = TwinSlip(bet_id, account_no, stake, content, odds, rate, at_ns)
        self.slips.append(slip)
        self.by_ref[account_no, ref] = slip
        self.note_open(slip)
        self.balance_minor[account_no] -= stake
        return slip.answer(0)

    def settle(self, rows: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
        applied = []
        for bet_id, payout_minor, _, settlement_no, odds_milli, result, *_ in rows:
            slip = self.find(bet_id)
            if slip is None or slip.state == REFUSED:
                if settlement_no > self.disputes.get(bet_id, -1):
                    self.disputes[bet_id] = settlement_no
                    applied.append((bet_id, settlement_no))
                continue
            if settlement_no <= slip.settlement_no:
                continue
            if slip.state == PENDING and odds_milli:
                slip.odds_milli = odds_milli
            currency = self.currency[slip.account_no]
            was_settled = slip.state == SETTLED
            slip.state = SETTLED if result else ACCEPTED
            self.note_open(slip)
            moved_minor = slip.stake_minor * (bool(result) - was_settled)
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

    def factors_of(self, account_nos: Iterable[int], states: Iterable[int]) -> list[int]:
        """Return the factors that answers have, 0 for one and where there is no slip."""
        given = [self.factors.get(no, 0) for no in account_nos]
        return [
            factor if state and factor != 1_000 else 0
            for factor, state in zip(given, states, strict=True)
        ]

    # --- commands ------------------------------------------------------------------------------

    def apply(self, command: LedgerCommand) -> str:
        match command:
            case SetRate(currency=currency, rate_micro=rate):
                self.rates[currency] = rate
                self.house_minor.setdefault(currency, 0)
                return "ACCEPTED"
            case OpenAccount(account_no=no, currency=currency):
                if no in self.currency:
                    return "ACCOUNT_EXISTS"
                if currency not in self.rates:
                    return "FIELD_OUT_OF_BOUNDS"
                self.currency[no] = currency
                self.balance_minor[no] = self.holding_minor[no] = 0
                return "ACCEPTED"
            case Deposit(account_no=no, amount_minor=amount, ref=ref):
                return self._transfer("deposit", no, amount, ref)
            case Withdraw(account_no=no, amount_minor=amount, ref=ref):
                return self._transfer("withdrawal", no, -amount, ref)
            case SetPayoutBound(open_payout_minor_max=bound):
                self.house_bound = bound
                return "ACCEPTED"
            case SetAccountBound(account_no=no, open_payout_minor_max=bound):
                if no not in self.currency:
                    return "ACCOUNT_UNKNOWN"
                self.own_bounds[no] = bound
                return "ACCEPTED"
            case BlockAccount(account_no=no, blocked=blocked):
                if no not in self.currency:
                    return "ACCOUNT_UNKNOWN"
                (self.blocked.add if blocked else self.blocked.discard)(no)
                return "ACCEPTED"
            case StopHouse():
                self.stopped = True
                return "ACCEPTED"
            case StartHouse():
                self.stopped = False
                return "ACCEPTED"
            case SetAccountFactor(account_no=no, factor_milli=factor):
                if no not in self.currency:
                    return "ACCOUNT_UNKNOWN"
                self.factors[no] = factor
                return "ACCEPTED"
            case SetCombinationBound(combination_payout_minor_max=bound):
                self.combination_bound = bound
                return "ACCEPTED"

    def _transfer(self, kind: str, no: int, change: int, ref: str) -> str:
        known = self.transfers.get((no, ref))
        if known is not None:
            return "ACCEPTED" if known == (kind, change) else "TRANSFER_REF_REUSED"
        if not 1 <= abs(change) <= BALANCE_MAX:
            return "AMOUNT_OUT_OF_BOUNDS"
        if no not in self.currency:
            return "ACCOUNT_UNKNOWN"
        if change > 0 and self.holding_minor[no] + change > BALANCE_MAX:
            return "BALANCE_OVER_BOUND"
        if change < 0 and -change > self.available_minor(no):
            return "INSUFFICIENT_FUNDS"
        self.transfers[no, ref] = (kind, change)
        self.balance_minor[no] += change
        self.holding_minor[no] += change
        return "ACCEPTED"
