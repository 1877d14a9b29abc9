"""Find accounts that beat the closing odds: their closing-line value, with its standard error.

Owns the bets of fixtures that have not begun, and the mean value of each account. The value of a
bet is the logarithm of its accepted odds over the last odds before kick-off: about 0 on average for
someone who knows nothing, whatever the margin; above 0 for someone whose opinion the odds come to
share. Bets on one fixture are not independent, so an account's bets on a fixture count as one
observation, their mean, and the standard error is taken over fixtures.
"""

from collections.abc import Iterable
from math import log, sqrt
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import AccountNo, MarketNo
from engine.common.units import Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import BetSeen, Fact, Finding, KickOffSeen, OddsSeen
from engine.watch.tails import discoveries, student_tail

FIXTURES_MAX: Final = 16_384
"""Fixtures to come whose bets are kept; past it the one bet on longest ago is left out."""
BETS_MAX: Final = 65_536
"""Bets of one fixture that are kept, one for each account and outcome; later ones are left out."""
ACCOUNTS_MAX: Final = 200_000
"""Accounts with a mean; past it the one without a value for longest is forgotten."""


class ClosingValueRule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="closing_value"
):
    """Alert on an account whose mean closing-line value is above `value_min`, beyond chance.

    Student's test of its value over `fixtures_min` fixtures or more decides. Of the accounts found
    a share of at most `false_share` is expected to be chance. `value_min` is a logarithm: 0.02 is
    odds 2% above the closing ones.
    """

    value_min: Annotated[float, Meta(ge=-0.5, le=1.0)] = 0.0
    fixtures_min: Annotated[int, Meta(ge=4, le=10_000)] = 8
    false_share: Annotated[float, Meta(gt=0.0, le=0.5)] = 0.05


class _Bets:
    """An account's bets on one outcome before kick-off."""

    __slots__ = ("bets", "log_odds")

    def __init__(self) -> None:
        self.bets, self.log_odds = 0, 0.0


class _Fixture:
    __slots__ = ("bets", "closing", "play")

    def __init__(self) -> None:
        self.play = False
        self.closing: dict[MarketNo, OddsSeen] = {}
        self.bets: dict[tuple[AccountNo, MarketNo, int], _Bets] = {}


class ClosingValue:
    """An account's closing-line value: mean and squared deviations over fixtures (Welford 1962)."""

    __slots__ = ("bets", "fixtures", "mean", "squares")

    def __init__(self) -> None:
        self.fixtures = self.bets = 0
        self.mean = self.squares = 0.0

    def add(self, value: float, *, bets: int) -> None:
        """Count the mean value of an account's bets on one fixture."""
        self.bets += bets
        self.fixtures += 1
        above = value - self.mean
        self.mean += above / self.fixtures
        self.squares += above * (value - self.mean)

    @property
    def error(self) -> float:
        """The standard error of the mean; needs two fixtures."""
        return sqrt(self.squares / (self.fixtures - 1) / self.fixtures)


class _Tail:
    __slots__ = ("chance",)

    def __init__(self) -> None:
        self.chance = 1.0


class ClosingValueDetector:
    """Compare the odds of each account's bets before kick-off with the last odds before it.

    Parameters
    ----------
    rule : ClosingValueRule
        What counts as beating the close.
    """

    def __init__(self, rule: ClosingValueRule) -> None:
        self._rule = rule
        self._fixtures: Recent[str, _Fixture] = Recent(_Fixture, most=FIXTURES_MAX)
        self.accounts: Final[Recent[AccountNo, ClosingValue]] = Recent(
            ClosingValue, most=ACCOUNTS_MAX
        )
        self._tails: Recent[AccountNo, _Tail] = Recent(_Tail, most=ACCOUNTS_MAX)
        """The test of each account that has enough fixtures."""

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take an accepted bet, odds or a kick-off; a kick-off may show accounts."""
        if isinstance(fact, OddsSeen):
            fixture = self._fixtures.use(fact.fixture)
            if not fixture.play:
                fixture.closing[fact.market_no] = fact
        elif isinstance(fact, BetSeen):
            if fact.accepted:
                self._see_bet(fact)
        elif isinstance(fact, KickOffSeen):
            return self._close(fact)
        return ()

    def _see_bet(self, bet: BetSeen) -> None:
        fixture = self._fixtures.use(bet.fixture)
        key = (bet.account_no, bet.market_no, bet.outcome)
        if fixture.play or (key not in fixture.bets and len(fixture.bets) >= BETS_MAX):
            return
        bets = fixture.bets.setdefault(key, _Bets())
        bets.bets += 1
        bets.log_odds += log(bet.odds_milli)

    def _close(self, kick_off: KickOffSeen) -> Iterable[Finding]:
        """Value every account's bets on the fixture. An outcome withdrawn before has no close."""
        fixture = self._fixtures.use(kick_off.fixture)
        if fixture.play:
            return []
        fixture.play = True
        totals: dict[AccountNo, tuple[float, int]] = {}
        for (account, market_no, outcome), bets in fixture.bets.items():
            odds = fixture.closing.get(market_no)
            if odds is None or outcome >= len(odds.odds_milli) or not odds.active[outcome]:
                continue
            value, count = totals.get(account, (0.0, 0))
            value += bets.log_odds - bets.bets * log(odds.odds_milli[outcome])
            totals[account] = value, count + bets.bets
        fixture.bets, fixture.closing = {}, {}
        for account, (value, count) in totals.items():
            closing_value = self.accounts.use(account)
            closing_value.add(value / count, bets=count)
            if closing_value.fixtures >= self._rule.fixtures_min:
                self._tails.use(account).chance = self._chance(closing_value)
        likely = [
            tail.chance
            for tail in self._tails.items.values()
            if tail.chance <= self._rule.false_share
        ]
        found = discoveries(likely, tests=len(self._tails), rate=self._rule.false_share)
        return [
            self._finding(account, self.accounts.items[account], tail.chance)
            for account in totals
            if (tail := self._tails.items.get(account)) is not None and tail.chance <= found
        ]

    def _chance(self, value: ClosingValue) -> float:
        """Return the chance of such a mean where the true one is `value_min`."""
        above, error = value.mean - self._rule.value_min, value.error
        if error == 0.0:
            return 1.0  # the same figure every time is no sample
        return student_tail(above / error, freedom=value.fixtures - 1)

    def _finding(self, account: AccountNo, value: ClosingValue, chance: float) -> Finding:
        return Finding(
            subject=f"account {account}",
            accounts=(account,),
            figures={
                "closing_value": value.mean,
                "standard_error": value.error,
                "bets": value.bets,
                "fixtures": value.fixtures,
                "chance": chance,
            },
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only a kick-off values bets."""
        return ()
