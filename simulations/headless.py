"""Simulate a whole match in one process: trader, crowd, markets and ledger.

Owns the order of events of a simulated match. Markets and ledger are the engine's own machines;
time is the match's, so a seed gives the same bets, books and state hashes everywhere. Never uses
Ray, sockets or a disk.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from engine.common.commands import (
    AckOutbox,
    Deposit,
    LedgerCommand,
    MarketCommand,
    OpenAccount,
    OutcomeResult,
    SetRate,
)
from engine.common.events import Refused
from engine.common.ids import AccountNo, ShardNo
from engine.common.rows import BET, DECISION, RESERVATION, SETTLEMENT, Rows
from engine.common.units import Minor, Nanos
from engine.common.views import PriceImage
from engine.ledger.ledger import LedgerMachine
from engine.market.market import MarketMachine
from simulations.audit import Audit, audit, sums_to_zero
from simulations.crowd import (
    BEHAVIOURS,
    Bettor,
    Board,
    Orders,
    Profile,
    crowd,
    draw_orders,
    join_orders,
)
from simulations.timeline import EventKind, MatchTimeline
from simulations.trader import CATALOGUE, SUSPENDED_S, MatchTrader, by_market_no, market_keys

CURRENCY: Final = "EUR"
BETS_MAX: Final = 10_000_000
STEP_S_MAX: Final = 600
OUTBOX_ROWS: Final = 65_536
CHASE_FACTOR: Final = 5.0
"""Factor on the chasers' share of the bets in the step after a goal."""
SHARD: Final = ShardNo(0)
_TENS: Final = 10 ** np.arange(7, -1, -1)
"""Powers of ten that give the eight decimal digits of a bet's ref."""

assert BETS_MAX < 10**8

Random = np.random.Generator


class Play(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a match is simulated: `bets` over the whole match, new odds every `step_s` seconds."""

    seed: int = 0
    bettors: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    bets: Annotated[int, Meta(ge=0, le=BETS_MAX)] = 20_000
    step_s: Annotated[int, Meta(ge=1, le=STEP_S_MAX)] = 30
    markets: Annotated[int, Meta(ge=1, le=len(CATALOGUE))] = len(CATALOGUE)
    bankroll_factor: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 1.0


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of a simulated match.

    `reserved_refusals` counts by reason the bets that the account refused; no market received them.
    """

    books: Audit
    reserved_refusals: dict[int, int]
    ledger_zero: bool
    market_hash: str
    ledger_hash: str

    @property
    def sound(self) -> bool:
        """Whether the ledger sums to zero and the audit found no difference."""
        return self.ledger_zero and not self.books.differences


class Headless:
    """One simulated match; `run` plays it. The machines can be read before and after.

    Parameters
    ----------
    match : MatchTimeline
        The match.
    play : Play
        How it is simulated.
    """

    def __init__(self, match: MatchTimeline, play: Play) -> None:
        self.match: Final = match
        self.play: Final = play
        self.markets: Final = MarketMachine()
        self.ledger: Final = LedgerMachine(shard=SHARD)
        self.trader: Final = MatchTrader(match, market_keys(match, markets=play.markets))
        self._rng: Final = np.random.default_rng(play.seed)
        self._kick_off_ns = int(match.kick_off.timestamp()) * 1_000_000_000
        self._verdicts: Rows = np.zeros(0, DECISION)
        self._refs = 0
        self._reserved_refusals: dict[int, int] = {}
        self._bettors = crowd(play.bettors, rng=self._rng)
        self._accounts = {
            profile: np.array(
                [b.account_no for b in self._bettors if b.profile is profile], np.uint32
            )
            for profile in Profile
        }
        self._bet_rates = _bet_rates(self._bettors)

    # --- the match -------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Play the match: open the markets, bet until full time, settle, and audit."""
        self._open()
        goals = [goal.played_s for goal in self.match.regular_goals]
        suspended_until_s = -1
        before_goal: Board | None = None
        steps = self._steps()
        for (begin_s, end_s), count in zip(steps, self._shares(len(steps)), strict=True):
            goal = any(begin_s <= goal_s < end_s for goal_s in goals)
            if goal:
                before_goal = Board(self._prices())
                self._apply(self.trader.suspend(self._prices(), why="goal"), begin_s)
                suspended_until_s = begin_s + SUSPENDED_S
            state = self.match.regular_state_at(end_s - 1)
            suspended = begin_s < suspended_until_s
            self._apply(self.trader.reprice(state, self._prices(), resume=not suspended), begin_s)
            self._bet(count, Board(self._prices()), before_goal, goal=goal, played_s=begin_s)
            before_goal = before_goal if suspended else None
        return self._settle()

    def _open(self) -> None:
        state = self.match.state_at(-1)
        self._apply(self.trader.create(state, first_market_no=1), 0)
        self._apply(self.trader.open(self._prices()), 0)
        accounts: list[LedgerCommand] = [SetRate(currency=CURRENCY)]
        for bettor in self._bettors:
            amount = Minor(max(1, int(bettor.bankroll_minor * self.play.bankroll_factor)))
            no = AccountNo(bettor.account_no)
            accounts.append(OpenAccount(account_no=no, currency=CURRENCY))
            accounts.append(Deposit(account_no=no, amount_minor=amount, ref="bankroll"))
        for command in accounts:
            event = self.ledger.apply(command, self._at_ns(0))
            assert not isinstance(event, Refused), event

    def _settle(self) -> Outcome:
        """Settle every market, apply each settlement to the ledger, and audit."""
        end_s = self.match.regular_s
        at_ns = self._at_ns(end_s)
        self.ledger.exchange(self._verdicts, np.zeros(0, RESERVATION), at_ns)
        self._verdicts = np.zeros(0, DECISION)
        state = self.match.regular_state_at(end_s)
        self._apply(self.trader.settle(state, self._prices()), end_s)
        while len(rows := self.markets.outbox(shard=SHARD, limit=OUTBOX_ROWS)):
            self.ledger.settle(rows.astype(SETTLEMENT, copy=True), at_ns)
            self._apply([AckOutbox(shard=SHARD, upto=int(rows["outbox_seq"][-1]))], end_s)
        results: Mapping[int, Sequence[OutcomeResult]] = by_market_no(
            self.trader.results(state), self._prices()
        )
        return Outcome(
            books=audit(self.markets.bets(), self.ledger.slips(), results),
            reserved_refusals=self._reserved_refusals,
            ledger_zero=sums_to_zero(self.ledger.totals()),
            market_hash=self.markets.state_hash(),
            ledger_hash=self.ledger.state_hash(),
        )

    def _steps(self) -> list[tuple[int, int]]:
        """Return the steps of play, from second to second; every goal and whistle begins one."""
        whistles = {EventKind.KICK_OFF, EventKind.GOAL, EventKind.HALF_TIME, EventKind.FULL_TIME}
        cuts = [
            event.played_s
            for event in self.match.events()
            if event.kind in whistles and event.played_s <= self.match.regular_s
        ]
        regular = range(0, self.match.regular_s, self.play.step_s)
        times = sorted(dict.fromkeys([*cuts, *regular]))
        return list(pairwise(times))

    def _shares(self, steps: int) -> Iterator[int]:
        """Yield the number of bets in each step; they are spread evenly over the steps."""
        total = self.play.bets
        return (total * (n + 1) // steps - total * n // steps for n in range(steps))

    # --- bets ------------------------------------------------------------------------------------

    def _bet(
        self, count: int, board: Board, before_goal: Board | None, *, goal: bool, played_s: int
    ) -> None:
        """Let the crowd bet: chasers on the board before a goal, the others on the current one."""
        rates = self._bet_rates.copy()
        rates[Profile.CHASER] *= CHASE_FACTOR if goal else 1.0
        counts = self._rng.multinomial(count, rates / rates.sum()).tolist()
        parts, accounts = [], []
        for profile, wanted in zip(Profile, counts, strict=True):
            late = before_goal if profile is Profile.CHASER else None
            seen = board if late is None else late
            orders = draw_orders(profile, seen, count=wanted, rng=self._rng)
            parts.append(orders)
            at = self._rng.integers(0, max(len(self._accounts[profile]), 1), len(orders.outcome))
            accounts.append(self._accounts[profile][at])
        self._place(join_orders(parts), np.concatenate(accounts), self._at_ns(played_s))

    def _place(self, orders: Orders, accounts: npt.NDArray[np.uint32], at_ns: Nanos) -> None:
        """Reserve the stakes, decide the bets, and keep the verdicts for the next exchange."""
        reservations = self._reservations(orders, accounts)
        answers = self.ledger.exchange(self._verdicts, reservations, at_ns)
        booked = answers["reason"] == 0
        reasons, counts = np.unique(answers["reason"][~booked], return_counts=True)
        for reason, count in zip(reasons.tolist(), counts.tolist(), strict=True):
            self._reserved_refusals[reason] = self._reserved_refusals.get(reason, 0) + count
        reserved, answers = reservations[booked], answers[booked]
        bets = np.zeros(len(answers), BET)
        for field in ("bet_id", "rate_micro"):
            bets[field] = answers[field]
        for field in ("stake_minor", "account_no", "market_no", "odds_milli", "outcome", "policy"):
            bets[field] = reserved[field]
        self._verdicts = self.markets.place(bets, at_ns)

    def _reservations(self, orders: Orders, accounts: npt.NDArray[np.uint32]) -> Rows:
        rows = np.zeros(len(accounts), RESERVATION)
        numbers = np.arange(self._refs, self._refs + len(rows))[:, np.newaxis]
        self._refs += len(rows)
        digits = (numbers // _TENS % 10 + ord("0")).astype(np.uint8)
        rows["ref"][:, 0] = digits.view("<u8")[:, 0]
        rows["account_no"] = accounts
        rows["market_no"] = orders.market_no
        rows["outcome"] = orders.outcome
        rows["stake_minor"] = orders.stake_minor
        rows["odds_milli"] = orders.odds_milli
        rows["policy"] = orders.policy
        return rows

    # --- machines --------------------------------------------------------------------------------

    def _prices(self) -> list[PriceImage]:
        return [self.markets.price_image(no) for no in self.markets.market_nos()]

    def _apply(self, commands: Iterable[MarketCommand], played_s: int) -> None:
        for command in commands:
            event = self.markets.apply(command, self._at_ns(played_s))
            assert not isinstance(event, Refused), (command, event)

    def _at_ns(self, played_s: int) -> Nanos:
        return Nanos(self._kick_off_ns + played_s * 1_000_000_000)


def _bet_rates(bettors: Sequence[Bettor]) -> npt.NDArray[np.float64]:
    """Return the bets per second of all bettors of each profile together."""
    rates = np.zeros(len(Profile))
    for bettor in bettors:
        behaviour = BEHAVIOURS[bettor.profile]
        rates[bettor.profile] += (1 + behaviour.bets_max) / 2 / behaviour.think_s
    return rates


def play_match(match: MatchTimeline, play: Play) -> Outcome:
    """Simulate a match: open the markets, bet until full time, settle, and audit."""
    return Headless(match, play).run()
