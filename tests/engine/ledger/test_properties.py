"""Properties of the ledger over seeded random streams, and equality with its plain twin."""

from collections.abc import Iterator
from itertools import islice
from random import Random

import numpy as np
import pytest

from engine.common.commands import SetRate
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import DECISION, SETTLEMENT, BetResult, SlipState
from engine.common.units import BETS_MAX
from engine.ledger.ledger import LedgerMachine
from tests.engine.common.stated_rules import REASON_NUMBERS
from tests.engine.ledger.builders import (
    NO_REQUESTS,
    NO_VERDICTS,
    SHARD,
    bet,
    funded,
    money,
    reopening,
    reservation,
    rows,
    settlement,
    verdict,
)
from tests.engine.ledger.random_steps import Turn, turns
from tests.engine.ledger.twin import LedgerTwin

TWIN_STEPS = 100_000


def feed(ledger: LedgerMachine, turn: Turn) -> list[object]:
    """Give one turn to a machine; return the answers that a journal would keep."""
    answers: list[object] = [ledger.apply(command, turn.at_ns) for command in turn.commands]
    answers.append(ledger.exchange(turn.verdicts, turn.reservations, turn.at_ns).tobytes())
    answers.append(ledger.settle(turn.settlements, turn.at_ns).tobytes())
    return answers


def compare(ledger: LedgerMachine, twin: LedgerTwin) -> None:
    """Compare every slip and every balance with the twin's."""
    slips = ledger.slips()
    names = ("bet_id", "account_no", "stake_minor", "odds_milli", "rate_micro", "placed_at_ns")
    names += ("state", "reason", "stake_max_minor", "payout_minor", "settlement_no", "result")
    assert len(slips) == len(twin.slips)
    for name in names:
        assert slips[name].tolist() == [getattr(slip, name) for slip in twin.slips], name
    for no in twin.currency:
        balance = ledger.balance(no)
        assert balance.available_minor == twin.available_minor(no)
        assert balance.owed_minor == twin.owed_minor(no)
        assert balance.open_payout_minor == twin.open_payout_minor(no)
        assert balance.pending_minor == twin.staked_minor(no, SlipState.PENDING)
        assert balance.at_stake_minor == twin.staked_minor(no, SlipState.ACCEPTED)
        open_ids = [slip.bet_id for slip in ledger.open_slips(account_no=no, limit=1 << 20)]
        states = (SlipState.PENDING, SlipState.ACCEPTED)
        own = (slip for slip in twin.slips if slip.account_no == no and slip.state in states)
        assert open_ids == [slip.bet_id for slip in own]
    waiting = [slip.bet_id for slip in twin.slips if slip.state == SlipState.PENDING]
    assert ledger.pending_before(at_ns=1 << 62, limit=1 << 20)["bet_id"].tolist() == waiting
    held = ledger.disputes()
    assert dict(zip(held["bet_id"].tolist(), held["settlement_no"].tolist(), strict=True)) == (
        twin.disputes
    )
    assert slips["shared"].tolist() == [slip.shared for slip in twin.slips]
    house = {totals.currency: totals.house_minor for totals in ledger.totals()}
    assert house == twin.house_minor


def test_a_hundred_thousand_random_steps_agree_with_the_twin():
    ledger = LedgerMachine(shard=SHARD)
    twin = LedgerTwin(shard=SHARD, slips_max=BETS_MAX)
    steps = 0
    seen: dict[int, int] = {}
    turns_with_debt = repeated = reopened = 0
    for number, turn in enumerate(turns(18, ledger)):
        for command in turn.commands:
            event = ledger.apply(command, turn.at_ns)
            reason = event.reason if isinstance(event, Refused) else Reason.ACCEPTED
            assert reason == REASON_NUMBERS[twin.apply(command)], command
        answers = ledger.exchange(turn.verdicts, turn.reservations, turn.at_ns)
        twin.resolve(turn.verdicts.tolist())
        reservations = [(row["ref"].tolist(), *row.tolist()[1:]) for row in turn.reservations]
        expected = twin.reserve(reservations, turn.at_ns)
        assert [row[:7] for row in answers.tolist()] == expected
        assert answers["factor_milli"].tolist() == twin.factors_of(
            turn.reservations["account_no"].tolist(), answers["state"].tolist()
        )
        applied = ledger.settle(turn.settlements, turn.at_ns)
        expected_applied = twin.settle(turn.settlements.tolist())
        assert list(zip(applied["bet_id"], applied["settlement_no"], strict=True)) == (
            expected_applied
        )
        ledger.check()
        for reason in answers["reason"].tolist():
            seen[reason] = seen.get(reason, 0) + 1
        repeated += int(np.count_nonzero(answers["flags"]))
        steps += turn.steps
        reopened += int(np.count_nonzero(applied["result"] == BetResult.NONE))
        turns_with_debt += any(twin.owed_minor(no) for no in twin.currency)
        if number % 100 == 0 or steps >= TWIN_STEPS:
            compare(ledger, twin)
        if steps >= TWIN_STEPS:
            break
    assert min(np.bincount(ledger.slips()["state"])[1:]) > 100, "every state occurred"
    reasons = (0, Reason.MALFORMED, Reason.STAKE_TOO_SMALL, Reason.AMOUNT_OUT_OF_BOUNDS)
    reasons += (Reason.ACCOUNT_UNKNOWN, Reason.INSUFFICIENT_FUNDS, Reason.BET_REF_REUSED)
    reasons += (Reason.ACCOUNT_LIABILITY, Reason.ACCOUNT_BLOCKED)
    assert all(seen.get(reason, 0) > 10 for reason in reasons), seen
    assert repeated > 1_000, "refs were repeated"
    assert turns_with_debt > 50, "reversed payouts exceeded balances"
    assert reopened > 1_000, "bets were opened again"


def test_a_full_shard_agrees_with_the_twin():
    ledger = LedgerMachine(shard=SHARD, slips_max=300)
    twin = LedgerTwin(shard=SHARD, slips_max=300)
    for turn in islice(turns(5, ledger), 150):
        for command in turn.commands:
            ledger.apply(command, turn.at_ns)
            twin.apply(command)
        answers = ledger.exchange(turn.verdicts, turn.reservations, turn.at_ns)
        twin.resolve(turn.verdicts.tolist())
        reservations = [(row["ref"].tolist(), *row.tolist()[1:]) for row in turn.reservations]
        assert [row[:7] for row in answers.tolist()] == twin.reserve(reservations, turn.at_ns)
        ledger.settle(turn.settlements, turn.at_ns)
        twin.settle(turn.settlements.tolist())
        ledger.check()
    assert ledger.slips_len == 300
    compare(ledger, twin)


@pytest.mark.parametrize("seed", range(3))
def test_a_machine_loaded_at_any_step_gives_the_answers_of_the_dumped_machine(seed):
    ledger = LedgerMachine(shard=SHARD)
    for turn in islice(turns(seed, ledger), 60):
        restarted = LedgerMachine.load(ledger.dump())
        restarted.check()
        assert restarted.state_hash() == ledger.state_hash()
        assert feed(restarted, turn) == feed(ledger, turn)
        assert restarted.dump() == ledger.dump()


def test_every_change_of_the_state_changes_its_hash():
    ledger = LedgerMachine(shard=SHARD)
    hashes = {}
    for turn in islice(turns(2, ledger), 200):
        feed(ledger, turn)
        document = repr(ledger.dump())
        assert hashes.setdefault(ledger.state_hash(), document) == document
    assert len(hashes) > 180


def one_by_one(turn: Turn) -> Iterator[Turn]:
    """Cut a turn into turns of one step each, in the order in which the machine takes them."""
    none = turn.settlements[:0]
    for command in turn.commands:
        yield Turn(turn.at_ns, [command], NO_VERDICTS, NO_REQUESTS, none)
    for i in range(len(turn.verdicts)):
        yield Turn(turn.at_ns, [], turn.verdicts[i : i + 1], NO_REQUESTS, none)
    for i in range(len(turn.reservations)):
        yield Turn(turn.at_ns, [], NO_VERDICTS, turn.reservations[i : i + 1], none)
    for i in range(len(turn.settlements)):
        yield Turn(turn.at_ns, [], NO_VERDICTS, NO_REQUESTS, turn.settlements[i : i + 1])


def test_the_hash_does_not_depend_on_batches_growth_or_restarts():
    batched = LedgerMachine(shard=SHARD)
    single = LedgerMachine(shard=SHARD)
    roomy = LedgerMachine(shard=SHARD)
    roomy.exchange(NO_VERDICTS, np.repeat(reservation(), 50_000), 1)
    for number, turn in enumerate(islice(turns(9, batched), 200)):
        feed(batched, turn)
        feed(roomy, turn)
        for part in one_by_one(turn):
            feed(single, part)
        if number % 9 == 4:
            single = LedgerMachine.load(single.dump())
            roomy.pending_before(at_ns=turn.at_ns, limit=3)
    assert batched.slips_len > 500
    assert batched.state_hash() == single.state_hash() == roomy.state_hash()


def test_refusals_and_refs_repeated_again_do_not_change_the_state():
    ledger = funded()
    ledger.exchange(NO_VERDICTS, reservation(), 10)
    ledger.exchange(NO_VERDICTS, reservation(), 11)
    before = ledger.state_hash()
    for i in range(2_000):
        reused = reservation(stake_minor=101 + i)
        ledger.exchange(
            verdict(bet(99)),
            rows(reused, reservation(f"n{i}", stake_minor=0), reservation()),
            20 + i,
        )
    ledger.check()
    assert ledger.state_hash() == before


def resolutions(random: Random, bets: list[int]) -> list[np.ndarray]:
    """Refuse each bet, or accept it and settle it or open it again up to three times."""
    messages = []
    for number in bets:
        if random.random() < 0.3:
            messages.append(verdict(number, Reason.ODDS_WORSE, odds_milli=2_000))
            continue
        messages.append(verdict(number))
        for settlement_no in range(1, random.randrange(1, 5)):
            if random.random() < 0.25:
                messages.append(reopening(number, number=settlement_no))
                continue
            payout_minor = random.choice((0, 100, 250, 5_000))
            messages.append(settlement(number, payout_minor, number=settlement_no))
    return messages


@pytest.mark.parametrize("seed", range(5))
def test_verdicts_and_settlements_converge_in_any_order_with_any_repeats(seed):
    random = Random(seed)
    start = funded(accounts=(7, 8), amount_minor=10_000)
    reservations = [
        reservation(f"r{i}", account_no=7 + i % 2, stake_minor=1 + i) for i in range(60)
    ]
    bets = start.exchange(NO_VERDICTS, rows(*reservations), 10)["bet_id"].tolist()
    messages = resolutions(random, bets)
    ends = []
    for _ in range(8):
        ledger = LedgerMachine.load(start.dump())
        delivered = messages + random.choices(messages, k=len(messages))
        random.shuffle(delivered)
        for message in delivered:
            if message.dtype == DECISION:
                ledger.exchange(message, NO_REQUESTS, 20)
            else:
                assert message.dtype == SETTLEMENT
                ledger.settle(message, 20)
            money(ledger)
        slips = ledger.slips()
        ends.append(
            (
                [money(ledger, 7), money(ledger, 8)],
                ledger.totals(),
                slips[["state", "reason", "payout_minor", "settlement_no", "result"]].tolist(),
            )
        )
    assert all(end == ends[0] for end in ends)


def test_a_new_rate_changes_no_balance():
    ledger = funded()
    before = money(ledger), ledger.totals()
    ledger.apply(SetRate(currency="EUR", rate_micro=7), 5)
    assert (money(ledger), ledger.totals()) == before
