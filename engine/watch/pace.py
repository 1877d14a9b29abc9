"""Find outcomes that are bet on at many times their usual pace.

Owns the counts of bets by outcome in half windows, and what is usual for each. Never compares an
outcome with itself alone: where the rest of its fixture is busier than usual too, as after a goal,
more bets are expected.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import MarketNo
from engine.common.units import Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import BetSeen, Fact, Finding
from engine.watch.tails import negative_binomial_tail

OUTCOMES_MAX: Final = 65_536
"""Outcomes, markets and fixtures that are counted; past it the one bet on longest ago is forgotten,
and begins anew with its next bet."""
HALVES_REMEMBERED: Final = 20
"""Half windows that the usual pace is a mean of, each weighing less than the next."""
HALVES_MIN: Final = 4
"""Half windows for which a market must be known before its pace can be unusual: everything is new
when it opens."""
USUAL_MIN: Final = 0.5
"""The least number of bets that is taken as usual in a window."""
BUSIER_MAX: Final = 20.0
"""The most by which a busy fixture raises what is expected."""


class PaceRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="pace"):
    """Alert when an outcome has `times` its usual bets within `window_s`.

    `bets_min` bets are needed, and a chance of at most `p_max` that the usual pace brings as many.
    `size` says how much the usual pace varies by itself: its variance is the square of its mean,
    divided by `size` (see `negative_binomial_tail`).
    """

    window_s: Annotated[int, Meta(ge=4, le=3_600)] = 60
    times: Annotated[float, Meta(ge=1.1, le=1_000.0)] = 4.0
    bets_min: Annotated[int, Meta(ge=3, le=100_000)] = 12
    p_max: Annotated[float, Meta(gt=0.0, le=0.1)] = 1e-8
    size: Annotated[float, Meta(ge=0.1, le=1_000.0)] = 4.0


class _Counts:
    """Bets of one outcome, market or fixture: in this half window, the last one, and usually."""

    __slots__ = ("before", "fired_half", "half", "halves", "now", "usual")

    def __init__(self) -> None:
        self.half = -1
        self.now = self.before = self.halves = 0
        self.usual = 0.0
        self.fired_half = -2

    def move(self, half: int) -> None:
        """Begin a half window. One joins the usual when it is no longer compared with it."""
        if self.half < 0:
            self.half = half
        gap = half - self.half
        if gap <= 0:
            return
        self._join(self.before, 1)
        if gap > 1:
            self._join(self.now, 1)
            self._join(0, gap - 2)
        self.before = self.now if gap == 1 else 0
        self.now, self.half = 0, half

    def _join(self, count: int, times: int) -> None:
        for _ in range(min(times, 4 * HALVES_REMEMBERED)):
            self.halves = min(self.halves + 1, HALVES_REMEMBERED)
            self.usual += (count - self.usual) / self.halves


class PaceDetector:
    """Compare each outcome's bets within a window with its usual pace and with its fixture's.

    Parameters
    ----------
    rule : PaceRule
        What counts as unusual.
    outcomes_max : int
        Outcomes, markets and fixtures that are counted, each.
    """

    def __init__(self, rule: PaceRule, *, outcomes_max: int = OUTCOMES_MAX) -> None:
        self._rule = rule
        self._half_ns = rule.window_s * 500_000_000
        self._outcomes: Recent[tuple[MarketNo, int], _Counts] = Recent(_Counts, most=outcomes_max)
        self._markets: Recent[MarketNo, _Counts] = Recent(_Counts, most=outcomes_max)
        self._fixtures: Recent[str, _Counts] = Recent(_Counts, most=outcomes_max)

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Count a bet, refused or not; return a finding when its outcome's pace is unusual."""
        if not isinstance(fact, BetSeen):
            return ()
        half, into_ns = divmod(fact.at_ns, self._half_ns)
        outcome = self._outcomes.use((fact.market_no, fact.outcome))
        market = self._markets.use(fact.market_no)
        fixture = self._fixtures.use(fact.fixture)
        if outcome.half < 0:
            outcome.halves = market.halves  # no bet since the market is known
        for counts in (outcome, market, fixture):
            counts.move(half)
            counts.now += 1
        count = outcome.now + outcome.before
        if count < self._rule.bets_min or market.halves < HALVES_MIN:
            return ()
        if outcome.fired_half >= half - 1:
            return ()
        halves = 1.0 + into_ns / self._half_ns
        usual = max(outcome.usual * halves, USUAL_MIN)
        elsewhere = fixture.now + fixture.before - market.now - market.before
        usual_elsewhere = max((fixture.usual - market.usual) * halves, USUAL_MIN)
        expected = usual * min(max(elsewhere / usual_elsewhere, 1.0), BUSIER_MAX)
        if count < self._rule.times * expected:
            return ()
        tail = negative_binomial_tail(count, expected, size=self._rule.size)
        if tail > self._rule.p_max:
            return ()
        outcome.fired_half = half
        return (
            Finding(
                subject=f"market {fact.market_no} outcome {fact.outcome}",
                fixture=fact.fixture,
                market_no=fact.market_no,
                outcome=fact.outcome,
                figures={"bets": count, "expected_bets": expected, "chance": tail},
            ),
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only a bet shows an unusual pace."""
        return ()
