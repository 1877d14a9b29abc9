"""A trader at the lane of referrals, in a real browser: takes, cuts and declines bets that wait."""

import asyncio
from pathlib import Path

from engine.common.reasons import Reason
from gateway.client import BettorSession
from gateway.messages.bettor import Bet
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader
from tests.gateway.console.browser import login_token, open_browser, open_console, visit

WAITS_MS = 600_000


def place(session: BettorSession, ref: str, stake: int) -> "asyncio.Future[Bet]":
    return session.place_nowait(ref=ref, market=1, outcome=0, stake_minor=stake, odds_milli=2_500)


async def test_a_trader_takes_cuts_and_declines_bets_that_wait(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    async with (
        open_browser() as browser,
        open_console(bookmaker, tmp_path) as keeper,
        bettor(bookmaker) as session,
        head_trader(bookmaker) as control,
    ):
        person = await visit(browser, keeper)
        page = person.page
        await person.log_in(login_token(Role.TRADER), path="/fixture/cup-0")

        # The market refers large stakes from now on, by a form.
        await person.ready()
        await person.filled("k", referral_ms=str(WAITS_MS), referral_minor_from="50", why="final")
        assert (await control.book(1)).acceptance.referral_minor_from == 5_000

        # Three bets wait: in the lane of the ticker, and on the page of their own.
        placed = [place(session, ref, stake) for ref, stake in (("a", 6_000), ("b", 7_000))]
        await person.open("/ticker")
        await page.wait_for_selector(".lane [col-id='stake']:has-text('70.00')")
        await person.ready()
        await page.keyboard.press("w")
        await page.wait_for_url("**/referrals")
        await page.wait_for_selector(".ag-row [col-id='stake']:has-text('60.00')")
        await person.ready()
        await page.keyboard.press("a")
        await page.keyboard.type("known customer")
        await page.keyboard.press("Enter")
        assert (await placed[0]).state == "accepted"

        # The other is cut, at shorter odds, which its bettor may take once.
        await page.wait_for_selector(".ag-row [col-id='stake']:has-text('60.00')", state="detached")
        await person.ready()
        await person.fill("o", stake_minor="70.01", odds="2.4")
        await page.wait_for_selector(".form .said:has-text('stake: 0.01 to 70')")
        await page.fill(".form [name='stake_minor']", "30")
        await page.click(".form button")
        cut = await placed[1]
        assert (Reason(cut.reason), cut.stake_max_minor) == (Reason.REOFFERED, 3_000)
        taken = await session.place(
            ref="c", market=1, outcome=0, stake_minor=3_000, odds_milli=2_400
        )
        assert taken.state == "accepted"

        # A third is declined, with the reason.
        third = place(session, "d", 8_000)
        await page.wait_for_selector(".ag-row [col-id='stake']:has-text('80.00')")
        await person.ready()
        await page.keyboard.press("d")
        await page.keyboard.type("<b>too much</b>")
        await page.keyboard.press("Enter")
        assert Reason((await third).reason) is Reason.REFERRAL_DECLINED
        lines = (await control.audit_trail()).lines
        assert [line.what for line in lines] == [
            "decline_referral", "offer_referral", "accept_referral", "set_acceptance",
        ]  # fmt: skip
        assert lines[2].about == f"market 1 bet {(await placed[0]).bet_id}"
        assert not person.errors
