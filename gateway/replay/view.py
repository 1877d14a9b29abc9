"""The replay's terminal: how far the recording is played, what is traded, and how fast.

Owns how a scene is drawn, live on a terminal or as plain lines. It fetches nothing: the run
fills the scene.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PLAIN_EVERY: Final = 0.1
"""Share of the recording between two plain lines."""


@dataclass
class ReplayScene:
    """The state of a replay."""

    title: str
    messages_total: int
    messages: int = 0
    refused: int = 0
    feed_ms: int | None = None
    elapsed_s: float = 0.0
    markets: int = 0
    active: int = 0
    accepted: int = 0
    declined: int = 0

    @property
    def share(self) -> float:
        """Return the part of the recording that is played."""
        return self.messages / self.messages_total if self.messages_total else 1.0

    @property
    def rate(self) -> float:
        """Return messages a second so far."""
        return self.messages / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def moment(self) -> str:
        """Return the recording's time as text; empty where messages carry none."""
        return "" if self.feed_ms is None else moment(self.feed_ms)


def moment(at_ms: int) -> str:
    """Return a feed's time as people write it, in UTC."""
    try:
        return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{at_ms} ms"


class ReplayView(Protocol):
    """Where a replay is shown."""

    def say(self, line: str) -> None:
        """Show a line that stays."""
        ...

    def show(self, scene: ReplayScene) -> None:
        """Show the scene."""
        ...

    def close(self) -> None:
        """Restore the terminal."""
        ...


class PlainReplay:
    """Lines, one for each tenth of the recording."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0.0

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, scene: ReplayScene) -> None:
        """Print a line when a tenth has been played since the last."""
        if scene.messages == 0 or scene.share < self._shown + PLAIN_EVERY:
            return
        self._shown = scene.share
        self.say("  ".join(_figures(scene)))

    def close(self) -> None:
        """Do nothing: what is printed stays."""


class LiveReplay:
    """A table that is redrawn: a bar and the figures under it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._live.start()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, scene: ReplayScene) -> None:
        """Draw the bar and the figures again."""
        grid = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=1.0, completed=scene.share, width=32)
        grid.add_row(Text(scene.title, style="bold"), bar, Text(f"{scene.share:.0%}"))
        figures = Text("   ".join(_figures(scene)[1:]), style="dim")
        table = Table.grid()
        table.add_row(grid)
        table.add_row(figures)
        self._live.update(table)

    def close(self) -> None:
        """Restore the terminal."""
        self._live.stop()


def make_replay_view(console: Console, *, plain: bool) -> ReplayView:
    """Return the live view on a terminal, unless plain lines are asked for."""
    return PlainReplay(console) if plain or not console.is_terminal else LiveReplay(console)


def _figures(scene: ReplayScene) -> list[str]:
    figures = [f"{scene.share:4.0%}"]
    if scene.moment:
        figures.append(f"{scene.moment} UTC")
    figures += [
        f"{scene.messages:,} messages, {scene.rate:,.0f}/s",
        f"{scene.active} of {scene.markets} markets open",
        f"{scene.accepted:,} bets accepted, {scene.declined:,} not",
    ]
    if scene.refused:
        figures.append(f"{scene.refused:,} messages refused")
    return figures
