"""Builders in step with their legs: after any commands, and again after none."""

from hypothesis import given
from hypothesis import strategies as st

from engine.common.acceptance import AcceptancePatch, SetAcceptance, SetFeedDelay
from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CreateMarket,
    FeedStep,
    FeedUpdate,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import AcceptanceSet, FeedApplied, Refused
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.reasons import Reason
from engine.common.rows import BetResult
from engine.market.market import MarketMachine
from engine.pricing.football.builder.following import BuilderMarkets
from engine.pricing.football.builder.selection import selection
from engine.pricing.football.builder.settlement import VoidRule
from tests.engine.market.builders import AT_NS, WIDE, bet, bet_rows, do
from tests.engine.pricing.football.builder.builder_twin import legs_of

WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
VOID = OutcomeResult(won=False, void_halves=2)
KEYS = {1: "m/1x2", 2: "m/total?total=3.5", 3: "m/both_teams_to_score"}
NAMES = {1: ("home", "draw", "away"), 2: ("over", "under"), 3: ("yes", "no")}
BUILDERS = {
    4: selection("m", legs_of("1x2 home", "total?total=3.5 over")),
    5: selection(
        "m", legs_of("1x2 home", "both_teams_to_score yes", "total?total=3.5 over"),
        rule=VoidRule.LOST_FIRST,
    ),
}  # fmt: skip


class Followed:
    """A machine whose builders follow their legs after every command, as a shell has them."""

    def __init__(self) -> None:
        self.machine = MarketMachine()
        self.builders = BuilderMarkets()
        self.at_ns = AT_NS
        keys = KEYS | {number: sold.market_key for number, sold in BUILDERS.items()}
        for number, key in keys.items():
            names = NAMES.get(number, ("yes",))
            do(
                self.machine,
                CreateMarket(
                    market_no=MarketNo(number), key=key, outcomes=names,
                    odds_milli=(3_000,) * len(names), limits=WIDE,
                ),
            )  # fmt: skip
        self.builders.note(self.machine, self.machine.market_nos())
        for number in KEYS:
            self.do(OpenMarket(market_no=MarketNo(number)))

    def do(self, command: MarketCommand) -> bool:
        """Apply a command and what follows from it; return whether it was refused."""
        self.at_ns += 1
        event = self.machine.apply(command, self.at_ns)
        for each in self.builders.commands(self.machine, [event], self.at_ns):
            applied = self.machine.apply(each, self.at_ns)
            if isinstance(applied, AcceptanceSet):
                continue
            assert isinstance(applied, FeedApplied), applied
            refused = [step.reason for step in applied.events if isinstance(step, Refused)]
            assert set(refused) <= {Reason.WINDOW_KNOWN}, applied
        assert self.builders.all_commands(self.machine, self.at_ns) == []
        return isinstance(event, Refused)

    def status(self, number: int) -> Status:
        return self.machine.price_image(MarketNo(number)).status

    def result(self, number: int) -> OutcomeResult | None:
        return self.machine.resolved(MarketNo(number)).results.get(0)


def fed(number: int, *steps: FeedStep, at: int) -> FeedUpdate:
    return FeedUpdate(market_no=MarketNo(number), source="uof", position=at, steps=steps)


def test_a_builder_waits_as_its_strictest_leg_does_and_nothing_loosens_it() -> None:
    """Else a bet that waits on its own market would be taken at once in a builder."""
    it = Followed()

    def set_figures(number: int, **figures: int) -> None:
        patch = AcceptancePatch(**figures)  # type: ignore[arg-type]
        assert not it.do(SetAcceptance(market_no=MarketNo(number), acceptance=patch))

    def figures_of(number: int) -> tuple[int, int, int]:
        found = it.machine.book_image(MarketNo(number)).acceptance
        return found.delay_ms, found.referral_ms, found.referral_minor_from

    set_figures(3, delay_ms=2_000, referral_ms=60_000, referral_minor_from=900)
    set_figures(1, delay_ms=5_000, referral_ms=10_000, referral_minor_from=1_000)
    assert figures_of(4) == (5_000, 10_000, 1_000)
    assert figures_of(5) == (5_000, 60_000, 900)
    set_figures(1, delay_ms=1)
    assert not it.do(fed(1, SetFeedDelay(market_no=MarketNo(1), delay_ms=6_000), at=1))
    assert figures_of(4)[0] == 5_000
    set_figures(1, delay_ms=6_000)
    assert not it.do(fed(1, SetFeedDelay(market_no=MarketNo(1), delay_ms=6_500), at=2))
    assert figures_of(4)[0] == 6_500
    set_figures(4, delay_ms=7_000)
    assert figures_of(4) == (7_000, 10_000, 1_000)
    assert figures_of(5) == (6_500, 60_000, 900)


def test_a_feeds_message_to_a_leg_stops_and_starts_its_builders() -> None:
    it = Followed()
    assert it.status(4) == it.status(5) == Status.ACTIVE
    it.do(fed(1, SuspendMarket(market_no=1), at=1))
    assert it.status(4) == it.status(5) == Status.SUSPENDED
    it.do(fed(1, ResumeMarket(market_no=1), at=2))
    assert it.status(4) == it.status(5) == Status.ACTIVE
    off = SetOdds(market_no=3, quotes=(Quote(outcome=0, odds_milli=3_000, active=False),))
    it.do(fed(3, off, at=3))
    assert (it.status(4), it.status(5)) == (Status.ACTIVE, Status.SUSPENDED)


def test_a_leg_that_a_trader_holds_or_gives_odds_to_is_sold_in_no_builder() -> None:
    it = Followed()
    standing = (StandingOdds(outcome=0, odds_milli=1_500),)
    it.do(OverrideOdds(market_no=MarketNo(3), quotes=standing))
    assert (it.status(4), it.status(5)) == (Status.ACTIVE, Status.SUSPENDED)
    it.do(ReleaseOdds(market_no=MarketNo(3)))
    assert (it.status(4), it.status(5)) == (Status.ACTIVE, Status.ACTIVE)
    it.do(SuspendOutcomes(market_no=MarketNo(2), outcomes=(1,)))
    assert (it.status(4), it.status(5)) == (Status.ACTIVE, Status.ACTIVE)
    it.do(SuspendOutcomes(market_no=MarketNo(2), outcomes=(0,)))
    assert (it.status(4), it.status(5)) == (Status.SUSPENDED, Status.SUSPENDED)
    it.do(ResumeOutcomes(market_no=MarketNo(2)))
    assert (it.status(4), it.status(5)) == (Status.ACTIVE, Status.ACTIVE)


def test_a_traders_hold_and_odds_of_a_builder_stand() -> None:
    it = Followed()
    it.do(SuspendOutcomes(market_no=MarketNo(4), outcomes=(0,)))
    it.do(OverrideOdds(market_no=MarketNo(4), quotes=(StandingOdds(outcome=0, odds_milli=2_000),)))
    it.do(fed(1, SuspendMarket(market_no=1), at=1))
    it.do(fed(1, ResumeMarket(market_no=1), at=2))
    it.do(SetOdds(market_no=2, quotes=(Quote(outcome=0, odds_milli=1_500),)))
    image = it.machine.price_image(MarketNo(4))
    assert (image.odds_milli, image.active) == ((2_000,), (False,))
    assert it.machine.given_delta(MarketNo(4)).odds_milli == (3_000,), "its last odds are kept"


def test_a_builder_is_off_offer_from_a_legs_new_odds_until_it_has_its_own() -> None:
    it = Followed()

    def taken(number: int, bet_id: int) -> bool:
        rows = bet_rows([bet(bet_id, market=number, odds=3_000)])
        return it.machine.place(rows, it.at_ns)["reason"].tolist() == [0]

    moved = Quote(outcome=0, odds_milli=1_500)
    it.do(SetOdds(market_no=3, quotes=(moved,)))
    assert (taken(4, 1), taken(5, 2)) == (True, False)
    it.do(fed(3, SuspendMarket(market_no=3), at=1))
    it.do(fed(3, ResumeMarket(market_no=3), SetOdds(market_no=3, quotes=(moved,)), at=2))
    assert not taken(5, 3), "a leg that reopens at other odds sells no builder at the old ones"
    it.do(SetOdds(market_no=5, quotes=(Quote(outcome=0, odds_milli=3_000),)))
    assert taken(5, 4)


def test_a_window_of_a_leg_refunds_the_builders_bets_until_no_leg_has_it() -> None:
    it = Followed()
    rows = bet_rows([bet(1, market=4, odds=3_000)])
    assert it.machine.place(rows, it.at_ns)["reason"].tolist() == [0]

    def refunded() -> bool:
        (row,) = it.machine.present_resolutions(MarketNo(4))
        return bool(row["result"] == BetResult.CANCELLED)

    window = {"from_ns": None, "until_ns": AT_NS + 1_000}
    it.do(CancelBets(market_no=1, outcomes=(1, 2), **window))
    assert not refunded()
    it.do(CancelBets(market_no=1, outcomes=(0,), **window))
    assert refunded()
    it.do(CancelBets(market_no=2, **window))
    it.do(RollBackCancel(market_no=2, **window))
    assert refunded(), "another leg has the window still"
    it.do(RollBackCancel(market_no=1, outcomes=(0,), **window))
    assert not refunded()


def test_a_builder_that_a_trader_cancelled_stays_so() -> None:
    it = Followed()
    it.do(CancelMarket(market_no=4))
    it.do(SettleMarket(market_no=1, results=(LOST, WON, LOST)))
    assert it.status(4) is Status.CANCELLED
    it.do(RollBackCancel(market_no=4))
    assert (it.status(4), it.result(4)) == (Status.SETTLED, LOST)


def test_a_leg_won_in_part_leaves_what_stands_and_a_lost_leg_decides_by_itself() -> None:
    half = OutcomeResult(won=True, void_halves=1)
    it = Followed()
    it.do(SettleMarket(market_no=2, results=(half, LOST)))
    assert (it.result(4), it.result(5)) == (None, None)
    it.do(SettleMarket(market_no=1, results=(WON, LOST, LOST)))
    assert (it.result(4), it.result(5)) == (None, None)
    it.do(SettleMarket(market_no=1, results=(LOST, WON, LOST)))
    assert (it.result(4), it.result(5)) == (LOST, LOST)
    it.do(SettleMarket(market_no=1, results=(WON, LOST, LOST)))
    assert (it.result(4), it.result(5)) == (LOST, LOST), "what stands is a trader's to correct"
    it.do(SettleMarket(market_no=1, results=(VOID, VOID, VOID)))
    assert (it.result(4), it.result(5)) == (VOID, LOST)
    it.do(SettleMarket(market_no=2, results=(WON, LOST)))
    assert (it.result(4), it.result(5)) == (VOID, None)


def test_a_traders_settlement_of_a_builder_stands_until_it_is_rolled_back() -> None:
    it = Followed()
    it.do(SettleMarket(market_no=1, results=(LOST, WON, LOST)))
    it.do(SettleMarket(market_no=4, results=(WON,)))
    assert (it.result(4), it.result(5)) == (WON, LOST)
    it.do(SettleMarket(market_no=2, results=(VOID, VOID)))
    assert (it.result(4), it.result(5)) == (WON, LOST)
    it.builders = BuilderMarkets()  # another process takes over
    it.builders.note(it.machine, it.machine.market_nos())
    assert it.builders.all_commands(it.machine, it.at_ns) == []
    it.do(RollBackSettlement(market_no=2))
    assert it.result(4) == WON
    it.do(RollBackSettlement(market_no=4))
    assert it.result(4) == LOST
    it.do(SettleMarket(market_no=1, results=(WON, LOST, LOST)))
    it.do(SettleMarket(market_no=2, results=(WON, LOST)))
    assert it.result(4) == WON


def test_a_window_refunds_no_builder_of_another_lost_leg_where_that_decides() -> None:
    it = Followed()

    def results(number: int) -> list[int]:
        return it.machine.present_resolutions(MarketNo(number))["result"].tolist()

    rows = bet_rows([bet(1, market=4, odds=3_000), bet(2, market=5, odds=3_000)])
    assert it.machine.place(rows, it.at_ns)["reason"].tolist() == [0, 0]
    it.do(CancelBets(market_no=2))
    assert results(4) == [BetResult.CANCELLED]
    assert results(5) == [BetResult.NONE], "another leg may be lost yet"
    it.do(SettleMarket(market_no=1, results=(LOST, WON, LOST)))
    assert results(5) == [BetResult.LOST]
    it.do(SettleMarket(market_no=1, results=(WON, LOST, LOST)))
    it.do(SettleMarket(market_no=3, results=(WON, LOST)))
    assert results(5) == [BetResult.CANCELLED]
    it.do(SettleMarket(market_no=3, results=(LOST, WON)))
    assert results(5) == [BetResult.LOST]
    it.do(SettleMarket(market_no=2, results=(LOST, WON)))
    it.do(SettleMarket(market_no=3, results=(WON, LOST)))
    assert results(5) == [BetResult.CANCELLED], "the leg itself is refunded, not lost"
    it.do(RollBackCancel(market_no=2))
    assert results(5) == [BetResult.LOST]


def test_a_refund_that_waited_for_other_legs_covers_no_later_bet() -> None:
    it = Followed()

    def take(bet_id: int) -> None:
        it.at_ns += 1
        (reason,) = it.machine.place(bet_rows([bet(bet_id, market=5, odds=3_000)]), it.at_ns)[
            "reason"
        ]
        assert reason == 0

    take(1)
    it.do(CancelBets(market_no=2))
    take(2)
    for number, results in ((1, (WON, LOST, LOST)), (3, (WON, LOST)), (2, (WON, LOST))):
        it.do(SettleMarket(market_no=number, results=results))
    rows = it.machine.present_resolutions(MarketNo(5))
    assert rows["result"].tolist() == [BetResult.CANCELLED, BetResult.WON]


COMMANDS = st.builds(
    lambda kind, number, first: kind(number, first),
    st.sampled_from(
        [
            lambda no, _: SuspendMarket(market_no=no),
            lambda no, _: ResumeMarket(market_no=no),
            lambda no, _: CancelMarket(market_no=no),
            lambda no, _: RollBackCancel(market_no=no),
            lambda no, _: RollBackSettlement(market_no=no),
            lambda no, first: SettleMarket(
                market_no=no,
                results=tuple(WON if at == first else LOST for at in range(len(NAMES[no]))),
            ),
        ]
    ),
    st.sampled_from(list(KEYS)),
    st.integers(0, 1),
)


@given(st.lists(COMMANDS, max_size=12))
def test_builders_have_what_their_legs_say_after_any_commands(
    commands: list[MarketCommand],
) -> None:
    """Compared with the rules as the house states them, not with how they are followed."""
    it = Followed()
    for command in commands:
        it.do(command)
    for number, markets in ((4, {1: 0, 2: 0}), (5, {1: 0, 2: 0, 3: 0})):
        images = {no: it.machine.price_image(MarketNo(no)) for no in markets}
        stands = [
            VOID
            if images[no].status is Status.CANCELLED
            else it.machine.resolved(MarketNo(no)).results.get(at)
            for no, at in markets.items()
        ]
        shown = it.result(number)
        if VOID in stands and (number == 4 or not {LOST, None} & {*stands}):
            assert shown == VOID
        elif LOST in stands:
            assert shown == LOST
        elif None in stands:
            assert shown is None
            taking = all(image.status is Status.ACTIVE for image in images.values())
            assert (it.status(number) is Status.ACTIVE) == taking
        else:
            assert shown == WON
