"""The page of the system, in a real browser: a shell in quarantine, its reason and its steps."""

from pathlib import Path

from gateway.session.tokens import Role
from tests.actors.supervised import MARKET
from tests.gateway.console.browser import login_token, open_browser, open_console, visit
from tests.gateway.supervised_house import open_supervised_house


async def test_a_shell_in_quarantine_is_shown_with_its_reason_and_what_to_do(
    tmp_path: Path,
) -> None:
    async with (
        open_browser() as browser,
        open_supervised_house(tmp_path) as house,
        open_console(house.system, tmp_path) as keeper,
    ):
        person = await visit(browser, keeper)
        page = person.page
        await person.log_in(login_token(Role.VIEWER), path="/system")
        row = f".ag-row[row-id='{MARKET}']"
        await page.wait_for_selector(f"{row} [col-id='state']:has-text('serving')")
        await page.wait_for_selector(f"{row} [col-id='journal']:has-text('KiB')")
        assert not await page.is_visible(".troubles")
        segment = await house.damage()
        await page.wait_for_selector(f"{row} [col-id='state']:has-text('quarantined')")
        said = await page.inner_text(".troubles")
        assert f"{MARKET} is quarantined and refuses bets: {segment}" in said
        assert f"overround journal verify {segment.parent}" in said
        # The one that does not serve comes first, and its reason stands in its row too.
        assert await page.get_attribute(f"{row}", "row-index") == "0"
        await page.wait_for_selector(f"{row} [col-id='why']:has-text('{segment.name}')")
        await person.ready()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/guide/quarantine")
        await page.wait_for_selector(".guide p:has-text('3. kill -HUP')")
        assert not person.errors
