"""Place markets in step with their win market, after any commands."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from engine.common.acceptance import SetFeedDelay
from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    CreateMarket,
    FeedUpdate,
    LimitsPatch,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.market.market import MarketMachine
from engine.pricing.race.following import PlaceMarkets
from engine.pricing.race.terms import STANDARD, each_way_terms
from tests.engine.market.builders import AT_NS, WIDE, acceptance, do

RUNNERS = 8
WIN = MarketNo(1)
PLACES = {MarketNo(2): (3, 5), MarketNo(3): (2, 4)}
"""Place markets: places, and the denominator of the fraction."""
VOID = OutcomeResult(won=False, void_halves=2)
WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
FIRST_WON = (WON, *(LOST,) * (RUNNERS - 1))
LAST_VOID = (*FIRST_WON[:-1], VOID)
PLACED = (*(WON,) * 3, *(LOST,) * (RUNNERS - 3))
PLACE = MarketNo(2)
OUTCOMES = st.integers(0, RUNNERS - 1)
COMMANDS = st.one_of(
    st.builds(
        lambda outcome, odds, active: SetOdds(
            market_no=WIN, quotes=(Quote(outcome=outcome, odds_milli=odds, active=active),)
        ),
        OUTCOMES,
        st.integers(1_001, 1_000_000),
        st.booleans(),
    ),
    st.builds(
        lambda outcome, odds: OverrideOdds(
            market_no=WIN, quotes=(StandingOdds(outcome=outcome, odds_milli=odds),)
        ),
        OUTCOMES,
        st.integers(1_001, 1_000_000),
    ),
    st.builds(lambda outcome: SuspendOutcomes(market_no=WIN, outcomes=(outcome,)), OUTCOMES),
    st.sampled_from([ReleaseOdds(market_no=WIN), ResumeOutcomes(market_no=WIN)]),
    st.builds(
        lambda outcome: SettleMarket(market_no=WIN, results=(VOID,), outcomes=(outcome,)), OUTCOMES
    ),
    st.builds(lambda outcome: RollBackSettlement(market_no=WIN, outcomes=(outcome,)), OUTCOMES),
    st.builds(lambda outcome: CancelBets(market_no=WIN, outcomes=(outcome,)), OUTCOMES),
    st.builds(lambda outcome: RollBackCancel(market_no=WIN, outcomes=(outcome,)), OUTCOMES),
    st.sampled_from(
        [
            SuspendMarket(market_no=WIN),
            ResumeMarket(market_no=WIN),
            CancelMarket(market_no=WIN),
            RollBackCancel(market_no=WIN),
        ]
    ),
)


class Followed:
    """A race's win market and two place markets, one for eight runners and one for fewer."""

    def __init__(self) -> None:
        self.machine = MarketMachine()
        self.places = PlaceMarkets([("*", STANDARD)])
        self.at_ns = AT_NS
        keys = {no: f"r/each_way?fraction=1/{den}|places={n}" for no, (n, den) in PLACES.items()}
        for number, key in {WIN: "r/win", **keys}.items():
            do(
                self.machine,
                CreateMarket(
                    market_no=number, key=key, outcomes=tuple("abcdefgh"),
                    odds_milli=(3_000,) * RUNNERS, limits=WIDE,
                ),
            )  # fmt: skip
        self.places.note(self.machine, self.machine.market_nos())
        self.do(OpenMarket(market_no=WIN))

    def do(self, command: MarketCommand) -> None:
        self.at_ns += 1
        event = self.machine.apply(command, self.at_ns)
        for each in self.places.commands(self.machine, [event], self.at_ns):
            self.machine.apply(each, self.at_ns)


def test_place_markets_are_as_strict_as_their_win_market_and_nothing_loosens_them() -> None:
    """Else a bet that waits, or is too large, on the win market would be taken at its place."""
    it = Followed()

    def bounds(number: MarketNo) -> tuple[int, int, int]:
        book = it.machine.book_image(number)
        limits, acceptance = book.limits, book.acceptance
        return limits.stake_minor_max, acceptance.delay_ms, acceptance.referral_minor_from

    def limited(number: MarketNo, **figures: int) -> SetLimits:
        return SetLimits(market_no=number, limits=LimitsPatch(**figures))

    it.do(limited(WIN, stake_minor_max=500, fixture_liability_minor_max=9_000))
    it.do(acceptance(WIN, delay_ms=5_000, referral_ms=60_000, referral_minor_from=400))
    assert [bounds(number) for number in PLACES] == [(500, 5_000, 400)] * 2
    assert it.machine.book_image(PLACE).limits.fixture_liability_minor_max == 9_000
    it.do(acceptance(PLACE, delay_ms=9_000))
    it.do(acceptance(WIN, delay_ms=0))
    it.do(limited(WIN, stake_minor_max=800))
    assert bounds(PLACE) == (500, 9_000, 400)
    it.do(acceptance(PLACE, delay_ms=1_000, referral_minor_from=0))
    it.do(limited(PLACE, stake_minor_max=700, fixture_liability_minor_max=0))
    assert bounds(PLACE) == (700, 1_000, 400), "a trader's, where it is no looser than the win's"
    assert it.machine.book_image(PLACE).limits.fixture_liability_minor_max == 9_000
    step = SetFeedDelay(market_no=WIN, delay_ms=6_000)
    it.do(FeedUpdate(market_no=WIN, source="ex", position=1, steps=(step,)))
    assert bounds(PLACE)[1] == 6_000


@given(st.lists(COMMANDS, max_size=12))
def test_place_markets_have_the_odds_offer_and_refunds_of_their_win_market(
    commands: list[MarketCommand],
) -> None:
    it = Followed()
    for command in commands:
        it.do(command)
    assert it.places.all_commands(it.machine, it.at_ns) == []
    win, stands = it.machine.price_image(WIN), it.machine.resolved(WIN)
    cancelled = {
        outcome for window in stands.windows for outcome in window.outcomes or range(RUNNERS)
    }
    void = set(stands.results)
    away = void | {outcome for outcome in cancelled if not win.active[outcome]}
    terms = each_way_terms(STANDARD, runners=RUNNERS - len(away))
    for number, (places, den) in PLACES.items():
        place, own = it.machine.price_image(number), it.machine.resolved(number)
        if win.status is Status.CANCELLED or place.status in (Status.CANCELLED, Status.SETTLED):
            assert place.status in (win.status, Status.SETTLED)
            continue
        assert set(own.results) == void
        refunded = {
            outcome for window in own.windows for outcome in window.outcomes or range(RUNNERS)
        }
        assert refunded == cancelled
        for outcome in set(range(RUNNERS)) - void:
            assert place.odds_milli[outcome] == max(
                1_001, 1_000 + (win.odds_milli[outcome] - 1_000) // den
            )
            assert place.active[outcome] == win.active[outcome]
        in_force = terms is not None and (terms.places, terms.odds_den) == (places, den)
        taking = win.status is Status.ACTIVE and in_force
        assert (place.status is Status.ACTIVE) == taking


def placed(it: Followed) -> tuple[OutcomeResult, ...]:
    """Return the results of the place market, which has all of them."""
    results = it.machine.resolved(PLACE).results
    return tuple(results[runner] for runner in range(RUNNERS))


def test_a_non_runner_is_void_to_be_placed_in_whatever_order_the_two_markets_are_settled() -> None:
    found = SettleMarket(market_no=WIN, results=(VOID,), outcomes=(RUNNERS - 1,))
    win = SettleMarket(market_no=WIN, results=LAST_VOID)
    wrong = SettleMarket(market_no=WIN, results=FIRST_WON)
    place = SettleMarket(market_no=PLACE, results=PLACED)
    close = CloseMarket(market_no=WIN)
    for commands in ((found, win, place), (close, win, place), (wrong, win, place)):
        for order in permutations(commands):
            if order.index(win) < order.index(wrong if wrong in order else win):
                continue  # it ends with a runner that did run
            it = Followed()
            for command in order:
                it.do(command)
            assert placed(it) == (*PLACED[:-1], VOID), order
            assert it.machine.price_image(PLACE).status is Status.SETTLED


def test_a_runner_that_ran_after_all_is_open_to_be_placed_until_that_is_settled_again() -> None:
    for correction in (
        SettleMarket(market_no=WIN, results=FIRST_WON),
        SettleMarket(market_no=WIN, results=(LOST,), outcomes=(RUNNERS - 1,)),
        RollBackSettlement(market_no=WIN),
        RollBackSettlement(market_no=WIN, outcomes=(RUNNERS - 1,)),
    ):
        it = Followed()
        it.do(SettleMarket(market_no=WIN, results=LAST_VOID))
        it.do(SettleMarket(market_no=PLACE, results=PLACED))
        it.do(correction)
        assert set(it.machine.resolved(PLACE).results) == set(range(RUNNERS - 1))
        it.do(SettleMarket(market_no=PLACE, results=PLACED))
        assert placed(it) == PLACED


def test_a_non_runner_is_void_after_the_place_market_is_reinstated() -> None:
    for undone in (PLACE, WIN):
        it = Followed()
        it.do(CancelMarket(market_no=undone))
        if undone == PLACE:
            it.do(SettleMarket(market_no=WIN, results=(VOID,), outcomes=(3,)))
        it.do(RollBackCancel(market_no=undone))
        if undone == WIN:
            it.do(SettleMarket(market_no=WIN, results=(VOID,), outcomes=(3,)))
        assert it.machine.resolved(PLACE).results == {3: VOID}
