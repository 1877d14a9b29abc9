"""The ticker: bets as they are decided, with flags and filters.

Owns the page, and the row of a bet that other pages show too. Flags are worked out here from what
bets and markets show; they decide nothing.
"""

import time
from typing import Any, Final

from nicegui import ui

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.units import RATE_MICRO_ONE
from gateway.console.pages import referrals
from gateway.console.pages.frame import REFERRALS, REFRESH_S, Screen, Table
from gateway.console.pages.parts import (
    ORDER,
    Text,
    figures,
    key_buttons,
    money_text,
    outcome_text,
)
from gateway.messages.bet_lines import BetLine

SHOWN_MAX: Final = 400
REFERRED_MAX: Final = 5
"""Bets that wait for a trader, those due first, shown above; a page of their own has all."""
HEAD_PX: Final = 40
ROW_PX: Final = 24
LARGE_MINOR: Final = 50_000
"""Stake in base currency from which a bet is flagged as large, unless the screen has another."""
LATE_S: Final = 5.0
"""A bet accepted so shortly before its fixture's main market was suspended is flagged as late."""
_NUM: Final[dict[str, Any]] = {"cellClass": "num", "headerClass": "num"}
_MONEY: Final[dict[str, Any]] = {":valueFormatter": "Overround.cents", **_NUM}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    ORDER,
    {"headerName": "Time", "field": "at", "width": 82, ":valueFormatter": "Overround.clock",
     "cellClass": ["num", "dim"], "headerClass": "num"},
    {"headerName": "Flags", "field": "flags", "width": 160, "cellClass": "warn", "filter": True},
    {"headerName": "State", "field": "state", "width": 100, "filter": True,
     "cellClassRules": {"neg": "x.includes('\u2715')", "pos": "x.includes('\u2713')"}},
    {"headerName": "Account", "field": "account", "width": 82, **_NUM, "filter": True},
    {"headerName": "Fixture", "field": "fixture", "flex": 2, "minWidth": 110, "filter": True},
    {"headerName": "Selection", "field": "what", "flex": 3, "minWidth": 140, "cellClass": "strong",
     "filter": True},
    {"headerName": "Odds", "field": "odds", "width": 76, ":valueFormatter": "Overround.odds",
     **_NUM},
    {"headerName": "Stake", "field": "stake", "width": 88, **_MONEY},
    {"headerName": "Pays", "field": "pays", "width": 96, **_MONEY},
    {"headerName": "Why", "field": "why", "flex": 2, "minWidth": 120, "cellClass": "dim"},
    {"headerName": "Bet", "field": "bet", "width": 150, "cellClass": "dim"},
)  # fmt: skip
_TICKER_KEYS: Final = (
    ("open bet", "Enter", False),
    ("account", "a", False),
    ("fixture", "f", False),
    ("stake from", "m", False),
    ("only account", "n", False),
    ("refused only", "r", False),
    ("pause", "p", False),
    ("referrals", "w", False),
    ("all", "x", False),
)


def ticker(screen: Screen) -> None:
    """Build the ticker."""
    if screen.user.sees_bets:
        TickerPage(screen)
    else:
        text = f"role {screen.user.role} does not see bets of single bettors"
        ui.label(text).classes("note")


class TickerPage:
    """One screen of bets as they are decided."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._seen = -1
        self._paused = False
        self._stake_minor = 0
        self._account: int | None = None
        self._refused = False
        with ui.element("div").classes("strip"):
            Text("h1", "Ticker")
            self._labels = figures(("shown", "accepted", "refused", "stake", "missed", "filter"))
        key_buttons(_TICKER_KEYS)
        self._referred_box = ui.element("div").classes("lane")
        with self._referred_box:
            self._referred = Table(screen, "lane", referrals.COLUMNS, main=False)
        self._referred_box.set_visibility(False)
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "ticker",
                COLUMNS,
                prompts={
                    "m": {"title": "stake from, in base currency"},
                    "n": {"title": "account number"},
                },
            )
        screen.on_key = self._on_key
        ui.timer(REFRESH_S, self._refresh)
        ui.timer(1.0, lambda: screen.alerts.refresh(time.monotonic()))
        ui.timer(referrals.REFRESH_S, self._refresh_referred)

    async def _refresh_referred(self) -> None:
        """Show the bets that wait for a trader, if there are any, those due first."""
        bets, now_s = self._screen.waiting, time.monotonic()
        await bets.refresh(now_s)
        self._referred_box.set_visibility(bool(bets.lines))
        shown = min(len(bets.lines), REFERRED_MAX)
        self._referred_box.style(f"height: {HEAD_PX + ROW_PX * shown}px")
        self._referred.show(
            [
                referrals.referral_row(self._screen, line, left_s=bets.left_s(line, now_s))
                for line in bets.lines[:REFERRED_MAX]
            ]
        )

    def _refresh(self) -> None:
        model = self._screen.model
        if self._paused or self._seen == model.bets_no:
            return
        self._seen = model.bets_no
        rows = []
        for number, line in reversed(model.bets):
            if self._passes(line):
                rows.append(bet_row(self._screen, line, number=number))
                if len(rows) == SHOWN_MAX:
                    break
        self._table.show(rows)
        accepted = [row for row in rows if row["good"]]
        texts = {
            "shown": f"{len(rows):,}",
            "accepted": f"{len(accepted):,}",
            "refused": f"{sum(row['refused'] for row in rows):,}",
            "stake": money_text(sum(row["base"] for row in accepted)),
            "missed": f"{model.bets_missed:,}",
            "filter": self._filter_text(),
        }
        for name, text in texts.items():
            self._labels[name].text = text

    def _passes(self, line: BetLine) -> bool:
        return (
            base_minor(line, line.stake_minor) >= self._stake_minor
            and self._account in (None, line.account)
            and not (self._refused and line.state != "rejected")
        )

    def _filter_text(self) -> str:
        parts = []
        if self._stake_minor:
            parts.append(f"stake from {money_text(self._stake_minor)}")
        if self._account is not None:
            parts.append(f"account {self._account}")
        if self._refused:
            parts.append("refused")
        if self._paused:
            parts.append("PAUSED")
        return ", ".join(parts) or "none"

    async def _on_key(self, key: str, row: str, text: str) -> None:
        number = text.strip()
        if key == "m":
            self._stake_minor = int(number[:12]) * 100 if number.isdigit() else 0
        elif key == "n":
            self._account = int(number[:12]) if number.isascii() and number.isdigit() else None
        elif key == "r":
            self._refused = not self._refused
        elif key == "p":
            self._paused = not self._paused
            self._labels["filter"].text = self._filter_text()
        elif key == "w":
            ui.navigate.to(REFERRALS)
        elif key == "x":
            self._stake_minor, self._account, self._refused = 0, None, False
        else:
            open_row(self._screen, key, row)
            return
        self._seen = -1


def open_row(screen: Screen, key: str, row: str) -> None:
    """Open the bet, the account or the fixture of a row, by its key."""
    parts = row.split("-")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        return
    _, bet, account, market = (int(part[:19]) for part in parts)
    line = screen.model.lines.get(market)
    if key == "Enter" and bet:
        ui.navigate.to(f"/bet/{bet}")
    elif key == "a":
        ui.navigate.to(f"/account/{account}")
    elif key == "f" and line is not None:
        ui.navigate.to(f"/fixture/{line.fixture}")


def base_minor(line: BetLine, minor: int) -> int:
    """Return an amount of a bet in base currency."""
    return minor * line.rate_micro // RATE_MICRO_ONE


def bet_row(screen: Screen, line: BetLine, *, number: int) -> dict[str, Any]:
    """Return a bet's row; its id names the line, the bet, the account and the market.

    Rows with higher numbers stand above.
    """
    market = screen.model.lines.get(line.market)
    good = line.state == "accepted"
    if line.kind == "slip":
        fixture, what = "", f"slip of {line.legs}"
    elif market is None:
        fixture, what = "", f"market {line.market} outcome {line.outcome}"
    else:
        names = market.image.outcomes
        outcome = names[line.outcome] if line.outcome < len(names) else str(line.outcome)
        fixture = screen.model.name_of(market.fixture)
        what = f"{market.name} {outcome_text(outcome)}"
        if line.kind == "leg":
            what = f"leg: {what}"
    sign = "\u2713" if good else "\u29d6" if line.state == "pending" else "\u2715"
    state = f"{sign} {line.state}"
    if line.result != "none":
        state = f"\u2713 {line.result}"
    most = f"most {line.stake_max_minor / 100:,.2f}" if line.state == "rejected" else ""
    return {
        "id": f"{number}-{line.bet_id}-{line.account}-{line.market}",
        "order": number,
        "at": line.at_ns / 1_000_000_000,
        "flags": " ".join(flags_of(screen, line)),
        "state": state,
        "good": good,
        "refused": line.state == "rejected",
        "account": line.account,
        "fixture": fixture,
        "what": what,
        "odds": line.odds_milli or line.odds_seen_milli,
        "stake": line.stake_minor,
        "base": base_minor(line, line.stake_minor),
        "pays": line.paid_minor if line.result != "none" else line.payout_minor,
        "why": line.message or most,
        "bet": str(line.bet_id or line.ref),
    }


def flags_of(screen: Screen, line: BetLine) -> list[str]:
    """Return what a trader is to notice of a bet, each with a sign."""
    flags, model, alerts = [], screen.model, screen.alerts
    if base_minor(line, line.stake_minor) >= LARGE_MINOR:
        flags.append("\u25b2 large")
    if line.stake_max_minor and line.state != "accepted":
        flags.append("\u2191 limit")
    if line.factor_milli < FACTOR_MILLI_ONE or alerts.is_sharp(line.account):
        flags.append("\u25c6 sharp")
    if alerts.has_pattern(line.account):
        flags.append("\u2234 pattern")
    market = model.lines.get(line.market)
    if market is not None and line.state == "accepted":
        at_s = line.at_ns / 1_000_000_000
        marks = model.fixtures[market.fixture].marks
        if any(what == "suspended" and 0 <= at - at_s <= LATE_S for at, what in marks):
            flags.append("\u23f1 late")
    return flags
