"""The ledger with slips of several legs in plain Python, written from the rules alone.

Enumerates every line of a slip and multiplies fractions. Takes nothing from the engine: numbers and
bounds are stated here and by the tests.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import floor

from tests.engine.common.stated_rules import REASON_NUMBERS, SLIP_STATE_NUMBERS
from tests.engine.ledger.line_twin import TwinBet, multiplied, stake_max, too_much
from tests.engine.ledger.twin import (
    ACCEPTED,
    NONE,
    OPEN,
    PENDING,
    REFUSED,
    SETTLED,
    STAKE_MAX,
    UNRECORDED,
    LedgerTwin,
    Ref,
    TwinSlip,
    within,
)

RELEASED = SLIP_STATE_NUMBERS["RELEASED"]
LINES_MAX, LINE_LEGS_MAX = 20_000, 50_000
ODDS = range(1_001, 10_000_001)
HEAD, LEG = 1, 2
WON, LOST, REFUNDED, HALF_LOST, CANCELLED = 1, 2, 3, 5, 6
POLICY_ANY, COMBINED_NONE, COMBINED_HIGHER = 2, 3, 4


@dataclass
class TwinLeg(TwinSlip):
    kind: int = LEG
    event: int = 0
    position: int = 0
    head: "TwinHead" = field(default=None, repr=False)  # type: ignore[assignment]
    odds_seen: int = 0
    back: Fraction | None = None
    charged: int = 0
    charge_no: int = 0

    @property
    def held(self) -> bool:
        return self.state in (ACCEPTED, SETTLED, RELEASED)

    def release(self) -> None:
        self.state = RELEASED
        self.back, self.payout_minor, self.settlement_no, self.result = None, 0, 0, 0


@dataclass
class TwinHead(TwinSlip):
    kind: int = HEAD
    policy: int = 0
    legs: list[TwinLeg] = field(default_factory=list)
    bets: list[TwinBet] = field(default_factory=list)
    charge_no: int = 0

    def __post_init__(self) -> None:
        self.all_lines = [(bet, bet.lines(self.legs)) for bet in self.bets]

    @property
    def posted(self) -> bool:
        return self.state in (ACCEPTED, SETTLED)

    def pays(self, fractions: Sequence[Fraction | None]) -> int | None:
        """Return what the lines pay; None while a line without a lost leg has an open leg."""
        total = 0
        for bet, lines in self.all_lines:
            for line in lines:
                given = [fractions[place] for place in line]
                if 0 in given:
                    continue
                if None in given:
                    return None
                total += floor(bet.stake * multiplied(given))
        return total

    def owed(self) -> int | None:
        return self.pays([leg.back for leg in self.legs])

    @property
    def selections(self) -> frozenset[tuple[int, int]]:
        return frozenset((leg.content[0], leg.content[1]) for leg in self.legs)

    def payable_minor(self) -> int:
        if self.state not in OPEN:
            return 0
        seen = [Fraction(leg.odds_seen, 1_000) for leg in self.legs]
        stands = [
            Fraction(leg.odds_milli, 1_000) if leg.back is None else leg.back for leg in self.legs
        ]
        payable = self.pays(seen if self.state == PENDING else stands)
        assert payable is not None
        return payable

    def running(self, place: int) -> int:
        """Return the stake that runs on an open leg."""
        total = 0
        for bet, lines in self.all_lines:
            for line in lines:
                given = [self.legs[other].back for other in line]
                if place in line and 0 not in given:
                    total += floor(bet.stake * multiplied([g for g in given if g is not None]))
        return min(total, STAKE_MAX)


class SlipLedgerTwin(LedgerTwin):
    """A ledger of singles and slips; `reserve` takes the rows of heads, legs and singles."""

    def staked_minor(self, account_no: int, state: int) -> int:
        own = (s for s in self.slips if s.account_no == account_no and not isinstance(s, TwinLeg))
        return sum(slip.stake_minor for slip in own if slip.state == state)

    def combination_left(
        self, legs: Sequence[TwinLeg], rate_micro: int, own: TwinSlip | None = None
    ) -> int | None:
        """Return what a slip of some legs may pay, by the other open slips with its selections."""
        if not self.combination_bound or len(legs) < 2:
            return None
        selections = {(leg.content[0], leg.content[1]) for leg in legs}
        counted = sum(
            -(-slip.payable_minor() * slip.rate_micro // 1_000_000)
            for opened in self.opened.values()
            for slip in opened.values()
            if isinstance(slip, TwinHead) and len(slip.legs) > 1 and slip.selections == selections
            if slip is not own
        )
        return within(max(self.combination_bound - counted, 0), rate_micro)

    def slip_room(
        self,
        account_no: int,
        legs: Sequence[TwinLeg],
        rate_micro: int,
        own: TwinSlip | None = None,
    ) -> tuple[int | None, str]:
        """Return what a slip may pay by the lower of two bounds, and that bound's reason.

        `own` is the slip itself if it is open already: both bounds are of the others.
        """
        room = self.payout_room_minor(account_no)
        if room is not None and own is not None:
            room += own.payable_minor()
        left = self.combination_left(legs, rate_micro, own)
        if left is None or (room is not None and room <= left):
            return room, "ACCOUNT_LIABILITY"
        return left, "COMBINATION_LIABILITY"

    def heads(self) -> list[TwinHead]:
        return [slip for slip in self.slips if isinstance(slip, TwinHead)]

    # --- verdicts ------------------------------------------------------------------------------

    def resolve(self, rows: Iterable[tuple[int, ...]]) -> None:
        rows = list(rows)
        of_legs = [row for row in rows if isinstance(self.find(row[0]), TwinLeg)]
        super().resolve(row for row in rows if type(self.find(row[0])) is TwinSlip)
        for bet_id, highest, odds, reason, _ in of_legs:
            leg = self.find(bet_id)
            assert isinstance(leg, TwinLeg)
            if leg.state != PENDING:
                continue
            if reason == 0 and odds in ODDS:
                leg.odds_milli, leg.stake_max_minor = odds, highest
                self._hold(leg)
                if leg.head.posted and any(other.back is not None for other in leg.head.legs):
                    self._pay(leg.head)
            elif reason and not (leg.head.shared and reason in UNRECORDED):
                leg.odds_milli, leg.stake_max_minor = odds, highest
                leg.state, leg.reason = REFUSED, reason
                if leg.head.state == PENDING:
                    self._refuse(leg.head, "LEG_REFUSED")

    def _hold(self, leg: TwinLeg) -> None:
        head = leg.head
        leg.state = ACCEPTED
        if head.state == REFUSED:
            leg.release()
            head.charge_no += 1
        elif all(other.held for other in head.legs):
            reason = self._post_fault(head)
            if reason:
                self._refuse(head, reason)
            else:
                head.state = ACCEPTED

    def _post_fault(self, head: TwinHead) -> str:
        if all(leg.odds_milli == leg.odds_seen for leg in head.legs):
            return ""
        seen = [Fraction(leg.odds_seen, 1_000) for leg in head.legs]
        taken = [Fraction(leg.odds_milli, 1_000) for leg in head.legs]
        before, now = head.pays(seen), head.pays(taken)
        assert before is not None
        assert now is not None
        if head.policy == COMBINED_NONE and before != now:
            return "ODDS_CHANGED"
        if head.policy == COMBINED_HIGHER and now < before:
            return "ODDS_WORSE"
        room, of_room = self.slip_room(head.account_no, head.legs, head.rate_micro, head)
        reason = too_much(head.all_lines, taken, room)
        if not reason or (reason == "ACCOUNT_LIABILITY" and now <= before):
            return ""
        head.stake_max_minor = stake_max(head.all_lines, taken, head.stake_minor, room)
        return of_room if reason == "ACCOUNT_LIABILITY" else "PAYOUT_OVER_CAP"

    def _refuse(self, head: TwinHead, reason: str) -> None:
        head.state, head.reason = REFUSED, REASON_NUMBERS[reason]
        self.balance_minor[head.account_no] += head.stake_minor
        held = [leg for leg in head.legs if leg.held]
        for leg in held:
            leg.release()
        head.charge_no += bool(held)

    # --- settlements ---------------------------------------------------------------------------

    def settle(self, rows: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
        """Settle singles first, then legs; return what took effect in the order of the rows."""
        rows = list(rows)
        taken: list[int] = []
        disputed: list[int] = []
        for legs in (False, True):
            for at, row in enumerate(rows):
                bet = self.find(row[0])
                if isinstance(bet, TwinLeg) != legs:
                    continue
                if isinstance(bet, TwinLeg):
                    effect = self._settle_leg(bet, row)
                elif bet is None or bet.state == REFUSED or isinstance(bet, TwinHead) or row[-1]:
                    effect = "disputed"
                else:
                    effect = "applied" if super().settle([row]) else ""
                if effect == "disputed":
                    disputed.append(at)
                elif effect:
                    taken.append(at)
        for at in sorted(disputed):
            bet_id, number = rows[at][0], rows[at][3]
            if number > self.disputes.get(bet_id, -1):
                self.disputes[bet_id] = number
                taken.append(at)
        return [(rows[at][0], rows[at][3]) for at in sorted(taken)]

    def _settle_leg(self, leg: TwinLeg, row: tuple[int, ...]) -> str:
        _, num, _, number, odds, result, *_, flags, den = row
        if leg.state == REFUSED or self._impossible(leg, num, den, odds, result, flags):
            return "disputed"
        if leg.state == RELEASED or number <= leg.settlement_no:
            return ""
        if leg.state == PENDING:
            leg.odds_milli = odds or leg.odds_milli
            self._hold(leg)
            if leg.state == RELEASED:
                return "applied"
        leg.state = SETTLED if result else ACCEPTED
        leg.payout_minor, leg.settlement_no, leg.result = num, number, result
        leg.back = Fraction(num, den) if result else None
        if leg.head.posted:
            self._pay(leg.head)
        return "applied"

    @staticmethod
    def _impossible(leg: TwinLeg, num: int, den: int, odds: int, result: int, flag: int) -> bool:
        if num < 0 or result > CANCELLED or (odds and odds not in ODDS) or flag > 1:
            return True
        if result == 0:
            return num != 0 or flag > 0
        accepted = odds if leg.state == PENDING and odds else leg.odds_milli
        accepted = 10_000_000 if flag else accepted
        return den == 0 or Fraction(num, den) > Fraction(accepted, 1_000)

    def _pay(self, head: TwinHead) -> None:
        if any(leg.back is None for leg in head.legs):
            head.charge_no += 1
        owed = head.owed()
        result = 0
        if owed is not None:
            refunded = all(leg.result in (REFUNDED, CANCELLED) for leg in head.legs)
            half_lost = owed < head.stake_minor and HALF_LOST in [leg.result for leg in head.legs]
            won = HALF_LOST if half_lost else WON
            result = LOST if owed == 0 else REFUNDED if refunded else won
        if (owed or 0, result) == (head.payout_minor, head.result):
            return
        currency = self.currency[head.account_no]
        moved = head.stake_minor * ((owed is not None) - (head.state == SETTLED))
        self.house_minor[currency] += moved
        self.holding_minor[head.account_no] -= moved
        change = (owed or 0) - head.payout_minor
        self.balance_minor[head.account_no] += change
        self.holding_minor[head.account_no] += change
        self.house_minor[currency] -= change
        head.state = ACCEPTED if owed is None else SETTLED
        self.note_open(head)
        head.payout_minor, head.result = owed or 0, result
        head.settlement_no += 1

    # --- charges -------------------------------------------------------------------------------

    def present_charges(self) -> dict[int, int]:
        """Return what the market of each open or released leg has to charge for it."""
        present = {}
        for head in self.heads():
            for place, leg in enumerate(head.legs):
                if leg.state == RELEASED:
                    present[leg.bet_id] = 0
                elif head.posted and leg.state == ACCEPTED:
                    present[leg.bet_id] = head.running(place)
        return present

    def note_charges(self, rows: Iterable[tuple[int, int, int]]) -> list[int]:
        """Note bet id, stake and number of charges; return the bet ids that changed."""
        changed = []
        for bet_id, stake, number in rows:
            leg = self.find(bet_id)
            if not isinstance(leg, TwinLeg):
                continue
            if leg.charge_no < number <= leg.head.charge_no and 0 <= stake <= STAKE_MAX:
                leg.charged, leg.charge_no = stake, number
                changed.append(bet_id)
        return changed

    # --- reservations --------------------------------------------------------------------------

    def reserve_all(
        self,
        rows: Sequence[tuple[Ref, int, int, int, int, int, int, int]],
        bets: Sequence[tuple[int, ...]],
        at_ns: int,
    ) -> list[tuple[int, ...]]:
        """Answer reservations of singles (flags 0), heads (1) and legs (2), and the heads' bets."""
        whole = is_whole(rows, len(bets))
        answers: list[tuple[int, ...]] = []
        at = taken = 0
        while at < len(rows):
            flags, account_no, odds = rows[at][7] & 3, rows[at][2], rows[at][4]
            if flags == 0:
                answers.append(self._reserve(*rows[at][:7], at_ns=at_ns))
                at += 1
            elif not whole:
                answers.append((0, 0, odds, 0, REASON_NUMBERS["MALFORMED"], NONE, 0))
                at += 1
            else:
                count, bet_count = rows[at][5], rows[at][3]
                own = [TwinBet(*bet[:5]) for bet in bets[taken : taken + bet_count]]
                slip = rows[at : at + 1 + count]
                answers += self._reserve_slip(slip, own, account_no, at_ns)
                at, taken = at + 1 + count, taken + bet_count
        return answers

    def _reserve_slip(
        self,
        rows: Sequence[tuple[Ref, int, int, int, int, int, int, int]],
        bets: list[TwinBet],
        account_no: int,
        at_ns: int,
    ) -> list[tuple[int, ...]]:
        ref, stake, _, _, named, _, policy, flags = rows[0]
        rate = self.rates.get(self.currency.get(account_no, ""), 0)
        legs = [
            TwinLeg(
                0,
                account_no,
                0,
                (row[3], row[5], row[4]),
                row[4],
                rate,
                at_ns,
                event=row[0][0] & 255,
                position=row[0][0] >> 8 & 255,
                odds_seen=row[4],
            )
            for row in rows[1:]
        ]

        def refused(reason: str, stake_max_minor: int = 0) -> list[tuple[int, ...]]:
            number = REASON_NUMBERS[reason]
            return [
                (0, 0 if at else stake_max_minor, row[4], rate, number, NONE, 0)
                for at, row in enumerate(rows)
            ]

        own_legs = ((*leg.content, leg.event, leg.position) for leg in legs)
        own_bets = (replace(each, payout_max=0) for each in bets)
        content = (stake, policy, named, flags & 4, *own_legs, *own_bets)
        known = self.by_ref.get((account_no, tuple(ref)))
        if known is not None:
            if known.content != content:
                return refused("BET_REF_REUSED")
            known.shared |= known.state == PENDING
            return slip_answers(known, 1)
        if self.stopped or len(self.slips) + len(rows) > self.slips_max:
            return refused("HOUSE_STOPPED" if self.stopped else "CAPACITY")
        if account_no not in self.currency or account_no in self.blocked:
            return refused("ACCOUNT_BLOCKED" if account_no in self.currency else "ACCOUNT_UNKNOWN")
        if named or flags & 4:  # there are no offers here
            return refused("FREE_BET_UNKNOWN" if flags & 4 else "OFFER_UNKNOWN")
        available = self.available_minor(account_no)
        bets = [
            replace(each, payout_max=max(within(each.payout_max, rate), 1))
            if each.payout_max > 0
            else each
            for each in bets
        ]
        room, over = self.slip_room(account_no, legs, rate)
        reason, highest = slip_fault(rows, legs, bets, available, room)
        if reason:
            return refused(over if reason == "ACCOUNT_LIABILITY" else reason, highest)
        bet_id = (self.shard << 48) + len(self.slips) + 1
        head = TwinHead(
            bet_id, account_no, stake, content, 0, rate, at_ns, policy=policy, legs=legs, bets=bets
        )
        self.slips += [head, *legs]
        for place, leg in enumerate(legs):
            leg.bet_id, leg.head = bet_id + 1 + place, head
            leg.stake_minor = leg.charged = head.running(place)
        self.by_ref[account_no, tuple(ref)] = head
        self.note_open(head)
        self.balance_minor[account_no] -= stake
        return slip_answers(head, 0)


def is_whole(rows: Sequence[tuple[Ref, int, int, int, int, int, int, int]], bets: int) -> bool:
    at = counted = 0
    while at < len(rows):
        flags = rows[at][7] & 3
        at += 1
        if flags == 0:
            continue
        end = at
        while end < len(rows) and rows[end][7] & 3 == LEG:
            end += 1
        count, bet_count = rows[at - 1][5], rows[at - 1][3]
        if flags != HEAD or not end - at == count in range(1, 64) or bet_count not in range(1, 51):
            return False
        counted += bet_count
        at = end
    return counted == bets


def slip_answers(head: TwinSlip, flags: int) -> list[tuple[int, ...]]:
    assert isinstance(head, TwinHead)
    answers = [head.answer(flags)]
    for leg in head.legs:
        answer = leg.answer(flags)
        charge = leg.stake_minor if leg.state == PENDING else leg.stake_max_minor
        answers.append((answer[0], charge, *answer[2:]))
    return answers


def slip_fault(
    rows: Sequence[tuple[Ref, int, int, int, int, int, int, int]],
    legs: Sequence[TwinLeg],
    bets: Sequence[TwinBet],
    available: int,
    room: int | None,
) -> tuple[str, int]:
    ref, stake, account_no, _, _, _, policy, _ = rows[0]
    for row, leg in zip(rows[1:], legs, strict=True):
        if row[0][0] >> 16 or any(row[0][1:]) or max(leg.event, leg.position) > 62:
            return "MALFORMED", 0
        if row[2] != account_no or row[6] != min(policy, POLICY_ANY):
            return "MALFORMED", 0
    if ref[0] == 0 or policy > COMBINED_HIGHER:
        return "MALFORMED", 0
    if stake < 1:
        return "STAKE_TOO_SMALL", 0
    if any(leg.odds_seen not in ODDS for leg in legs):
        return "ODDS_OUT_OF_BOUNDS", 0
    held = 0
    for leg in legs:
        held |= 1 << leg.position
    all_lines = []
    for bet in bets:
        if fault := bet.fault(held):
            return fault, 0
        lines = bet.lines(legs)
        if sum(map(len, (each for _, each in all_lines)), len(lines)) > LINES_MAX:
            return "LINES_OVER_BOUND", 0
        if not lines:
            return "NO_LINE", 0
        all_lines.append((bet, lines))
        if sum(len(line) for _, each in all_lines for line in each) > LINE_LEGS_MAX:
            return "LINES_OVER_BOUND", 0
    if {place for _, lines in all_lines for line in lines for place in line} != set(
        range(len(legs))
    ):
        return "NO_LINE", 0
    if stake != sum(bet.stake * len(lines) for bet, lines in all_lines):
        return "STAKE_MISMATCH", 0
    odds = [Fraction(leg.odds_seen, 1_000) for leg in legs]
    reason = "AMOUNT_OUT_OF_BOUNDS" if stake > STAKE_MAX else too_much(all_lines, odds, room)
    if reason in ("", "ACCOUNT_LIABILITY") and stake > available:
        reason = "INSUFFICIENT_FUNDS"
    return reason, stake_max(all_lines, odds, min(available, STAKE_MAX), room) if reason else 0
