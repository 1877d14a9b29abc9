"""A whole match in one process: desk, crowd, markets and ledger, with no Ray, socket or disk.

Owns the order of events of a simulated match. The machines are the very ones that trade; time is
the match's own, so a seed gives the same bets, the same books and the same state hashes anywhere.
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
"""How much busier chasers are in the step in which a goal falls."""
SHARD: Final = ShardNo(0)
_TENS: Final = 10 ** np.arange(7, -1, -1)
"""Powers that write a bet's number as the eight digits of its ref."""

assert BETS_MAX < 10**8

Random = np.random.Generator


class Play(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a match is simulated: `bets` over the whole match, prices moving every `step_s`."""

    seed: int = 0
    bettors: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    bets: Annotated[int, Meta(ge=0, le=BETS_MAX)] = 20_000
    step_s: Annotated[int, Meta(ge=1, le=STEP_S_MAX)] = 30
    markets: Annotated[int, Meta(ge=1, le=len(CATALOGUE))] = len(CATALOGUE)
    bankroll_factor: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 1.0


class Outcome(Struct, frozen=True, kw_only=True):
    """What a simulated match left behind.

    `reserved_refusals` counts by reason the bets that their account refused, which no market saw.
    """

    books: Audit
    reserved_refusals: dict[int, int]
    ledger_zero: bool
    market_hash: str
    ledger_hash: str

    @property
    def sound(self) -> bool:
        """Say whether money adds up and both books agree bet by bet."""
        return self.ledger_zero and not self.books.differences


class Headless:
    """One match being simulated; `run` plays it, the machines may be looked at before and after.

    Parameters
    ----------
    match : MatchTimeline
        What happened.
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
        self._busyness = _busyness(self._bettors)

    # --- the match -------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Play the match from opening to closed books."""
        self._open()
        goals = [goal.played_s for goal in self.match.regular_goals]
        shut_until_s = -1
        stale: Board | None = None
        steps = self._steps()
        for (begin_s, end_s), count in zip(steps, self._shares(len(steps)), strict=True):
            fallen = any(begin_s <= goal_s < end_s for goal_s in goals)
            if fallen:
                stale = Board(self._prices())
                self._obey(self.trader.suspend(self._prices(), why="goal"), begin_s)
                shut_until_s = begin_s + SUSPENDED_S
            state = self.match.regular_state_at(end_s - 1)
            shut = begin_s < shut_until_s
            self._obey(self.trader.reprice(state, self._prices(), resume=not shut), begin_s)
            self._bet(count, Board(self._prices()), stale, fallen=fallen, played_s=begin_s)
            stale = stale if shut else None
        return self._whistle()

    def _open(self) -> None:
        state = self.match.state_at(-1)
        self._obey(self.trader.create(state, first_market_no=1), 0)
        self._obey(self.trader.open(self._prices()), 0)
        accounts: list[LedgerCommand] = [SetRate(currency=CURRENCY)]
        for bettor in self._bettors:
            amount = Minor(max(1, int(bettor.bankroll_minor * self.play.bankroll_factor)))
            no = AccountNo(bettor.account_no)
            accounts.append(OpenAccount(account_no=no, currency=CURRENCY))
            accounts.append(Deposit(account_no=no, amount_minor=amount, ref="bankroll"))
        for command in accounts:
            event = self.ledger.apply(command, self._at_ns(0))
            assert not isinstance(event, Refused), event

    def _whistle(self) -> Outcome:
        """Settle every market, carry each settlement to the ledger, and close the books."""
        end_s = self.match.regular_s
        at_ns = self._at_ns(end_s)
        self.ledger.exchange(self._verdicts, np.zeros(0, RESERVATION), at_ns)
        self._verdicts = np.zeros(0, DECISION)
        state = self.match.regular_state_at(end_s)
        self._obey(self.trader.settle(state, self._prices()), end_s)
        while len(rows := self.markets.outbox(shard=SHARD, limit=OUTBOX_ROWS)):
            self.ledger.settle(rows.astype(SETTLEMENT, copy=True), at_ns)
            self._obey([AckOutbox(shard=SHARD, upto=int(rows["outbox_seq"][-1]))], end_s)
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
        """Cut play into steps at whistles and goals, so that a goal begins a step of its own."""
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
        """Spread the bets evenly over the steps."""
        total = self.play.bets
        return (total * (n + 1) // steps - total * n // steps for n in range(steps))

    # --- bets ------------------------------------------------------------------------------------

    def _bet(
        self, count: int, board: Board, stale: Board | None, *, fallen: bool, played_s: int
    ) -> None:
        """Let the crowd bet: chasers on what they still remember, the others on what they see."""
        busyness = self._busyness.copy()
        busyness[Profile.CHASER] *= CHASE_FACTOR if fallen else 1.0
        counts = self._rng.multinomial(count, busyness / busyness.sum()).tolist()
        parts, accounts = [], []
        for profile, wanted in zip(Profile, counts, strict=True):
            seen = stale if stale is not None and profile is Profile.CHASER else board
            orders = draw_orders(profile, seen, count=wanted, rng=self._rng)
            parts.append(orders)
            at = self._rng.integers(0, max(len(self._accounts[profile]), 1), len(orders.outcome))
            accounts.append(self._accounts[profile][at])
        self._place(join_orders(parts), np.concatenate(accounts), self._at_ns(played_s))

    def _place(self, orders: Orders, accounts: npt.NDArray[np.uint32], at_ns: Nanos) -> None:
        """Reserve, decide, and keep the verdicts for the next exchange, as a gateway does."""
        reservations = self._reservations(orders, accounts)
        answers = self.ledger.exchange(self._verdicts, reservations, at_ns)
        booked = answers["reason"] == 0
        reasons, counts = np.unique(answers["reason"][~booked], return_counts=True)
        for reason, seen in zip(reasons.tolist(), counts.tolist(), strict=True):
            self._reserved_refusals[reason] = self._reserved_refusals.get(reason, 0) + seen
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

    def _obey(self, commands: Iterable[MarketCommand], played_s: int) -> None:
        for command in commands:
            event = self.markets.apply(command, self._at_ns(played_s))
            assert not isinstance(event, Refused), (command, event)

    def _at_ns(self, played_s: int) -> Nanos:
        return Nanos(self._kick_off_ns + played_s * 1_000_000_000)


def _busyness(bettors: Sequence[Bettor]) -> npt.NDArray[np.float64]:
    """Return how many bets a second each habit's bettors place together."""
    rates = np.zeros(len(Profile))
    for bettor in bettors:
        behaviour = BEHAVIOURS[bettor.profile]
        rates[bettor.profile] += (1 + behaviour.bets_max) / 2 / behaviour.think_s
    return rates


def play_match(match: MatchTimeline, play: Play) -> Outcome:
    """Simulate a match from opening to closed books."""
    return Headless(match, play).run()
