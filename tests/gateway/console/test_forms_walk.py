"""A head trader sets rules, limits and factors by forms, and sees what they bring."""

from pathlib import Path

from engine.common.lifecycle import Status
from gateway.client import ControlSession
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader
from tests.gateway.console.browser import Visit, login_token, open_browser, open_console, visit
from tests.gateway.console.test_walk import status, until


async def stop_a_type(person: Visit, bookmaker: Bookmaker) -> None:
    """Stop all markets of a type at one key, and take it back."""
    page = person.page
    await page.keyboard.press("t")
    await until(lambda: status(bookmaker, 1) is Status.SUSPENDED)
    assert status(bookmaker, 2) is Status.ACTIVE
    await page.keyboard.press("u")
    await until(lambda: status(bookmaker, 1) is Status.ACTIVE)


async def keep_by_scope(person: Visit, control: ControlSession) -> None:
    """Have the desk keep a margin for a type, see it and release it where all of them are."""
    page = person.page
    await person.filled("n", where="this type in the fixture", margin="6.5", skew="not at all")
    assert (await control.margins()).margins[0].margin["book_milli"] == 1_065
    await person.open("/kept")
    await page.wait_for_selector("[col-id='kept']:has-text('margin 6.5%, odds ratio, no skew')")
    await person.ready()
    await page.keyboard.press("d")
    await page.wait_for_selector(".ag-row", state="detached")
    await page.keyboard.press("u")
    await page.wait_for_selector("[col-id='of']:has-text('fixture cup-0, type 1x2')")
    await person.filled("m", of__house="true", stake_minor_max="70")
    assert (await control.kept_limits()).limits[0].limits.stake_minor_max == 7_000
    await page.wait_for_selector("[col-id='kept']:has-text('stake max 70')")
    await person.ready()
    await person.filled("m", of__house="true", when="once in play", delay_ms="4000")
    await page.wait_for_selector("[col-id='kept']:has-text('stake max 70, in play delay ms 4000')")


async def test_what_a_form_sets_is_seen_on_the_pages_that_it_concerns(
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
        await person.log_in(login_token(Role.HEAD_TRADER), path="/rules")

        # A form stays open with what is wrong, and a rule is set, switched, removed and back again.
        await page.wait_for_selector(".act:has-text('new')")
        await person.fill("n", name="<b>", kind="liability", liability__liability_minor_max="10")
        await page.wait_for_selector(".form .said:has-text('at `name`')")
        await page.fill(".form [name='name']", "worst")
        await page.click(".form button")
        await page.wait_for_selector(".ag-row [col-id='parameters']:has-text('liability max 10')")
        await person.ready()
        await page.keyboard.press("o")
        await page.wait_for_selector("[col-id='state']:has-text('off')")
        await page.keyboard.press("d")
        await page.wait_for_selector(".ag-row", state="detached")
        assert not (await control.rules()).rules
        await page.keyboard.press("u")
        await page.wait_for_selector(".ag-row [col-id='state']:has-text('off')")
        await person.ready()
        await person.filled("e", on="true", severity="high")
        await page.wait_for_selector("[col-id='severity']:has-text('high')")

        # Limits by a form: of the market, then of all markets of its fixture.
        await person.open("/fixture/cup-0")
        await person.ready()
        await person.fill("m", stake_minor_max="<i>")
        await page.wait_for_selector(".form .said:has-text('stake max')")
        await page.keyboard.press("Escape")
        await person.filled("m", stake_minor_max="80.50")
        assert (await control.book(1)).limits.stake_minor_max == 8_050
        await page.keyboard.press("u")
        await page.wait_for_selector(".q-notification:has-text('undo: limits of 1x2')")
        assert (await control.book(1)).limits.stake_minor_max == 10_000
        await person.filled("m", where="the whole fixture", payout_minor_max="9000")
        assert (await control.book(2)).limits.payout_minor_max == 900_000
        assert (await control.book(2)).limits.stake_minor_max == 10_000

        await stop_a_type(person, bookmaker)
        await keep_by_scope(person, control)

        # A factor makes an account's bets stand out, and the rule finds what they may cost.
        await person.open("/account/7")
        await page.wait_for_selector(".fig:has-text('takes bets')")
        await person.filled("e", factor_milli="500", why="wins")
        assert (await control.account(7)).factor_milli == 500
        await person.open("/ticker")
        await session.place(ref="a", market=1, outcome=0, stake_minor=2_000, odds_milli=2_500)
        await page.wait_for_selector("[col-id='flags']:has-text('sharp')")
        await person.open("/alerts/cup-0")
        await bookmaker.check_rules()
        await page.wait_for_selector("[col-id='rule']:has-text('worst')")
        await person.ready()
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".guide h2:has-text('Liability')")
        await person.open("/")
        await page.wait_for_selector('div[row-id="cup-0"] [col-id="alerts"]:has-text("\u25b2")')
        assert not person.errors
