"""The demo's terminal: the match, its odds, its book and its bettors.

Owns how a `Scene` looks, in a terminal (rich) and as plain lines where there is none. Never asks
anybody for anything: whoever runs the match fills the scene.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gateway.demo.figures import money, odds_text
from gateway.demo.scene import ExposureLine, LogLine, MarketLine, Scene, score_text

MOVE_SHOWN_S: Final = 4.0
"""How long an arrow stays beside odds that moved."""
TALL_LINES: Final = 36
"""Lines a terminal needs to show many events below the markets."""
WIDE_COLUMNS: Final = 110
"""Columns it needs to show every figure."""
PLAIN_EVERY_MIN: Final = 5
"""Match minutes between two status lines of the plain view."""
_HEAD_LINES: Final = 5
"""Lines of the head, to which one is added where matches are beside the main one."""
_PULSE_LINES: Final = 9
"""Lines of the bets' panel, to which one is added where there are slips."""
_RESULT_LINES: Final = 7
_FRAME_LINES: Final = 3
"""Lines of the markets' panel that hold no market: its border and the head of its table."""
_SPARKS: Final = " ▁▂▃▄▅▆▇█"
_STATUS_STYLES: Final = {
    "active": "green",
    "suspended": "yellow",
    "closed": "blue",
    "settled": "cyan",
    "down": "bold white on red",
}
_LOG_STYLES: Final = {"goal": "bold yellow", "kill": "bold red", "back": "bold green"}


class View(Protocol):
    """Where a scene is shown."""

    def show(self, scene: Scene) -> None:
        """Show the scene."""
        ...

    def log(self, line: LogLine) -> None:
        """Show an event that is in the scene's log already."""
        ...

    def close(self) -> None:
        """Restore the terminal."""
        ...


# --- the terminal --------------------------------------------------------------------------------


def render(scene: Scene, *, lines: int = 42, columns: int = 120) -> RenderableType:
    """Return the whole screen; a small one has fewer events and fewer columns."""
    tall = lines >= TALL_LINES
    events = 10 if tall else 5
    wide = columns >= WIDE_COLUMNS
    head = _HEAD_LINES + bool(scene.beside)
    rows = lines - head - _RESULT_LINES - events - _FRAME_LINES
    screen = Layout()
    screen.split_column(
        Layout(_head(scene), name="head", size=head),
        Layout(name="body"),
        Layout(_log(scene, events=events - 2), name="log", size=events),
    )
    screen["body"].split_row(Layout(name="book", ratio=3), Layout(name="bets", ratio=2))
    screen["book"].split_column(
        Layout(_result(scene, wide=wide, exposed=not tall), name="result", size=_RESULT_LINES),
        Layout(_markets(scene, wide=wide, rows=rows), name="markets"),
    )
    pulse = _PULSE_LINES + bool(scene.slips.accepted)
    bets = [Layout(_pulse(scene), name="pulse", size=pulse)]
    if tall:
        off_grid = scene.exposure is not None and scene.exposure.off_grid_minor != 0
        bets.append(Layout(_exposure(scene), name="exposure", size=6 if off_grid else 5))
    screen["bets"].split_column(*bets, Layout(_answers(scene), name="answers"))
    return screen


def _head(scene: Scene) -> RenderableType:
    score = Text(justify="center")
    score.append(f"{scene.home}  ", "bold white")
    score.append(f" {scene.score[0]} - {scene.score[1]} ", "bold black on bright_yellow")
    score.append(f"  {scene.away}", "bold white")
    clock = Text(justify="center")
    clock.append(f"{scene.clock}  ", "bold bright_yellow")
    clock.append(scene.phase, "dim")
    bar = ProgressBar(total=1.0, completed=scene.share, complete_style="bright_yellow")
    beside = Text("   ".join(line.text() for line in scene.beside), "dim", justify="center")
    beside.no_wrap, beside.overflow = True, "ellipsis"
    return Panel(
        Group(score, clock, *([beside] if scene.beside else []), bar),
        title=f"[b]Overround[/b]  {scene.fixture}",
        subtitle=f"[dim]{scene.speed:g} match minutes a minute[/dim]",
        border_style="bright_yellow",
    )


def _result(scene: Scene, *, wide: bool, exposed: bool) -> RenderableType:
    """Return the 1x2 market, with the exposure below it where that has no panel of its own."""
    table = Table(expand=True, box=None, padding=(0, 1), header_style="dim")
    table.add_column("outcome")
    table.add_column("odds", justify="right")
    table.add_column("", width=1)
    table.add_column("if it wins, the house" if wide else "the house", justify="right")
    if wide:
        table.add_column("    gains │ pays", min_width=21, no_wrap=True)
    limit = max([scene.result_limit_minor // 4, *(abs(o.liability_minor) for o in scene.result)])
    for outcome in scene.result:
        fresh = scene.now_s - outcome.moved_at_s < MOVE_SHOWN_S and outcome.move
        arrow = Text(" ")
        if fresh:
            up = outcome.move > 0
            arrow = Text("▲" if up else "▼", "bright_green" if up else "bright_red")
        odds = odds_text(outcome.odds_milli) if outcome.active else "-"
        liability = outcome.liability_minor
        style = "bright_red" if liability > 0 else "bright_green"
        verb = "pays" if liability > 0 else "gains"
        cells = [
            Text(outcome.name, "bold"),
            Text(odds, "bold bright_white" if fresh else "white"),
            arrow,
            Text(f"{verb} {money(abs(liability), cents=False)}", style),
        ]
        table.add_row(*cells, *([_two_sided(liability, limit)] if wide else []))
    status = scene.markets[0].status if scene.markets else "inactive"
    title = Text.assemble("1x2  ", (f" {status} ", _STATUS_STYLES.get(status, "dim")))
    below = [_exposure_line(scene.exposure)] if exposed and scene.exposure is not None else []
    return Panel(Group(table, *below), title=title, title_align="left", border_style="dim")


def _exposure_line(exposure: ExposureLine) -> Text:
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    line.append(money(exposure.worst_minor, cents=False), _money_style(exposure.worst_minor))
    line.append(f" at {score_text(exposure.worst)} to ", "dim")
    line.append(money(exposure.best_minor, cents=False), _money_style(exposure.best_minor))
    line.append(f" at {score_text(exposure.best)}", "dim")
    if exposure.expected_minor is not None:
        line.append(f", exp. {money(exposure.expected_minor, cents=False)}")
    return line


def _exposure(scene: Scene) -> RenderableType:
    """Return the panel of the fixture's exposure."""
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(style="dim")
    table.add_column(style="dim")
    table.add_column(justify="right")
    exposure = scene.exposure
    if exposure is not None:
        for name, score, amount_minor in (
            ("worst", f"if it ends {score_text(exposure.worst)}", exposure.worst_minor),
            ("best", f"if it ends {score_text(exposure.best)}", exposure.best_minor),
            ("expected", "", exposure.expected_minor),
            ("off the score", "at worst", exposure.off_grid_minor or None),
        ):
            if amount_minor is not None:
                amount = Text(money(amount_minor, cents=False), _money_style(amount_minor))
                table.add_row(name, score, amount)
    return Panel(
        table, title=f"exposure  [dim]{scene.currency}[/dim]",
        title_align="left", border_style="dim",
    )  # fmt: skip


def _money_style(amount_minor: int) -> str:
    return "bright_red" if amount_minor < 0 else "bright_green"


def _two_sided(amount: int, limit: int) -> Text:
    """Draw an amount as a bar to the right of the middle, a negative one to the left."""
    half = 10
    cells = min(half, round(half * abs(amount) / limit)) if limit else 0
    cells = max(cells, 1 if amount else 0)
    left = "█" * cells if amount < 0 else ""
    right = "█" * cells if amount > 0 else ""
    return Text.assemble(
        (left.rjust(half), "green"), ("│", "dim"), (right.ljust(half), "red"), no_wrap=True
    )


def _markets(scene: Scene, *, wide: bool, rows: int) -> RenderableType:
    """Return as many markets as fit, and the others in one row."""
    table = Table(expand=True, box=None, padding=(0, 1), header_style="dim")
    table.add_column("market", no_wrap=True)
    table.add_column("state")
    table.add_column("bets", justify="right")
    table.add_column("worst", justify="right", no_wrap=True)
    if wide:
        table.add_column("staked", justify="right")
        table.add_column("process", justify="right")
    shown = _most_watched(scene.markets, rows)
    for line in shown:
        process = Text(str(line.pid) if line.pid else "-", "dim")
        if line.processes > 1:
            process.append(f" #{line.processes}", "bold bright_green")
        cells: list[RenderableType] = [
            line.name,
            Text(line.status, _STATUS_STYLES.get(line.status, "dim")),
            f"{line.bets:,}",
            Text(money(-line.worst_minor, cents=False), _money_style(-line.worst_minor)),
        ]
        if wide:
            cells += [money(line.stake_minor, cents=False), process]
        table.add_row(*cells)
    if len(shown) < len(scene.markets):
        table.add_row(*_others(scene.markets, shown)[: 6 if wide else 4])
    return Panel(
        table, title=f"markets  [dim]{scene.currency}[/dim]",
        title_align="left", border_style="dim",
    )  # fmt: skip


def _most_watched(markets: Sequence[MarketLine], rows: int) -> list[MarketLine]:
    """Return the markets that fit: those that are down first, then by largest liability."""
    if len(markets) <= rows:
        return list(markets)
    ranked = sorted(
        range(len(markets)), key=lambda n: (markets[n].status != "down", -markets[n].worst_minor)
    )
    return [markets[n] for n in sorted(ranked[: max(rows - 1, 1)])]


def _others(markets: Sequence[MarketLine], shown: Sequence[MarketLine]) -> list[RenderableType]:
    """Return one row that sums up the markets that are not shown."""
    hidden = [line for line in markets if not any(line is one for one in shown)]
    active = sum(line.status == "active" for line in hidden)
    worst_minor = max(line.worst_minor for line in hidden)
    return [
        Text(f"{len(hidden)} more", "dim"),
        Text(f"{active} active", "dim"),
        f"{sum(line.bets for line in hidden):,}",
        Text(money(-worst_minor, cents=False), _money_style(-worst_minor)),
        money(sum(line.stake_minor for line in hidden), cents=False),
        "",
    ]


def sparkline(values: Iterable[float], *, width: int) -> str:
    """Return the last values as a line of blocks, scaled to the highest."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return ""
    return "".join(_SPARKS[max(1 if v > 0 else 0, round(8 * v / top))] for v in shown)


def _pulse(scene: Scene) -> RenderableType:
    rate = scene.rates[-1] if scene.rates else 0.0
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_row("bettors", f"{scene.bettors}")
    table.add_row("answered", Text(f"{scene.answered:,}", "bold"))
    table.add_row("in flight", f"{scene.in_flight}")
    for name, ms in (("p50", scene.ack_p50_ms), ("p99", scene.ack_p99_ms)):
        table.add_row(f"acknowledged, {name}", Text(f"{ms:.1f} ms", "bold bright_cyan"))
    table.add_row(Text(f"{rate:.0f} bets a second", "bold bright_green"), "")
    slips = [Text(scene.slips.text(), no_wrap=True)] if scene.slips.accepted else []
    spark = Text(sparkline(scene.rates, width=44), "bright_green", no_wrap=True)
    return Panel(Group(table, *slips, spark), title="bets", title_align="left", border_style="dim")


def _answers(scene: Scene) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(justify="right", min_width=5)
    table.add_column(width=12)
    top = max(scene.answers.values(), default=1)
    ranked = sorted(scene.answers.items(), key=lambda item: (item[0] != "accepted", -item[1]))
    for what, count in ranked:
        style = "green" if what == "accepted" else "yellow"
        bar = Text("█" * max(1, round(12 * count / top)), style)
        table.add_row(Text(what, style), f"{count:,}", bar)
    return Panel(table, title="answers", title_align="left", border_style="dim")


def _log(scene: Scene, *, events: int) -> RenderableType:
    lines = Table.grid(padding=(0, 1))
    lines.add_column(style="dim", justify="right", min_width=12, no_wrap=True)
    lines.add_column(overflow="ellipsis", no_wrap=True)
    for line in list(scene.log)[-events:]:
        lines.add_row(line.clock, Text(line.text, _LOG_STYLES.get(line.kind, "")))
    subtitle = f"[bold black on green] {scene.recovery} [/]" if scene.recovery else None
    if scene.outage:
        subtitle = f"[bold white on red] {scene.outage} [/]"
    return Panel(
        lines,
        title="events", title_align="left", subtitle=subtitle, border_style="dim",
    )  # fmt: skip


class TerminalView:
    """The whole terminal, redrawn on demand and restored at the end."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, screen=True, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, scene: Scene) -> None:
        """Redraw."""
        size = self._live.console.size
        screen = render(scene, lines=size.height, columns=size.width)
        self._live.update(screen, refresh=True)

    def log(self, line: LogLine) -> None:
        """Do nothing: the next drawing shows the event."""

    def close(self) -> None:
        """Restore the terminal."""
        self._live.stop()


class PlainView:
    """Lines, for logs and pipes: every event, and the state of play every few match minutes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_minute = -PLAIN_EVERY_MIN

    def show(self, scene: Scene) -> None:
        """Print a status line when enough of the match has passed."""
        if scene.minute - self._shown_minute < PLAIN_EVERY_MIN or not scene.answered:
            return
        self._shown_minute = scene.minute
        self._print(scene.clock, status_line(scene))

    def log(self, line: LogLine) -> None:
        """Print the event."""
        self._print(line.clock, line.text)

    def close(self) -> None:
        """Do nothing: what is printed stays."""

    def _print(self, clock: str, text: str) -> None:
        self._console.print(f"{clock:>12}  {text}", markup=False, highlight=False, soft_wrap=True)


def status_line(scene: Scene) -> str:
    """Return the scene in one line."""
    odds = " / ".join(odds_text(line.odds_milli) if line.active else "-" for line in scene.result)
    books = " / ".join(money(line.liability_minor, cents=False) for line in scene.result)
    rate = scene.rates[-1] if scene.rates else 0.0
    exposed = "" if scene.exposure is None else f"exposure {scene.exposure.text()} | "
    return (
        f"{scene.home} {scene.score[0]}-{scene.score[1]} {scene.away} | 1x2 {odds} | "
        f"liability {books} {scene.currency} | {exposed}{scene.answered:,} bets, {rate:.0f}/s | "
        f"p50 {scene.ack_p50_ms:.1f} ms, p99 {scene.ack_p99_ms:.1f} ms | {_answers_line(scene)}"
        + (f" | {scene.slips.text()}" if scene.slips.accepted else "")
    )


def _answers_line(scene: Scene) -> str:
    accepted = scene.answers.get("accepted", 0)
    return f"{accepted:,} accepted, {scene.answered - accepted:,} refused"


def make_view(console: Console, *, plain: bool) -> View:
    """Return the live view on a terminal, unless plain lines are asked for."""
    return PlainView(console) if plain or not console.is_terminal else TerminalView(console)
