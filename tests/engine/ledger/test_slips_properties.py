"""Properties of slips over random streams: equality with the twin, and independence of order."""

from fractions import Fraction
from itertools import islice
from math import ceil
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.house import StartHouse, StopHouse
from engine.common.reasons import Reason
from engine.common.rows import CHARGE, DECISION, SETTLEMENT, Rows, SlipKind, SlipState
from engine.common.units import BALANCE_MINOR_MAX, BETS_MAX, RATE_MICRO_ONE
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import NO_REQUESTS, SHARD, funded, money, verdict
from tests.engine.ledger.history import history
from tests.engine.ledger.random_slips import SlipTurn, fraction_of, random_request, slip_turns
from tests.engine.ledger.slip_builders import SlipRequest, leg_reopened, leg_settlement
from tests.engine.ledger.slip_twin import SlipLedgerTwin, TwinHead, TwinLeg

TWIN_STEPS = 25_000
NAMES = ("bet_id", "account_no", "stake_minor", "odds_milli", "rate_micro", "placed_at_ns")
NAMES += ("state", "reason", "stake_max_minor", "payout_minor", "settlement_no", "result")


def feed(ledger: LedgerMachine, turn: SlipTurn) -> list[object]:
    """Give one turn to a machine; return the answers that a journal would keep."""
    answers: list[object] = [ledger.apply(command, turn.at_ns) for command in turn.commands]
    exchanged = ledger.exchange(turn.verdicts, turn.reservations, turn.at_ns, turn.slip_bets)
    settled = ledger.settle(turn.settlements, turn.at_ns)
    return [*answers, *(r.tobytes() for r in (exchanged, settled, ledger.charged(turn.charges)))]


def feed_twin(twin: SlipLedgerTwin, turn: SlipTurn) -> list[list[tuple[int, ...]]]:
    """Give one turn to the twin; return the answers, what took effect and which charges."""
    for command in turn.commands:
        twin.apply(command)
    twin.resolve(turn.verdicts.tolist())
    rows = [(row["ref"].tolist(), *row.tolist()[1:]) for row in turn.reservations]
    answers = twin.reserve_all(rows, turn.slip_bets.tolist(), turn.at_ns)
    applied = twin.settle(turn.settlements.tolist())
    names = ["bet_id", "stake_minor", "charge_no"]
    return [answers, applied, twin.note_charges(turn.charges[names].tolist())]


def most_minor_of(head: TwinHead) -> int:
    """Return what a slip pays if each leg wins at its odds, or gives back more than that."""
    pairs = [(Fraction(leg.odds_milli, 1_000), leg.back or Fraction(0)) for leg in head.legs]
    most = head.pays([max(pair) for pair in pairs])
    assert most is not None
    return 0 if head.state == SlipState.REFUSED else most


def compare(ledger: LedgerMachine, twin: SlipLedgerTwin) -> None:
    """Compare every slip, every balance and the present charges with the twin's."""
    slips = ledger.slips()
    assert len(slips) == len(twin.slips)
    for name in NAMES:
        assert slips[name].tolist() == [getattr(slip, name) for slip in twin.slips], name
    for slip, row in zip(twin.slips, slips, strict=True):
        if isinstance(slip, TwinLeg):
            assert (row["charged_minor"], row["charge_no"]) == (slip.charged, slip.charge_no)
        if isinstance(slip, TwinHead):
            assert row["charge_no"] == slip.charge_no
            assert row["held"] == sum(leg.held for leg in slip.legs)
            assert row["charged_minor"] == slip.payable_minor()
            legs = np.array([leg.bet_id for leg in slip.legs], np.uint64)
            base_minor = ceil(Fraction(most_minor_of(slip) * slip.rate_micro, RATE_MICRO_ONE))
            most_minor = min(base_minor, BALANCE_MINOR_MAX)
            assert ledger.most_minor(legs).tolist() == [most_minor] * len(legs)
    for no in twin.currency:
        balance = ledger.balance(no)
        assert balance.available_minor == twin.available_minor(no)
        assert balance.owed_minor == twin.owed_minor(no)
        assert balance.open_payout_minor == twin.open_payout_minor(no)
        assert balance.pending_minor == twin.staked_minor(no, SlipState.PENDING)
        assert balance.at_stake_minor == twin.staked_minor(no, SlipState.ACCEPTED)
        listed = [slip.bet_id for slip in ledger.open_slips(account_no=no, limit=1 << 20)]
        own = [s for s in twin.slips if s.account_no == no and not isinstance(s, TwinLeg)]
        states = (SlipState.PENDING, SlipState.ACCEPTED)
        assert listed == [slip.bet_id for slip in own if slip.state in states]
        settled = [slip.bet_id for slip in own if slip.state == SlipState.SETTLED]
        assert history(ledger, no, limit=7) == settled[::-1]
    waiting = [s.bet_id for s in twin.slips if s.state == 1 and not isinstance(s, TwinHead)]
    assert ledger.pending_before(at_ns=1 << 62, limit=1 << 20)["bet_id"].tolist() == waiting
    house = {totals.currency: totals.house_minor for totals in ledger.totals()}
    assert house == twin.house_minor
    held = ledger.disputes()[["bet_id", "settlement_no"]].tolist()
    assert dict(held) == twin.disputes
    compare_charges(ledger, twin)


def compare_charges(ledger: LedgerMachine, twin: SlipLedgerTwin) -> None:
    """Check that due charges are the present ones, and that all that differ are due."""
    present = twin.present_charges()
    due = dict(ledger.charges(limit=1 << 20).rows[["bet_id", "stake_minor"]].tolist())
    assert due == {bet_id: present[bet_id] for bet_id in due}
    known = {slip.bet_id: slip.charged for slip in twin.slips if isinstance(slip, TwinLeg)}
    assert {no for no, charge in present.items() if known[no] != charge} <= set(due)
    assert list(due) == sorted(due)


def test_random_slips_agree_with_the_twin():
    ledger = LedgerMachine(shard=SHARD)
    twin = SlipLedgerTwin(shard=SHARD, slips_max=BETS_MAX)
    steps = 0
    reasons: dict[int, int] = {}
    for number, turn in enumerate(slip_turns(18, ledger)):
        for command in turn.commands:
            ledger.apply(command, turn.at_ns)
        answers = ledger.exchange(turn.verdicts, turn.reservations, turn.at_ns, turn.slip_bets)
        applied = ledger.settle(turn.settlements, turn.at_ns)
        changed = ledger.charged(turn.charges)
        expected = feed_twin(twin, turn)
        assert [row[:7] for row in answers.tolist()] == expected[0]
        assert answers["factor_milli"].tolist() == twin.factors_of(
            turn.reservations["account_no"].tolist(), answers["state"].tolist()
        )
        assert applied[["bet_id", "settlement_no"]].tolist() == expected[1]
        assert changed["bet_id"].tolist() == expected[2]
        ledger.check()
        steps += turn.steps
        for reason in answers["reason"].tolist():
            reasons[reason] = reasons.get(reason, 0) + 1
        if number % 20 == 0 or steps >= TWIN_STEPS:
            compare(ledger, twin)
        if steps >= TWIN_STEPS:
            break
    slips = ledger.slips()
    for kind, states in ((SlipKind.HEAD, (1, 2, 3, 4)), (SlipKind.LEG, (1, 2, 3, 4, 5))):
        for state in states:
            found = np.count_nonzero((slips["kind"] == kind) & (slips["state"] == state))
            assert found > 10, (kind, state)
    seen = (0, Reason.MALFORMED, Reason.NO_LINE, Reason.STAKE_MISMATCH, Reason.PAYOUT_OVER_CAP)
    seen += (Reason.INSUFFICIENT_FUNDS, Reason.BET_REF_REUSED, Reason.ACCOUNT_UNKNOWN)
    seen += (Reason.ACCOUNT_LIABILITY, Reason.COMBINATION_LIABILITY, Reason.ACCOUNT_BLOCKED)
    assert all(reasons.get(reason, 0) > 10 for reason in seen), reasons
    heads = slips[slips["kind"] == SlipKind.HEAD]
    decided = (Reason.ODDS_CHANGED, Reason.ODDS_WORSE, Reason.PAYOUT_OVER_CAP)
    assert all(np.count_nonzero(heads["reason"] == reason) > 2 for reason in decided)
    assert np.count_nonzero(heads["reason"] == Reason.ACCOUNT_LIABILITY) > 0, "at the post"
    assert np.count_nonzero(heads["settlement_no"] > 1) > 40, "payouts were corrected"
    assert np.count_nonzero(slips["charge_no"]) > 100, "charges were acknowledged"


def test_a_shard_whose_house_is_stopped_at_times_agrees_with_the_twin():
    ledger = LedgerMachine(shard=SHARD)
    twin = SlipLedgerTwin(shard=SHARD, slips_max=BETS_MAX)
    reasons: dict[int, int] = {}
    for number, turn in enumerate(islice(slip_turns(3, ledger), 60)):
        if number % 5 in (2, 4):
            command = StopHouse(by="trader:ada") if number % 5 == 2 else StartHouse()
            ledger.apply(command, turn.at_ns)
            twin.apply(command)
        for command in turn.commands:
            ledger.apply(command, turn.at_ns)
        answers = ledger.exchange(turn.verdicts, turn.reservations, turn.at_ns, turn.slip_bets)
        ledger.settle(turn.settlements, turn.at_ns)
        ledger.charged(turn.charges)
        assert [row[:7] for row in answers.tolist()] == feed_twin(twin, turn)[0]
        ledger.check()
        for reason in answers["reason"].tolist():
            reasons[reason] = reasons.get(reason, 0) + 1
    assert min(reasons[Reason.HOUSE_STOPPED], reasons[Reason.ACCEPTED]) > 20
    compare(ledger, twin)


def test_a_full_shard_of_slips_agrees_with_the_twin():
    ledger = LedgerMachine(shard=SHARD, slips_max=120)
    twin = SlipLedgerTwin(shard=SHARD, slips_max=120)
    for turn in islice(slip_turns(3, ledger), 120):
        feed(ledger, turn)
        feed_twin(twin, turn)
        ledger.check()
    assert ledger.slips_len >= 118
    compare(ledger, twin)


@pytest.mark.parametrize("seed", range(3))
def test_a_machine_with_slips_loaded_at_any_step_gives_the_answers_of_the_dumped_one(seed):
    ledger = LedgerMachine(shard=SHARD)
    for turn in islice(slip_turns(seed, ledger), 80):
        restarted = LedgerMachine.load(ledger.dump())
        restarted.check()
        assert restarted.state_hash() == ledger.state_hash()
        # What is known to be due already may be left out of one queue only until it is asked for.
        due = restarted.charges(limit=1 << 20).rows
        assert due.tobytes() == ledger.charges(limit=1 << 20).rows.tobytes()
        assert feed(restarted, turn) == feed(ledger, turn)
        assert restarted.dump() == ledger.dump()


def one_by_one(rows: Rows) -> list[Rows]:
    return [rows[at : at + 1] for at in range(len(rows))]


def test_the_hash_of_slips_does_not_depend_on_how_rows_are_batched():
    batched, single = LedgerMachine(shard=SHARD), LedgerMachine(shard=SHARD)
    for turn in islice(slip_turns(11, batched), 150):
        feed(batched, turn)
        for command in turn.commands:
            single.apply(command, turn.at_ns)
        for rows in one_by_one(turn.verdicts):
            single.exchange(rows, NO_REQUESTS, turn.at_ns)
        single.exchange(turn.verdicts[:0], turn.reservations, turn.at_ns, turn.slip_bets)
        for rows in one_by_one(turn.settlements):
            single.settle(rows, turn.at_ns)
        for rows in one_by_one(turn.charges):
            single.charged(rows)
    assert batched.slips_len > 500
    assert batched.state_hash() == single.state_hash()


# --- order ---------------------------------------------------------------------------------------


def messages_about(random: Random, request: SlipRequest) -> list[Rows]:
    """Return what markets send about a slip's legs: one verdict, or settlements too, of each."""
    found = []
    for place, leg in enumerate(request.legs):
        bet_id = request.leg(place)
        if random.random() < 0.12:
            found.append(verdict(bet_id, Reason.ODDS_WORSE))
            continue
        odds_milli = leg.odds_milli + random.choice((0, 0, 0, 200))
        found.append(verdict(bet_id, odds_milli=odds_milli))
        for number in range(1, random.randrange(1, 5)):
            if random.random() < 0.25:
                row = leg_reopened(bet_id, number=number)
            else:
                num, den, result = fraction_of(random, odds_milli)
                row = leg_settlement(bet_id, num, den, number=number, result=result)
            row["odds_milli"] = odds_milli
            found.append(row)
    return found


def deliver(ledger: LedgerMachine, message: Rows) -> None:
    if message.dtype == DECISION:
        ledger.exchange(message, NO_REQUESTS, 20)
    else:
        assert message.dtype == SETTLEMENT
        ledger.settle(message, 20)


def end_of(ledger: LedgerMachine) -> tuple[object, ...]:
    """Return what must not depend on the order of messages: all but counters of changes."""
    names = ["state", "reason", "odds_milli", "payout_minor", "back_den", "result", "held"]
    slips = ledger.slips()
    numbers = slips["settlement_no"][slips["kind"] == SlipKind.LEG]
    present = {bet_id: charge for bet_id, charge in all_charges(ledger).items() if charge}
    return money(ledger), ledger.totals(), slips[names].tolist(), numbers.tolist(), present


def all_charges(ledger: LedgerMachine) -> dict[int, int]:
    """Return what each leg's market charges once every due charge has been told."""
    while len(rows := ledger.charges(limit=5).rows):
        assert len(ledger.charged(rows))
    slips = ledger.slips()
    opened = slips[(slips["kind"] == SlipKind.LEG) & np.isin(slips["state"], (2, 5))]
    return dict(opened[["bet_id", "charged_minor"]].tolist())


@given(seed=st.integers(0, 1 << 32), orders=st.lists(st.randoms(), min_size=2, max_size=3))
def test_messages_about_slips_end_the_same_in_any_order_with_any_repeats(seed, orders):
    random = Random(seed)
    start = funded(accounts=(0, 5, 7, 10, 15), amount_minor=10_000)
    messages: list[Rows] = []
    for number in range(3):
        request = random_request(random, f"r{number}")
        request.account_no = 7
        if request.send(start)["reason"][0] == 0:
            messages += messages_about(random, request)
    ends = []
    for order in orders:
        ledger = LedgerMachine.load(start.dump())
        delivered = messages + order.choices(messages, k=len(messages) // 2) if messages else []
        order.shuffle(delivered)
        for message in delivered:
            deliver(ledger, message)
            if order.random() < 0.1:
                ledger = LedgerMachine.load(ledger.dump())
        ends.append(end_of(ledger))
    assert all(end == ends[0] for end in ends)


class MarketOfCharges:
    """A market that applies charges by their numbers, over ways that lose and repeat messages."""

    def __init__(self) -> None:
        self.charges: dict[int, tuple[int, int]] = {}
        """Number and stake by leg."""

    def apply(self, rows: Rows) -> None:
        for bet_id, stake, number in rows[["bet_id", "stake_minor", "charge_no"]].tolist():
            if number > self.charges.get(bet_id, (0, 0))[0]:
                self.charges[bet_id] = (number, stake)


@given(seed=st.integers(0, 1 << 32))
def test_markets_come_to_charge_what_runs_whatever_is_lost_or_late(seed):
    random = Random(seed)
    ledger = LedgerMachine(shard=SHARD)
    twin = SlipLedgerTwin(shard=SHARD, slips_max=BETS_MAX)
    market = MarketOfCharges()
    late: list[Rows] = []
    for turn in islice(slip_turns(seed, ledger), 25):
        turn.charges = np.zeros(0, CHARGE)
        feed(ledger, turn)
        feed_twin(twin, turn)
        sent = ledger.charges(limit=random.choice((2, 100))).rows
        if random.random() < 0.7:
            market.apply(sent)
            late.append(sent)
        arrived = [rows for rows in late if random.random() < 0.4]
        late = [rows for rows in late if not any(rows is each for each in arrived)]
        for rows in arrived:
            if random.random() < 0.7:
                ledger.charged(rows)
        ledger.check()
    while len(rows := ledger.charges(limit=7).rows):
        market.apply(rows)
        assert len(ledger.charged(rows)) == len(rows)
    first = {slip.bet_id: slip.stake_minor for slip in twin.slips if isinstance(slip, TwinLeg)}
    for bet_id, charge in twin.present_charges().items():
        assert market.charges.get(bet_id, (0, first[bet_id]))[1] == charge
