"""The console's process: its web server, its login, and what its screens share.

Owns the order of start and stop. Pages are built in `pages`; the model follows the markets.
"""

import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import msgspec
from nicegui import app, ui
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from gateway.client import ConnectionLostError, HandshakeRefusedError
from gateway.console.briefing import LINE_BYTES_MAX, Briefing, decode
from gateway.console.guard import COOKIE, LOGIN, Guard
from gateway.console.layouts import Layouts
from gateway.console.login import login_page
from gateway.console.model import Model
from gateway.console.pages.frame import Screens, show
from gateway.console.pages.routes import MENU, ROUTES
from gateway.console.users import NotOfTheFloorError, Users, UsersFullError
from gateway.session.tokens import TOKEN_CHARS_MAX

STATIC: Final = Path(__file__).with_name("static")
_NICENESS: Final = 10
"""Bets go first: what people look at may be late by the time that a bet takes."""
_FORM_BYTES_MAX: Final = 8_192
_IDLE_CHECK_S: Final = 10.0
_COOKIE_S: Final = 7 * 86_400


class Console:
    """One process's parts.

    Parameters
    ----------
    briefing : Briefing
        What the system told it first.
    """

    def __init__(self, briefing: Briefing) -> None:
        self.settings = briefing.settings
        self.model = Model()
        self.model.brief(briefing.control, briefing.token)
        self.users = Users(users_max=self.settings.users_max, urls=lambda: self.model.urls)
        self.layouts = Layouts(Path(briefing.folder))
        self.screens = Screens(
            model=self.model,
            users=self.users,
            layouts=self.layouts,
            screens_max=self.settings.screens_max,
            routes=ROUTES,
            menu=MENU,
        )
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and stop --------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the standard input ends."""
        logging.getLogger("uvicorn.error").addFilter(_is_fault)
        app.add_middleware(Guard)
        app.add_static_files("/static", STATIC)
        app.get("/healthz")(_health)
        app.get(LOGIN)(self._show_login)
        app.post(LOGIN)(self._log_in)
        app.post("/logout")(_log_out)
        app.on_startup(self._start)
        app.on_shutdown(self._stop)
        ui.run(
            self._root,
            host=self.settings.host,
            port=self.settings.port,
            title="Overround",
            favicon=STATIC / "favicon.svg",
            dark=None,
            show=False,
            reload=False,
            tailwind=False,
            show_welcome_message=False,
            binding_refresh_interval=None,
            reconnect_timeout=10.0,
            message_history_length=200,
            access_log=False,
        )

    async def _start(self) -> None:
        self._tasks = [
            asyncio.create_task(self.model.follow()),
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._close_idle()),
        ]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.users.close()

    async def _listen(self) -> None:
        """Take further briefings; at the end of the input end the process."""
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            briefing = decode(line)
            self.model.brief(briefing.control, briefing.token)
        app.shutdown()

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_CHECK_S)
            await self.users.close_idle(time.monotonic())

    # --- pages -----------------------------------------------------------------------------------

    async def _root(self) -> None:
        await show(self.screens)

    async def _show_login(self, request: Request) -> Response:
        return login_page(target=request.query_params.get("next", "/"))

    async def _log_in(self, request: Request) -> Response:
        """Take a token from the form, try it on the gateway, and keep it in a cookie."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _FORM_BYTES_MAX:
                return PlainTextResponse("form: too long\n", status_code=413)
        form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
        token = form.get("token", [""])[0].strip()
        target = form.get("next", ["/"])[0]
        if not token or len(token) > TOKEN_CHARS_MAX or not token.isascii():
            return login_page(target=target, why="paste a token", status=400)
        try:
            await self.users.of(token)
        except (
            HandshakeRefusedError,
            ConnectionLostError,
            NotOfTheFloorError,
            UsersFullError,
        ) as error:
            return login_page(target=target, why=str(error), status=403)
        answer = RedirectResponse(_local(target), status_code=303)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=_COOKIE_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
            path="/",
        )
        return answer


def _is_fault(record: logging.LogRecord) -> bool:
    """Say whether a line of the web server is to be logged: a browser that left is no error."""
    error = record.exc_info[1] if record.exc_info else None
    return "No response returned" not in str(error)


def _local(target: str) -> str:
    """Return a path of this process; `/` for anything else."""
    inside = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if inside and target.isprintable() else "/"


async def _health() -> Response:
    return PlainTextResponse("ok\n")


async def _log_out() -> Response:
    answer = RedirectResponse(LOGIN, status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def main() -> int:
    """Read the first briefing and serve; return the exit code."""
    try:
        briefing = decode(sys.stdin.buffer.readline(LINE_BYTES_MAX))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        sys.stderr.write(f"overround console: briefing: {error}\n")
        return 2
    os.nice(_NICENESS)
    Console(briefing).run()
    return 0
