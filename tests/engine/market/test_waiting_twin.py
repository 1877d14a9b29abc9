"""Bets that wait, against the rules in plain Python: a limit on the stake, a delay, a referral."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.acceptance import (
    AcceptReferral,
    DeclineReferral,
)
from engine.common.commands import (
    ResumeMarket,
    SuspendMarket,
)
from engine.common.events import ReferralDecided, Refused
from engine.common.ids import bet_id
from engine.common.reasons import Reason
from engine.common.rows import Rows
from engine.common.units import NS_PER_MS
from engine.market.market import MarketMachine
from tests.engine.market.builders import (
    AT_NS,
    SMALL,
    Bet,
    acceptance,
    bet,
    bet_rows,
    do,
    open_machine,
)

DELAYED, REFERRED = Reason.DELAYED, Reason.REFERRED


ODDS = (2_500, 3_200, 2_900)
STAKE_MAX = 1_000


@dataclass
class Twin:
    """One market with a limit on the stake alone: what waits, and how each bet ends."""

    delay: int = 0
    referral: int = 0
    large: int = 0
    suspended: bool = False
    waits: dict[int, tuple[Bet, int, str]] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    ended: dict[int, tuple[Bet, Reason]] = field(default_factory=dict)

    def place(self, one: Bet, now: int) -> Reason:
        number, stake = one[0], one[1]
        if number in self.waits:
            kept, due, kind = self.waits[number]
            if kept != one:
                return Reason.BET_ID_REUSED
            if number not in self.stopped and now < due:
                return DELAYED if kind == "delay" else REFERRED
            del self.waits[number]
            if number in self.stopped:
                return self.end(one, Reason.MARKET_SUSPENDED)
            if kind == "referral":
                return self.end(one, Reason.REFERRAL_EXPIRED)
            return self.end(one, self.check(one))
        if number in self.ended:
            kept, reason = self.ended[number]
            return reason if kept == one else Reason.BET_ID_REUSED
        reason = self.check(one)
        over = reason is Reason.STAKE_OVER_LIMIT
        if self.referral and (over or (not reason and 0 < self.large <= stake)):
            self.waits[number] = (one, now + self.referral, "referral")
            return REFERRED
        if self.delay and not reason:
            self.waits[number] = (one, now + self.delay, "delay")
            return DELAYED
        return self.end(one, reason)

    def check(self, one: Bet) -> Reason:
        if self.suspended:
            return Reason.MARKET_SUSPENDED
        return Reason.STAKE_OVER_LIMIT if one[1] > STAKE_MAX else Reason.ACCEPTED

    def end(self, one: Bet, reason: Reason) -> Reason:
        self.ended[one[0]] = (one, reason)
        return reason

    def suspend(self) -> None:
        self.suspended = True
        self.stopped |= {number for number, (_, _, kind) in self.waits.items() if kind == "delay"}


SERIAL, STAKE = st.integers(1, 12), st.sampled_from([1, 400, 1_000, 1_001, 5_000])
STEPS = st.one_of(
    st.tuples(st.just("place"), st.lists(st.tuples(SERIAL, STAKE), min_size=1, max_size=4)),
    st.tuples(st.just("delay"), st.sampled_from([0, 2_000, 5_000])),
    st.tuples(st.just("referral"), st.sampled_from([0, 3_000, 9_000])),
    st.tuples(st.just("large"), st.sampled_from([0, 400, 1_000])),
    st.tuples(st.sampled_from(["suspend", "resume", "release", "load"]), st.none()),
    st.tuples(st.sampled_from(["accept", "decline"]), SERIAL),
)


def placed(machine: MarketMachine, rows: Rows, twin: Twin, bets: list[Bet], now: int) -> None:
    decisions = machine.place(rows, AT_NS + now * NS_PER_MS)
    assert decisions["reason"].tolist() == [twin.place(one, now) for one in bets]


@settings(max_examples=150)
@given(st.lists(st.tuples(STEPS, st.integers(0, 4_000)), max_size=25))
def test_bets_wait_as_the_plain_rules_say(steps: list[tuple[tuple[str, Any], int]]) -> None:
    machine, twin, now = open_machine(odds=ODDS, limits=SMALL), Twin(), 0
    for (what, value), passed in steps:
        now += passed
        if what == "place":
            bets = [bet(serial, stake=stake) for serial, stake in value]
            placed(machine, bet_rows(bets), twin, bets, now)
        elif what == "release":
            rows = machine.due(AT_NS + now * NS_PER_MS)
            ready = {n: (0 if n in twin.stopped else d) for n, (_, d, _) in twin.waits.items()}
            order = sorted((due, number) for number, due in ready.items() if due <= now)
            assert rows["bet_id"].tolist() == [number for _, number in order]
            placed(machine, rows, twin, [twin.waits[number][0] for _, number in order], now)
        elif what in ("delay", "referral", "large"):
            setattr(twin, what, value)
            name = {"delay": "delay_ms", "referral": "referral_ms"}.get(what, "referral_minor_from")
            do(machine, acceptance(**{name: value}))
        elif what == "suspend":
            machine.apply(SuspendMarket(market_no=1), AT_NS)
            twin.suspend()
        elif what == "resume":
            machine.apply(ResumeMarket(market_no=1), AT_NS)
            twin.suspended = False
        elif what == "load":
            loaded = MarketMachine.load(machine.dump())
            assert loaded.state_hash() == machine.state_hash()
            machine = loaded
        else:
            decide(machine, twin, what, value, now)
        machine.check()
    assert machine.bets_len == len(twin.ended)
    waits = machine.due(AT_NS + 10**6 * NS_PER_MS)
    assert sorted(waits["bet_id"].tolist()) == sorted(twin.waits)


def decide(machine: MarketMachine, twin: Twin, what: str, serial: int, now: int) -> None:
    number = bet_id(shard=0, serial=serial)
    kind = AcceptReferral if what == "accept" else DeclineReferral
    found = machine.apply(kind(market_no=1, bet_id=number), AT_NS + now * NS_PER_MS)
    one, due, waits = twin.waits.get(number, (bet(serial), 0, ""))
    if waits != "referral" or due <= now:
        assert isinstance(found, Refused)
        assert found.reason is Reason.REFERRAL_UNKNOWN
    elif what == "accept" and twin.suspended:
        assert isinstance(found, Refused)
        assert found.reason is Reason.MARKET_SUSPENDED
    else:
        del twin.waits[number]
        reason = Reason.ACCEPTED if what == "accept" else Reason.REFERRAL_DECLINED
        assert isinstance(found, ReferralDecided)
        assert found.reason is twin.end(one, reason)
