"""The market machine against its plain twin: any stream of bets and commands, step by step."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    Limits,
    LimitsPatch,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResumeMarket,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.outcome_marks import (
    OutcomeCommand,
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.reasons import Reason
from engine.common.rows import Policy
from engine.common.units import OddsMilli
from engine.market.market import MarketMachine
from tests.engine.common.stated_rules import REASON_NUMBERS
from tests.engine.market.builders import (
    AT_NS,
    WIDE,
    Bet,
    bet,
    charge_rows,
    create,
    open_machine,
    place,
)
from tests.engine.market.twin import Charge, MarketsTwin, MarketTwin

MARKETS = (1, 2, 3_000_000_000)
OUTCOMES = 3
BETS_MAX = 40
STATUS_COMMANDS = {
    "OPEN": OpenMarket,
    "SUSPEND": SuspendMarket,
    "RESUME": ResumeMarket,
    "CLOSE": CloseMarket,
    "HAND_OVER": HandOverMarket,
    "CANCEL": CancelMarket,
}

MARKS: dict[str, Callable[[MarketNo, dict[int, OddsMilli]], OutcomeCommand]] = {
    "hold": lambda no, given: SuspendOutcomes(market_no=no, outcomes=tuple(given)),
    "resume": lambda no, given: ResumeOutcomes(market_no=no, outcomes=tuple(given)[1:]),
    "override": lambda no, given: OverrideOdds(
        market_no=no,
        quotes=tuple(StandingOdds(outcome=at, odds_milli=milli) for at, milli in given.items()),
    ),
    "release": lambda no, given: ReleaseOdds(market_no=no, outcomes=tuple(given)[1:]),
}

Drawn = tuple[int | str, int, int, str]

odds_values = st.sampled_from((1_001, 1_500, 2_500, 2_501, 10_000_000))
limits_values = st.builds(
    lambda low, high, payout, outcome, market: Limits(
        stake_minor_min=min(low, high),
        stake_minor_max=max(low, high),
        payout_minor_max=payout,
        outcome_liability_minor_max=outcome,
        market_liability_minor_max=market,
    ),
    st.sampled_from((1, 5, 50)),
    st.sampled_from((20, 300, 1_000_000_000)),
    st.sampled_from((0, 400, 2_000, 10**15)),
    st.sampled_from((0, 500, 900, 10**15)),
    st.sampled_from((0, 450, 1_000, 10**15)),
)
limits_values = st.one_of(st.just(WIDE), limits_values)
odd_bets = st.builds(
    bet,
    st.integers(1, 50),
    stake=st.one_of(st.integers(1, 400), st.sampled_from((0, -5, 10**9, 10**9 + 1))),
    odds=st.one_of(odds_values, st.sampled_from((1_000, 10_000_001))),
    market=st.sampled_from((*MARKETS, 9)),
    outcome=st.sampled_from((0, 1, 2, OUTCOMES)),
    shard=st.sampled_from((0, 3)),
    rate=st.sampled_from((1_000_000, 333_333, 7_000_001, 1, 10**9, 0)),
    policy=st.sampled_from((0, 1, 2, 2, 2, 3)),
    flags=st.sampled_from((0, 0, 0, 1, 2, 2, 2, 3)),
    factor=st.sampled_from((0, 0, 10, 10_000, 65_535)),
)
fair_bets = st.builds(
    bet,
    st.integers(1, 50),
    stake=st.integers(1, 400),
    market=st.sampled_from((*MARKETS, *MARKETS[:2], *MARKETS[:2])),
    outcome=st.integers(0, 2),
    rate=st.sampled_from((1_000_000, 1_000_000, 333_333, 6_000, 7_000_001)),
    policy=st.just(Policy.ANY),
    flags=st.sampled_from((0, 2, 2)),
    factor=st.sampled_from((0, 0, 0, 333, 1_000, 2_500)),
)
bets = st.one_of(fair_bets, fair_bets, fair_bets, odd_bets)
"""Most bets may be accepted, so that the books fill; any field of the others may be wrong."""
charges = st.tuples(
    st.sampled_from((*range(8), "single", "none")),
    st.one_of(st.integers(0, 900), st.sampled_from((0, 10**9))),
    st.integers(0, 4),
    st.sampled_from(("", "", "", "", "", "release", "release", "market", "stake", "flags")),
)
"""Charges: a leg's place among those accepted, the stake, the number, and what is special."""
charged = st.lists(charges, min_size=2, max_size=8).map(tuple)
patches = st.builds(
    lambda limits, names: LimitsPatch(**{name: getattr(limits, name) for name in names}),
    limits_values,
    st.sets(st.sampled_from(Limits.__struct_fields__), min_size=1).map(sorted),
)
quotes = st.lists(
    st.builds(
        Quote,
        outcome=st.integers(0, OUTCOMES - 1),
        odds_milli=odds_values,
        active=st.sampled_from((True, True, False)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda quote: quote.outcome,
).map(tuple)
market_nos = st.sampled_from(MARKETS)
standing = st.dictionaries(st.integers(0, OUTCOMES - 1), odds_values, min_size=1)
commands = st.one_of(
    st.builds(
        lambda action, number: STATUS_COMMANDS[action](market_no=number),
        st.sampled_from((*["OPEN"] * 4, *["RESUME"] * 3, *STATUS_COMMANDS)),
        market_nos,
    ),
    st.builds(SetOdds, market_no=market_nos, quotes=quotes),
    st.builds(SetLimits, market_no=market_nos, limits=patches),
    st.builds(
        lambda what, number, given: MARKS[what](number, given),
        st.sampled_from(("hold", "hold", "resume", "override", "override", "release")),
        market_nos,
        standing,
    ),
    st.builds(
        lambda number, won: SettleMarket(
            market_no=number, results=tuple(OutcomeResult(won=one) for one in won)
        ),
        market_nos,
        st.tuples(*[st.booleans()] * OUTCOMES),
    ),
)
steps = st.one_of(st.lists(bets, max_size=12), charged, charged, commands)


def marked(command: OutcomeCommand) -> tuple[str, dict[int, int]]:
    """Return what a command does to marks, and the outcomes that it names, with their odds."""
    if isinstance(command, OverrideOdds):
        return "override", {quote.outcome: quote.odds_milli for quote in command.quotes}
    named = dict.fromkeys(command.outcomes, 0)
    if isinstance(command, ReleaseOdds):
        return "release", named
    return ("hold" if isinstance(command, SuspendOutcomes) else "resume"), named


def apply(twin: MarketsTwin, command: MarketCommand) -> str:
    """Apply a command to the twin; return the name of the reason."""
    if isinstance(command, SetOdds):
        quoted = [(quote.outcome, quote.odds_milli, quote.active) for quote in command.quotes]
        return twin.set_odds(command.market_no, quoted)
    if isinstance(command, OutcomeCommand):
        return twin.mark(command.market_no, *marked(command))
    if isinstance(command, SetLimits):
        return twin.set_limits(command.market_no, msgspec.to_builtins(command.limits))
    if isinstance(command, SettleMarket):
        return twin.change_status(command.market_no, "SETTLE")
    action = next(name for name, kind in STATUS_COMMANDS.items() if isinstance(command, kind))
    return twin.change_status(command.market_no, action)


def assert_equal(machine: MarketMachine, twin: MarketsTwin) -> None:
    """Assert that the machine's views equal what the twin has added up."""
    assert machine.bets_len == len(twin.decisions)
    for number in machine.market_nos():
        image = machine.book_image(number)
        market = twin.markets[number]
        stakes = [market.charges.stake(one[0], one[1]) for one, _ in market.accepted]
        assert machine.accepted_bets(number)["stake_minor"].tolist() == stakes
        assert {
            "status": image.prices.status,
            "version": image.prices.version,
            "odds": image.prices.odds_milli,
            "active": image.prices.active,
            "held": image.outcome_held,
            "overridden": image.overridden,
            "due": image.due_odds_milli,
            "limits": image.limits,
            "bets": image.bets,
            "stake_taken": image.stake_taken_minor,
            "stakes": image.stake_minor,
            "payouts": image.payout_minor,
            "liability": image.liability_minor,
        } == twin.view(number)


def charge_of(drawn: Drawn, twin: MarketsTwin) -> Charge:
    """Return a drawn charge as one of the bets that were accepted by now."""
    place, stake, number, special = drawn
    accepted = [one for market in twin.markets.values() for one, _ in market.accepted]
    legs = [one for one in accepted if one[8] & 2]
    singles = [one for one in accepted if not one[8] & 2]
    one = bet(99)
    if place == "single" and singles:
        one = singles[0]
    elif isinstance(place, int) and legs:
        one = legs[place % len(legs)]
    if special == "release":
        return (one[0], 0, one[3], number, 1)
    stake = -1 if special == "stake" else stake
    return (one[0], stake, 9 if special == "market" else one[3], number, 2 * (special == "flags"))


def assert_charged(machine: MarketMachine, twin: MarketsTwin, step: tuple[Drawn, ...]) -> None:
    """Charge legs, and assert that the machine applied, skipped and counted what the twin did."""
    charges = [charge_of(drawn, twin) for drawn in step]
    rows, records, unfit = charge_rows(charges), machine.bets().tobytes(), machine.charges_unfit
    applied = machine.charge(rows, AT_NS)
    did = [twin.charge(one) for one in charges]
    assert applied.tobytes() == rows[[each is True for each in did]].tobytes()
    assert machine.charges_unfit - unfit == did.count(None)
    assert machine.bets().tobytes() == records, "a record changed"


def start(limits: Limits, *, rules: int = 2) -> tuple[MarketMachine, MarketsTwin]:
    """Return a machine and a twin with the same markets."""
    machine = MarketMachine(bets_max=BETS_MAX, rules=rules)
    twin = MarketsTwin(bets_max=BETS_MAX, rules=rules)
    for number in MARKETS:
        command = create(number, odds=(2_500, 1_500, 10_000), limits=limits)
        machine.apply(command, AT_NS)
        twin.create(number, command.odds_milli, limits)
    for number in MARKETS[:2]:
        machine.apply(OpenMarket(market_no=number), AT_NS)
        twin.change_status(number, "OPEN")
    return machine, twin


@settings(max_examples=200, deadline=None)
@given(
    limits=limits_values,
    opening=st.lists(fair_bets, min_size=4, max_size=10),
    stream=st.lists(steps, min_size=1, max_size=15),
    rules=st.sampled_from((2, 2, 1)),
)
@example(
    limits=Limits(),
    opening=[],
    stream=[[bet(1), bet(1, flags=1)], CancelMarket(market_no=1), [bet(2)]],
    rules=2,
)
def test_machine_answers_any_stream_as_the_twin_does(
    limits: Limits,
    opening: list[Bet],
    stream: Sequence[list[Bet] | tuple[Drawn, ...] | MarketCommand],
    rules: int,
) -> None:
    machine, twin = start(limits, rules=rules)
    for step in (opening, *stream):
        if isinstance(step, list):
            assert place(machine, *step) == [twin.place(one) for one in step]
        elif isinstance(step, tuple):
            assert_charged(machine, twin, step)
        else:
            event = machine.apply(step, AT_NS)
            expected = REASON_NUMBERS[apply(twin, step)]
            reason = event.reason if isinstance(event, Refused) else Reason.ACCEPTED
            assert reason == expected or reason == Reason.ALREADY_SETTLED
        assert_equal(machine, twin)
        machine.check()
        document = machine.dump()
        loaded = MarketMachine.load(document, bets_max=BETS_MAX)
        loaded.check()
        assert loaded.dump() == document
        assert loaded.state_hash() == machine.state_hash()
        machine = loaded


@settings(max_examples=40, deadline=None)
@given(
    limits=limits_values,
    stream=st.lists(bets, min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_decisions_do_not_depend_on_how_bets_are_batched(limits, stream, cuts) -> None:
    one_batch, _ = start(limits)
    many_batches, _ = start(limits)
    answers: list[tuple[int, int, int, int]] = []
    bounds = [0, *sorted(cuts), len(stream)]
    for begin, end in pairwise(bounds):
        answers += place(many_batches, *stream[begin:end])
    assert place(one_batch, *stream) == answers
    assert one_batch.state_hash() == many_batches.state_hash()


@settings(max_examples=150, deadline=None)
@given(
    limits=limits_values,
    odds=odds_values,
    rate=st.sampled_from((1_000_000, 333_333, 7_000_001, 999_999_999)),
    earlier=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 1)), max_size=8),
    stake=st.integers(1, 10**9),
    flags=st.sampled_from((0, 2)),
)
def test_alternative_stake_passes_and_one_more_does_not(
    limits, odds, rate, earlier, stake, flags
) -> None:
    machine = open_machine(odds=(odds, 2_500), limits=limits)
    seen = (odds, 2_500)
    place(
        machine,
        *[
            bet(serial, stake=taken, outcome=outcome, odds=seen[outcome])
            for serial, (taken, outcome) in enumerate(earlier, start=1)
        ],
    )
    reason, _, offered, _ = place(
        machine, bet(100, stake=stake, odds=odds, rate=rate, flags=flags)
    )[0]
    if reason not in (302, 501, 701, 704):
        assert offered == 0
        return
    document = machine.dump()
    if offered:
        passing = bet(101, stake=offered, odds=odds, rate=rate, flags=flags)
        answers = place(MarketMachine.load(document), passing)
        assert answers == [(Reason.ACCEPTED, odds, 0, 0)]
    above = bet(102, stake=offered + 1, odds=odds, rate=rate, flags=flags)
    over, _, same, _ = place(MarketMachine.load(document), above)[0]
    assert over != Reason.ACCEPTED
    assert same in (offered, 0)


def test_machine_answers_a_long_stream_on_few_markets_as_the_twin_does() -> None:
    rng = random.Random(2022)
    limits = Limits(
        stake_minor_min=5,
        stake_minor_max=900,
        payout_minor_max=20_000,
        outcome_liability_minor_max=9_000,
        market_liability_minor_max=8_500,
    )
    machine, twin = MarketMachine(), MarketsTwin()
    odds_milli = (1_900, 2_500, 8_000, 26_000)
    for number in range(4):
        command = create(number, odds=odds_milli, limits=limits)
        for one in (command, OpenMarket(market_no=number)):
            machine.apply(one, AT_NS)
        twin.markets[number] = MarketTwin(list(odds_milli), limits, active=[True] * 4)
        twin.change_status(number, "OPEN")
    serial, accepted = 0, 0
    for _ in range(60):
        batch: list[Bet] = []
        for _ in range(25):
            serial += 1
            outcome = rng.randrange(4)
            batch.append(
                bet(
                    serial if rng.random() < 0.95 else rng.randint(1, serial),
                    stake=rng.randint(1, 1_000),
                    odds=odds_milli[outcome],
                    market=rng.randrange(4),
                    outcome=outcome,
                    policy=Policy.HIGHER,
                    rate=rng.choice((1_000_000, 850_000)),
                    factor=rng.choice((0, 0, 500, 1_700)),
                )
            )
        answers = place(machine, *batch)
        assert answers == [twin.place(one) for one in batch]
        accepted += sum(reason == 0 for reason, *_ in answers)
    assert_equal(machine, twin)
    machine.check()
    assert 100 < accepted < serial
