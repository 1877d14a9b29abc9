"""Referrals: the bets that wait for a trader, with the time that each has left.

Owns the lane and what its keys do. A bet is decided in its market's own sequence; nobody's decision
refuses it at its time.
"""

import time
from typing import Any, Final

from msgspec import UNSET, UnsetType
from nicegui import ui

from engine.common.acceptance import AcceptReferral, OfferReferral
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import RATE_MICRO_ONE, Minor, OddsMilli, payout_minor
from gateway.console.pages.forms import FormError, field, minor_of
from gateway.console.pages.frame import Screen, Table
from gateway.console.pages.parts import (
    Text,
    figures,
    key_buttons,
    money_text,
    odds_milli_of,
    outcome_text,
)
from gateway.messages.referrals import ReferralLine

REFRESH_S: Final = 0.25
SOON_S: Final = 10.0
"""A bet with less time left is marked."""
_WHY_MAX: Final = 80
_WINDOW_S: Final = 30
_NUM: Final[dict[str, Any]] = {"cellClass": "num", "headerClass": "num"}
_MONEY: Final[dict[str, Any]] = {":valueFormatter": "Overround.cents", **_NUM}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"field": "due", "hide": True, "sort": "asc"},
    {"headerName": "Left", "field": "left", "width": 86, "cellClass": ["num", "strong"],
     "headerClass": "num", "cellClassRules": {"neg": "x.includes('\u26a0')"}},
    {"headerName": "Account", "field": "account", "width": 86, **_NUM},
    {"headerName": "Factor", "field": "factor", "width": 76, **_NUM},
    {"headerName": "Fixture", "field": "fixture", "flex": 2, "minWidth": 110},
    {"headerName": "Selection", "field": "what", "flex": 3, "minWidth": 140, "cellClass": "strong"},
    {"headerName": "Stake", "field": "stake", "width": 96, **_MONEY},
    {"headerName": "Base", "field": "base", "width": 96, **_MONEY},
    {"headerName": "Odds", "field": "odds", "width": 78, ":valueFormatter": "Overround.odds",
     **_NUM},
    {"headerName": "Now", "field": "now", "width": 78, ":valueFormatter": "Overround.odds",
     **_NUM, "cellClassRules": {"neg": "data.now < data.odds"}},
    {"headerName": "Wins", "field": "wins", "width": 104, **_MONEY},
    {"headerName": "Why", "field": "why", "flex": 2, "minWidth": 130, "cellClass": "dim"},
    {"headerName": "Bet", "field": "bet", "width": 150, "cellClass": "dim"},
)  # fmt: skip
_SEEN: Final = field("now", "if the odds now are not below", fill="now_text")
"""Filled as the form opens, with what its trader sees: a goal meanwhile refuses the rest."""
ACCEPT: Final = (field("why", "reason"), _SEEN)
OFFER: Final = (
    field("stake_minor", "stake", fill="stake_text", hint="in the account's currency"),
    field("odds", fill="odds_text"),
    field("seconds", "seconds to take it", value=str(_WINDOW_S)),
    field("why", "reason"),
    _SEEN,
)
_KEYS: Final = (
    ("accept whole", "a", False),
    ("offer other stake or odds", "o", False),
    ("decline", "d", False),
    ("account", "c", False),
    ("fixture", "f", False),
    ("bet", "Enter", False),
)


def referrals(screen: Screen) -> None:
    """Build the page."""
    if screen.user.sees_bets:
        ReferralsPage(screen)
    else:
        text = f"role {screen.user.role} does not see bets of single bettors"
        ui.label(text).classes("note")


class ReferralsPage:
    """One screen of the bets that wait for a trader."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        with ui.element("div").classes("strip"):
            Text("h1", "Referrals")
            self._labels = figures(("waiting", "stake", "next in", "shells without answer"))
        key_buttons(_KEYS)
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "referrals",
                COLUMNS,
                prompts={
                    "a": {"title": "accept whole", "row": True, "fields": ACCEPT},
                    "d": {"title": "decline, reason", "row": True},
                    "o": {"title": "offer instead", "row": True, "fields": OFFER},
                },
            )
        screen.on_key = self._on_key
        screen.on_form = self._on_form
        ui.timer(REFRESH_S, self._refresh)

    async def _refresh(self) -> None:
        bets, now_s = self._screen.waiting, time.monotonic()
        await bets.refresh(now_s)
        rows = [
            referral_row(self._screen, line, left_s=bets.left_s(line, now_s)) for line in bets.lines
        ]
        self._table.show(rows)
        self._labels["waiting"].text = f"{bets.waiting:,}"
        self._labels["stake"].text = money_text(sum(row["base"] for row in rows))
        self._labels["next in"].text = rows[0]["left"] if rows else ""
        self._labels["shells without answer"].text = f"{bets.unanswered:,}"

    async def _on_key(self, key: str, row: str, text: str) -> None:
        line = self._line_of(row)
        if line is None:
            return
        session, why = self._screen.user.session, text[:_WHY_MAX]
        market, bet_id, model = line.market, line.bet_id, self._screen.model
        if key == "d":
            await self._screen.act(
                f"decline bet {bet_id}", lambda: session.decline_referral(market, bet_id, why=why)
            )
        elif key == "c":
            ui.navigate.to(f"/account/{line.account}")
        elif key == "f" and market in model.lines:
            ui.navigate.to(f"/fixture/{model.lines[market].fixture}")
        elif key == "Enter":
            ui.navigate.to(f"/bet/{bet_id}")

    async def _on_form(self, key: str, row: str, values: dict[str, str]) -> bool:
        line = self._line_of(row)
        if key not in ("a", "o") or line is None:
            return False
        command: AcceptReferral | OfferReferral
        try:
            command = accepted_of(line, values) if key == "a" else offer_of(line, values)
        except FormError as error:
            self._screen.say(str(error), bad=True)
            return False
        session, what = self._screen.user.session, "accept" if key == "a" else "offer on"
        return await self._screen.act(
            f"{what} bet {line.bet_id}", lambda: session.control([command])
        )

    def _line_of(self, row: str) -> ReferralLine | None:
        return next((one for one in self._screen.waiting.lines if str(one.bet_id) == row), None)


def accepted_of(line: ReferralLine, values: dict[str, str]) -> AcceptReferral:
    """Return the acceptance that a form states, of one bet; a FormError names a field."""
    return AcceptReferral(
        market_no=line.market,
        bet_id=line.bet_id,
        why=values.get("why", "")[:_WHY_MAX],
        now_milli=_seen_of(values),
    )


def _seen_of(values: dict[str, str]) -> OddsMilli | UnsetType:
    """Return the odds below which nothing is to be done; without, those that a bet gets."""
    text = values.get("now", "")
    now_milli = odds_milli_of(text) if text else None
    if text and now_milli is None:
        raise FormError("odds now: 1.001 to 10000, or none")
    return UNSET if now_milli is None else OddsMilli(now_milli)


def offer_of(line: ReferralLine, values: dict[str, str]) -> OfferReferral:
    """Return the offer that a form states, on one bet.

    Raises
    ------
    FormError
        A field is none of what it must be; the message names it.
    """
    stake_minor = minor_of(values.get("stake_minor", ""), "stake")
    if not 1 <= stake_minor <= line.stake_minor:
        raise FormError(f"stake: 0.01 to {line.stake_minor / 100:.15g}, what was asked for")
    odds_milli = odds_milli_of(values.get("odds", ""))
    if odds_milli is None:
        raise FormError("odds: 1.001 to 10000")
    seconds = values.get("seconds", "")
    if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds[:4]) <= 300):
        raise FormError("seconds to take it: 1 to 300")
    return OfferReferral(
        market_no=line.market,
        bet_id=line.bet_id,
        stake_minor=Minor(stake_minor),
        odds_milli=OddsMilli(odds_milli),
        window_ms=int(seconds) * 1_000,
        why=values.get("why", "")[:_WHY_MAX],
        now_milli=_seen_of(values),
    )


def referral_row(screen: Screen, line: ReferralLine, *, left_s: float) -> dict[str, Any]:
    """Return the row of a bet that waits, those that are due first in front."""
    market = screen.model.lines.get(line.market)
    fixture, what = line.key.partition("/")[0], f"{line.key} outcome {line.outcome}"
    if market is not None:
        names = market.image.outcomes
        outcome = names[line.outcome] if line.outcome < len(names) else str(line.outcome)
        fixture = screen.model.name_of(market.fixture)
        what = f"{market.name} {outcome_text(outcome)}"
    minutes, seconds = divmod(int(left_s), 60)
    soon = "\u26a0 " if left_s < SOON_S else ""
    wins_minor = payout_minor(line.stake_minor, line.odds_milli) - line.stake_minor
    why = MESSAGES[Reason(line.why)] if line.why else "the stake is large"
    if line.now_milli < line.odds_milli:
        why = f"\u25bc shorter now; {why}"
    return {
        "id": str(line.bet_id),
        "name": f"{fixture} {what}",
        "due": line.until_ms // 1_000,
        "left": f"{soon}{minutes}:{seconds:02}",
        "account": line.account,
        "factor": f"{(line.factor_milli or 1_000) / 1_000:g}",
        "fixture": fixture,
        "what": what,
        "stake": line.stake_minor,
        "base": line.stake_minor * line.rate_micro // RATE_MICRO_ONE,
        "odds": line.odds_milli,
        "now": line.now_milli,
        "wins": wins_minor,
        "why": why,
        "bet": str(line.bet_id),
        "stake_text": f"{line.stake_minor / 100:.15g}",
        "odds_text": f"{line.odds_milli / 1_000:g}",
        "now_text": f"{line.now_milli / 1_000:g}",
    }
