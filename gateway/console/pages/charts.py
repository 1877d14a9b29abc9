"""The charts beside a fixture: profit by score, worst case and expected profit, odds through time.

Owns their options and when they are asked for. ECharts draws them in the browser.
"""

import time
from typing import Any, Final

from nicegui import ui

from gateway.client import GatewayError
from gateway.console.lines import FixtureView
from gateway.console.pages.frame import Screen
from gateway.console.pages.parts import Text, money_text
from gateway.messages.exposure import Exposure

_GRID: Final = {"left": 56, "right": 14, "top": 22, "bottom": 22}
BUSY_S: Final = 2.0
"""Seconds between two questions for the profit by score while bets come in: an answer takes the
book of every market of the fixture, 7 ms of a shell in which it takes no bet."""
SCORES_S: Final = 10.0
"""The same while none does."""
_SIGNS: Final = {"suspended": "\u2016", "resumed": "\u25b6"}
STILL_S: Final = 10.0
"""Seconds after which a chart of odds that stand still is drawn again, up to now."""


class Charts:
    """Three charts, in a column or in two."""

    def __init__(self, screen: Screen, view: FixtureView) -> None:
        self._screen = screen
        self._view = view
        self._market = 0 if view.main is None else view.main.number
        self._asking = False
        self._asked_s = 0.0
        self._books: tuple[int, ...] = ()
        self._points: tuple[int, float] = (-1, 0.0)
        self._drawn: tuple[int, int, int, float] = (0, -1, 0, 0.0)
        self._scores: tuple[object, ...] = ()
        with ui.element("div").classes("side"):
            with ui.element("div"):
                self._score_title = Text("h2", "profit by final score")
                self._score = ui.echart(_heat_options(screen.ink))
            with ui.element("div"):
                Text("h2", "main market: worst (line), expected (dashes)")
                self._profit = ui.echart(_time_options(2, screen.ink))
            with ui.element("div"):
                self._odds_title = Text("h2")
                self._prices = ui.echart(_time_options(0, screen.ink))

    def choose(self, market: int) -> None:
        """Show another market's odds through time."""
        if market != self._market:
            self._market = market
            self._draw_odds()

    async def refresh(self) -> None:
        """Ask for the exposure, and draw what has changed."""
        self._draw_profit()
        self._draw_odds()
        view, now_s = self._view, time.monotonic()
        books = (view.bets, view.turnover_minor, view.running, view.status_count("suspended"))
        if self._asking or now_s - self._asked_s < (SCORES_S if books == self._books else BUSY_S):
            return
        self._books, self._asked_s = books, now_s
        self._asking = True
        exposures = self._screen.model.exposures
        try:
            self._draw_score(await exposures.of(view.id, now_s))
        except GatewayError as error:
            self._score_title.text = f"profit by final score: {error}"[:80]
        finally:
            self._asking = False

    def _draw_score(self, exposure: Exposure) -> None:
        scores = (
            exposure.score_from,
            exposure.profit_minor,
            exposure.worst,
            exposure.off_grid_worst_minor,
        )
        if scores == self._scores:
            return
        self._scores = scores
        home, away = exposure.score_from
        rows = exposure.profit_minor
        cells = [
            [j, i, round(value / 100)] for i, row in enumerate(rows) for j, value in enumerate(row)
        ]
        most = max((abs(cell[2]) for cell in cells), default=1) or 1
        worst = exposure.worst
        beside = exposure.off_grid_worst_minor
        self._score_title.text = (
            f"profit by score (home down), worst {money_text(worst.profit_minor)} at "
            f"{worst.score[0]}:{worst.score[1]}"
            + (f"; markets beside it {money_text(-beside)}" if beside else "")
        )
        options = self._score.options
        options["xAxis"]["data"] = [str(away + j) for j in range(len(rows[0]) if rows else 0)]
        options["yAxis"]["data"] = [str(home + i) for i in range(len(rows))]
        options["visualMap"].update(min=-most, max=most)
        options["series"][0]["data"] = cells
        self._score.update()

    def _draw_profit(self) -> None:
        history = self._view.history
        points = (len(self._view.marks), history[-1][0] if history else 0.0)
        if not history or points == self._points:
            return
        self._points = points
        options = self._profit.options
        for number in (0, 1):
            options["series"][number]["data"] = [
                [round(at_s * 1_000), figures[number] / 100] for at_s, *figures in history
            ]
        options["series"][0]["markLine"] = mark_lines(self._view, self._screen.ink)
        self._profit.update()

    def _draw_odds(self) -> None:
        line = self._view.lines.get(self._market)
        if line is None:
            return
        now_s = time.time()
        state = (line.number, line.changed, len(self._view.marks))
        *before, drawn_s = self._drawn
        if tuple(before) == state and now_s - drawn_s < STILL_S:
            return
        self._drawn = (*state, now_s)
        self._odds_title.text = f"odds: {line.name}"
        options = self._prices.options
        options["legend"] = {
            "right": 8,
            "top": 0,
            "itemHeight": 6,
            "itemWidth": 18,
            "textStyle": {"color": self._screen.ink["text"], "fontSize": 11},
        }
        now_ms = round(now_s * 1_000)
        options["series"] = [
            {
                "name": name,
                "type": "line",
                "step": "end",
                "showSymbol": False,
                "lineStyle": {"width": 1.5, "type": ("solid", "dashed", "dotted")[number % 3]},
                "data": [
                    *(
                        [round(at_s * 1_000), odds[number] / 1_000]
                        for at_s, odds in line.odds_history
                    ),
                    [now_ms, line.image.odds_milli[number] / 1_000],
                ],
            }
            for number, name in enumerate(line.image.outcomes[:8])
        ]
        if options["series"]:
            first_ms = options["series"][0]["data"][0][0]
            options["series"][0]["markLine"] = mark_lines(
                self._view, self._screen.ink, from_ms=first_ms
            )
            options["grid"]["top"] = 40
            options["yAxis"] |= {"type": "log", "logBase": 2, "min": "dataMin"}
        self._prices.update()


def mark_lines(view: FixtureView, ink: dict[str, str], *, from_ms: int = 0) -> dict[str, Any]:
    """Return lines at goals, with the score, and at suspensions and resumptions, by their signs."""
    data = []
    for at_s, what in view.marks:
        at_ms = round(at_s * 1_000)
        if at_ms < from_ms:
            continue
        sign = _SIGNS.get(what)
        style = {"type": "dotted", "width": 1, "opacity": 0.55}
        if sign is None:  # a goal
            style = {"type": "solid", "width": 1.5, "opacity": 1.0}
        data.append(
            {
                "xAxis": at_ms,
                "name": sign or what,
                "lineStyle": {**style, "color": ink["text"]},
                "label": {"fontSize": 9 if sign else 11, "fontWeight": 400 if sign else 700},
            }
        )
    return {
        "symbol": "none",
        "silent": True,
        "label": {"formatter": "{b}", "color": ink["text"]},
        "data": data,
    }


def _heat_options(ink: dict[str, str]) -> dict[str, Any]:
    return {
        "animation": False,
        "textStyle": {"fontSize": 11, "color": ink["text"]},
        "grid": {"left": 30, "right": 10, "top": 8, "bottom": 22},
        "xAxis": {"type": "category", "data": [], "axisLabel": {"color": ink["text"]}},
        "yAxis": {
            "type": "category",
            "data": [],
            "inverse": True,
            "axisLabel": {"color": ink["text"]},
        },
        "visualMap": {
            "show": False,
            "min": -1,
            "max": 1,
            "inRange": {"color": ["#b3261e", "#8f9aa5", "#1d7a3c"]},
        },
        "series": [
            {
                "type": "heatmap",
                "data": [],
                ":label": "{show: true, fontSize: 10.5, color: '#fff',"
                " formatter: (p) => Overround.short(p.value[2])}",
            }
        ],
    }


def _time_options(series: int, ink: dict[str, str]) -> dict[str, Any]:
    return {
        "animation": False,
        "textStyle": {"fontSize": 11, "color": ink["text"]},
        "grid": dict(_GRID),
        "tooltip": {"trigger": "axis", "transitionDuration": 0},
        "color": [ink["one"], ink["two"], "#3fae74", "#c277d8", "#d85c5c", "#7f8c99"],
        "xAxis": {
            "type": "time",
            "axisLabel": {"fontSize": 10, "hideOverlap": True, "color": ink["text"]},
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "axisLabel": {"fontSize": 10, "color": ink["text"]},
            "splitLine": {"lineStyle": {"color": ink["line"]}},
        },
        "series": [
            {
                "type": "line",
                "step": "end",
                "showSymbol": False,
                "lineStyle": {"width": 1.5, "type": ("solid", "dashed")[number]},
                "data": [],
            }
            for number in range(series)
        ],
    }
