"""Find accounts that bet just before the suspensions of goals: late bets.

Owns the bets of the last seconds of each fixture, and each account's share of late ones. A bet is
*late* when it is accepted within seconds before a suspension that a change of the score followed.
Anyone is late now and then. An account is found when it is late more often than the share of all
bets that are late makes likely.
"""

from collections import deque
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import AccountNo, MarketNo
from engine.common.units import Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import BetSeen, Fact, Finding, KickOffSeen, ScoreSeen, StatusSeen
from engine.watch.tails import binomial_tail

FIXTURES_MAX: Final = 4_096
"""Fixtures in play that are watched; past it the one with the oldest bet is forgotten."""
BETS_MAX: Final = 4_096
"""Last bets kept of a fixture; of more within the window the oldest are forgotten."""
ACCOUNTS_MAX: Final = 200_000
"""Accounts that are counted; past it the one that bet longest ago is forgotten."""


class LateBetsRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="late_bets"):
    """Alert on an account with late bets at `goals_min` goals or more, beyond chance.

    A bet is late when it was accepted within `window_s` before a suspension that a change of the
    score followed within `goal_within_s`. `p_max` is the chance that any account at all would be
    found by chance.
    """

    window_s: Annotated[int, Meta(ge=1, le=120)] = 8
    goal_within_s: Annotated[int, Meta(ge=1, le=600)] = 120
    goals_min: Annotated[int, Meta(ge=2, le=1_000)] = 3
    p_max: Annotated[float, Meta(gt=0.0, le=0.5)] = 0.01


class _Fixture:
    """A fixture in play: its last bets, and those of its last suspension."""

    __slots__ = ("bets", "in_question", "play", "suspended_ns")

    def __init__(self) -> None:
        self.play = False
        self.bets: deque[tuple[Nanos, AccountNo, MarketNo]] = deque(maxlen=BETS_MAX)
        self.suspended_ns = Nanos(0)
        self.in_question: dict[MarketNo, tuple[AccountNo, ...]] = {}
        """Who bet just before each market's suspension, until the market resumes."""


class _Account:
    __slots__ = ("bets", "found_at", "late")

    def __init__(self) -> None:
        self.bets = self.late = self.found_at = 0


class LateBetsDetector:
    """Count each account's bets in play, and the goals before which one was late.

    Parameters
    ----------
    rule : LateBetsRule
        What counts as late, and as too often.
    """

    def __init__(self, rule: LateBetsRule) -> None:
        self._rule = rule
        self._window_ns = rule.window_s * 1_000_000_000
        self._goal_within_ns = rule.goal_within_s * 1_000_000_000
        self._fixtures: Recent[str, _Fixture] = Recent(_Fixture, most=FIXTURES_MAX)
        self._accounts: Recent[AccountNo, _Account] = Recent(_Account, most=ACCOUNTS_MAX)
        self._bets = self._late = 0

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take a bet, a suspension or a score; a score may show accounts that were late again."""
        if isinstance(fact, BetSeen):
            self._see_bet(fact)
        elif isinstance(fact, StatusSeen):
            self._see_status(fact)
        elif isinstance(fact, KickOffSeen):
            self._fixtures.use(fact.fixture).play = True
        elif isinstance(fact, ScoreSeen):
            return self._see_score(fact)
        return ()

    def _see_bet(self, bet: BetSeen) -> None:
        fixture = self._fixtures.items.get(bet.fixture)
        if fixture is None or not fixture.play or not bet.accepted:
            return
        bets = self._fixtures.use(bet.fixture).bets
        while bets and bets[0][0] < bet.at_ns - self._window_ns:
            bets.popleft()
        bets.append((bet.at_ns, bet.account_no, bet.market_no))
        self._accounts.use(bet.account_no).bets += 1
        self._bets += 1

    def _see_status(self, status: StatusSeen) -> None:
        """Note who bet just before a market's suspension. One that resumes was for nothing."""
        fixture = self._fixtures.items.get(status.fixture)
        if fixture is None:
            return
        if status.active:
            fixture.in_question.pop(status.market_no, None)
            return
        fixture.suspended_ns = status.at_ns
        begin_ns = status.at_ns - self._window_ns
        fixture.in_question[status.market_no] = tuple(
            account
            for at_ns, account, market_no in fixture.bets
            if market_no == status.market_no and begin_ns <= at_ns <= status.at_ns
        )

    def _stop_all(self, fixture: _Fixture, at_ns: Nanos) -> None:
        """Note who bet just before a goal whose message suspended the markets first."""
        fixture.suspended_ns = at_ns
        begin_ns = at_ns - self._window_ns
        late: dict[MarketNo, list[AccountNo]] = {}
        for bet_ns, account, market_no in fixture.bets:
            if begin_ns <= bet_ns <= at_ns and market_no not in fixture.in_question:
                late.setdefault(market_no, []).append(account)
        fixture.in_question |= {market_no: tuple(accounts) for market_no, accounts in late.items()}

    def _see_score(self, score: ScoreSeen) -> Iterable[Finding]:
        """Count who was late, each account once for a goal, and return whom that shows."""
        fixture = self._fixtures.items.get(score.fixture)
        if fixture is None:
            return []
        if score.stopped:
            self._stop_all(fixture, score.at_ns)
        in_question, fixture.in_question = fixture.in_question, {}
        if score.at_ns - fixture.suspended_ns > self._goal_within_ns:
            return []
        late = dict.fromkeys(account for accounts in in_question.values() for account in accounts)
        for account in late:
            self._accounts.use(account).late += 1
        self._late += len(late)
        findings = [self._finding(account, score) for account in late]
        return [finding for finding in findings if finding is not None]

    def _finding(self, account_no: AccountNo, score: ScoreSeen) -> Finding | None:
        """Return a finding where an account is late beyond chance, once for each further goal.

        The usual share leaves the account's own bets out.
        """
        account = self._accounts.use(account_no)
        if account.late < self._rule.goals_min or account.found_at == account.late:
            return None
        others = self._bets - account.bets
        share = (self._late - account.late + 1) / (others + 2)
        tail = binomial_tail(account.late, account.bets, min(share, 1.0))
        if tail * len(self._accounts) > self._rule.p_max:
            return None
        account.found_at = account.late
        return Finding(
            subject=f"account {account_no}",
            fixture=score.fixture,
            accounts=(account_no,),
            figures={
                "late_goals": account.late,
                "bets_in_play": account.bets,
                "usual_share": share,
                "chance": tail,
            },
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only a score shows late bets."""
        return ()
