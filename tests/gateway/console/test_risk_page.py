"""The page of risk, in a real browser: by outcome and by account, and to the account."""

from pathlib import Path

from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor
from tests.gateway.console.browser import login_token, open_browser, open_console, visit

BET = {"market": 1, "outcome": 0, "odds_milli": 2_500}


async def test_a_trader_sees_the_accounts_that_can_cost_most_and_opens_one(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    async with (
        open_browser() as browser,
        open_console(bookmaker, tmp_path) as keeper,
        bettor(bookmaker) as one,
        bettor(bookmaker, account=8) as other,
    ):
        await one.place(ref="a", stake_minor=10_000, **BET)
        await other.place(ref="a", stake_minor=4_000, **BET)
        person = await visit(browser, keeper)
        page = person.page
        await person.log_in(login_token(Role.HEAD_TRADER), path="/risk")
        # Nothing is beyond the edge of a screen of 1,280, however long the role's name.
        out = await page.locator("form[action='/logout'] button").bounding_box()
        assert out is not None
        assert out["x"] + out["width"] <= 1_280
        # Stakes of 140 at 2.50 cost 210 if home wins.
        await page.wait_for_selector("[row-id='1-0'] [col-id='worst']:has-text('\u2212210')")
        await person.ready()
        # What the keys of this page do; the next key closes it, and one that acts acts at once.
        await page.keyboard.press("?")
        await page.wait_for_selector(".help div:has(kbd:text-is('a')):has-text('accounts')")
        await page.keyboard.press("Escape")
        await page.wait_for_selector(".help", state="detached")
        await page.keyboard.press("?")
        await page.wait_for_selector(".help div:has-text('undo the last action')")
        await page.keyboard.press("a")
        await page.wait_for_selector(".help", state="detached")
        first = ".ag-center-cols-container [row-index='0']"
        await page.wait_for_selector(f"{first} [col-id='what']:has-text('account 7')")
        assert await page.inner_text(f"{first} [col-id='worst']") == "\u2212150"
        assert await page.inner_text(f"{first} [col-id='share']") == "71.4%"
        await page.wait_for_selector(
            ".fig:has-text('accounts'):has-text('2 with open bets: \u2212210 if all win')"
        )
        await person.ready()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/account/*")
        assert not person.errors
