"""A story: what happens in one simulated world and when, as plain values.

Owns the steps, the operations of clients and traders and the faults, and their readable text. A
story is complete: a world that plays it draws no random number, so a step can be left out and the
others stay as they were. Never runs a step; `world` does.
"""

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.commands import FeedUpdate, MarketCommand
from engine.common.house import StartHouse, StopHouse
from gateway.messages.trader import TraderCommand


class Step(Struct, frozen=True, kw_only=True):
    """One thing that happens at a time, in milliseconds since the beginning."""

    at_ms: float


class PlaceBet(Step, frozen=True, tag=True):
    """A bettor sends a bet through a gateway; the same ref again is a second sending."""

    account: int
    ref: str
    market: int
    outcome: int
    stake: int
    odds: int
    policy: str = "none"
    gateway: int = 0


class SlipLeg(Struct, frozen=True):
    """One selection of a slip; legs of one position are alternatives."""

    market: int
    outcome: int
    odds: int
    position: int


class SlipStake(Struct, frozen=True):
    """One bet of a slip: the stake on each line, and which lines there are."""

    stake: int
    positions: tuple[int, ...]
    sizes: tuple[int, ...]
    bankers: tuple[int, ...] = ()


class PlaceSlip(Step, frozen=True, tag=True):
    """A bettor sends a slip of several legs; the same ref again is a second sending.

    `over` is what the policy is over: each leg's odds ("legs") or what the slip pays ("combined").
    """

    account: int
    ref: str
    legs: tuple[SlipLeg, ...]
    bets: tuple[SlipStake, ...]
    policy: str = "none"
    over: str = "legs"
    gateway: int = 0
    offer: int = 0
    free_bet: int = 0


class AskSlip(Step, frozen=True, tag=True):
    """A bettor asks for the status of a ref."""

    account: int
    ref: str
    gateway: int = 0


class AskMoney(Step, frozen=True, tag=True):
    """A bettor asks for the balance."""

    account: int
    gateway: int = 0


class DropClient(Step, frozen=True, tag=True):
    """A bettor's connection ends; answers on their way are lost."""

    account: int
    gateway: int = 0


class Command(Step, frozen=True, tag=True):
    """A trader's command to a market, through a gateway."""

    command: TraderCommand
    gateway: int = 0


class StopTogether(Step, frozen=True, tag=True):
    """A person stops a market, or all (0), by `suspend` of a scope, or takes that off again.

    With `force` a head trader takes everybody's off.
    """

    who: int
    market: int = 0
    starts: bool = False
    force: bool = False
    gateway: int = 0


class DecideReferral(Step, frozen=True, tag=True):
    """A trader asks what waits for one and decides one of those bets.

    `pick` chooses the bet, by its place in the list; `stake_milli` and `odds_milli` are what an
    offer is, in thousandths of what the bettor asked for.
    """

    how: str
    pick: int
    stake_milli: int = 1_000
    odds_milli: int = 1_000
    window_ms: int = 30_000
    gateway: int = 0


class FeedMessage(Step, frozen=True, tag=True):
    """A feed's message to a market, sent until the shell has answered it."""

    update: FeedUpdate


class MoveMoney(Step, frozen=True, tag=True):
    """A deposit to an account, or with a negative amount a withdrawal."""

    account: int
    ref: str
    amount: int


class ChangeAccount(Step, frozen=True, tag=True):
    """The house blocks an account or ends that, or sets its factor."""

    change: BlockAccount | SetAccountFactor


class ChangeHouse(Step, frozen=True, tag=True):
    """Someone stops the whole house, or takes bets again; every account shard is told."""

    change: StopHouse | StartHouse


class Kill(Step, frozen=True, tag=True):
    """A process ends between two calls; with a `power_loss` seed, its disk loses unsynced data."""

    part: str
    power_loss: int = 0


class KillInWrite(Step, frozen=True, tag=True):
    """A shell's process ends in its so-manieth write from now on, after `torn` bytes of it."""

    part: str
    write: int = 1
    torn: int = 0


class Freeze(Step, frozen=True, tag=True):
    """A process stands still, and goes on as if nothing had been."""

    part: str
    for_ms: float


class FillDisk(Step, frozen=True, tag=True):
    """A shell's disk has no room left for a while."""

    part: str
    for_ms: float


class FailDisk(Step, frozen=True, tag=True):
    """One call of a shell's disk fails."""

    part: str
    kind: str


class DisturbCalls(Step, frozen=True, tag=True):
    """The next calls of a part's method are lost, answered in vain, doubled or delayed."""

    part: str
    method: str
    kind: str
    count: int = 1
    after_ms: float = 0.0


class MoveClock(Step, frozen=True, tag=True):
    """A shell's wall clock jumps."""

    part: str
    by_ms: int


OPERATIONS = (
    PlaceBet, PlaceSlip, AskSlip, AskMoney, DropClient, Command, FeedMessage, MoveMoney,
    ChangeAccount, ChangeHouse, DecideReferral, StopTogether,
)  # fmt: skip
"""What clients, traders and feeds do; every other step is a fault."""
AnyStep = (
    PlaceBet
    | PlaceSlip
    | AskSlip
    | AskMoney
    | DropClient
    | Command
    | DecideReferral
    | StopTogether
    | FeedMessage
    | MoveMoney
    | ChangeAccount
    | ChangeHouse
    | Kill
    | KillInWrite
    | Freeze
    | FillDisk
    | FailDisk
    | DisturbCalls
    | MoveClock
)


_DOUBLE_CHANCES = ("home_or_draw", "home_or_away", "draw_or_away")


class Layout(Struct, frozen=True, kw_only=True):
    """What a world consists of."""

    gateways: int = 2
    shards: int = 2
    markets: int = 4
    markets_per_shell: int = 2
    markets_a_fixture: int = 1
    """Markets that share a fixture: two of them in one line exclude one another."""
    accounts: int = 8
    balance: int = 30_000
    stake_max: int = 2_000
    payout_max: int = 20_000
    fixture_liability_max: int = 0
    """The limit of each fixture, which counts its markets together by score; 0 for none."""
    combination_max: int = 0
    """What open slips with the same selections can pay together, 0 for no bound."""
    second_key: str = "1x2?part=1"
    """The second market of a fixture: this one is settled by no score, a double chance by one."""
    outcome_liability_max: int = 25_000
    market_liability_max: int = 20_000
    odds: tuple[int, ...] = (2_000, 3_400, 4_200)
    jitter: bool = True
    road: bool = False
    """Whether calls of the road's methods go over its connections."""

    @property
    def shells(self) -> int:
        """Market shells."""
        return -(-self.markets // self.markets_per_shell)

    def fixture_of(self, market: int) -> int:
        return (market - 1) // self.markets_a_fixture

    def key_of(self, market: int) -> str:
        """Return a market's key; there are two of a fixture at most."""
        second = (market - 1) % self.markets_a_fixture
        return f"cup-{self.fixture_of(market)}/{self.second_key if second else '1x2'}"

    def outcomes_of(self, market: int) -> tuple[str, ...]:
        """Return the names of a market's outcomes."""
        names = {"1x2": ("home", "draw", "away"), "double_chance": _DOUBLE_CHANCES}
        others = tuple(f"outcome {i}" for i in range(len(self.odds)))
        return names.get(self.key_of(market).partition("/")[2], others)


class Story(Struct, frozen=True, kw_only=True):
    """A world and its steps, in the order of their times."""

    layout: Layout = Layout()
    steps: tuple[AnyStep, ...] = ()

    def with_steps(self, steps: Sequence[AnyStep]) -> "Story":
        return replace(self, steps=tuple(steps))

    @property
    def operations(self) -> int:
        return sum(isinstance(step, OPERATIONS) for step in self.steps)

    @property
    def faults(self) -> int:
        return len(self.steps) - self.operations

    def source(self) -> str:
        """Return the story as the Python expression that a test evaluates."""
        return re.sub(r"<(\w+\.\w+): -?\d+>", r"\1", repr(self))

    def text(self) -> str:
        """Return the story for a reader, one step on a line."""
        return "\n".join(f"{step.at_ms:9.1f} ms  {sentence(step)}" for step in self.steps)


def sentence(step: AnyStep) -> str:
    """Return a step as a sentence."""
    match step:
        case PlaceBet():
            text = (
                f"account {step.account} bets {step.stake} on outcome {step.outcome} of market "
                f"{step.market} at {step.odds / 1000:.3f} ({step.policy}), ref {step.ref}, "
                f"through gateway-{step.gateway}"
            )
        case PlaceSlip():
            text = _slip(step)
        case AskSlip():
            text = f"account {step.account} asks gateway-{step.gateway} for {step.ref}"
        case AskMoney():
            text = f"account {step.account} asks gateway-{step.gateway} for its balance"
        case DropClient():
            text = f"account {step.account} loses its connection to gateway-{step.gateway}"
        case Command():
            text = f"a trader, through gateway-{step.gateway}: {_command(step.command)}"
        case StopTogether():
            verb = "lifts all stops of" if step.force else "starts" if step.starts else "stops"
            what = f"market {step.market}" if step.market else "all markets"
            text = f"person {step.who} {verb} {what} through gateway-{step.gateway}"
        case DecideReferral():
            text = (
                f"a trader, through gateway-{step.gateway}, would {step.how} bet {step.pick} of "
                f"those that wait: {step.stake_milli} and {step.odds_milli} thousandths of stake "
                f"and odds, for {step.window_ms} ms"
            )
        case FeedMessage():
            steps = ", ".join(map(_command, step.update.steps))
            text = f"a feed, position {step.update.position}: {steps}"
        case MoveMoney():
            verb = "receives" if step.amount > 0 else "is paid out"
            text = f"account {step.account} {verb} {abs(step.amount)}, ref {step.ref}"
        case ChangeAccount() | ChangeHouse():
            text = f"the house: {step.change}"
        case _:
            text = _fault(step)
    return text


def _slip(step: PlaceSlip) -> str:
    legs = ", ".join(
        f"{leg.position}: outcome {leg.outcome} of market {leg.market} at {leg.odds / 1000:.3f}"
        for leg in step.legs
    )
    bets = " and ".join(
        f"{bet.stake} on each {'/'.join(map(str, bet.sizes))} of {bet.positions}"
        + (f" with bankers {bet.bankers}" if bet.bankers else "")
        for bet in step.bets
    )
    return (
        f"account {step.account} bets {bets} over ({legs}) ({step.policy} over {step.over}"
        + (f", offer {step.offer}" if step.offer else "")
        + (f", free bet {step.free_bet}" if step.free_bet else "")
        + f"), ref {step.ref}, through gateway-{step.gateway}"
    )


def _command(command: MarketCommand) -> str:
    fields = {
        name: value
        for name, value in asdict(command).items()
        if name not in ("market_no", "why") and value not in (None, ())
    }
    given = f" {fields}" if fields else ""
    return f"{type(command).__name__} of market {getattr(command, 'market_no', '-')}{given}"


def _fault(step: Any) -> str:
    match step:
        case Kill():
            how = " by a power loss" if step.power_loss else ""
            return f"{step.part} is killed{how}"
        case KillInWrite():
            return f"{step.part} is killed in write {step.write}, after {step.torn} bytes"
        case Freeze():
            return f"{step.part} stands still for {step.for_ms:.0f} ms"
        case FillDisk():
            return f"the disk of {step.part} is full for {step.for_ms:.0f} ms"
        case FailDisk():
            return f"the disk of {step.part} fails a {step.kind}"
        case DisturbCalls():
            after = f", by {step.after_ms:.1f} ms" if step.after_ms else ""
            calls = "call" if step.count == 1 else f"{step.count} calls"
            return f"{step.kind} ({calls}{after}): {step.part}.{step.method}"
        case MoveClock():
            return f"the clock of {step.part} jumps by {step.by_ms} ms"
    raise AssertionError(step)
