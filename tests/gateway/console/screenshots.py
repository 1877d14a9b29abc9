"""Take the pictures of docs/console.md while the demo plays.

Run as `python -m tests.gateway.console.screenshots`.

Owns which pages are taken, in which theme and width.
"""

import asyncio
import io
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image

from tests.gateway.console.browser import Visit, open_browser
from tests.gateway.console.demo_run import open_demo

PICTURES: Final = Path(__file__).parents[3] / "docs" / "console"
ARGUMENTS: Final = ("--speed", "25", "--kill-minute", "none", "--markets", "40", "--beside", "3")
PLAYED_S: Final = 30
"""Seconds of betting before the first picture."""
WAIT_MS: Final = 2_500
COLOURS: Final = 128
"""Of a picture's palette: flat pages need no more, and a file stays below 100 KB."""


async def main() -> None:
    """Play, visit every page, and write the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with open_browser() as browser, open_demo(Path(folder), *ARGUMENTS) as demo:
            context = await browser.new_context(viewport={"width": 1280, "height": 760})
            page = await context.new_page()
            person = Visit(page, demo.url)
            await person.listening()
            await person.log_in(demo.token)
            await asyncio.sleep(PLAYED_S)
            await trade(person)
            await in_light(person)
            for name, path in (
                ("floor", "/"),
                ("fixture", "/fixture/wc22-64"),
                ("ticker", "/ticker"),
                ("referrals", "/referrals"),
                ("risk", "/risk"),
                ("alerts", "/alerts"),
                ("rules", "/rules"),
                ("guide", "/guide/liability"),
                ("kept", "/kept"),
            ):
                await person.open(path)
                await take(person, name)
            await person.open("/risk")
            await person.ready()
            await page.keyboard.press("a")
            await take(person, "risk-accounts")
            second = Visit(await (await browser.new_context()).new_page(), demo.url)
            await settle_by_two(person, second, demo.second)
            for name in ("approvals", "audit", "system"):
                await person.open(f"/{name}")
                await take(person, name)
            await person.open("/fixture/wc22-64")
            await person.ready()
            await page.keyboard.press("?")
            await take(person, "keys")
            await person.open("/rules")
            await person.ready()
            await page.keyboard.press("e")
            await take(person, "form")
            await one_bet(person)
            await page.set_viewport_size({"width": 2560, "height": 1300})
            await person.open("/fixture/wc22-64")
            await take(person, "fixture-wide")
            await person.open("/")
            await take(person, "floor-wide")


async def in_light(person: Visit) -> None:
    """Take two pages in the light theme, while the match is young."""
    await person.open("/fixture/wc22-64")
    await person.page.click("button:has-text('theme')")
    await take(person, "fixture-light")
    await person.open("/")
    await take(person, "floor-light")
    await person.page.click("button:has-text('theme')")
    await person.page.wait_for_selector("body.body--dark")
    await person.page.wait_for_load_state("networkidle")


async def trade(person: Visit) -> None:
    """Do what the audit then shows."""
    page = person.page
    await person.ready()
    await page.keyboard.press("c")
    await watch_and_keep(person)
    await person.open("/fixture/wc22-64")
    await page.wait_for_selector(".ag-cell-focus")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("x")
    await page.wait_for_timeout(500)
    await page.keyboard.press("Shift+S")
    await page.wait_for_timeout(1_500)
    await page.keyboard.press("u")
    await page.wait_for_timeout(500)


async def watch_and_keep(person: Visit) -> None:
    """Set rules, a margin and limits, and have large bets wait."""
    page = person.page
    await person.open("/rules")
    await page.wait_for_selector(".act:has-text('new')")
    for name, kind, more in (
        ("worst-1x2", "liability", {"liability__liability_minor_max": "400", "severity": "high"}),
        ("pace", "pace", {"severity": "medium"}),
        ("alike", "identical", {"severity": "low"}),
        ("feeds-late", "feed_lag", {"severity": "critical"}),
    ):
        await person.filled("n", name=name, kind=kind, owner="floor", **more)
    await person.open("/kept")
    await page.wait_for_selector(".act:has-text('release')")
    await person.filled("n", of__competition="friendlies", margin="6.5", skew="not at all")
    await person.filled("m", of__sport="football", of__type="1x2", payout_minor_max="20000")
    await person.open("/fixture/wc22-64")
    await person.ready()
    await person.filled("k", where="this type in the fixture", referral_ms="60000",
                        referral_minor_from="60")  # fmt: skip


async def settle_by_two(person: Visit, second: Visit, token: str) -> None:
    """Propose two results: a second person approves the first, the other waits."""
    await propose_result(person, "over after ninety minutes")
    await second.log_in(token, path="/approvals")
    await second.ready()
    await second.page.keyboard.press("Enter")
    await second.page.wait_for_selector("[role='gridcell'][col-id='accounts']:not(:empty)")
    await second.page.keyboard.press("a")
    await second.page.keyboard.type("seen the score")
    await second.page.keyboard.press("Enter")
    await second.page.wait_for_selector("[col-id='state']:has-text('done')")
    await propose_result(person, "decided by the score", picture=True)


async def propose_result(person: Visit, why: str, *, picture: bool = False) -> None:
    """Propose that the first outcome of the first market that is over has won."""
    page = person.page
    await person.open("/settlement")
    await page.wait_for_selector("[col-id='state']:has-text('closed')", timeout=180_000)
    await person.ready()
    await page.keyboard.press("w")
    await page.wait_for_selector("[col-id='result']:has-text('wins')")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".fig:has-text('y sends it')")
    if picture:
        await take(person, "settlement")
    await page.keyboard.press("p")
    await page.keyboard.type(why)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".fig:has-text('proposed')")


async def one_bet(person: Visit) -> None:
    """Show a bet that a market refused, and its account."""
    page = person.page
    await person.open("/ticker")
    await page.wait_for_selector(".ag-cell-focus")
    await page.keyboard.press("r")
    await page.wait_for_timeout(2_000)
    for _ in range(20):  # what an account refused has no id and no page
        await page.keyboard.press("Enter")
        await page.wait_for_timeout(300)
        if "/bet/" in page.url:
            break
        await page.keyboard.press("ArrowDown")
    await take(person, "bet")
    await page.keyboard.press("a")
    await page.wait_for_url("**/account/*")
    await take(person, "account")


async def take(person: Visit, name: str) -> None:
    """Take one picture, when the page has settled."""
    await person.page.wait_for_timeout(WAIT_MS)
    raw = await person.page.screenshot()
    picture = Image.open(io.BytesIO(raw)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    asyncio.run(main())
