"""A person at the console, in a real browser, on a gateway with real shells."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import OutcomeResult, SettleMarket
from engine.common.events import MarketSettled
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import Minor
from engine.watch.bounds import LiabilityRule
from engine.watch.rules import WatchRule
from gateway.console.pages.frame import REFERRALS
from gateway.console.pages.routes import ROUTES
from gateway.session.tokens import Role
from gateway.settings import CloseCode
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader, open_bookmaker, trader
from tests.gateway.console.browser import (
    WAIT_MS,
    Visit,
    listening,
    login_token,
    open_browser,
    open_console,
    visit,
)
from tests.gateway.price_gateway import KEY, NOW_S

ODDS = 'div[row-id="1-0"] .odds b'
STATE = 'div[row-id="1-0"] [col-id="state"]'


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(WAIT_MS / 1_000):
        while not holds():
            await asyncio.sleep(0.02)


def status(bookmaker: Bookmaker, market: int) -> Status:
    """Return a market's status as its gateway shows it."""
    shown = bookmaker.gateway.fanout.topics[market].shown
    assert shown is not None
    return shown.status


async def follow_match(person: Visit, bookmaker: Bookmaker) -> None:
    """Follow a match by its keys, once the desk keeps its inputs."""
    page = person.page
    for nonsense in ("<b>2</b> 1", "9" * 60, "nan 0"):
        await page.keyboard.press("i")
        await page.keyboard.type(nonsense)
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".q-notification:has-text('as 2.6 0.4')")
    await page.keyboard.press("i")
    await page.keyboard.type("2.6 0.4")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".fig:has-text('score'):has-text('0:0')")
    before = await page.inner_text(ODDS)
    await page.keyboard.press("h")
    await page.wait_for_selector(".fig:has-text('clock'):has-text('1st 0:')")
    await page.keyboard.press("Shift+R")
    await until(lambda: status(bookmaker, 1) is Status.ACTIVE)
    await page.keyboard.press("g")
    await page.wait_for_selector(".fig:has-text('score'):has-text('1:0')")
    assert status(bookmaker, 1) is Status.SUSPENDED
    assert await page.inner_text(ODDS) != before
    await page.keyboard.press("u")
    await page.wait_for_selector(".fig:has-text('score'):has-text('0:0')")


async def test_a_trader_stops_takes_back_prices_and_follows_a_match_by_keys(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    async with open_browser() as browser, open_console(bookmaker, tmp_path) as keeper:
        person = await visit(browser, keeper)
        await person.log_in(login_token())
        page = person.page
        assert "token" not in page.url

        # Deep into a fixture by the palette.
        await page.wait_for_selector('div[row-id="cup-0"]')
        await page.keyboard.press("Control+k")
        await page.keyboard.type("cup-0 1x2")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/fixture/cup-0**")
        await page.wait_for_selector(ODDS)
        assert await page.inner_text(ODDS) == "2.50"

        # One key stops betting, one takes it back; the gateway shows whose it was.
        await page.wait_for_selector(".ag-cell-focus")
        await page.keyboard.press("s")
        await until(lambda: status(bookmaker, 1) is Status.SUSPENDED)
        await page.wait_for_selector(f"{STATE}:has-text('suspended')")
        await page.keyboard.press("u")
        await until(lambda: status(bookmaker, 1) is Status.ACTIVE)
        await page.keyboard.press("Shift+S")
        await until(lambda: status(bookmaker, 2) is Status.SUSPENDED)
        await page.keyboard.press("u")
        await until(lambda: status(bookmaker, 2) is Status.ACTIVE)

        # What another stops this screen does not open with what it takes back, nor by force.
        async with trader(bookmaker, sub="ada") as other:
            await other.suspend_all(fixture="cup-0", why="integrity")
            await page.wait_for_selector(f"{STATE}:has-text('held by ada')")
            await page.keyboard.press("Shift+S")
            await page.wait_for_selector(".q-notification:has-text('suspend cup-0: 2 suspended')")
            await page.keyboard.press("u")
            await page.wait_for_selector(".q-notification:has-text('2 STOPPED by trader:ada')")
            await page.keyboard.press("Shift+F")
            await page.wait_for_selector(".q-notification:has-text('lift all stops of cup-0: ')")
            assert status(bookmaker, 2) is Status.SUSPENDED
            await other.resume_all(fixture="cup-0")

        # A price by hand.
        await page.keyboard.press("o")
        await page.keyboard.type("2.62")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(f"{ODDS}:has-text('2.62')")

        # A bet is in the book, and what it may cost on the screen.
        async with bettor(bookmaker) as session:
            await session.place(ref="a", market=1, outcome=0, stake_minor=5_000, odds_milli=2_620)
        await page.wait_for_selector('div[row-id="1-0"] [col-id="profit"]:has-text("\u221281")')

        await follow_match(person, bookmaker)
        assert not person.errors
        assert all(url.startswith(keeper.url) for url in person.requested)


WAITS = AcceptancePatch(referral_ms=120_000, referral_minor_from=Minor(500))
FILL_ALL = """
async ([key, text]) => {
  // As a program does it: longer than a field takes, and what no list offers.
  Overround.press(key);
  const fields = document.querySelectorAll('.over input, .over select');
  for (const field of fields) {
    field.removeAttribute('maxlength');
    if (field.tagName === 'SELECT') field.append(new Option(text, text));
    field.value = text;
  }
  const form = document.querySelector('.over form');
  if (form) form.requestSubmit();
  else fields[0]?.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
  await new Promise((done) => setTimeout(done, 30));
  document.querySelector('.over')?.dispatchEvent(new MouseEvent('mousedown'));
  return fields.length;
}
"""
"""Fills every field that a key opens with a text, and sends it; returns how many there were."""


async def be_hostile(person: Visit, folder: Path, script: str) -> None:
    """Log in, search and arrange columns as nobody should."""
    page = person.page
    await page.goto(f"{person.url}/login?next=%22%3E{script}")
    await page.fill("textarea", f"no.token.{script}")
    await page.click("button[type=submit]")
    await page.wait_for_selector(".why:not(:empty)")
    await person.log_in(login_token(Role.HEAD_TRADER), path="//elsewhere.example/")
    assert page.url == f"{person.url}/"
    await person.open(f"/fixture/{script.replace('/', '')}")
    await page.wait_for_selector(".note")
    await page.keyboard.press("/")
    await page.wait_for_selector(".palette input")
    await page.keyboard.type(script)
    await page.keyboard.press("Enter")
    await person.open("/fixture/cup-0")
    await page.wait_for_selector(".ag-cell-focus")
    assert await page.inner_text(ODDS) == "2.50"
    hostile = {":colId": "(document.title = 'taken', 'x')"}
    await page.evaluate(
        "(states) => { for (const state of states)"
        " emitEvent('columns', {name: 'fixture', state}); }",
        [[{"colId": "market", "width": 317}], [hostile]],
    )
    # What fits is kept, and the next page applies it; nothing else has been kept or run.
    kept = folder / "console" / "layouts" / f"{b'anna'.hex()}.json"
    await until(kept.exists)
    await person.open("/fixture/cup-0")
    await page.wait_for_selector(".ag-header-cell[col-id='market'][style*='317px']")


async def test_every_field_of_every_page_takes_hostile_text_as_text(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    script = "<img src=x onerror=document.title='taken'>"
    async with (
        open_browser() as browser,
        open_console(bookmaker, tmp_path) as keeper,
        bettor(bookmaker) as session,
        trader(bookmaker, role=Role.HEAD_TRADER, sub="anna") as control,
    ):
        bet = await session.place(ref="a", market=1, outcome=0, stake_minor=500, odds_milli=2_500)
        await control.set_rule(WatchRule(name="worst", kind=LiabilityRule(liability_minor_max=1)))
        await bookmaker.check_rules()
        await control.close_market(3)
        result = SettleMarket(market_no=MarketNo(3), results=(OutcomeResult(won=True),) * 3)
        await control.propose([result], why=script)  # her own, which no reason approves
        await control.set_acceptance(MarketNo(2), WAITS)
        waits = session.place(ref="w", market=2, outcome=0, stake_minor=700, odds_milli=1_900)
        waiting = asyncio.create_task(waits)
        before = [await control.book(number) for number in (1, 2, 3)]
        account = await control.account(7)
        person = await visit(browser, keeper)
        page = person.page
        await be_hostile(person, tmp_path, script)

        # Every field that any page opens, as the pages themselves say.
        tried = 0
        # What waits first: a stop of the house, which the floor is asked for, would end it.
        for path in sorted(ROUTES, key=lambda path: path != REFERRALS):
            at = path.format(fixture="cup-0", account=7, bet=bet.bet_id, kind="pace")
            await person.open(at)
            if await page.locator(".guide").count():
                continue  # a text, without fields
            await page.wait_for_function("Overround.asks() !== null")
            asks = await page.evaluate("Overround.asks()")
            if any(ask.get("row") for ask in asks.values()):
                await person.ready()
            for key in sorted(asks, key=lambda key: "fields" not in asks[key]):
                for text in (script, "9" * 400, "-1", "nan"):
                    fields = await page.evaluate(FILL_ALL, [key, text])
                    # What waits is decided by the first reason, and its row goes.
                    decided = text != script or at == "/referrals"
                    assert fields or ("fields" not in asks[key] and decided), (path, key)
                    tried += fields
        assert tried > 300
        await person.open("/")
        # What a reason is asked for was done, by its author's name, and is shown as it was typed.
        await page.wait_for_selector(".bar .lost:has-text('HOUSE STOPPED by head_trader:anna')")
        assert await page.title() == "Overround"
        assert not await page.locator("img[src='x']").count()
        # Its acceptance asks for figures, so a reason that was such a text has declined it.
        assert (await waiting).reason == Reason.REFERRAL_DECLINED
        # Nothing else has come of it: neither odds nor limits, rules, results, accounts.
        after = [await control.book(number) for number in (1, 2, 3)]
        for was, now in zip(before, after, strict=True):
            assert (now.odds_milli, now.limits) == (was.odds_milli, was.limits)
            assert now.settlement_no == was.settlement_no
        now = await control.account(7)
        assert now.factor_milli == account.factor_milli
        assert now.open_payout_minor_max == account.open_payout_minor_max
        assert [rule.name for rule in (await control.rules()).rules] == ["worst"]
        assert not person.errors
        assert all(url.startswith(keeper.url) for url in person.requested)


async def test_a_viewer_is_refused_and_who_is_not_of_the_floor_does_not_log_in(
    tmp_path: Path,
) -> None:
    now_s = float(NOW_S)
    async with (
        open_bookmaker(tmp_path, clock_s=lambda: now_s) as bookmaker,
        open_browser() as browser,
        open_console(bookmaker, tmp_path) as keeper,
    ):
        person = await visit(browser, keeper)
        an_hour = KEY.issue(role=Role.VIEWER, sub="guest", now_s=NOW_S, expires_s=3_600)
        await person.log_in(an_hour, path="/fixture/cup-0")
        await person.page.wait_for_selector(".ag-cell-focus")
        await person.page.keyboard.press("s")
        await person.page.wait_for_selector(".q-notification:has-text('suspend 1x2')")
        assert status(bookmaker, 1) is Status.ACTIVE
        assert "Ticker" not in await person.page.inner_text(".bar")
        await person.open("/ticker")
        await person.page.wait_for_selector(".note:has-text('viewer does not see')")

        page = (await visit(browser, keeper)).page
        for role in (Role.QUANT, Role.FEED):
            await page.goto(f"{keeper.url}/login")
            await page.fill("textarea", login_token(role, sub="q"))
            await page.click("button[type=submit]")
            await page.wait_for_selector(f".why:has-text('{role}')")
        assert page.url.endswith("/login")

        # When the token ends, an open page shows nothing more of what the console itself reads.
        await person.open("/")
        await person.page.wait_for_selector(".ag-row")
        now_s += 3_601
        for listener in bookmaker.gateway._listeners:
            for connection in list(listener.connections):
                connection.close(CloseCode.TOKEN_EXPIRED, "token expired")
        await person.page.wait_for_selector(".note:has-text('not valid any more')")
        assert not await person.page.locator(".ag-row, .bar").count()
        await person.page.click(".note button")
        await person.page.wait_for_selector("textarea")


async def test_a_console_that_dies_is_noticed_by_nobody_and_comes_back(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    async with open_browser() as browser, open_console(bookmaker, tmp_path) as keeper:
        person = await visit(browser, keeper)
        await person.log_in(login_token())
        first = keeper.process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: keeper.process is not first)
        async with bettor(bookmaker) as session, trader(bookmaker) as control:
            bet = await session.place(
                ref="a", market=1, outcome=0, stake_minor=100, odds_milli=2_500
            )
            assert bet.state == "accepted"
            assert (await control.book(1)).bets == 1
        await listening(keeper.url)
        await person.open("/")  # the login is the browser's, and holds
        await person.page.wait_for_selector('div[row-id="cup-0"]')


async def block(page: Page, why: str) -> None:
    """Block the account that a page shows, as a person does: again, where a key had no effect.

    A key does nothing before the page is ready for keys, and none arrives while a browser that had
    no processor time connects again.
    """
    async with asyncio.timeout(WAIT_MS / 1_000):
        while not await page.locator(".fig:has-text('blocked')").count():
            await page.keyboard.press("Escape")
            while not await page.locator(".over input").count():
                await page.keyboard.press("b")
                await asyncio.sleep(0.05)
            await page.keyboard.type(why)
            await page.keyboard.press("Enter")
            with contextlib.suppress(PlaywrightTimeout):
                await page.wait_for_selector(".fig:has-text('blocked')", timeout=WAIT_MS / 4)


async def propose_and_approve(person: Visit, second: Visit) -> None:
    """Propose what was previewed; its author cannot approve it, and a second person does."""
    await person.page.keyboard.press("p")
    await person.page.keyboard.type("the result was wrong")
    await person.page.keyboard.press("Enter")
    await person.page.wait_for_selector(".fig:has-text('proposed')")
    await second.log_in(login_token(Role.SETTLER, sub="bea"), path="/approvals")
    await person.open("/approvals")
    for one in (person, second):
        await one.page.wait_for_selector("[col-id='state']:has-text('open')")
        await one.ready()
        await one.page.keyboard.press("a")
        await one.page.keyboard.type("unseen")
        await one.page.keyboard.press("Enter")
        await one.page.wait_for_selector(".q-notification:has-text('look at 1 first')")
        await one.page.keyboard.press("Enter")
        await one.page.wait_for_selector("[col-id='accounts']:has-text('1')")
        await one.page.keyboard.press("a")
        await one.page.keyboard.type("seen the score")
        await one.page.keyboard.press("Enter")
        await one.page.wait_for_selector(".q-notification:has-text('approve 1')")
    await second.page.wait_for_selector("[col-id='decided_by']:has-text('settler:bea')")
    await second.open("/audit")
    for what in ("propose", "decide"):
        await second.page.wait_for_selector(f"[col-id='what']:has-text('{what}')")


async def test_a_result_and_a_bet_are_previewed_before_anything_is_paid(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    async with (
        open_browser() as browser,
        open_console(bookmaker, tmp_path) as keeper,
        bettor(bookmaker) as session,
        head_trader(bookmaker) as control,
    ):
        await session.place(ref="a", market=3, outcome=1, stake_minor=700, odds_milli=3_200)
        await control.close_market(3)
        person = await visit(browser, keeper)
        page = person.page
        await person.log_in(login_token(Role.HEAD_TRADER), path="/settlement")
        await page.wait_for_selector(".ag-cell-focus")
        await page.keyboard.press("y")
        await page.wait_for_selector(".q-notification:has-text('preview first')")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("w")
        await page.wait_for_selector("[col-id='result']:has-text('wins')")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".fig:has-text('paid after'):has-text('22')")
        assert status(bookmaker, 3) is Status.CLOSED
        await page.keyboard.press("y")
        await until(lambda: status(bookmaker, 3) is Status.SETTLED)
        corrected = [OutcomeResult(won=number == 2) for number in range(3)]
        assert isinstance(await control.settle(3, corrected), MarketSettled)
        await page.keyboard.press("u")
        await page.wait_for_selector(".q-notification:has-text('does not stand any more')")
        assert status(bookmaker, 3) is Status.SETTLED
        await page.keyboard.press("b")
        await page.wait_for_selector(".fig:has-text('preview'):has-text('roll back cup-1')")
        await propose_and_approve(person, await visit(browser, keeper))
        await until(lambda: status(bookmaker, 3) is Status.SUSPENDED)

        # A bet by the ticker, its story, its correction; then its account.
        await person.open("/ticker")
        await session.place(ref="b", market=1, outcome=0, stake_minor=500, odds_milli=2_500)
        await page.wait_for_selector("[col-id='what']:has-text('1x2 home')")
        await page.wait_for_selector(".ag-cell-focus")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/bet/*")
        await page.wait_for_selector("[col-id='text']:has-text('reserved 5.00 EUR')")
        await page.keyboard.press("v")
        await page.wait_for_selector(".fig:has-text('void: paid')")
        await page.keyboard.press("p")
        await page.keyboard.type("a wrong price")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".fig:has-text('proposed')")
        assert (await control.proposals()).proposals[0].why == "a wrong price"
        await page.keyboard.press("v")
        await page.wait_for_selector(".fig:has-text('void: paid')")
        assert (await control.book(1)).stake_taken_minor == 500
        await page.keyboard.press("y")
        await page.wait_for_selector(".q-notification:has-text('correct bet')")
        assert (await control.book(1)).stake_taken_minor == 0
        await page.keyboard.press("a")
        await page.wait_for_url("**/account/7")
        await page.wait_for_selector(".fig:has-text('takes bets')")
        await block(page, "under review")
        await page.wait_for_selector("[col-id='why']:has-text('under review')")
        bet = await session.place(ref="c", market=1, outcome=0, stake_minor=1, odds_milli=2_500)
        assert Reason(bet.reason) is Reason.ACCOUNT_BLOCKED
        assert not person.errors
