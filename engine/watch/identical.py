"""Find identical bets over many accounts: one outcome, one stake, within a short time.

Owns the last bets on each outcome and how common each stake is. A round stake on a popular outcome
is identical by chance: the number of accounts is compared with what the stake's share of all bets
makes likely.
"""

from collections import deque
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import AccountNo, MarketNo
from engine.common.units import Minor, Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import BetSeen, Fact, Finding
from engine.watch.tails import poisson_tail

OUTCOMES_MAX: Final = 65_536
"""Outcomes whose last bets are kept; past it the one bet on longest ago is forgotten."""
BETS_MAX: Final = 256
"""Last bets kept of one outcome; of more bets within the window the oldest are forgotten."""
STAKES_MAX: Final = 65_536
"""Stakes that are counted; past it the one used longest ago counts as never used."""


class IdenticalRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="identical"):
    """Alert when `accounts_min` accounts bet the same stake on one outcome within `window_s`.

    Only with a chance of at most `p_max` that as many do so by themselves, and with a stake of
    `stake_minor_min` or more, in base currency.
    """

    window_s: Annotated[int, Meta(ge=1, le=3_600)] = 60
    accounts_min: Annotated[int, Meta(ge=2, le=BETS_MAX)] = 4
    p_max: Annotated[float, Meta(gt=0.0, le=0.1)] = 1e-7
    stake_minor_min: Annotated[int, Meta(ge=0)] = 0


class _Outcome:
    """The last bets on one outcome, and when each stake was last found."""

    __slots__ = ("bets", "found_ns")

    def __init__(self) -> None:
        self.bets: deque[tuple[Nanos, AccountNo, Minor]] = deque(maxlen=BETS_MAX)
        self.found_ns: dict[Minor, Nanos] = {}


class _Count:
    __slots__ = ("bets",)

    def __init__(self) -> None:
        self.bets = 0


class IdenticalDetector:
    """Count the accounts that bet the same stake on the same outcome.

    Parameters
    ----------
    rule : IdenticalRule
        What counts as unusual.
    """

    def __init__(self, rule: IdenticalRule) -> None:
        self._rule = rule
        self._window_ns = rule.window_s * 1_000_000_000
        self._outcomes: Recent[tuple[MarketNo, int], _Outcome] = Recent(_Outcome, most=OUTCOMES_MAX)
        self._stakes: Recent[Minor, _Count] = Recent(_Count, most=STAKES_MAX)
        self._bets = 0

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take a bet, refused or not; return a finding when enough others are identical."""
        if not isinstance(fact, BetSeen):
            return ()
        stake = fact.stake_minor
        stake_count = self._stakes.use(stake)
        before = stake_count.bets
        stake_count.bets += 1
        self._bets += 1
        outcome = self._outcomes.use((fact.market_no, fact.outcome))
        begin_ns = fact.at_ns - self._window_ns
        bets = outcome.bets
        while bets and bets[0][0] < begin_ns:
            bets.popleft()
        bets.append((fact.at_ns, fact.account_no, stake))
        if stake < self._rule.stake_minor_min or len(bets) < self._rule.accounts_min:
            return ()
        accounts = dict.fromkeys(account for _, account, other in bets if other == stake)
        if len(accounts) < self._rule.accounts_min:
            return ()
        found_ns = outcome.found_ns
        if stake in found_ns and found_ns[stake] >= begin_ns:
            found_ns[stake] = fact.at_ns
            return ()
        # The first of them brings the outcome and the stake to notice: it is no evidence. Those
        # of the window are left out of the stake's share, which they would raise.
        earlier = self._bets - len(bets)
        share = (max(before - len(accounts), 0) + 1) / (earlier + 2)
        expected = (len(bets) - 1) * share
        tail = poisson_tail(len(accounts) - 1, expected)
        if tail > self._rule.p_max:
            return ()
        for old in [old for old, at_ns in found_ns.items() if at_ns < begin_ns]:
            del found_ns[old]
        found_ns[stake] = fact.at_ns
        return (
            Finding(
                subject=f"market {fact.market_no} outcome {fact.outcome} stake {stake}",
                fixture=fact.fixture,
                market_no=fact.market_no,
                outcome=fact.outcome,
                accounts=tuple(accounts),
                figures={
                    "accounts": len(accounts),
                    "stake_minor": stake,
                    "expected_accounts": expected,
                    "chance": tail,
                },
            ),
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only a bet shows identical ones."""
        return ()
