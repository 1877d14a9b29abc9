"""What the rules of the desk's watch do: commands to the markets of what was found.

Owns the commands of one action until each market has answered, and the action's lines in the audit
trail: none begins and ends without one. Which rule acts on what is desk_watch.py's decision.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from actors.back_off import BackOff
from actors.messages import MarketControl, decode_market_events, encode
from actors.routes import Routes
from engine.common.acceptance import AcceptancePatch, SetAcceptance
from engine.common.commands import LimitsPatch, MarketCommand, SetLimits, SuspendMarket
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.reasons import UNRECORDED
from engine.common.units import Minor, Nanos
from engine.common.views import BookImage
from engine.desk.audit_trail import RESULT_CHARS_MAX, AuditLine, LinesAdded
from engine.watch.alerts import Alert, Alerts
from engine.watch.rules import Action, WatchRule

COMMANDS_IN_CALL_MAX: Final = 64
"""Markets of one call, so that no bet waits long for a shell that answers it."""
_ASK_S: Final = 2.0
_RETRY_S: Final = 0.25
_RETRY_S_MAX: Final = 5.0
_CUT: Final = {"stake_minor_max": 1, "outcome_liability_minor_max": 0}
"""The limits that a rule cuts, and the least of each."""

logger = logging.getLogger("overround.desk")
_decode_books: Final = msgspec.msgpack.Decoder(list[BookImage]).decode


class RuleActions:
    """The actions of one desk's rules: at most one runs for each alert that is remembered.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    alerts : callable
        The desk's rules and alerts.
    write : callable
        Writes documents and applies them; False: nothing has changed.
    source : str
        What the lines of this process are numbered under.
    clock_ns : callable
        UTC nanoseconds.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        alerts: Callable[[], Alerts],
        write: Callable[..., bool],
        source: str,
        clock_ns: Callable[[], int],
    ) -> None:
        self._routes = routes
        self._alerts = alerts
        self._write = write
        self._source = source
        self._clock_ns = clock_ns
        self._lines = 0
        self.running: set[asyncio.Task[None]] = set()

    def begin(self, rule: WatchRule, alert: Alert, market_nos: Sequence[MarketNo]) -> None:
        """Do what a rule does about an alert, on some markets, in a task of its own."""
        action = _Action(self, rule, alert, market_nos)
        task = asyncio.get_running_loop().create_task(action.run())
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def stop(self) -> None:
        """Give up what has no answer yet, with a line each."""
        running = list(self.running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def is_open(self, alert: Alert) -> bool:
        """Say whether an alert is still worked on."""
        return self._alerts().is_open(alert.number)

    def note(self, rule: WatchRule, alert: Alert, result: str, *, refused: bool) -> bool:
        """Write a line of an action; False: it is not written."""
        line = AuditLine(
            at_ns=Nanos(self._clock_ns()),
            by=f"rule:{rule.name}",
            what=rule.action.value,
            about=alert.finding.subject,
            result=result[:RESULT_CHARS_MAX],
            refused=refused,
        )
        # A line that is not written gives its number to the next: numbers have no gap.
        if not self._write(LinesAdded(source=self._source, first=self._lines + 1, lines=(line,))):
            return False
        self._lines += 1
        return True

    async def ask(self, shell: str, method: str, argument: object) -> bytes:
        """Return a shell's answer; nothing when it does not come, whatever the cause."""
        peer = self._routes.peer(shell)
        if peer is None:
            return b""
        try:
            answer: bytes = await peer.ask(method, argument, timeout_s=_ASK_S)
        except Exception as error:  # whatever one shell fails with, the others have their commands
            logger.warning("%s: no answer to %s of a rule: %r", shell, method, error)
            return b""
        return answer

    def by_shell(self, market_nos: Iterable[MarketNo]) -> dict[str, list[MarketNo]]:
        """Return markets by their shell; those of no known shell are left out."""
        by_shell: dict[str, list[MarketNo]] = {}
        for number in market_nos:
            shell = self._routes.market_shell(number)
            if shell is not None:
                by_shell.setdefault(shell, []).append(number)
        return by_shell


class _Action:
    """One action: what it has to do on each market, until that market has answered."""

    def __init__(
        self,
        actions: RuleActions,
        rule: WatchRule,
        alert: Alert,
        market_nos: Sequence[MarketNo],
    ) -> None:
        self._actions = actions
        self._rule = rule
        self._alert = alert
        self._left: dict[MarketNo, MarketCommand | None] = dict.fromkeys(market_nos)
        """Markets without an answer, with what each is sent again: a limit is cut once."""
        self._done = 0
        self._refused = 0

    async def run(self) -> None:
        """Send until every market has answered or the alert is closed; note what came of it."""
        try:
            await self._until_answered()
        except asyncio.CancelledError:
            self._note("given up, since the desk ends: ")
            raise
        except Exception as error:
            logger.exception("rule %s: %s failed", self._rule.name, self._rule.action)
            self._note(f"failed, {error!r}: ")

    async def _until_answered(self) -> None:
        retry = BackOff(_RETRY_S, _RETRY_S_MAX, clock_s=asyncio.get_running_loop().time)
        await self._send()
        if self._left:
            self._note("tried again until the alert is closed: ")
        while self._left and self._actions.is_open(self._alert):
            retry.failed()
            await retry.wait()
            await self._send()
        closed = "the alert is closed: " if self._left else ""
        while not self._note(closed):
            retry.failed()
            await retry.wait()

    def _note(self, what: str) -> bool:
        result = f"{what}{self._done} done, {self._refused} refused"
        if self._left:
            result += f", {len(self._left)} without an answer"
        failed = bool(self._refused or self._left or not self._done)
        return self._actions.note(self._rule, self._alert, result, refused=failed)

    async def _send(self) -> None:
        """Send what is left once, to all shells at the same time."""
        shells = self._actions.by_shell(self._left)
        await asyncio.gather(*(self._send_to(shell, nos) for shell, nos in shells.items()))

    async def _send_to(self, shell: str, market_nos: list[MarketNo]) -> None:
        try:
            await self._send_parts(shell, market_nos)
        except Exception:  # an answer that cannot be read is none: its markets are tried again
            logger.exception("%s: rule %s is tried again", shell, self._rule.name)

    async def _send_parts(self, shell: str, market_nos: list[MarketNo]) -> None:
        for start in range(0, len(market_nos), COMMANDS_IN_CALL_MAX):
            part = market_nos[start : start + COMMANDS_IN_CALL_MAX]
            await self._prepare(shell, part)
            ready = {no: command for no in part if (command := self._left[no]) is not None}
            if ready:
                by = f"rule:{self._rule.name}"
                request = MarketControl(by=by, commands=tuple(ready.values()))
                raw = await self._actions.ask(shell, "control", encode(request))
                self._take(list(ready), raw)

    async def _prepare(self, shell: str, market_nos: list[MarketNo]) -> None:
        """Make the commands of markets that have none yet."""
        new = [no for no in market_nos if self._left[no] is None]
        if self._rule.action is Action.SUSPEND:
            for no in new:  # whatever its state: a market that is stopped already refuses it
                self._left[no] = SuspendMarket(market_no=no, why=f"rule {self._rule.name}")
        elif new:
            raw = await self._actions.ask(shell, "book_images", new)
            for image in _decode_books(raw) if raw else ():
                self._left[image.prices.market_no] = self._command(image)

    def _command(self, image: BookImage) -> MarketCommand:
        """Return what the action asks of a market as it is now."""
        rule, market_no = self._rule, image.prices.market_no
        if rule.action is Action.CUT_LIMITS:
            return self._cut(image)
        before = image.acceptance
        if rule.action is Action.RAISE_DELAY:
            change = AcceptancePatch(delay_ms=max(before.delay_ms, rule.delay_ms))
        else:
            least = min(before.referral_minor_from or rule.refer_minor_from, rule.refer_minor_from)
            change = AcceptancePatch(
                referral_ms=before.referral_ms or rule.referral_ms, referral_minor_from=least
            )
        return SetAcceptance(market_no=market_no, acceptance=change, why=f"rule {rule.name}")

    def _cut(self, image: BookImage) -> SetLimits:
        limits = {
            name: Minor(max(int(getattr(image.limits, name) * self._rule.cut_to), least))
            for name, least in _CUT.items()
        }
        return SetLimits(market_no=image.prices.market_no, limits=LimitsPatch(**limits))

    def _take(self, market_nos: list[MarketNo], raw: bytes) -> None:
        """Take a shell's answer: one event for each command, in their order."""
        if not raw:
            self._forget(market_nos)
            return
        for no, event in zip(market_nos, decode_market_events(raw), strict=True):
            if isinstance(event, Refused):
                if event.reason in UNRECORDED:
                    self._forget([no])
                    continue
                self._refused += 1
            else:
                self._done += 1
            del self._left[no]

    def _forget(self, market_nos: Sequence[MarketNo]) -> None:
        """Have what raises a market's delay or referral made anew: a trader may raise it too."""
        if self._rule.action in (Action.RAISE_DELAY, Action.REFER):
            self._left.update(dict.fromkeys(market_nos))
