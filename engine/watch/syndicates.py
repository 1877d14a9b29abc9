"""Find syndicates: accounts whose bets coincide more often than chance explains.

Owns which pairs of accounts were nominated, and their coincidences since. Two bets *coincide* when
they are on one outcome within seconds. Accounts also come near one another because they like the
same outcomes, watch the same matches, or react to the same goal, so chance is measured on the pair
itself: by its bets on one outcome that are further apart in time, but not by much. That is the
reasoning of the cross-correlogram's shoulders (Perkel, Gerstein and Moore 1967).

A pair is nominated by its first coincidences; those are forgotten, and only later ones are tested.
So the test is fair although few of all pairs are looked at (Cox 1975, data splitting).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import AccountNo, MarketNo
from engine.common.units import Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import BetSeen, Fact, Finding, StatusSeen
from engine.watch.tails import binomial_tail, discoveries

OUTCOMES_MAX: Final = 65_536
"""Outcomes whose last bets are kept; past it the one bet on longest ago is forgotten."""
BETS_MAX: Final = 64
"""Last bets kept of one outcome; a bet is compared with no more."""
FIRST_PAIRS_MAX: Final = 200_000
"""Pairs with coincidences but not nominated; past it the one that coincided longest ago is
forgotten."""
PAIRS_MAX: Final = 20_000
"""Nominated pairs; past it the one that met longest ago is forgotten."""
NOMINATED_BY: Final = 3
"""Coincidences that nominate a pair."""

_Pair = tuple[AccountNo, AccountNo]


class SyndicateRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="syndicate"):
    """Alert on accounts that bet on the same outcomes within `together_s` of one another.

    Chance is measured on their bets up to `apart_times` as far apart. Of the pairs found a share of
    at most `false_share` is expected to be chance. `accounts_min` accounts make a syndicate, each
    joined to another by a pair. The `quiet_s` after a market resumes are left out: then all who
    waited bet at once.
    """

    together_s: Annotated[int, Meta(ge=1, le=600)] = 12
    apart_times: Annotated[int, Meta(ge=2, le=60)] = 8
    coincidences_min: Annotated[int, Meta(ge=2, le=1_000)] = 3
    accounts_min: Annotated[int, Meta(ge=2, le=1_000)] = 3
    false_share: Annotated[float, Meta(gt=0.0, le=0.5)] = 0.01
    quiet_s: Annotated[int, Meta(ge=0, le=600)] = 30


class _First:
    __slots__ = ("coincidences",)

    def __init__(self) -> None:
        self.coincidences = 0


class _Meetings:
    """What a nominated pair did since: coincidences, and meetings further apart in time."""

    __slots__ = ("apart", "together")

    def __init__(self) -> None:
        self.together = self.apart = 0


class _Group(Struct, frozen=True):
    accounts: tuple[AccountNo, ...]
    coincidences: int
    apart: int
    tail: float


class SyndicateDetector:
    """Nominate pairs of accounts that coincide, test them by later bets, and join them to groups.

    Parameters
    ----------
    rule : SyndicateRule
        What counts as a syndicate.
    """

    def __init__(self, rule: SyndicateRule) -> None:
        self._rule = rule
        self._together_ns = rule.together_s * 1_000_000_000
        self._apart_ns = self._together_ns * rule.apart_times
        self._quiet_ns = rule.quiet_s * 1_000_000_000
        self._outcomes: Recent[tuple[MarketNo, int], deque[tuple[Nanos, AccountNo]]] = Recent(
            lambda: deque(maxlen=BETS_MAX), most=OUTCOMES_MAX
        )
        self._resumed_ns: Recent[MarketNo, list[Nanos]] = Recent(list, most=OUTCOMES_MAX)
        self._first: Recent[_Pair, _First] = Recent(_First, most=FIRST_PAIRS_MAX)
        self._pairs: Recent[_Pair, _Meetings] = Recent(_Meetings, most=PAIRS_MAX)
        self._changed = False

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take an accepted bet or a resumption; findings come from `check`."""
        if isinstance(fact, StatusSeen):
            if fact.active:
                self._resumed_ns.use(fact.market_no)[:] = [fact.at_ns]
        elif isinstance(fact, BetSeen) and fact.accepted:
            self._see_bet(fact)
        return ()

    def _see_bet(self, bet: BetSeen) -> None:
        """Count the bet's meetings with the last ones on its outcome, once for each account."""
        resumed_ns = self._resumed_ns.items.get(bet.market_no)
        if resumed_ns and 0 <= bet.at_ns - resumed_ns[0] < self._quiet_ns:
            return
        bets = self._outcomes.use((bet.market_no, bet.outcome))
        while bets and bets[0][0] < bet.at_ns - self._apart_ns:
            bets.popleft()
        if any(account == bet.account_no for _, account in bets):
            return  # a bettor that repeats its bet meets no one anew
        for at_ns, account in bets:
            pair = (min(account, bet.account_no), max(account, bet.account_no))
            together = bet.at_ns - at_ns <= self._together_ns
            if pair in self._pairs.items:
                meetings = self._pairs.use(pair)
                meetings.together += together
                meetings.apart += not together
                self._changed = True
            elif together:
                first = self._first.use(pair)
                first.coincidences += 1
                if first.coincidences == NOMINATED_BY:
                    del self._first.items[pair]
                    self._pairs.use(pair)
        bets.append((bet.at_ns, bet.account_no))

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Test every nominated pair, and return each group of accounts that the found ones join."""
        if not self._changed:
            return ()
        self._changed = False
        return [
            Finding(
                subject=f"syndicate of account {group.accounts[0]}",
                accounts=group.accounts,
                figures={
                    "accounts": len(group.accounts),
                    "coincidences": group.coincidences,
                    "meetings_apart": group.apart,
                    "chance": group.tail,
                },
            )
            for group in self._groups()
        ]

    def _groups(self) -> Iterator[_Group]:
        tails = {
            pair: binomial_tail(
                meetings.together, meetings.together + meetings.apart, 1 / self._rule.apart_times
            )
            for pair, meetings in self._pairs.items.items()
        }
        found = discoveries(list(tails.values()), tests=len(tails), rate=self._rule.false_share)
        root: dict[AccountNo, AccountNo] = {}

        def top(account: AccountNo) -> AccountNo:
            while (above := root.setdefault(account, account)) != account:
                root[account] = account = root[above]
            return account

        joined = [
            pair
            for pair, tail in tails.items()
            if tail <= found and self._pairs.items[pair].together >= self._rule.coincidences_min
        ]
        for low, high in joined:
            root[max(top(low), top(high))] = min(top(low), top(high))
        pairs: dict[AccountNo, list[_Pair]] = {}
        for pair in joined:
            pairs.setdefault(top(pair[0]), []).append(pair)
        for inside in pairs.values():
            accounts = sorted({account for pair in inside for account in pair})
            if len(accounts) >= self._rule.accounts_min:
                yield _Group(
                    tuple(accounts),
                    sum(self._pairs.items[pair].together for pair in inside),
                    sum(self._pairs.items[pair].apart for pair in inside),
                    min(tails[pair] for pair in inside),
                )
