"""One bet: what its account and its markets have of it, and its story.

Owns the page. The story is the gateway's.
"""

import time
from typing import Any, Final

from nicegui import ui

from engine.common.corrections import ChosenBets, CorrectedQuote, CorrectOdds, VoidBets
from engine.common.ids import BetId, MarketNo
from engine.common.previews import ExpectedMarket, Preview, PreviewCommand, expected_of
from engine.common.units import OddsMilli
from gateway.client import GatewayError
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.parts import WHOLE, Text, figures, key_buttons, odds_milli_of
from gateway.console.undos import Undo
from gateway.messages.bet_lookup import BetStory

BET_S: Final = 2.0
_ID_MAX: Final = (1 << 63) - 1
_NUM: Final[dict[str, Any]] = {"cellClass": "num", "headerClass": "num"}
_MONEY: Final[dict[str, Any]] = {":valueFormatter": "Overround.cents", **_NUM}

STORY: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Time", "field": "at", "width": 90, ":valueFormatter": "Overround.clock",
     "cellClass": ["num", "dim"], "headerClass": "num", "sortable": False},
    {"headerName": "Where", "field": "where", "width": 200, "sortable": False},
    {"headerName": "What", "field": "text", "flex": 1, "minWidth": 300, "cellClass": "strong",
     **WHOLE},
)  # fmt: skip
SIDES: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Market", "field": "key", "flex": 2, "minWidth": 200, "cellClass": "strong"},
    {"headerName": "Outcome", "field": "name", "flex": 1, "minWidth": 120},
    {"headerName": "Decided", "field": "state", "width": 120},
    {"headerName": "Stake", "field": "stake", "width": 100, **_MONEY},
    {"headerName": "Odds seen", "field": "seen", "width": 100, ":valueFormatter": "Overround.odds",
     **_NUM},
    {"headerName": "Odds", "field": "odds", "width": 90, ":valueFormatter": "Overround.odds",
     **_NUM},
    {"headerName": "Accepts", "field": "policy", "width": 100},
    {"headerName": "Reason", "field": "reason", "width": 90, **_NUM},
    {"headerName": "Most that passed", "field": "most", "width": 130, **_MONEY},
)  # fmt: skip


def bet_page(screen: Screen, bet: str) -> None:
    """Build the page of a bet."""
    if not (bet.isascii() and bet.isdigit() and len(bet) <= 19 and int(bet) <= _ID_MAX):
        ui.label("no such bet").classes("note")
        return
    BetPage(screen, BetId(int(bet)))


class BetPage:
    """One screen of one bet."""

    def __init__(self, screen: Screen, bet_id: BetId) -> None:
        self._screen = screen
        self._bet_id = bet_id
        self._account = 0
        self._market = MarketNo(0)
        """Of a single; 0 for a slip, whose legs are corrected one by one."""
        self._outcome = 0
        self._pending: tuple[PreviewCommand, ExpectedMarket] | None = None
        with ui.element("div").classes("strip"):
            Text("h1", f"Bet {bet_id}")
            self._labels = figures(
                ("account", "state", "result", "stake", "odds", "pays", "paid", "why", "preview")
            )
        key_buttons(
            (
                ("account", "a", False),
                ("fixture", "f", False),
                ("preview voiding it", "v", False),
                ("preview other odds", "o", False),
                ("send", "y", False),
                ("propose", "p", False),
                ("undo", "u", False),
            )
        )
        self._why = Text("div", classes="note")
        self._why.set_visibility(False)
        with ui.element("div").classes("some"):
            self._sides = Table(screen, "sides", SIDES, main=False)
        with ui.element("div").classes("fill"):
            self._story = Table(
                screen,
                "story",
                STORY,
                prompts={
                    "o": {"title": "odds at which the bet is settled"},
                    "p": {"title": "propose what was previewed, because"},
                },
            )
        screen.on_key = self._on_key
        self._fixture = ""
        ui.timer(BET_S, self._refresh)

    async def _refresh(self) -> None:
        try:
            story = await self._screen.user.session.bet_story(self._bet_id)
        except GatewayError as error:
            self._why.text = str(error)[:TEXT_MAX]
            self._why.set_visibility(True)
            return
        self._why.set_visibility(False)
        self._show(story)

    def _show(self, story: BetStory) -> None:
        bet = story.bet
        self._account = story.account
        if story.markets:
            self._fixture = story.markets[0].key.partition("/")[0]
        if len(story.markets) == 1:
            self._market, self._outcome = story.markets[0].market, story.markets[0].outcome
        texts = {
            "account": str(story.account),
            "state": bet.state,
            "result": bet.result,
            "stake": f"{bet.stake_minor / 100:,.2f} {story.currency}",
            "odds": f"{bet.odds_milli / 1_000:g}" if bet.odds_milli else "",
            "pays": f"{bet.payout_minor / 100:,.2f}",
            "paid": f"{bet.paid_minor / 100:,.2f}",
            "why": bet.message,
        }
        for name, text in texts.items():
            self._labels[name].text = text
        self._sides.show(
            [
                {
                    "id": str(number),
                    "key": side.key,
                    "name": side.name,
                    "state": side.state if side.known else "no record",
                    "stake": side.stake_minor,
                    "seen": side.odds_seen_milli,
                    "odds": side.odds_milli,
                    "policy": side.policy,
                    "reason": side.reason or None,
                    "most": side.stake_max_minor or None,
                }
                for number, side in enumerate(story.markets)
            ]
        )
        self._story.show(
            [
                {
                    "id": str(number),
                    "at": line.at_ns / 1_000_000_000 if line.at_ns else None,
                    "where": line.where,
                    "text": line.text,
                }
                for number, line in enumerate(story.story)
            ]
        )

    async def _correct(self, what: str, command: PreviewCommand) -> None:
        """Show what a correction of this bet would change; `y` sends it."""
        self._pending = None
        preview: Preview | None = None

        async def ask() -> None:
            nonlocal preview
            preview = (await self._screen.user.session.preview(command)).preview

        if not await self._screen.act(f"preview: {what}", ask) or preview is None:
            return
        self._pending = command, expected_of(preview)
        before, after = preview.payout_now_minor, preview.payout_after_minor
        self._labels["preview"].text = (
            f"{what}: paid {before / 100:,.2f} to {after / 100:,.2f}, can pay "
            f"{preview.open_now_minor / 100:,.2f} to {preview.open_after_minor / 100:,.2f}; "
            "y sends, p proposes"
        )

    async def _send(self) -> None:
        """Send the correction that was previewed, once; undo rolls it back."""
        pending, screen, market = self._pending, self._screen, self._market
        if pending is None:
            screen.say("preview first", bad=True)
            return
        command, seen = pending
        self._pending = None
        self._labels["preview"].text = ""
        events: tuple[Any, ...] = ()

        async def send() -> tuple[Any, ...]:
            nonlocal events
            events = await screen.user.session.control([command], expected=[seen])
            return events

        if await screen.act(f"correct bet {self._bet_id}", send):
            number = events[0].settlement_no

            async def restore() -> tuple[Any, ...]:
                return (await screen.user.session.restore_bets(market, number, why="undo"),)

            undo = Undo(f"undo: restore bet {self._bet_id}", restore)
            screen.undos.push(undo, time.monotonic())

    async def _propose(self, why: str) -> None:
        """Propose the correction that was previewed to a second person."""
        if self._pending is None:
            self._screen.say("preview first", bad=True)
            return
        (command, _), session = self._pending, self._screen.user.session
        label = f"propose to correct bet {self._bet_id}"
        if await self._screen.act(label, lambda: session.propose([command], why=why)):
            self._pending = None
            self._labels["preview"].text = "proposed"

    async def _on_key(self, key: str, _: str, text: str) -> None:
        chosen = ChosenBets(bet_ids=(self._bet_id,))
        if key == "y":
            await self._send()
        elif key == "p":
            await self._propose(text)
        elif key in ("v", "o") and not self._market:
            self._screen.say("legs of a slip are corrected at their markets", bad=True)
        elif key == "v":
            void = VoidBets(market_no=self._market, bets=chosen, why="by hand")
            await self._correct("void", void)
        elif key == "o":
            milli = odds_milli_of(text)
            if milli is None:
                self._screen.say("odds: 1.001 to 10000", bad=True)
                return
            quote = CorrectedQuote(outcome=self._outcome, odds_milli=OddsMilli(milli))
            correct = CorrectOdds(
                market_no=self._market, quotes=(quote,), bets=chosen, why="by hand"
            )
            await self._correct(f"at {milli / 1_000:g}", correct)
        elif key == "a" and self._account:
            ui.navigate.to(f"/account/{self._account}")
        elif key == "f" and self._fixture in self._screen.model.fixtures:
            ui.navigate.to(f"/fixture/{self._fixture}")
