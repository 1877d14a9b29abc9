"""One account: its money, what it may do, its bets, and who changed it.

Owns the page and its actions; the account's shard decides and keeps what is set.
"""

import time
from typing import Any, Final

from nicegui import ui

from engine.common.ids import AccountNo
from engine.common.units import Minor
from gateway.client import ControlSession, GatewayError
from gateway.console.pages.forms import FormError, field, read
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.parts import Text, figures, key_buttons, money_text, tone
from gateway.console.pages.ticker import COLUMNS, bet_row, open_row
from gateway.console.undos import Undo, require
from gateway.messages.account_view import AccountInfo, PutFactor

ACCOUNT_S: Final = 2.0
_NUM: Final[dict[str, Any]] = {"cellClass": "num", "headerClass": "num"}


def account_page(screen: Screen, account: str) -> None:
    """Build the page of an account."""
    if not (account.isascii() and account.isdigit() and len(account) <= 12):
        ui.label("no such account").classes("note")
        return
    AccountPage(screen, AccountNo(int(account)))


class AccountPage:
    """One screen of one account."""

    def __init__(self, screen: Screen, account: AccountNo) -> None:
        self._screen = screen
        self._account = account
        self._info: AccountInfo | None = None
        self._asking = False
        with ui.element("div").classes("strip"):
            Text("h1", f"Account {account}")
            self._labels = figures(
                ("state", "factor", "found by rules", "available", "at stake", "pending", "can pay",
                 "bound", "settled",
                 "turnover", "profit of house", "open", "refused")
            )  # fmt: skip
        key_buttons(
            (
                ("block", "b", True),
                ("take bets again", "t", False),
                ("bound of payouts", "m", False),
                ("factor of limits", "e", False),
                ("alerts", "i", False),
                ("open bet", "Enter", False),
                ("fixture", "f", False),
                ("undo", "u", False),
            )
        )
        self._why = Text("div", classes="note")
        self._why.set_visibility(False)
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "account",
                [column for column in COLUMNS if column.get("field") != "account"],
                prompts={
                    "b": {"title": f"block account {account}, because"},
                    "m": {"title": "most that its open bets may pay, base currency; 0: as house"},
                    "e": {"title": f"what markets let one bet of {account}", "fields": FACTOR},
                },
            )
        with ui.element("div").classes("some"):
            self._changes = Table(screen, "changes", CHANGES, main=False)
        screen.on_key = self._on_key
        screen.on_form = self._on_form
        ui.timer(ACCOUNT_S, self._refresh)

    async def _refresh(self) -> None:
        if self._asking:
            return
        self._asking = True
        session_of = self._screen.user
        await self._screen.alerts.refresh(time.monotonic())
        try:
            info = await session_of.session.account(self._account)
            found = await session_of.session.find_bets(account=self._account)
        except GatewayError as error:
            self._why.text = str(error)[:TEXT_MAX]
            self._why.set_visibility(True)
            return
        finally:
            self._asking = False
        self._why.set_visibility(False)
        self._info = info
        self._show(info)
        lines = sorted((*found.unbooked, *found.bets), key=lambda line: line.at_ns)
        self._table.show(
            [bet_row(self._screen, line, number=number) for number, line in enumerate(lines)]
        )
        self._changes.show(
            [
                {
                    "id": str(number),
                    "at": change.at_ns / 1_000_000_000,
                    "what": change.field,
                    "before": change.before,
                    "after": change.after,
                    "by": change.by,
                    "why": change.why,
                }
                for number, change in enumerate(info.changes)
            ]
        )

    def _show(self, info: AccountInfo) -> None:
        bound = info.open_payout_bound_minor
        totals = info.totals
        part = "" if info.complete else " (newest bets)"
        texts = {
            "state": "\u2715 blocked" if info.blocked else "\u25cf takes bets",
            "factor": f"{info.factor_milli / 1_000:g}",
            "found by rules": ", ".join(self._screen.alerts.kinds_of(self._account)),
            "available": money_text(info.available_minor) + f" {info.currency}",
            "at stake": money_text(info.at_stake_minor),
            "pending": money_text(info.pending_minor),
            "can pay": money_text(info.open_payout_minor),
            "bound": "none" if bound is None else money_text(bound),
            "settled": f"{totals.settled:,}{part}",
            "turnover": money_text(totals.turnover_minor) + part,
            "profit of house": money_text(totals.profit_minor) + part,
            "open": f"{totals.open:,}{part}",
            "refused": f"{totals.refused:,}{part}",
        }
        for name, text in texts.items():
            self._labels[name].text = text
        self._labels["state"].classes(replace="neg" if info.blocked else "")
        self._labels["profit of house"].classes(replace=tone(totals.profit_minor))

    async def _on_key(self, key: str, row: str, text: str) -> None:
        screen, account = self._screen, self._account
        session = screen.user.session
        if key == "b":
            undo = Undo(
                f"undo: unblock {account}", lambda: session.block_account(account, blocked=False)
            )
            await screen.act(
                f"block {account}", lambda: session.block_account(account, why=text), undo=undo
            )
        elif key == "t":
            await screen.act(
                f"unblock {account}", lambda: session.block_account(account, blocked=False)
            )
        elif key == "m":
            number = text.strip()
            if not (number.isascii() and number.isdigit()):
                screen.say("a whole amount of the base currency", bad=True)
                return
            bound = Minor(int(number[:15]) * 100)
            await screen.act(
                f"bound of {account}",
                lambda: session.set_account_bound(account, open_payout_minor_max=bound),
            )
        elif key == "i":
            ui.navigate.to("/alerts")
        else:
            open_row(screen, key, row)

    async def _on_form(self, key: str, _row: str, values: dict[str, str]) -> bool:
        """Set the factor of what markets let one bet stake and pay; undo sets the one before."""
        if key != "e" or self._info is None:
            return False
        session, account, before = self._screen.user.session, self._account, self._info.factor_milli
        try:
            put = read(PutFactor, {**values, "account": str(account)})
        except FormError as error:
            self._screen.say(str(error), bad=True)
            return False
        return await self._screen.act(
            f"factor of {account} {put.factor_milli / 1_000:g}",
            lambda: session.set_account_factor(account, factor_milli=put.factor_milli, why=put.why),
            undo=undo_of_factor(session, account, left_milli=put.factor_milli, before_milli=before),
        )


def undo_of_factor(
    session: ControlSession, account: AccountNo, *, left_milli: int, before_milli: int
) -> Undo:
    """Return what sets an account's factor of before, where it is what the action left."""

    async def back() -> Any:
        require((await session.account(account)).factor_milli == left_milli, "the factor has")
        return await session.set_account_factor(account, factor_milli=before_milli, why="undo")

    return Undo(f"undo: factor of {account} {before_milli / 1_000:g}", back)


FACTOR: Final = (
    field("factor_milli", "stakes and pays, thousandths of the limits: 1000 all, 100 a tenth"),
    field("why", "why"),
)
CHANGES: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Changed", "field": "at", "width": 90, ":valueFormatter": "Overround.clock",
     "cellClass": ["num", "dim"], "headerClass": "num"},
    {"headerName": "What", "field": "what", "width": 190, "cellClass": "strong"},
    {"headerName": "Before", "field": "before", "width": 130, **_NUM},
    {"headerName": "After", "field": "after", "width": 130, **_NUM},
    {"headerName": "Who", "field": "by", "width": 160},
    {"headerName": "Why", "field": "why", "flex": 1, "minWidth": 150},
)  # fmt: skip
