"""The demo's view shows the whole scene at any size, and in plain lines without a terminal."""

import io

import pytest
from rich.console import Console

from gateway.demo.figures import money, odds_text
from gateway.demo.scene import (
    BesideLine,
    ExposureLine,
    LogLine,
    MarketLine,
    OutcomeLine,
    Scene,
    SlipsLine,
)
from gateway.demo.view import PlainView, TerminalView, make_view, render, sparkline


def scene() -> Scene:
    made = Scene(
        fixture="World Cup 2022, Final",
        home="Argentina",
        away="France",
        currency="EUR",
        speed=90,
        score=(2, 1),
        clock="79:45",
        minute=79,
        phase="second half",
        share=0.8,
        now_s=100.0,
        result_limit_minor=2_500_000,
        bettors=60,
        answered=5_123,
        in_flight=3,
        answers={"the market is suspended": 211, "accepted": 4_912},
        ack_p50_ms=3.25,
        ack_p99_ms=14.1,
        outage="1x2 is down: 0.7 s",
    )
    made.result = [
        OutcomeLine("Argentina", 1_310, True, -412_345, -1, 99.0),
        OutcomeLine("draw", 4_900, True, 220_000, 1, 99.0),
        OutcomeLine("France", 23_000, False, 0),
    ]
    made.markets = [
        MarketLine("1x2", "down", 900, 900_000, 220_000, 0, 2),
        MarketLine("total 2.5", "closed", 12, 3_400, -3_400, 4_711),
    ]
    made.exposure = ExposureLine((4, 2), -412_300, (2, 2), 300_000, 31_000, -5_000)
    made.rates.extend([0.0, 50.0, 100.0])
    made.beside = [
        BesideLine("Croatia", "Morocco", (2, 1), "full time"),
        BesideLine("Portugal", "Switzerland", (5, 1), "81'"),
    ]
    made.slips = SlipsLine(412, 1_234_500, 98_700)
    made.log.append(LogLine("22:30", "GOAL Argentina 23' (penalty)", "goal"))
    return made


def drawn(made: Scene, *, width=120, height=42) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    with console.capture() as capture:
        console.print(render(made, lines=height, columns=width))
    return capture.get()


def plain_text(made: Scene, **size) -> str:
    console = Console(file=io.StringIO(), width=size.get("width", 120), height=42)
    with console.capture() as capture:
        console.print(render(made))
    return capture.get()


@pytest.mark.parametrize(
    "shown",
    [
        "Argentina   2 - 1   France",
        "79:45",
        "1.31",
        "gains 4,123",
        "pays 2,200",
        "5,123",
        "100 bets a second",
        "the market is suspended",
        "acknowledged, p50",
        "3.2 ms",
        "14.1 ms",
        "4711",
        "#2",
        "GOAL Argentina 23' (penalty)",
        "1x2 is down: 0.7 s",
        "World Cup 2022, Final",
        "Croatia 2-1 Morocco full time",
        "Portugal 5-1 Switzerland 81'",
        "412 slips, 12,345 staked, 987 paid",
        "if it ends 4:2",
        "-4,123",
        "if it ends 2:2",
        "3,000",
        "310",
        "-50",
    ],
)
def test_screen_shows_everything_in_the_scene(shown):
    assert shown in plain_text(scene())


def test_arrows_show_the_direction_of_odds_and_fade():
    made = scene()
    text = plain_text(made)
    assert "▼" in text
    assert "▲" in text
    made.now_s = 200.0
    assert "▲" not in plain_text(made)


def test_outcome_keeps_the_direction_and_time_of_its_last_move():
    line = OutcomeLine("draw")
    line.quote(odds_milli=3_000, active=True, now_s=1.0)
    assert line.move == 0
    line.quote(odds_milli=3_200, active=True, now_s=2.0)
    line.quote(odds_milli=3_200, active=True, now_s=3.0)
    assert (line.move, line.moved_at_s) == (1, 2.0)
    line.quote(odds_milli=2_900, active=False, now_s=4.0)
    assert (line.move, line.active) == (-1, False)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (200, 60), (40, 12)])
def test_screen_of_any_size_can_be_drawn(width, height):
    lines = drawn(scene(), width=width, height=height).splitlines()
    assert len(lines) <= height + 1


def test_small_screen_shows_the_exposure_in_its_own_line():
    console = Console(file=io.StringIO(), width=80, height=24)
    with console.capture() as capture:
        console.print(render(scene(), lines=24, columns=80))
    assert " -4,123 at 4:2 to 3,000 at 2:2, exp. 310 " in capture.get()


def test_markets_without_room_share_one_row_and_the_costliest_are_shown():
    made = scene()
    made.markets = [
        MarketLine(f"line {n}", "active", 10, 1_000, 100 * (n % 7), 1) for n in range(60)
    ]
    made.markets[30] = MarketLine("in trouble", "down", 5, 1_000, 0)
    made.markets[50] = MarketLine("dear", "active", 5, 1_000, 99_900, 1)
    shown = plain_text(made, height=42)
    for text in ("in trouble", "dear", "45 more", "45 active", "450"):
        assert text in shown
    assert shown.index("in trouble") < shown.index("dear") < shown.index("45 more")
    assert "more" not in plain_text(scene())


def test_a_scene_without_slips_and_matches_beside_shows_neither():
    made = scene()
    made.slips, made.beside = SlipsLine(), []
    text = plain_text(made)
    assert "slips" not in text
    assert "Morocco" not in text


def test_empty_scene_can_be_drawn():
    empty = Scene(fixture="f", home="A", away="B", currency="EUR", speed=1)
    assert "0 - 0" in plain_text(empty)


@pytest.mark.parametrize(
    ("amount_minor", "text"),
    [(0, "0.00"), (5, "0.05"), (1_234_567, "12,345.67"), (-250, "-2.50"), (-99, "-0.99")],
)
def test_money_is_written_to_the_cent(amount_minor, text):
    assert money(amount_minor) == text
    assert money(amount_minor, cents=False) == text.rpartition(".")[0]


@pytest.mark.parametrize(
    ("odds_milli", "text"),
    [(1_010, "1.01"), (9_990, "9.99"), (11_500, "11.5"), (240_000, "240"), (1_000_000, "1000")],
)
def test_odds_have_fewer_decimals_as_they_grow(odds_milli, text):
    assert odds_text(odds_milli) == text


def test_sparkline_is_scaled_to_its_highest_value():
    assert sparkline([0, 1, 4, 8], width=10) == " ▁▄█"
    assert sparkline([1, 8, 8], width=2) == "██"
    assert sparkline([0, 0], width=5) == ""
    assert sparkline([], width=5) == ""


def test_without_a_terminal_events_and_status_are_plain_lines():
    out = io.StringIO()
    made, view = scene(), make_view(Console(file=out, width=80), plain=False)
    assert isinstance(view, PlainView)
    view.log(made.log[0])
    view.show(made)
    view.show(made)
    made.minute += 5
    view.show(made)
    view.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "       22:30  GOAL Argentina 23' (penalty)"
    assert len(lines) == 3
    assert "| exposure worst -4,123 at 4:2, best 3,000 at 2:2, expected 310, " in lines[1]
    for shown in ("Argentina 2-1 France", "1.31 / 4.90 / -", "-4,123 / 2,200 / 0 EUR", "p99 14.1"):
        assert shown in lines[1]
    assert lines[1].endswith("211 refused | 412 slips, 12,345 staked, 987 paid")
    assert "\x1b" not in out.getvalue()


def test_terminal_gets_the_live_view_and_is_restored():
    out = io.StringIO()
    view = make_view(Console(file=out, force_terminal=True, width=120, height=40), plain=False)
    assert isinstance(view, TerminalView)
    made = scene()
    view.log(made.log[0])
    view.show(made)
    view.close()
    view.close()
    assert "Argentina" in out.getvalue()
    assert out.getvalue().rstrip().endswith("\x1b[?25h") or "\x1b[?1049l" in out.getvalue()


def test_plain_lines_can_be_requested_in_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True)
    assert isinstance(make_view(console, plain=True), PlainView)
