"""Previews: their figures are what the command then does, by a count in plain Python."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    FeedStep,
    OutcomeResult,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.corrections import CorrectionCommand
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.previews import ACCOUNTS_SHOWN_MAX, OutcomePreview, Preview, PreviewCommand
from engine.common.reasons import Reason
from tests.engine.common.stated_rules import RESULT_NUMBERS
from tests.engine.market.builders import bet, bet_rows, do, open_machine, place, won
from tests.engine.market.resolution_twin import Placed, ResolutionTwin
from tests.engine.market.test_resolution_twin import (
    Batch,
    Drawn,
    Pair,
    account_of,
    batches,
    charges,
    commands,
    corrections,
    openings,
)

NONE = RESULT_NUMBERS["NONE"]
REFUNDS = (RESULT_NUMBERS["CANCELLED"], RESULT_NUMBERS["REFUNDED"])
AT_NS = 12


class Worth(NamedTuple):
    """What stands for a bet, and its amounts in base currency."""

    resolution: tuple[int, int, int]
    stake: int
    returned: int
    open: int
    gives: int
    """Thousandths of its stake that it gives back, or would if it wins, rounded up."""


def worth(twin: ResolutionTwin, number: int) -> Worth:
    """Return what a bet is worth, by the twin's own rules."""
    one = twin.bets[number]
    charged = twin.stake(one)
    base = floor(one.base(charged))
    result, back = twin.back(number)
    if result in REFUNDS:
        returned, still_open = base, 0
    elif result == NONE:
        odds = twin.odds_of(one)
        win = charged * odds // 1_000 - charged
        possible = base * odds // 1_000 if twin.rules == 1 else base + ceil(one.base(win))
        returned, still_open = 0, possible
    else:
        returned, still_open = ceil(one.base(floor(charged * back))), 0
    gives = twin.odds_of(one) if result == NONE else ceil(1_000 * back)
    return Worth(twin.resolution(number), base, returned, still_open, gives)


def worths(twin: ResolutionTwin) -> list[Worth]:
    return [worth(twin, number) for number in range(len(twin.bets))]


def house(some: Sequence[Worth]) -> int:
    """Return the stakes of decided bets less what was given back for them."""
    return sum(one.stake - one.returned for one in some if one.resolution[0] != NONE)


def liabilities(twin: ResolutionTwin) -> list[int]:
    figures = twin.figures()
    taken = sum(one.stake for one in figures)
    return [one.payout - taken for one in figures]


def moved_minor(before: Worth, after: Worth) -> int:
    """Return what is moved of a single, or of a leg that nothing is given back for."""
    decided = [one.resolution[0] != NONE for one in (before, after)]
    if not any(decided):
        return abs(after.open - before.open)
    stake = before.stake if decided[0] != decided[1] else 0
    return max(abs(after.returned - before.returned), stake)


def times_milli(bet: Placed, before: Worth, after: Worth) -> int:
    """Return how many thousandths of its slip's most a leg moves; 0 for what counts by itself."""
    both = (before, after)
    if not bet.leg or (before.resolution == after.resolution and before.gives == after.gives):
        return 0
    if all(one.resolution[0] == NONE for one in both):
        return ceil(Fraction(1_000 * abs(after.gives - before.gives), bet.odds))
    if not any(one.resolution[0] != NONE and one.gives for one in both):
        return 0
    given = [one.gives for one in both if one.resolution[0] != NONE]
    return ceil(Fraction(1_000 * max(*given, bet.odds), bet.odds))


def check(
    preview: Preview, twin: ResolutionTwin, before: list[Worth], old_liabilities: list[int]
) -> None:
    """Compare a preview with what its command has done to the twin."""
    after = worths(twin)
    changed = [
        number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new
    ]
    old, new = [before[at] for at in changed], [after[at] for at in changed]
    bets = [twin.bets[at] for at in changed]
    pairs = list(zip(old, new, strict=True))
    assert (preview.market_bets, preview.bets) == (len(after), len(changed))
    assert preview.legs == sum(one.leg for one in bets)
    assert preview.stake_minor == sum(one.stake for one in old)
    assert preview.payout_now_minor == sum(one.returned for one in old)
    assert preview.payout_after_minor == sum(one.returned for one in new)
    assert preview.open_now_minor == sum(one.open for one in old)
    assert preview.open_after_minor == sum(one.open for one in new)
    assert (preview.house_now_minor, preview.house_after_minor) == (house(before), house(after))
    amounts = [abs(b.returned - a.returned) for a, b in pairs]
    amounts += [abs(b.open - a.open) for a, b in pairs]
    assert preview.change_minor_max == max(amounts, default=0)
    singles = [one for one in range(len(bets)) if not times_milli(bets[one], *pairs[one])]
    assert preview.moved_minor == sum(moved_minor(*pairs[one]) for one in singles)
    count: Counter[int] = Counter()
    change: Counter[int] = Counter()
    open_change: Counter[int] = Counter()
    for one, (a, b) in zip(bets, pairs, strict=True):
        account = account_of(one.serial)
        count[account] += 1
        change[account] += b.returned - a.returned
        open_change[account] += b.open - a.open
    assert preview.accounts == len(count)
    most = sorted(count, key=lambda each: (-max(abs(change[each]), abs(open_change[each])), each))
    assert [
        (one.account_no, one.bets, one.change_minor, one.open_change_minor)
        for one in preview.touched
    ] == [(each, count[each], change[each], open_change[each]) for each in most]
    for outcome, line in enumerate(preview.outcomes):
        own = [at for at, one in enumerate(twin.bets) if one.outcome == outcome]
        assert line == OutcomePreview(
            bets=len(own),
            changed=len(set(own) & set(changed)),
            stake_minor=sum(after[at].stake for at in own),
            payout_now_minor=sum(before[at].returned for at in own),
            payout_after_minor=sum(after[at].returned for at in own),
            house_now_minor=house([before[at] for at in own]),
            house_after_minor=house([after[at] for at in own]),
            liability_now_minor=old_liabilities[outcome],
            liability_after_minor=liabilities(twin)[outcome],
        )


@settings(max_examples=60, deadline=None)
@given(
    opening=openings,
    stream=st.lists(
        st.one_of(batches, charges, commands, commands, corrections), min_size=1, max_size=8
    ),
    rules=st.sampled_from((1, 2, 2, 2)),
)
def test_a_preview_has_the_figures_of_what_its_command_then_does_and_changes_nothing(
    opening: Batch,
    stream: Sequence[Batch | tuple[Drawn, ...] | FeedStep | CorrectionCommand],
    rules: int,
) -> None:
    pair = Pair(rules=rules)
    pair.place(*opening)
    for step in stream:
        if isinstance(step, Batch):
            pair.place(*step)
        elif isinstance(step, tuple):
            pair.charge(step)
        elif not isinstance(step, PreviewCommand):
            pair.apply(step, by_feed=False)
        else:
            before, old_liabilities = worths(pair.twin), liabilities(pair.twin)
            stated = pair.machine.state_hash()
            preview, fork = pair.machine.preview(step, AT_NS), pair.machine.fork()
            fork.attempt(step, AT_NS)
            moved = pair.machine.moved(fork, MarketNo(1))
            assert pair.machine.state_hash() == stated
            pair.machine.check()
            event = pair.machine.apply(step, AT_NS) if isinstance(preview, Refused) else None
            assert event in (preview, None)
            if isinstance(preview, Preview):
                if isinstance(step, CorrectionCommand):
                    pair.correct(step)
                else:
                    pair.apply(step, by_feed=False)
                check(preview, pair.twin, before, old_liabilities)
                triples = list(zip(pair.twin.bets, before, worths(pair.twin), strict=True))
                assert moved.minor == preview.moved_minor
                assert [int(times) for _, times in moved.legs.tolist()] == [
                    times for one in triples if (times := times_milli(*one))
                ]


def test_a_settlement_is_previewed_with_each_account_and_outcome() -> None:
    """10.00 at 2.5 and 4.00 at 3.2: if the first wins, 25.00 are paid and 11.00 lost."""
    machine = open_machine()
    place(machine, bet(1, stake=1_000), bet(2, stake=400, odds=3_200, outcome=1, account=9))
    preview = machine.preview(SettleMarket(market_no=1, results=won(True, False, False)), AT_NS)
    assert isinstance(preview, Preview)
    assert (preview.bets, preview.accounts, preview.stake_minor) == (2, 2, 1_400)
    assert (preview.payout_now_minor, preview.payout_after_minor) == (0, 2_500)
    assert (preview.house_now_minor, preview.house_after_minor) == (0, -1_100)
    assert [(one.account_no, one.change_minor) for one in preview.touched] == [(7, 2_500), (9, 0)]
    assert [line.house_after_minor for line in preview.outcomes] == [-1_500, 400, 0]


def test_a_roll_back_and_a_resettlement_are_previewed_against_what_stands() -> None:
    machine = open_machine()
    place(machine, bet(1, stake=1_000), bet(2, stake=400, odds=3_200, outcome=1, account=9))
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    again = machine.preview(SettleMarket(market_no=1, results=won(False, True, False)), AT_NS)
    assert isinstance(again, Preview)
    assert (again.house_now_minor, again.house_after_minor) == (-1_100, 120)
    assert (again.payout_now_minor, again.payout_after_minor) == (2_500, 1_280)
    assert again.change_minor_max == 2_500
    assert again.moved_minor == 2_500 + 1_280
    back = machine.preview(RollBackSettlement(market_no=1), AT_NS)
    assert isinstance(back, Preview)
    assert (back.house_now_minor, back.house_after_minor) == (-1_100, 0)
    assert (back.open_now_minor, back.open_after_minor) == (0, 2_500 + 1_280)


def test_a_preview_refuses_what_its_command_is_refused() -> None:
    machine = open_machine()
    do(machine, CancelMarket(market_no=1))
    again = machine.preview(CancelMarket(market_no=1), AT_NS)
    assert isinstance(again, Refused)
    assert again.reason is Reason.TRANSITION_NOT_ALLOWED
    unknown = machine.preview(CancelMarket(market_no=2), AT_NS)
    assert isinstance(unknown, Refused)
    assert (unknown.reason, unknown.field) == (Reason.MARKET_UNKNOWN, "market_no")


def test_a_preview_names_a_bounded_number_of_accounts_those_with_the_most_first() -> None:
    machine = open_machine()
    count = ACCOUNTS_SHOWN_MAX + 7
    rows = bet_rows([bet(at, stake=at, account=at) for at in range(1, count + 1)])
    machine.place(rows, AT_NS)
    preview = machine.preview(CancelBets(market_no=1), AT_NS + 1)
    assert isinstance(preview, Preview)
    assert preview.accounts == count
    assert [one.account_no for one in preview.touched] == list(
        range(count, count - ACCOUNTS_SHOWN_MAX, -1)
    )


def test_a_dead_heat_is_previewed_as_it_is_paid() -> None:
    machine = open_machine()
    place(machine, bet(1, stake=1_000), bet(2, stake=1_000, odds=3_200, outcome=1))
    tie = OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=2)
    results = (tie, tie, OutcomeResult(won=False))
    preview = machine.preview(SettleMarket(market_no=1, results=results), AT_NS)
    assert isinstance(preview, Preview)
    assert preview.payout_after_minor == 1_250 + 1_600
