"""Risk: the house's largest exposures by outcome, fixture, competition or account, and what if.

Owns the table, how it is grouped, and the what-if on an outcome. Accounts are the shards' answer.
"""

from heapq import nlargest
from typing import Any, Final

from nicegui import ui

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.units import base_minor
from gateway.client import GatewayError
from gateway.console.lines import DECIDED, FixtureView, Line
from gateway.console.pages.frame import Screen, Table
from gateway.console.pages.parts import (
    Text,
    expected_text,
    figures,
    key_buttons,
    money_text,
    outcome_text,
    tone,
    worst_text,
)
from gateway.messages.exposed_accounts import EXPOSED_MAX, ExposedAccounts

REFRESH_S: Final = 1.0
ACCOUNTS_S: Final = 2.0
ROWS_MAX: Final = 300
"""Rows shown, the worst first; sums are of all."""
_MONEY: Final[dict[str, Any]] = {
    ":valueFormatter": "Overround.money",
    "cellClass": "num",
    "headerClass": "num",
    "cellClassRules": {"neg": "x < 0"},
    "width": 120,
}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "What", "field": "what", "flex": 3, "minWidth": 200, "cellClass": "strong",
     "filter": True},
    {"headerName": "Of", "field": "of", "flex": 2, "minWidth": 140, "cellClass": "dim",
     "filter": True},
    {"headerName": "Worst", "field": "worst", "sort": "asc", **_MONEY, "width": 130,
     "headerTooltip": "of an outcome: what the house keeps if it wins; of an account: if all win"},
    {"headerName": "Share of house", "field": "share", ":valueFormatter": "Overround.percent",
     "cellClass": "num", "headerClass": "num", "width": 130},
    {"headerName": "Stake", "field": "stake", **_MONEY},
    {"headerName": "Expected", "field": "expected", **_MONEY,
     ":valueFormatter": "Overround.known",
     "headerTooltip": "a question mark: of some of its markets the odds tell no chances"},
    {"headerName": "Bets", "field": "bets", ":valueFormatter": "Overround.count",
     "cellClass": "num", "headerClass": "num", "width": 90},
    {"headerName": "Limit", "field": "used", ":valueFormatter": "Overround.percent",
     "cellClass": "num", "headerClass": "num", "width": 90, "cellClassRules": {"warn": "x > 750"}},
)  # fmt: skip
_ACCOUNT: Final = "account "
_WHY_CHARS: Final = 60
_FIGURES: Final = ("worst of all markets", "expected", "stake", "what if", "then", "accounts")
_BUTTONS: Final = (
    ("outcomes", "o", False),
    ("fixtures", "f", False),
    ("competitions", "m", False),
    ("accounts", "a", False),
    ("what if it wins", "w", False),
)


def risk(screen: Screen) -> None:
    """Build the page."""
    RiskPage(screen)


class RiskPage:
    """One screen of the house's exposures."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._by = "o"
        self._assumed: tuple[int, int] | None = None
        self._accounts = ExposedAccounts()
        with ui.element("div").classes("strip"):
            Text("h1", "Risk")
            self._labels = figures(_FIGURES)
        key_buttons(_BUTTONS)
        with ui.element("div").classes("fill"):
            self._table = Table(screen, "risk", COLUMNS, tooltipShowDelay=300)
        screen.on_key = self._on_key
        self._refresh()
        ui.timer(REFRESH_S, self._refresh)
        ui.timer(ACCOUNTS_S, self._ask_accounts)

    async def _ask_accounts(self) -> None:
        """Ask for the accounts while they are shown; without an answer the last ones stay."""
        if self._by != "a":
            return
        try:
            self._accounts = await self._screen.user.session.exposed_accounts(limit=EXPOSED_MAX)
        except GatewayError as error:
            self._labels["accounts"].text = str(error)[:_WHY_CHARS]
            return
        found = self._accounts
        missing = f", without {', '.join(found.missing)}"[:_WHY_CHARS] if found.missing else ""
        most = money_text(_all_win(found))
        self._labels["accounts"].text = f"{found.open:,} with open bets: {most} if all win{missing}"
        self._refresh()

    async def _on_key(self, key: str, row: str, _: str) -> None:
        if key in ("o", "f", "m", "a"):
            self._by = key
            self._refresh()
            await self._ask_accounts()
            return
        if key == "Enter" and row.startswith(_ACCOUNT):
            ui.navigate.to(f"/account/{row.removeprefix(_ACCOUNT)}")
            return
        found = self._screen.model.outcome_of(row)
        if key == "w" and found is not None:
            self._assumed = (found[0].number, found[1])
            self._refresh()
        elif key == "Enter":
            fixture = row.removeprefix("f ") if found is None else found[0].fixture
            if fixture in self._screen.model.fixtures:
                ui.navigate.to(f"/fixture/{fixture}")

    def _refresh(self) -> None:
        model = self._screen.model
        views = [view for view in model.fixtures.values() if view.running]
        worst = sum(view.worst_minor for view in views)
        if self._by == "a":
            rows, whole = account_rows(self._accounts), _all_win(self._accounts)
        else:
            rows = _outcomes(views) if self._by == "o" else _groups(views, self._by)
            whole = worst
        for row in rows:
            row["share"] = round(1_000 * row["worst"] / whole) if whole < 0 else None
        rows.sort(key=lambda row: int(row["worst"]))
        self._table.show(rows[:ROWS_MAX])
        unread = sum(view.unread for view in views)
        self._labels["worst of all markets"].text = worst_text(worst, unread=unread)
        self._labels["worst of all markets"].classes(replace=tone(worst))
        known = sum(view.known_minor for view in views)
        self._labels["expected"].text = expected_text(
            known,
            of=sum(view.running for view in views),
            unknown=sum(view.unknown for view in views),
        )
        self._labels["expected"].classes(replace=tone(known))
        self._figure("stake", sum(view.running_stake_minor for view in views))
        self._show_assumed(worst)

    def _figure(self, name: str, minor: int) -> None:
        self._labels[name].text = money_text(minor)
        self._labels[name].classes(replace=tone(minor))

    def _show_assumed(self, worst: int) -> None:
        """Show the worst case of the house where one outcome is known to win."""
        if self._assumed is None:
            self._labels["what if"].text = "w on an outcome"
            return
        number, outcome = self._assumed
        line = self._screen.model.lines.get(number)
        if line is None or line.book is None or outcome >= len(line.book.liability_minor):
            return
        self._labels["what if"].text = f"{line.name} {line.image.outcomes[outcome]}"
        self._figure("then", worst - line.worst_minor - line.book.liability_minor[outcome])


def _outcomes(views: list[FixtureView]) -> list[dict[str, Any]]:
    """Return the rows of the outcomes that may cost most."""
    dear = (
        (liability, line.number, number, line, view.name)
        for view in views
        for line in view.lines.values()
        if line.worst_minor < 0 and line.book is not None and line.image.status not in DECIDED
        for number, liability in enumerate(line.book.liability_minor)
        if liability > 0
    )
    return [_outcome(line, number, name) for _, _, number, line, name in nlargest(ROWS_MAX, dear)]


def _outcome(line: Line, number: int, fixture: str) -> dict[str, Any]:
    book = line.book
    assert book is not None, "lines without a book are left out"
    limit, liability = book.limits.outcome_liability_minor_max, book.liability_minor[number]
    return {
        "id": f"{line.number}-{number}",
        "what": f"{line.name} {outcome_text(line.image.outcomes[number])}",
        "of": fixture,
        "worst": -liability,
        "stake": book.stake_minor[number] if book.stake_minor else None,
        "expected": line.expected_minor,
        "unknown": False,
        "bets": line.bets,
        "used": round(1_000 * liability / limit) if limit else None,
    }


def _groups(views: list[FixtureView], by: str) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for view in views:
        about = view.about
        competition = "" if about is None else about.competition_name or about.competition
        name = view.id if by == "f" else competition or "no competition"
        what = view.name if by == "f" else name
        row = rows.setdefault(
            f"{by} {name}",
            {"id": f"{by} {name}", "what": what, "of": competition if by == "f" else "",
             "worst": 0, "stake": 0, "expected": None, "unknown": False, "bets": 0, "used": None},
        )  # fmt: skip
        row["worst"] += view.worst_minor
        row["stake"] += view.running_stake_minor
        if view.expected_minor is not None:
            row["expected"] = (row["expected"] or 0) + view.expected_minor
        row["unknown"] |= view.unknown > 0
        row["bets"] += view.running_bets
    return list(rows.values())


def account_rows(found: ExposedAccounts) -> list[dict[str, Any]]:
    """Return the rows of accounts; amounts are in base currency, as those of all other rows."""
    return [
        {
            "id": f"{_ACCOUNT}{one.account}",
            "what": f"account {one.account}",
            "of": ", ".join(
                text
                for text, holds in (
                    (one.currency, True),
                    (f"factor {one.factor_milli / 1_000:g}", one.factor_milli != FACTOR_MILLI_ONE),
                    ("\u2298 blocked", one.blocked),
                )
                if holds
            ),
            "worst": -one.at_risk_minor,
            "stake": base_minor(one.staked_minor, one.rate_micro),
            "expected": None,
            "unknown": False,
            "bets": None,
            "used": None
            if not one.open_payout_bound_minor
            else round(1_000 * one.open_payout_minor / one.open_payout_bound_minor),
        }
        for one in found.accounts
    ]


def _all_win(found: ExposedAccounts) -> int:
    return found.staked_minor - found.open_payout_minor
