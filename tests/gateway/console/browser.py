"""Debian's Chromium, driven by playwright, and a console process for a gateway of a test."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

from gateway.console.keeper import ConsoleKeeper
from gateway.session.tokens import Role
from gateway.settings import ConsoleSettings
from tests.gateway.price_gateway import KEY, PriceGateway

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
YEAR_S = 366 * 86_400
WAIT_MS = 20_000


def need_chromium() -> None:
    """Skip a test without the browser, and fail it where everything must run."""
    if shutil.which(CHROMIUM) is None:
        if os.environ.get("CI_FULL_SUITE"):
            pytest.fail(f"{CHROMIUM} is missing")
        pytest.skip(f"{CHROMIUM} is missing")


def login_token(role: Role = Role.TRADER, *, sub: str = "anna") -> str:
    """Return a token of a person; the gateway of tests has a clock that is ahead."""
    return KEY.issue(role=role, sub=sub, now_s=int(time.time()), expires_s=YEAR_S)


@asynccontextmanager
async def open_console(
    system: PriceGateway, folder: Path, **settings: int
) -> AsyncIterator[ConsoleKeeper]:
    """Keep a console process that follows a gateway."""
    lines: list[str] = []
    keeper = ConsoleKeeper(
        ConsoleSettings(port=0, **settings),
        key=KEY,
        expires_s=YEAR_S,
        data_dir=folder,
        control=lambda: [f"ws://127.0.0.1:{system.ports['control']}"],
        say=lines.append,
    )
    await keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start a browser without a window."""
    need_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """A person's pages: one browser context, and what it asked for and complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requested: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(WAIT_MS)

    async def log_in(self, token: str, *, path: str = "/") -> None:
        """Log in by a link, as it is handed to a person."""
        await self.page.goto(f"{self.url}/login?next={path}#token={token}")
        await self.page.wait_for_selector(".bar")

    async def listening(self) -> None:
        """Wait until the console answers."""
        await listening(self.url)

    async def fill(self, key: str, **fields: str) -> None:
        """Fill the form that a key opens, and send it; a field's `.` is written `__`."""
        await self.page.keyboard.press(key)
        await self.page.wait_for_selector(".form")
        for name, text in fields.items():
            field = self.page.locator(f".form [name='{name.replace('__', '.')}']")
            if await field.evaluate("(one) => one.tagName") == "SELECT":
                await field.select_option(text)
            else:
                await field.fill(text)
        await self.page.click(".form button")

    async def filled(self, key: str, **fields: str) -> None:
        """Fill a form, and wait until what it asks for is done."""
        await self.fill(key, **fields)
        try:
            await self.page.wait_for_selector(".form", state="detached")
        except PlaywrightTimeout:
            raise AssertionError(await self.page.inner_text(".form .said")) from None

    async def ready(self) -> None:
        """Wait until the table of the page takes keys."""
        await self.page.wait_for_selector(".ag-cell-focus")

    async def open(self, path: str) -> None:
        """Open a page by its address."""
        await self.page.goto(f"{self.url}{path}")
        await self.page.wait_for_selector(".bar")


async def visit(browser: Browser, keeper: ConsoleKeeper, *, width: int = 1_280) -> Visit:
    """Open a person's browser, and wait until the console answers."""
    context = await browser.new_context(viewport={"width": width, "height": 800})
    page = await context.new_page()
    await listening(keeper.url)
    return Visit(page, keeper.url)


async def listening(url: str, *, tries: int = 600) -> None:
    """Wait until the console's process takes connections."""
    port = int(url.rpartition(":")[2])
    for _ in range(tries):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise AssertionError("the console does not answer")
