"""What an account shard's journal says, read with plain dictionaries.

Owns an account of every movement of one shard in the order of its journal: bet ids are given once
and rise, a stake never exceeds what is available, and the balances that the journal states are
right. Shares no code with the ledger; it takes the records' layouts and events only.
"""

from dataclasses import dataclass
from typing import Any

from engine.common.events import Deposited, Withdrawn
from engine.common.reasons import UNRECORDED
from persistence.frames import Record
from persistence.records import Kind, decode_exchange, decode_ledger_control, decode_settlements

PENDING, ACCEPTED, REFUSED, SETTLED = 1, 2, 3, 4
_KNOWN = 1
_OPEN_AGAIN = 0
_UNRECORDED = {int(reason) for reason in UNRECORDED}


@dataclass
class SlipModel:
    """One bet of the shard, by its journal."""

    account: int
    stake: int
    seq: int
    state: int = PENDING
    shared: bool = False
    """Whether it was handed out more than once: an unrecorded refusal is then no verdict."""
    payout: int = 0
    settlement_no: int = 0


class ShardModel:
    """All slips and balances of one shard; `faults` says what its history cannot be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.slips: dict[int, SlipModel] = {}
        self.balance: dict[int, int] = {}
        """What is available less what is owed, by account."""
        self.faults: list[str] = []
        self._refs: dict[tuple[int, bytes], int] = {}
        self._highest = 0

    def read(self, record: Record) -> None:
        if record.kind == Kind.EXCHANGE:
            self._read_exchange(record)
        elif record.kind == Kind.SETTLEMENTS:
            rows = decode_settlements(record.payload)
            names = ("bet_id", "payout_minor", "settlement_no", "result")
            for row in zip(*(rows[name].tolist() for name in names), strict=True):
                self._settle(*row)
        elif record.kind == Kind.CONTROL:
            for event in decode_ledger_control(record.payload).events:
                if isinstance(event, Deposited | Withdrawn) and not event.known:
                    self._transfer(event)

    # --- bets ------------------------------------------------------------------------------------

    def _read_exchange(self, record: Record) -> None:
        verdicts, reservations, _, answers = decode_exchange(record.payload, record.kind)
        for bet_id, reason in zip(
            verdicts["bet_id"].tolist(), verdicts["reason"].tolist(), strict=True
        ):
            self._resolve(bet_id, reason)
        asked = [reservations[name].tolist() for name in ("account_no", "stake_minor")]
        given = [answers[name].tolist() for name in ("bet_id", "state", "flags")]
        refs = [row.tobytes() for row in reservations["ref"]]
        for each in zip(refs, *asked, *given, strict=True):
            self._reserve(record.seq, *each)

    def _resolve(self, bet_id: int, reason: int) -> None:
        slip = self.slips.get(bet_id)
        if slip is None or slip.state != PENDING:
            return
        if reason == 0:
            slip.state = ACCEPTED
        elif not (slip.shared and reason in _UNRECORDED):
            slip.state = REFUSED
            self.balance[slip.account] += slip.stake

    def _reserve(
        self, seq: int, ref: bytes, account: int, stake: int, bet_id: int, state: int, flags: int
    ) -> None:
        if bet_id == 0 or state == 0:
            return
        first = self._refs.get((account, ref))
        if flags & _KNOWN:
            if first != bet_id:
                self._fault(f"bet {bet_id} is the answer to a ref that is bet {first}")
            elif state == PENDING:
                self.slips[bet_id].shared = True
            return
        if first is not None:
            self._fault(f"a ref that is bet {first} became bet {bet_id} too")
        if bet_id <= self._highest:
            self._fault(f"bet {bet_id} was given after bet {self._highest}")
        if stake > self.balance.get(account, 0):
            self._fault(f"bet {bet_id} took {stake} of {self.balance.get(account, 0)} available")
        self._highest = max(self._highest, bet_id)
        self._refs[account, ref] = bet_id
        self.slips[bet_id] = SlipModel(account, stake, seq)
        self.balance[account] = self.balance.get(account, 0) - stake

    def _settle(self, bet_id: int, payout: int, settlement_no: int, result: int) -> None:
        slip = self.slips.get(bet_id)
        if slip is None or slip.state == REFUSED:
            self._fault(f"a settlement of bet {bet_id}, which is refused or unknown")
            return
        if settlement_no <= slip.settlement_no:
            self._fault(f"settlement {settlement_no} of bet {bet_id} was booked again")
            return
        self.balance[slip.account] += payout - slip.payout
        slip.payout, slip.settlement_no = payout, settlement_no
        slip.state = ACCEPTED if result == _OPEN_AGAIN else SETTLED

    def _transfer(self, event: Any) -> None:
        amount = event.amount_minor if isinstance(event, Deposited) else -event.amount_minor
        self.balance[event.account_no] = self.balance.get(event.account_no, 0) + amount
        if max(self.balance[event.account_no], 0) != event.available_minor:
            self._fault(
                f"account {event.account_no} had {event.available_minor} available after transfer "
                f"{event.ref}, its journal adds up to {self.balance[event.account_no]}"
            )

    def _fault(self, what: str) -> None:
        self.faults.append(f"{self.name}: {what}")
