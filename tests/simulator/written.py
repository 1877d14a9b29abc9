"""Stories written by hand, for defects that a random story brings out too seldom.

Owns the steps that make each situation come about, several times in one story. A seed moves them a
little: whatever order the world then finds, the situation stays.
"""

import random

from engine.common.acceptance import AcceptancePatch, SetAcceptance
from engine.common.commands import Quote, SetOdds
from tests.simulator.referrals import parts_taken, taken_after_s
from tests.simulator.story import (
    Command,
    DecideReferral,
    DisturbCalls,
    FillDisk,
    Freeze,
    Layout,
    PlaceBet,
    PlaceSlip,
    SlipLeg,
    SlipStake,
    StopTogether,
    Story,
)

_TIMES = 10
_EVERY_MS = 3_000.0
"""So long that one situation is over when the next begins."""
_FREEZE_MS = 450.0
"""Longer than a gateway waits for a call, shorter than a shell may miss its heartbeat."""
_GIVEN_UP_MS = 360.0
_ONE_SHELL = Layout(markets=1, shards=1)
_MARKET = "market-00000"


def disk_full_beside_a_known_bet(seed: int) -> Story:
    """Send a recorded bet again, in one batch with a new one, while its market's disk is full.

    Its gateway never heard the answer, so that another gateway's sending decides what is booked.
    """
    rng = random.Random(seed)
    steps: list[DisturbCalls | FillDisk | PlaceBet] = []
    for number in range(_TIMES):
        at_ms = number * _EVERY_MS
        again_ms = at_ms + rng.choice((14.0, 16.0, 18.0))
        steps += [
            DisturbCalls(at_ms=at_ms, part=_MARKET, method="place", kind="lose answer"),
            _bet(at_ms + 1.0, number, f"known{number}", gateway=0),
            FillDisk(at_ms=at_ms + 12.0, part=_MARKET, for_ms=30.0),
            _bet(again_ms, number, f"known{number}", gateway=1),
            _bet(again_ms, number + 1, f"new{number}", gateway=1),
        ]
    return Story(layout=_ONE_SHELL, steps=tuple(steps))


def answers_after_their_calls_were_given_up(seed: int) -> Story:
    """Freeze a market until its gateway gives a call up and has further ones on the same road."""
    rng = random.Random(seed)
    steps: list[Freeze | PlaceBet] = []
    for number in range(_TIMES):
        at_ms = number * _EVERY_MS
        steps += [
            _bet(at_ms, number, f"a{number}", gateway=0),
            Freeze(at_ms=at_ms + 0.5, part=_MARKET, for_ms=_FREEZE_MS),
            _bet(at_ms + 1.0, number + 1, f"b{number}", gateway=0),
        ]
        later_ms = at_ms + _GIVEN_UP_MS + rng.uniform(0.0, 3.0)
        steps += [
            _bet(later_ms + 5.0 * each, number + each, f"c{number}.{each}", gateway=0)
            for each in range(12)
        ]
    return Story(layout=Layout(markets=1, shards=1, road=True), steps=tuple(steps))


def slips_at_odds_never_seen(seed: int) -> Story:
    """Place slips for any odds and say that they are the lowest: all but the last few fit.

    Each pays 19,404 at the odds held (1,100 at 4.2 and 4.2), and 1,102 at those said to be seen.
    """
    rng = random.Random(seed)
    layout = Layout(shards=1, outcome_liability_max=1_000_000, market_liability_max=1_000_000)
    steps = [
        PlaceSlip(
            at_ms=20.0 * number + rng.uniform(0.0, 3.0),
            account=1,
            ref=f"s{number}",
            legs=(SlipLeg(1, 2, 1_001, 0), SlipLeg(2, 2, 1_001, 1)),
            bets=(SlipStake(1_100, (0, 1), (2,)),),
            policy="any",
        )
        for number in range(_TIMES)
    ]
    return Story(layout=layout, steps=tuple(steps))


def one_score_pays_every_market(seed: int) -> Story:
    """Bet on home, and on home or draw: one score pays them all, past what their fixture may lose.

    Each market is far from its own limits.
    """
    layout = Layout(
        markets=2,
        shards=1,
        markets_a_fixture=2,
        second_key="double_chance",
        fixture_liability_max=1_000,
    )
    rng = random.Random(seed)
    steps = [
        PlaceBet(
            at_ms=number * 20.0 + rng.uniform(0.0, 10.0),
            account=1 + number % layout.accounts,
            ref=f"f{number}",
            market=1 + number % 2,
            outcome=0,
            stake=200,
            odds=layout.odds[0],
        )
        for number in range(2 * _TIMES)
    ]
    return Story(layout=layout, steps=tuple(steps))


def many_slips_of_the_same_selections(seed: int) -> Story:
    """Place small slips of the same two selections from every account, as different bets."""
    layout = Layout(markets=2, shards=1, combination_max=1_500)
    rng = random.Random(seed)
    steps = []
    for number in range(2 * _TIMES):
        legs = [SlipLeg(market, 0, layout.odds[0], market - 1) for market in (1, 2)]
        size = rng.choice((1, 2))
        steps.append(
            PlaceSlip(
                at_ms=number * 20.0 + rng.uniform(0.0, 10.0),
                account=1 + number % layout.accounts,
                ref=f"s{number}",
                legs=tuple(reversed(legs) if number % 2 else legs),
                bets=(SlipStake(100, (0, 1), (size,)),),
            )
        )
    return Story(layout=layout, steps=tuple(steps))


def _offered(
    layout: Layout, number: int, ref: str, *, at_ms: float
) -> tuple[PlaceBet, DecideReferral]:
    """Return a bet that is too large, and a trader's offer of other odds for a part of it."""
    bet = PlaceBet(
        at_ms=at_ms,
        account=1 + number % layout.accounts,
        ref=ref,
        market=1,
        outcome=0,
        stake=layout.stake_max + 1,
        odds=layout.odds[0],
    )
    offer = DecideReferral(
        at_ms=at_ms + 150.0, how="offer", pick=0, stake_milli=300, odds_milli=900
    )
    return bet, offer


def offers_taken_again(seed: int) -> Story:
    """Have a trader offer other odds for large bets, to bettors that take each offer twice."""
    rng = random.Random(seed)
    layout = Layout(markets=1, shards=1)
    refs = [f"o{number}" for number in range(200)]
    twice = [ref for ref in refs if parts_taken(ref) == (1_000, 1_000)][:_TIMES]
    rule = SetAcceptance(market_no=1, acceptance=AcceptancePatch(referral_ms=2_000))
    steps: list[Command | DecideReferral | PlaceBet] = [Command(at_ms=0.0, command=rule)]
    for number, ref in enumerate(twice, start=1):
        at_ms = number * 300.0 + rng.uniform(0.0, 10.0)
        steps += _offered(layout, number, ref, at_ms=at_ms)
    return Story(layout=layout, steps=tuple(steps))


def offers_across_goals(seed: int) -> Story:
    """Have a trader offer other odds to bettors that think about it, while the odds fall."""
    rng = random.Random(seed)
    layout = Layout(markets=1, shards=1)
    refs = [f"o{number}" for number in range(400)]
    slow = [ref for ref in refs if parts_taken(ref) == (1_000,) and taken_after_s(ref)][:_TIMES]
    rule = SetAcceptance(market_no=1, acceptance=AcceptancePatch(referral_ms=2_000))
    steps: list[Command | DecideReferral | PlaceBet] = [Command(at_ms=0.0, command=rule)]
    for number, ref in enumerate(slow, start=1):
        at_ms = number * 900.0 + rng.uniform(0.0, 10.0)
        steps += _offered(layout, number, ref, at_ms=at_ms)
        for after_ms, odds in ((300.0, 1_100), (340.0, layout.odds[0])):
            quotes = (Quote(outcome=0, odds_milli=odds),)
            goal = SetOdds(market_no=1, quotes=quotes, override=True)
            steps.append(Command(at_ms=at_ms + after_ms, command=goal))
    return Story(layout=layout, steps=tuple(steps))


def markets_stopped_by_two(seed: int) -> Story:
    """Have two people stop a market, and the first start it again before the other does."""
    rng = random.Random(seed)
    steps: list[StopTogether] = []
    for number in range(_TIMES):
        at_ms = 100.0 + number * 300.0
        for step, (who, starts) in enumerate(((1, False), (2, False), (1, True), (2, True))):
            then_ms = round(at_ms + 60.0 * step + rng.uniform(0.0, 10.0), 1)
            steps.append(StopTogether(at_ms=then_ms, who=who, market=1, starts=starts))
    return Story(layout=_ONE_SHELL, steps=tuple(steps))


def _bet(at_ms: float, number: int, ref: str, *, gateway: int) -> PlaceBet:
    outcome = number % len(_ONE_SHELL.odds)
    return PlaceBet(
        at_ms=at_ms,
        account=1 + number % _ONE_SHELL.accounts,
        ref=ref,
        market=1,
        outcome=outcome,
        stake=10,
        odds=_ONE_SHELL.odds[outcome],
        policy="any",
        gateway=gateway,
    )
