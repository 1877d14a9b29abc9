"""What the demo shows: the match, its odds, its book and its bettors, and those beside it.

Owns the figures of one moment. Never asks anybody for anything: whoever runs the match fills them
in. How they look is the view's.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway.demo.figures import money

RATES_KEPT: Final = 60
"""Seconds of betting that the sparkline shows."""
LOG_KEPT: Final = 200


@dataclass
class OutcomeLine:
    """One outcome of the 1x2 market."""

    name: str
    odds_milli: int = 0
    active: bool = False
    liability_minor: int = 0
    move: int = 0
    moved_at_s: float = -1e9

    def quote(self, *, odds_milli: int, active: bool, now_s: float) -> None:
        """Take new odds and keep the direction in which they moved."""
        if self.odds_milli and odds_milli != self.odds_milli:
            self.move = 1 if odds_milli > self.odds_milli else -1
            self.moved_at_s = now_s
        self.odds_milli, self.active = odds_milli, active


@dataclass
class MarketLine:
    """One market: its state, its bets and its largest liability."""

    name: str
    status: str = "inactive"
    bets: int = 0
    stake_minor: int = 0
    worst_minor: int = 0
    pid: int = 0
    processes: int = 1


@dataclass
class ExposureLine:
    """Profit and loss of the fixture's open bets at the worst and the best final score."""

    worst: tuple[int, int]
    worst_minor: int
    best: tuple[int, int]
    best_minor: int
    expected_minor: int | None = None
    off_grid_minor: int = 0
    """Largest further loss on markets that the score does not settle."""

    def text(self) -> str:
        """Return the figures in one line."""
        parts = [
            f"worst {money(self.worst_minor, cents=False)} at {score_text(self.worst)}",
            f"best {money(self.best_minor, cents=False)} at {score_text(self.best)}",
        ]
        if self.expected_minor is not None:
            parts.append(f"expected {money(self.expected_minor, cents=False)}")
        if self.off_grid_minor:
            parts.append(
                f"markets off the score {money(self.off_grid_minor, cents=False)} at worst"
            )
        return ", ".join(parts)


@dataclass
class BesideLine:
    """A match beside the main one; `clock` is its minute, or that it is over."""

    home: str
    away: str
    score: tuple[int, int]
    clock: str

    def text(self) -> str:
        """Return the match in one line."""
        return f"{self.home} {self.score[0]}-{self.score[1]} {self.away} {self.clock}"


@dataclass
class SlipsLine:
    """The accepted slips of several legs, what was staked on them and what was paid so far."""

    accepted: int = 0
    staked_minor: int = 0
    paid_minor: int = 0

    def text(self) -> str:
        """Return the figures in one line."""
        staked, paid = money(self.staked_minor, cents=False), money(self.paid_minor, cents=False)
        return f"{self.accepted:,} slips, {staked} staked, {paid} paid"


@dataclass
class LogLine:
    """An event, with the match clock at that time."""

    clock: str
    text: str
    kind: str = ""


@dataclass
class Scene:
    """Everything that is shown; money in minor units of the book's currency."""

    fixture: str
    home: str
    away: str
    currency: str
    speed: float
    score: tuple[int, int] = (0, 0)
    clock: str = "00:00"
    minute: int = 0
    phase: str = "starting"
    share: float = 0.0
    now_s: float = 0.0
    result: list[OutcomeLine] = field(default_factory=list)
    result_limit_minor: int = 0
    markets: list[MarketLine] = field(default_factory=list)
    beside: list[BesideLine] = field(default_factory=list)
    exposure: ExposureLine | None = None
    slips: SlipsLine = field(default_factory=SlipsLine)
    bettors: int = 0
    answered: int = 0
    in_flight: int = 0
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=RATES_KEPT))
    answers: dict[str, int] = field(default_factory=dict)
    ack_p50_ms: float = 0.0
    ack_p99_ms: float = 0.0
    outage: str = ""
    """Which market is down; empty when none is."""
    recovery: str = ""
    """Which market was down, and for how long."""
    log: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LOG_KEPT))


def score_text(goals: tuple[int, int]) -> str:
    """Return a final score as exposures name it, ``2:1``."""
    return f"{goals[0]}:{goals[1]}"
