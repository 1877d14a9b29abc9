"""Make a story from a seed: what bettors, traders and feeds do, and the faults that meet them.

Owns every random number of a run. The same seed, layout and size give the same story.
"""

import random
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    FeedUpdate,
    LimitsPatch,
    OutcomeResult,
    Quote,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.lifecycle import Status
from tests.simulator.early_steps import EarlySteps
from tests.simulator.processes import BASE_NS
from tests.simulator.slip_steps import SlipSteps
from tests.simulator.steps_beside import StepsBeside
from tests.simulator.story import (
    AnyStep,
    AskMoney,
    AskSlip,
    Command,
    DisturbCalls,
    DropClient,
    FailDisk,
    FeedMessage,
    FillDisk,
    Freeze,
    Kill,
    KillInWrite,
    Layout,
    MoveClock,
    MoveMoney,
    PlaceBet,
    PlaceSlip,
    Story,
)

_BETS_A_MS = (0.04, 0.1, 0.2, 0.4, 1.0)
"""Steps a millisecond of virtual time, in the mean; each story has one of these."""
_FAULT_SHARES = (0.0, 0.02, 0.05, 0.05, 0.12, 0.12)
"""Faults in steps, likewise."""
_FAULT_KINDS = (
    "disturb", "disturb", "disturb", "kill", "kill in write", "freeze", "fill", "fill",
    "fail", "clock", "straggler",
)  # fmt: skip
"""Kinds of faults; a story has a random part of them, so that one kind cannot hide another."""
_AGAIN_SHARES = (0.1, 0.3, 0.5)
"""How often a bet is sent once more."""
_METHODS = {
    "account": (
        "exchange",
        "exchange",
        "exchange",
        "settle",
        "resolve",
        "pending",
        "query",
        "charges",
        "charged",
    ),
    "market": ("place", "place", "place", "control", "outbox", "outbox_shards", "charge"),
}
_DISK_CALLS = ("write", "sync", "allocate", "create", "sync folder", "rename", "remove")
_ROAD_SHARE = 0.5
"""How many stories carry their calls over the road."""
_SLIP_SHARES = (0.0, 0.1, 0.3, 0.6)
"""How many of a story's bets are slips of several legs."""
_FIXTURE_LIMITS = (0, 0, 1_500, 5_000)
"""Limits of fixtures; each story has one of these."""
_COMBINATION_BOUNDS = (0, 0, 3_000, 12_000)
"""Bounds of slips with the same selections, likewise."""
_ENDED_SHARE = 0.8
"""How many stories end with results, and how many of their markets have one then."""
_DELAYS_MS = (0.0, 0.2, 1.0, 3.0, 8.0, 40.0, 200.0, 1_500.0, 4_000.0)
"""After what time a bettor sends a bet again."""


class Generator:
    """One story in the making."""

    def __init__(
        self,
        *,
        seed: int,
        layout: Layout,
        operations: int,
        fault_kinds: Sequence[str] = (),
        fault_share: float | None = None,
        pace: float | None = None,
        slip_share: float | None = None,
        waits: bool | None = None,
    ) -> None:
        self._rng = random.Random(seed)
        self._layout = layout
        self._operations = operations
        self._steps: list[AnyStep] = []
        self._odds = {no: list(layout.odds) for no in range(1, layout.markets + 1)}
        self._windows: dict[int, list[Any]] = {no: [] for no in self._odds}
        self._position = 0
        self._numbers = 0
        self._placed: list[PlaceBet | PlaceSlip] = []
        self._slips = SlipSteps(self._rng, layout, self._odds)
        self._early = EarlySteps(seed, layout)
        self._beside = StepsBeside(seed, layout, waits=waits)
        rng = self._rng
        self._bets_a_ms = rng.choice(_BETS_A_MS if pace is None else (pace,))
        shares = _FAULT_SHARES if fault_share is None else (fault_share,)
        self._fault_share = rng.choice(shares)
        self._again_share = rng.choice(_AGAIN_SHARES)
        self._slip_share = rng.choice(_SLIP_SHARES if slip_share is None else (slip_share,))
        some = rng.sample(_FAULT_KINDS, rng.randint(1, len(_FAULT_KINDS)))
        self._fault_kinds = list(fault_kinds) or some
        self._shells = [f"market-{no:05d}" for no in range(layout.shells)]
        self._shells += [f"account-{no:03d}" for no in range(layout.shards)]
        self._gateways = [f"gateway-{no}" for no in range(layout.gateways)]

    def make(self) -> Story:
        at_ms = 0.0
        operations = 0
        while operations < self._operations:
            at_ms += self._rng.expovariate(self._bets_a_ms)
            if self._rng.random() < self._fault_share:
                self._fault(round(at_ms, 1))
                continue
            before = len(self._steps)
            self._operation(round(at_ms, 1))
            operations += len(self._steps) - before
            if self._slip_share:
                self._lead(round(at_ms, 1))
            self._steps += self._beside.draw(round(at_ms, 1))
        self._end(at_ms)
        steps = sorted(self._steps, key=lambda step: step.at_ms)
        return Story(layout=self._layout, steps=tuple(steps))

    def _end(self, at_ms: float) -> None:
        """Settle most markets, in most stories, so that the bets on them are paid in the end."""
        for market in self._odds if self._rng.random() < _ENDED_SHARE else ():
            if self._rng.random() < _ENDED_SHARE:
                settle = SettleMarket(market_no=market, results=self._results())
                later_ms = round(at_ms + self._rng.uniform(1, 200), 1)
                self._add(Command(at_ms=later_ms, command=settle, gateway=self._any()))

    # --- operations ------------------------------------------------------------------------------

    def _operation(self, at_ms: float) -> None:
        rng = self._rng
        kind = rng.random()
        if kind < 0.80:
            self._bet(at_ms)
        elif kind < 0.83 and self._placed:
            bet = rng.choice(self._placed)
            self._add(AskSlip(at_ms=at_ms, account=bet.account, ref=bet.ref, gateway=self._any()))
        elif kind < 0.84:
            self._add(AskMoney(at_ms=at_ms, account=self._account(), gateway=self._any()))
        elif kind < 0.855:
            self._add(DropClient(at_ms=at_ms, account=self._account(), gateway=self._any()))
        elif kind < 0.865:
            self._numbers += 1
            amount = rng.choice((500, 5_000, -300, -3_000))
            ref = f"m{self._numbers}"
            self._add(MoveMoney(at_ms=at_ms, account=self._account(), ref=ref, amount=amount))
        else:
            self._control(at_ms)

    def _bet(self, at_ms: float) -> None:
        rng = self._rng
        self._numbers += 1
        slip = rng.random() < self._slip_share
        bet = self._slip(at_ms) if slip else self._single(at_ms)
        self._add(bet)
        self._placed.append(bet)
        while rng.random() < self._again_share:  # sent again, here or at another gateway
            later_ms = rng.choice(_DELAYS_MS) * rng.uniform(0.5, 1.5)
            sent = self._changed(bet) if rng.random() < 0.05 else bet
            self._add(replace(sent, at_ms=round(at_ms + later_ms, 1), gateway=self._any()))
        if rng.random() < 0.1:
            asked_ms = round(at_ms + rng.uniform(0, 60), 1)
            gateway = self._any()
            self._add(AskSlip(at_ms=asked_ms, account=bet.account, ref=bet.ref, gateway=gateway))

    def _single(self, at_ms: float) -> PlaceBet:
        rng = self._rng
        market = rng.randint(1, self._layout.markets)
        outcome = rng.randrange(len(self._layout.odds))
        odds = self._odds[market][outcome]
        if rng.random() < 0.15:
            odds = max(1_001, odds + rng.choice((-200, -10, 10, 300)))
        return PlaceBet(
            at_ms=at_ms,
            account=self._account(),
            ref=f"b{self._numbers}",
            market=market,
            outcome=outcome,
            stake=rng.choice((1, 50, 100, 100, 333, 500, 1_000, self._layout.stake_max + 1)),
            odds=odds,
            policy=rng.choice(("none", "higher", "higher", "any")),
            gateway=self._any(),
        )

    def _slip(self, at_ms: float) -> PlaceSlip:
        return self._slips.draw(
            at_ms=at_ms,
            account=self._account(),
            ref=f"s{self._numbers}",
            gateway=self._any(),
        )

    def _changed(self, bet: PlaceBet | PlaceSlip) -> PlaceBet | PlaceSlip:
        """Return what a client sends that uses the ref for something else."""
        if isinstance(bet, PlaceBet):
            return replace(bet, stake=bet.stake + 7)
        if self._rng.random() < 0.2:
            return replace(self._single(bet.at_ms), account=bet.account, ref=bet.ref)
        first = replace(bet.bets[0], stake=bet.bets[0].stake + 7)
        return replace(bet, bets=(first, *bet.bets[1:]))

    def _control(self, at_ms: float) -> None:
        rng = self._rng
        market = rng.randint(1, self._layout.markets)
        kind = rng.random()
        if kind < 0.55:
            command: Any = self._new_odds(market)
        elif kind < 0.63:
            command = SuspendMarket(market_no=market, why=f"s{len(self._steps)}")
        elif kind < 0.78:
            command = ResumeMarket(market_no=market)
        elif kind < 0.79:
            command = CloseMarket(market_no=market)
        elif kind < 0.82:
            most = rng.choice((500, 2_000, 8_000, 20_000))
            limits = LimitsPatch(stake_minor_max=most // 2, market_liability_minor_max=most)
            command = SetLimits(market_no=market, limits=limits)
        else:
            command = self._resolution(market, at_ms)
        if rng.random() < 0.25 and not isinstance(command, SetLimits):
            self._position += 1
            steps = (command,)
            if rng.random() < 0.4:
                steps = (command, SetStatus(market_no=market, status=Status.ACTIVE))
            update = FeedUpdate(
                market_no=market, source="simulated", position=self._position, steps=steps
            )
            self._add(FeedMessage(at_ms=at_ms, update=update))
        else:
            self._add(Command(at_ms=at_ms, command=command, gateway=self._any()))
        if isinstance(command, SuspendMarket | CancelMarket | SettleMarket | RollBackSettlement):
            self._reopen(market, at_ms)

    def _lead(self, at_ms: float) -> None:
        """Now and then say that play has begun or that a side has led."""
        command = self._early.draw(at_ms)
        if command is None:
            return
        if not self._early.from_feed():
            self._add(Command(at_ms=at_ms, command=command, gateway=self._early.gateway()))
            return
        self._position += 1
        update = FeedUpdate(
            market_no=command.market_no,
            source="simulated",
            position=self._position,
            steps=(command,),
        )
        self._add(FeedMessage(at_ms=at_ms, update=update))

    def _new_odds(self, market: int) -> SetOdds:
        outcome = self._rng.randrange(len(self._layout.odds))
        odds = self._rng.choice((1_500, 1_800, 2_000, 2_400, 3_000, 3_600, 4_800, 6_000))
        self._odds[market][outcome] = odds
        active = self._rng.random() < 0.97
        quotes = (Quote(outcome=outcome, odds_milli=odds, active=active),)
        return SetOdds(market_no=market, quotes=quotes)

    def _resolution(self, market: int, at_ms: float) -> Any:
        rng = self._rng
        kind = rng.random()
        if kind < 0.25:
            return SettleMarket(market_no=market, results=self._results())
        if kind < 0.45:
            outcomes = self._some_outcomes()
            found = tuple(self._results()[outcome] for outcome in outcomes)
            return SettleMarket(market_no=market, results=found, outcomes=outcomes)
        outcomes = self._some_outcomes() if rng.random() < 0.5 else UNSET
        if kind < 0.60:
            return RollBackSettlement(market_no=market, outcomes=outcomes)
        if kind < 0.68:
            return CancelMarket(market_no=market)
        if kind < 0.78 and self._windows[market]:
            from_ns, until_ns = rng.choice(self._windows[market])
            return RollBackCancel(
                market_no=market, from_ns=from_ns, until_ns=until_ns, outcomes=outcomes
            )
        if kind < 0.88:
            return RollBackCancel(market_no=market, outcomes=outcomes)
        return self._cancel_bets(market, at_ms, outcomes)

    def _cancel_bets(self, market: int, at_ms: float, outcomes: Any) -> CancelBets:
        """Return a cancellation of a new window, of one again, or of all times; some come late."""
        rng = self._rng
        until_ns = BASE_NS + int((at_ms + rng.choice((-5, 0, 100))) * 1e6)
        from_ns = until_ns - int(rng.choice((5, 50, 500)) * 1e6)
        window = (from_ns, rng.choice((until_ns, None)))
        kind = rng.random()
        if kind < 0.3:
            window = (None, None)
        elif kind < 0.6 and self._windows[market]:
            window = rng.choice(self._windows[market])
        self._windows[market].append(window)
        late_ns = BASE_NS + int((at_ms - rng.choice((0, 5, 50))) * 1e6)
        return CancelBets(
            market_no=market,
            from_ns=window[0],
            until_ns=window[1],
            outcomes=outcomes,
            accepted_before_ns=late_ns if rng.random() < 0.3 else UNSET,
        )

    def _some_outcomes(self) -> tuple[int, ...]:
        """Return some outcomes of a market, or all."""
        count = len(self._layout.odds)
        return tuple(self._rng.sample(range(count), self._rng.randrange(1, count + 1)))

    def _results(self) -> tuple[OutcomeResult, ...]:
        """Return results with one winner, or as of places with any number."""
        rng = self._rng
        winner = rng.randrange(len(self._layout.odds))
        places = rng.random() < 0.4
        results = []
        for outcome in range(len(self._layout.odds)):
            won = rng.random() < 0.7 if places else outcome == winner
            void = rng.choice((0, 0, 0, 0, 1, 2)) if rng.random() < 0.3 else 0
            den = rng.choice((1, 1, 2, 3)) if won else 1
            results.append(OutcomeResult(won=won, void_halves=void, dead_heat_den=den))
        return tuple(results)

    def _reopen(self, market: int, at_ms: float) -> None:
        """Have the market take bets again after a while, from whatever status it then has."""
        later_ms = at_ms + self._rng.choice((2, 20, 150))
        ways = (RollBackCancel, RollBackSettlement, ResumeMarket)
        for number, way in enumerate(ways):
            self._add(
                Command(
                    at_ms=round(later_ms + 4 * number, 1),
                    command=way(market_no=market),
                    gateway=self._any(),
                )
            )

    # --- faults ----------------------------------------------------------------------------------

    def _fault(self, at_ms: float) -> None:
        kind = self._rng.choice(self._fault_kinds)
        if kind == "straggler":
            self._straggler(at_ms)
        else:
            self._add(self._single_fault(kind, at_ms))

    def _straggler(self, at_ms: float) -> None:
        """Have calls arrive long after the gateway that sent them has ended."""
        rng = self._rng
        shell = rng.choice([name for name in self._shells if name.startswith("market")])
        self._add(
            DisturbCalls(
                at_ms=at_ms, part=shell, method="place", kind="delay", count=2, after_ms=4_000.0
            )
        )
        ended_ms = round(at_ms + rng.choice((3, 15, 60)), 1)
        self._add(Kill(at_ms=ended_ms, part=rng.choice(self._gateways)))

    def _single_fault(self, kind: str, at_ms: float) -> AnyStep:
        rng = self._rng
        shell = rng.choice(self._shells)
        any_part = rng.choice((shell, shell, *self._gateways, "reconciler", "supervisor", "feed"))
        match kind:
            case "disturb":
                return self._disturbance(shell, at_ms)
            case "kill":
                power = any_part == shell and rng.random() < 0.5
                loss = rng.randint(1, 1 << 30) if power else 0
                return Kill(at_ms=at_ms, part=any_part, power_loss=loss)
            case "kill in write":
                torn = rng.choice((0, 8, 40, 64, 100, 300))
                return KillInWrite(at_ms=at_ms, part=shell, write=rng.randint(1, 4), torn=torn)
            case "freeze":
                for_ms = rng.choice((5.0, 50.0, 400.0, 1_500.0, 4_000.0))
                return Freeze(at_ms=at_ms, part=any_part, for_ms=for_ms)
            case "fill":
                for_ms = rng.choice((3.0, 20.0, 200.0, 1_000.0, 4_000.0))
                return FillDisk(at_ms=at_ms, part=shell, for_ms=for_ms)
            case "fail":
                return FailDisk(at_ms=at_ms, part=shell, kind=rng.choice(_DISK_CALLS))
        by_ms = rng.choice((-3_600_000, -500, -5, 5, 500, 3_600_000))
        return MoveClock(at_ms=at_ms, part=shell, by_ms=by_ms)

    def _disturbance(self, shell: str, at_ms: float) -> AnyStep:
        rng = self._rng
        method = rng.choice(_METHODS[shell.partition("-")[0]])
        kind = rng.choice(("lose call", "lose answer", "double", "delay"))
        after_ms = rng.choice((0.5, 5.0, 50.0, 500.0, 4_000.0, 4_000.0))
        return DisturbCalls(
            at_ms=at_ms,
            part=shell,
            method=method,
            kind=kind,
            count=rng.choice((1, 1, 2, 8, 30)),
            after_ms=after_ms if kind in ("double", "delay") else 0.0,
        )

    # --- choices ---------------------------------------------------------------------------------

    def _add(self, step: AnyStep) -> None:
        self._steps.append(step)

    def _any(self) -> int:
        return self._rng.randrange(self._layout.gateways)

    def _account(self) -> int:
        return self._rng.randint(1, self._layout.accounts)


def make_story(
    seed: int,
    *,
    operations: int = 400,
    layout: Layout | None = None,
    fault_kinds: Sequence[str] = (),
    fault_share: float | None = None,
    pace: float | None = None,
    slip_share: float | None = None,
    waits: bool | None = None,
) -> Story:
    """Return the story of a seed.

    Parameters
    ----------
    seed : int
        Everything that is random follows from it.
    operations : int
        How many operations the story has, about.
    layout : Layout, optional
        The world; without one the seed chooses it.
    fault_kinds : sequence of str
        The kinds of faults (see `_FAULT_KINDS`); without any the seed chooses some.
    fault_share : float, optional
        Faults in steps; without it the seed chooses.
    pace : float, optional
        Steps a millisecond; without it the seed chooses.
    slip_share : float, optional
        Slips of several legs in bets; without it the seed chooses.
    waits : bool, optional
        Whether markets delay and refer bets; without it the seed chooses.
    """
    if layout is None:
        rng = random.Random(seed ^ 0x1A70)
        layout = Layout(
            gateways=rng.choice((2, 2, 3)),
            shards=rng.choice((1, 2, 2)),
            markets=rng.choice((1, 2, 4, 6)),
            markets_a_fixture=rng.choice((1, 1, 2)),
            market_liability_max=rng.choice((1_000, 4_000, 20_000)),
            road=rng.random() < _ROAD_SHARE,
            fixture_liability_max=rng.choice(_FIXTURE_LIMITS),
            second_key=rng.choice(("1x2?part=1", "double_chance")),
            combination_max=rng.choice(_COMBINATION_BOUNDS),
        )
    generator = Generator(
        seed=seed,
        layout=layout,
        operations=operations,
        fault_kinds=fault_kinds,
        fault_share=fault_share,
        pace=pace,
        slip_share=slip_share,
        waits=waits,
    )
    return generator.make()
