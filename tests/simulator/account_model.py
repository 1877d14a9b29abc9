"""What an account shard's journal says, read with plain dictionaries.

Owns an account of every movement of one shard in the order of its journal: bet ids are given once
and rise, a stake never exceeds what is available, and the balances that the journal states are
right. Shares no code with the ledger; it takes the records' layouts and events only.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from engine.common.events import (
    AccountBlocked,
    AccountFactorSet,
    CombinationBoundSet,
    Deposited,
    FreeBetGranted,
    HouseStarted,
    HouseStopped,
    OfferSet,
    PayoutBoundSet,
    Withdrawn,
)
from engine.common.offers import SetOffer
from engine.common.reasons import UNRECORDED, Reason
from engine.common.rows import FLAG_FREE_BET, FLAG_HEAD, FLAG_PRE_MATCH, LEG_RESERVATION
from persistence.frames import Record
from persistence.records import (
    Kind,
    decode_charges,
    decode_exchange,
    decode_ledger_control,
    decode_settlements,
)
from simulations.expected_slips import bet_of_row, stake_minor
from tests.simulator.offers import OfferModel
from tests.simulator.slip_model import (
    ACCEPTED,
    PENDING,
    REFUSED,
    RELEASED,
    SETTLED,
    LegModel,
    SlipModel,
)

_KNOWN = 1
_LEGS_COUNTED = 2
"""Legs from which on a slip counts with others of the same selections."""
_OPEN_AGAIN = 0
_UNRECORDED = {int(reason) for reason in UNRECORDED}


class ShardModel:
    """All slips and balances of one shard; `faults` says what its history cannot be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.slips: dict[int, SlipModel] = {}
        """Singles and heads of slips, by bet id."""
        self.legs: dict[int, tuple[SlipModel, LegModel]] = {}
        """Legs and their slips, by the leg's bet id."""
        self.balance: dict[int, int] = {}
        """What is available less what is owed, by account."""
        self.offers = OfferModel()
        self.faults: list[str] = []
        self._refs: dict[tuple[int, bytes], int] = {}
        self._of: dict[int, list[SlipModel]] = {}
        """Singles and heads of slips by account."""
        self._same: dict[frozenset[tuple[int, int]], list[SlipModel]] = {}
        """Slips of two legs or more by their selections."""
        self._combination_max = 0
        """The bound of what open slips with the same selections can pay in base currency."""
        self._payout_max = 0
        """The bound of each account's open payout in base currency, 0 for none."""
        self._blocked: dict[int, bool] = {}
        self._house_stopped = False
        self._factors: dict[int, int] = {}
        self.factors_given: dict[int, set[int]] = {}
        """The factors that the answers to each single and leg have had, by bet id."""
        self._highest = 0
        self._seq = 0

    def read(self, record: Record) -> None:
        self._seq = record.seq
        if record.kind in (Kind.EXCHANGE, Kind.EXCHANGE_SLIPS):
            self._read_exchange(*decode_exchange(record.payload, record.kind))
        elif record.kind == Kind.CHARGES:
            rows = decode_charges(record.payload)
            for row in zip(*(rows[name].tolist() for name in _CHARGE_FIELDS), strict=True):
                self._charge(*row)
        elif record.kind == Kind.SETTLEMENTS:
            rows = decode_settlements(record.payload)
            for row in zip(*(rows[name].tolist() for name in _SETTLEMENT_FIELDS), strict=True):
                self._settle(*row)
        elif record.kind == Kind.CONTROL:
            control = decode_ledger_control(record.payload)
            for command, event in zip(control.commands, control.events, strict=True):
                if isinstance(event, Deposited | Withdrawn) and not event.known:
                    self._transfer(event)
                elif isinstance(command, SetOffer) and isinstance(event, OfferSet):
                    self.offers.rules[command.offer_no] = command.rule
                elif isinstance(event, FreeBetGranted) and not event.known:
                    self.offers.granted(event.account_no, event.offer_no, event.amount_minor)
                elif isinstance(event, PayoutBoundSet):
                    self._payout_max = event.open_payout_minor_max
                elif isinstance(event, CombinationBoundSet):
                    self._combination_max = event.combination_payout_minor_max
                elif isinstance(event, HouseStopped | HouseStarted):
                    self._house_stopped = isinstance(event, HouseStopped)
                elif isinstance(event, AccountBlocked):
                    self._blocked[event.account_no] = event.blocked
                elif isinstance(event, AccountFactorSet):
                    given = event.factor_milli
                    self._factors[event.account_no] = given if given != 1_000 else 0

    # --- bets ------------------------------------------------------------------------------------

    def _read_exchange(
        self, verdicts: Any, reservations: Any, slip_bets: Any, answers: Any
    ) -> None:
        names = ("bet_id", "reason", "odds_milli")
        for verdict in zip(*(verdicts[name].tolist() for name in names), strict=True):
            self._resolve(*verdict)
        asked = [reservations[name].tolist() for name in ("account_no", "stake_minor", "flags")]
        given = [answers[name].tolist() for name in ("bet_id", "state", "flags")]
        self._read_factors(asked[0], answers)
        refs = [row.tobytes() for row in reservations["ref"]]
        at = first_bet = 0
        while at < len(refs):
            account, stake, flags = (column[at] for column in asked)
            bet_id, state, known = (column[at] for column in given)
            slip = SlipModel(account, stake, self._seq)
            slip.odds = int(reservations[at]["odds_milli"])
            legs = 0
            if flags & FLAG_HEAD:
                legs = int(reservations[at]["outcome"])
                bets = int(reservations[at]["market_no"])
                rows = reservations[at + 1 : at + 1 + legs]
                _add_legs(slip, bet_id, rows, slip_bets[first_bet : first_bet + bets])
                slip.convert_bounds(int(answers[at]["rate_micro"]))
                slip.policy = int(reservations[at]["policy"])
                slip.named = int(reservations[at]["odds_milli"]), bool(flags & FLAG_FREE_BET)
                first_bet += bets
            if self._reserve(slip, refs[at], bet_id, state, known):
                self._check_slip(slip, bet_id, answers[at + 1 : at + 1 + legs])
                self._check_payouts(account, int(answers[at]["rate_micro"]))
                self._check_combination(slip, bet_id)
            at += 1 + legs

    def _read_factors(self, accounts: list[int], answers: Any) -> None:
        names = ("bet_id", "state", "factor_milli")
        columns = [answers[name].tolist() for name in names]
        for account, bet_id, state, factor in zip(accounts, *columns, strict=True):
            expected = self._factors.get(account, 0) if state else 0
            if factor != expected:
                self._fault(f"bet {bet_id} was given the factor {factor}, not {expected}")
            self.factors_given.setdefault(bet_id, set()).add(factor)

    def _resolve(self, bet_id: int, reason: int, odds: int) -> None:
        slip, leg = self.legs.get(bet_id, (self.slips.get(bet_id), None))
        if slip is None or (leg or slip).state != PENDING:
            return
        if reason in _UNRECORDED and slip.shared:
            return
        if leg is not None:
            change = slip.hold(leg, odds, self._room) if reason == 0 else slip.drop(leg, reason)
            self._decided(slip, change)
        elif reason == 0:
            slip.state, slip.odds = ACCEPTED, odds
        else:
            slip.state = REFUSED
            self.balance[slip.account] += slip.stake

    def _reserve(self, slip: SlipModel, ref: bytes, bet_id: int, state: int, flags: int) -> bool:
        """Book a reservation and return whether it is a new one."""
        if bet_id == 0 or state == 0:
            return False
        account, stake = slip.account, slip.stake
        first = self._refs.get((account, ref))
        if flags & _KNOWN:
            if first != bet_id:
                self._fault(f"bet {bet_id} is the answer to a ref that is bet {first}")
            elif state == PENDING:
                self.slips[bet_id].shared = True
            return False
        if first is not None:
            self._fault(f"a ref that is bet {first} became bet {bet_id} too")
        if bet_id <= self._highest:
            self._fault(f"bet {bet_id} was given after bet {self._highest}")
        named, pays = slip.named
        fault = self.offers.take(slip, named=named, pays=pays) if named else ""
        if fault:
            self._fault(f"bet {bet_id}: {fault}")
        if self._house_stopped:
            self._fault(f"bet {bet_id} was taken while the house is stopped")
        if self._blocked.get(account):
            self._fault(f"bet {bet_id} is of account {account}, which is blocked")
        if not slip.free_bet and stake > self.balance.get(account, 0):
            self._fault(f"bet {bet_id} took {stake} of {self.balance.get(account, 0)} available")
        self._highest = bet_id + len(slip.legs)
        self._refs[account, ref] = bet_id
        self.slips[bet_id] = slip
        self._of.setdefault(account, []).append(slip)
        change = self.offers.change(slip) - stake
        self.balance[account] = self.balance.get(account, 0) + change
        return True

    def _check_payouts(self, account: int, rate_micro: int) -> None:
        """Check that an account that took a bet is within its bound with it."""
        payable = sum(slip.payable() for slip in self._of[account])
        if 0 < self._payout_max * 1_000_000 // rate_micro < payable:
            self._fault(f"account {account} took a bet with which its open bets can pay {payable}")

    def _room(self, slip: SlipModel) -> tuple[int, Reason]:
        """Return what a slip may pay beside other open bets, and why it may pay no more.

        They are those of its account, and those with its selections.
        """
        others = (each for each in self._of[slip.account] if each is not slip)
        most = self._payout_max * 1_000_000 // slip.rate - sum(each.payable() for each in others)
        if self._combination_max and len(slip.legs) >= _LEGS_COUNTED:
            same = (each for each in self._same[slip.selections()] if each is not slip)
            left = self._combination_max - sum(each.payable_base() for each in same)
            allowed = max(left, 0) * 1_000_000 // slip.rate
            if allowed < most:
                return allowed, Reason.COMBINATION_LIABILITY
        return most, Reason.ACCOUNT_LIABILITY

    def _check_combination(self, slip: SlipModel, bet_id: int) -> None:
        """Check that the open slips with a new slip's selections are within their bound with it."""
        if len(slip.legs) < _LEGS_COUNTED:
            return
        same = self._same.setdefault(slip.selections(), [])
        same.append(slip)
        payable = sum(each.payable_base() for each in same)
        if 0 < self._combination_max < payable:
            self._fault(f"slip {bet_id} was taken, with which its combination can pay {payable}")

    def _check_slip(self, slip: SlipModel, bet_id: int, answers: Any) -> None:
        """Enter the legs of a new slip; check their ids and the stake of all lines."""
        for leg in slip.legs:
            self.legs[leg.bet_id] = (slip, leg)
        if slip.legs:
            due = stake_minor(slip.shape(), slip.bets)
            if due != slip.stake:
                self._fault(f"slip {bet_id} took {slip.stake}, its lines cost {due}")
            if answers["bet_id"].tolist() != [leg.bet_id for leg in slip.legs]:
                self._fault(f"slip {bet_id}: its legs are the bets {answers['bet_id'].tolist()}")

    def _settle(
        self,
        bet_id: int,
        payout: int,
        settlement_no: int,
        result: int,
        odds: int,
        den: int,
        lead: int,
        flags: int,
    ) -> None:
        slip, leg = self.legs.get(bet_id, (self.slips.get(bet_id), None))
        if slip is None or (leg or slip).state == REFUSED:
            self._fault(f"a settlement of bet {bet_id}, which is refused or unknown")
            return
        one: Any = leg or slip
        if settlement_no <= one.settlement_no:
            self._fault(f"settlement {settlement_no} of bet {bet_id} was booked again")
            return
        if leg is None:
            if slip.state == PENDING and odds > 0:
                slip.odds = odds
            self.balance[slip.account] += payout - slip.payout
            slip.payout, slip.settlement_no = payout, settlement_no
            slip.state = ACCEPTED if result == _OPEN_AGAIN else SETTLED
            return
        change = slip.hold(leg, odds, self._room) if leg.state == PENDING else 0
        if leg.state != RELEASED:
            leg.mark(lead, pre_match=bool(flags & FLAG_PRE_MATCH))
            back = None if result == _OPEN_AGAIN else Fraction(payout, den)
            change += slip.settle(leg, back, result, settlement_no)
        self._decided(slip, change)

    def _decided(self, slip: SlipModel, change: int) -> None:
        """Book what a slip gets back by a verdict or a settlement of one of its legs."""
        self.balance[slip.account] += change + self.offers.change(slip)
        if slip.state != PENDING and not slip.decided_seq:
            slip.decided_seq = self._seq

    def _charge(self, bet_id: int, stake: int, charge_no: int) -> None:
        """Note what a leg's market was last told to charge."""
        if bet_id not in self.legs:
            self._fault(f"a charge of bet {bet_id}, which is no leg")
            return
        _, leg = self.legs[bet_id]
        if charge_no <= leg.charge_no:
            self._fault(f"charge {charge_no} of bet {bet_id} was acknowledged again")
        leg.charged, leg.charge_no = stake, charge_no

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


_CHARGE_FIELDS = ("bet_id", "stake_minor", "charge_no")
_SETTLEMENT_FIELDS = (
    "bet_id",
    "payout_minor",
    "settlement_no",
    "result",
    "odds_milli",
    "back_den",
    "early_lead",
    "early_flags",
)


def _add_legs(slip: SlipModel, bet_id: int, rows: Any, bets: Any) -> None:
    """Give a slip its legs and bets from their rows."""
    shapes = np.ascontiguousarray(rows).view(LEG_RESERVATION)
    names = ("market_no", "outcome", "odds_milli", "event", "position")
    columns = (shapes[name].tolist() for name in names)
    slip.legs = [
        LegModel(bet_id + number, *row)
        for number, row in enumerate(zip(*columns, strict=True), start=1)
    ]
    slip.bets = tuple(map(bet_of_row, bets))
    slip.payouts_max = tuple(bets["payout_minor_max"].tolist())
