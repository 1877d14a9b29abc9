"""Simulate a whole match in one process: trader, crowd, markets and ledger.

Owns the order of events of a simulated match and of those beside it. Markets and ledger are the
engine's own machines; time is the match's, so a seed gives the same bets, books and state hashes
everywhere. Never uses Ray, sockets or a disk.
"""

from collections.abc import Iterable, Iterator, Sequence
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
from engine.common.ids import AccountNo, MarketNo, ShardNo
from engine.common.rows import DECISION, SETTLEMENT, Rows
from engine.common.units import Minor, Nanos
from engine.common.views import PriceImage
from engine.ledger.ledger import LedgerMachine
from engine.market.market import MarketMachine
from simulations.audit import Audit, audit, sums_to_zero
from simulations.crowd import (
    BEHAVIOURS,
    SLIP_PROFILES,
    SLIPS_SHARE,
    Bettor,
    Board,
    Profile,
    crowd,
    draw_orders,
)
from simulations.crowd_slips import draw_slip
from simulations.headless_bets import BETS_MAX, Batch
from simulations.programme import BESIDE_MAX, Fixture, programme
from simulations.slip_figures import SlipFigures, slip_figures
from simulations.timeline import EventKind, MatchTimeline
from simulations.trader import CATALOGUE, SUSPENDED_S, MatchTrader, by_market_no

CURRENCY: Final = "EUR"
STEP_S_MAX: Final = 600
OUTBOX_ROWS: Final = 65_536
CHARGE_ROWS: Final = 65_536
CHASE_FACTOR: Final = 5.0
"""Factor on the chasers' share of the bets in the step after a goal."""
SHARD: Final = ShardNo(0)

Random = np.random.Generator


class Play(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a match is simulated: `bets` over the whole match, new odds every `step_s` seconds.

    `beside` other matches are played at the same time; `slips` is the share of the bettors that
    place slips of several legs, and a slip is one of the `bets`.
    """

    seed: int = 0
    bettors: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    bets: Annotated[int, Meta(ge=0, le=BETS_MAX)] = 20_000
    step_s: Annotated[int, Meta(ge=1, le=STEP_S_MAX)] = 30
    markets: Annotated[int, Meta(ge=1, le=len(CATALOGUE))] = len(CATALOGUE)
    bankroll_factor: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 1.0
    beside: Annotated[int, Meta(ge=0, le=BESIDE_MAX)] = BESIDE_MAX
    slips: Annotated[float, Meta(ge=0.0, le=1.0)] = SLIPS_SHARE


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of a simulated match.

    `reserved_refusals` counts by reason the bets that the account refused; no market received them.
    `charges_left` counts the charges of legs that differ from what their markets know.
    """

    books: Audit
    slips: SlipFigures
    reserved_refusals: dict[int, int]
    ledger_zero: bool
    charges_left: int
    market_hash: str
    ledger_hash: str

    @property
    def sound(self) -> bool:
        """Whether the ledger sums to zero, the audit agrees and markets charge what slips say."""
        return self.ledger_zero and not self.books.differences and not self.charges_left


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
        self.fixtures: Final = programme(match, markets=play.markets, beside=play.beside)
        self.traders: Final = tuple(MatchTrader(one.match, one.keys) for one in self.fixtures)
        self._rng: Final = np.random.default_rng(play.seed)
        self._kick_off_ns = int(match.kick_off.timestamp()) * 1_000_000_000
        self._verdicts: Rows = np.zeros(0, DECISION)
        self._first_nos: list[int] = []
        self._refs = 0
        self._reserved_refusals: dict[int, int] = {}
        self._bettors = crowd(play.bettors, rng=self._rng, slips=play.slips)
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
        before_goal: Board | None = None
        suspended_until_s = [-1] * len(self.fixtures)
        steps = self._steps()
        for (begin_s, end_s), count in zip(steps, self._shares(len(steps)), strict=True):
            scored = [_scores(fixture, begin_s, end_s) for fixture in self.fixtures]
            goal = any(scored)
            if goal:
                before_goal = Board(self._prices())
            for number, scores in enumerate(scored):
                if scores:
                    prices = self._prices_of(number)
                    self._apply(self.traders[number].suspend(prices, why="goal"), begin_s)
                    suspended_until_s[number] = begin_s + SUSPENDED_S
                self._move(number, begin_s, end_s, suspended=begin_s < suspended_until_s[number])
            self._bet(count, Board(self._prices()), before_goal, goal=goal, played_s=begin_s)
            before_goal = before_goal if begin_s < max(suspended_until_s) else None
        return self._close()

    def _move(self, number: int, begin_s: int, end_s: int, *, suspended: bool) -> None:
        """Reprice a fixture for a step, or settle it once its play is over."""
        fixture, trader = self.fixtures[number], self.traders[number]
        prices = self._prices_of(number)
        if number and fixture.is_over(begin_s):
            state = fixture.match.regular_state_at(fixture.match.regular_s)
            self._apply(trader.settle(state, prices), begin_s)
            self._carry_settlements(begin_s)
            return
        state = fixture.match.regular_state_at(fixture.played_s(end_s) - 1)
        self._apply(trader.reprice(state, prices, resume=not suspended), begin_s)

    def _open(self) -> None:
        first_no = 1
        for fixture, trader in zip(self.fixtures, self.traders, strict=True):
            self._first_nos.append(first_no)
            state = fixture.match.regular_state_at(fixture.ahead_s or -1)
            factor = fixture.liability_factor
            self._apply(trader.create(state, first_market_no=first_no, liability_factor=factor), 0)
            self._apply(trader.open(self._prices()), 0)
            first_no += len(fixture.keys)
        accounts: list[LedgerCommand] = [SetRate(currency=CURRENCY)]
        for bettor in self._bettors:
            amount = Minor(max(1, int(bettor.bankroll_minor * self.play.bankroll_factor)))
            no = AccountNo(bettor.account_no)
            accounts.append(OpenAccount(account_no=no, currency=CURRENCY))
            accounts.append(Deposit(account_no=no, amount_minor=amount, ref="bankroll"))
        for command in accounts:
            event = self.ledger.apply(command, self._at_ns(0))
            assert not isinstance(event, Refused), event

    def _close(self) -> Outcome:
        """Settle every market, apply each settlement to the ledger, and audit."""
        end_s = self.match.regular_s
        self._exchange(Batch(), self._at_ns(end_s))
        results: dict[int, Sequence[OutcomeResult]] = {}
        for number, (fixture, trader) in enumerate(zip(self.fixtures, self.traders, strict=True)):
            state = fixture.match.regular_state_at(fixture.match.regular_s)
            self._apply(trader.settle(state, self._prices_of(number)), end_s)
            results |= by_market_no(trader.results(state), self._prices_of(number))
        self._carry_settlements(end_s)
        slips = self.ledger.slips()
        return Outcome(
            books=audit(
                self.markets.bets(), slips, results, slip_bets={SHARD: self.ledger.slip_bets()}
            ),
            slips=slip_figures(slips),
            reserved_refusals=self._reserved_refusals,
            ledger_zero=sums_to_zero(self.ledger.totals()),
            charges_left=sum(map(len, self._charges())),
            market_hash=self.markets.state_hash(),
            ledger_hash=self.ledger.state_hash(),
        )

    def _steps(self) -> list[tuple[int, int]]:
        """Return the steps of play, from second to second; every goal and whistle begins one."""
        whistles = {EventKind.KICK_OFF, EventKind.GOAL, EventKind.HALF_TIME, EventKind.FULL_TIME}
        cuts = [
            event.played_s - fixture.ahead_s
            for fixture in self.fixtures
            for event in fixture.match.events()
            if event.kind in whistles and event.played_s <= fixture.match.regular_s
        ]
        end_s = self.match.regular_s
        times = sorted({*range(0, end_s, self.play.step_s), *(s for s in cuts if 0 <= s <= end_s)})
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
        batch = Batch(first_ref=self._refs)
        for profile, wanted in zip(Profile, counts, strict=True):
            late = before_goal if profile is Profile.CHASER else None
            seen = board if late is None else late
            placed = self._add_slips(batch, profile, seen, wanted)
            orders = draw_orders(profile, seen, count=wanted - placed, rng=self._rng)
            at = self._rng.integers(0, max(len(self._accounts[profile]), 1), len(orders.outcome))
            batch.add_orders(orders, self._accounts[profile][at])
        self._refs = batch.next_ref
        self._exchange(batch, self._at_ns(played_s))

    def _add_slips(self, batch: Batch, profile: Profile, board: Board, count: int) -> int:
        """Add slips to a batch; return how many: none where the board has too few events."""
        if profile not in SLIP_PROFILES or not count:
            return 0
        drawn = (draw_slip(profile, board, rng=self._rng) for _ in range(count))
        slips = [slip for slip in drawn if slip is not None]
        accounts = self._rng.choice(self._accounts[profile], len(slips)).tolist()
        for slip, account_no in zip(slips, accounts, strict=True):
            batch.add_slip(slip, account_no)
        return len(slips)

    def _exchange(self, batch: Batch, at_ns: Nanos) -> None:
        """Reserve the stakes, decide the bets, and keep the verdicts for the next exchange."""
        reservations, slip_bets = batch.rows()
        answers = self.ledger.exchange(self._verdicts, reservations, at_ns, slip_bets)
        for reason, count in batch.refusals(answers).items():
            self._reserved_refusals[reason] = self._reserved_refusals.get(reason, 0) + count
        self._verdicts = self.markets.place(batch.bets(answers), at_ns)
        self._carry_charges(at_ns)

    def _carry_charges(self, at_ns: Nanos) -> None:
        """Tell the markets what slips charge their legs from now on."""
        for rows in self._charges():
            self.markets.charge(rows, at_ns)
            self.ledger.charged(rows)

    def _charges(self) -> Iterator[Rows]:
        """Yield the charges that markets must be told, page by page."""
        page = self.ledger.charges(limit=CHARGE_ROWS)
        yield page.rows
        while page.next_after:
            page = self.ledger.charges(after_bet_id=page.next_after, limit=CHARGE_ROWS)
            yield page.rows

    def _carry_settlements(self, played_s: int) -> None:
        """Apply every settlement to the ledger, then carry the charges that follow."""
        at_ns = self._at_ns(played_s)
        while len(rows := self.markets.outbox(shard=SHARD, limit=OUTBOX_ROWS)):
            self.ledger.settle(rows.astype(SETTLEMENT, copy=True), at_ns)
            self._apply([AckOutbox(shard=SHARD, upto=int(rows["outbox_seq"][-1]))], played_s)
        self._carry_charges(at_ns)

    # --- machines --------------------------------------------------------------------------------

    def _prices(self) -> list[PriceImage]:
        return [self.markets.price_image(no) for no in self.markets.market_nos()]

    def _prices_of(self, number: int) -> list[PriceImage]:
        """Return the prices of a fixture's markets."""
        first_no = self._first_nos[number]
        numbers = range(first_no, first_no + len(self.fixtures[number].keys))
        return [self.markets.price_image(MarketNo(no)) for no in numbers]

    def _apply(self, commands: Iterable[MarketCommand], played_s: int) -> None:
        for command in commands:
            event = self.markets.apply(command, self._at_ns(played_s))
            assert not isinstance(event, Refused), (command, event)

    def _at_ns(self, played_s: int) -> Nanos:
        return Nanos(self._kick_off_ns + played_s * 1_000_000_000)


def _scores(fixture: Fixture, begin_s: int, end_s: int) -> bool:
    """Say whether a goal of a fixture falls in a step, given in seconds of the main match."""
    return any(
        begin_s <= goal.played_s - fixture.ahead_s < end_s for goal in fixture.match.regular_goals
    )


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
