"""Ask markets' shells what commands would do to bets, and how much money they would move.

Owns nothing but the way to the shells, which work the figures out.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from actors.messages import ShellPreview, decode_shell_preview, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from actors.weights import WeighCommands, Weighed, Weight, decode_weighed
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.previews import PreviewCommand
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import LEG_TIMES, Rows
from engine.common.units import BALANCE_MINOR_MAX, ODDS_MILLI_ONE, Minor
from gateway.messages.corrections import AskPreview, Previewed
from gateway.messages.protocol import ServerMessage
from gateway.services.ledger_control import error_of
from gateway.services.slip_mosts import SlipMosts

TWICE: Final = Refused(
    reason=Reason.FIELD_OUT_OF_BOUNDS,
    field="market_no",
    message="one command of a market in a message: what a second one does depends on the first",
)


class Weights(NamedTuple):
    """How much money commands would move, one element of each list for each command."""

    refused: list[Refused | None]
    settlement_no: list[int]
    """Of the command's market."""
    moved_minor: list[Minor]
    """The first of a shell's includes what moves of markets that follow those of its commands."""
    shell: list[str]
    """Which shell the command goes to; empty: none."""
    slips: list[bytes]
    """SLIP_MOST rows of the legs that count by their slips."""

    def sum_minor(self) -> Minor:
        """Return what all of them move."""
        return Minor(min(sum(self.moved_minor), BALANCE_MINOR_MAX))

    def by_shell(self) -> dict[str, int]:
        """Return what each shell's commands move, of those that are not refused."""
        sums: dict[str, int] = {}
        for at, shell in enumerate(self.shell):
            if self.refused[at] is None:
                sums[shell] = sums.get(shell, 0) + self.moved_minor[at]
        return sums


class PreviewService:
    """Previews of commands.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    timeout_s : float
        How long an answer may take.
    """

    def __init__(self, *, routes: Routes, timeout_s: float) -> None:
        self._routes = routes
        self._timeout_s = timeout_s
        self.slips = SlipMosts(routes=routes, timeout_s=timeout_s)

    async def answer(self, request: AskPreview) -> ServerMessage:
        """Answer a client: the figures, or why the command would be refused."""
        found = await self.of(request.command)
        if found.preview is None:
            return error_of(found.refused, request.id)
        rows = np.frombuffer(found.legs, LEG_TIMES)
        most = await self.slips.most(rows["bet_id"])
        if most is None:
            return error_of(_refusal(Reason.UNAVAILABLE), request.id)
        moved_minor = min(found.preview.moved_minor + _moved(rows, most), BALANCE_MINOR_MAX)
        preview = replace(found.preview, moved_minor=Minor(moved_minor))
        return Previewed(id=request.id, seq=found.seq, preview=preview)

    async def of(self, command: PreviewCommand) -> ShellPreview:
        """Return what a command would do; a shell that does not answer is a refusal."""
        shell = self._routes.market_shell(command.market_no)
        if shell is None:
            return _refused(Reason.MARKET_UNKNOWN)
        peer = self._routes.peer(shell)
        if peer is None:
            return _refused(Reason.UNAVAILABLE)
        try:
            raw = await peer.ask("preview", encode(command), timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return _refused(Reason.UNAVAILABLE)
        return decode_shell_preview(raw)

    def shell_of(self, market_no: MarketNo) -> str:
        """Return the shell that hosts a market; empty: none."""
        return self._routes.market_shell(market_no) or ""

    async def weigh(self, commands: Sequence[PreviewCommand]) -> Weights:
        """Return how much money commands would move, given together: one call of each shell.

        A second command of one market is refused before any is asked about: what it does depends on
        the first.
        """
        count = len(commands)
        weights = Weights([None] * count, [0] * count, [Minor(0)] * count, [""] * count, [])
        places: dict[str, list[int]] = {}
        numbers: set[int] = set()
        for at, command in enumerate(commands):
            shell = self._routes.market_shell(command.market_no)
            if command.market_no in numbers:
                weights.refused[at] = TWICE
            elif shell is None:
                weights.refused[at] = _refusal(Reason.MARKET_UNKNOWN)
            else:
                weights.shell[at] = shell
                places.setdefault(shell, []).append(at)
            numbers.add(command.market_no)
        answers = await asyncio.gather(
            *(self._weigh(shell, [commands[one] for one in own]) for shell, own in places.items())
        )
        legs: list[tuple[int, bytes]] = []
        for own, answer in zip(places.values(), answers, strict=True):
            for one, weight in zip(own, answer.weights, strict=True):
                weights.refused[one] = weight.refused
                weights.settlement_no[one] = weight.settlement_no
                weights.moved_minor[one] = weight.moved_minor
                legs.append((one, weight.legs))
            first = next((one for one in own if weights.refused[one] is None), own[0])
            weights.moved_minor[first] = Minor(weights.moved_minor[first] + answer.following_minor)
            legs.append((first, answer.following_legs))
        await self._add_legs(weights, [(one, rows) for one, rows in legs if rows])
        return weights

    async def _add_legs(self, weights: Weights, legs: Sequence[tuple[int, bytes]]) -> None:
        """Add what legs count by their slips to what some commands move, each by its place."""
        rows = [np.frombuffer(raw, LEG_TIMES) for _, raw in legs]
        if not rows:
            return
        most = await self.slips.most(np.concatenate(rows)["bet_id"])
        if most is not None:
            weights.slips.append(most.tobytes())
        start = 0
        for (at, _), part in zip(legs, rows, strict=True):
            if most is None:
                weights.refused[at] = weights.refused[at] or _refusal(Reason.UNAVAILABLE)
                continue
            moved = weights.moved_minor[at] + _moved(part, most[start : start + len(part)])
            weights.moved_minor[at] = Minor(min(moved, BALANCE_MINOR_MAX))
            start += len(part)

    async def _weigh(self, shell: str, commands: Sequence[PreviewCommand]) -> Weighed:
        peer = self._routes.peer(shell)
        refused = Weight(refused=_refusal(Reason.UNAVAILABLE))
        if peer is not None:
            payload = encode(WeighCommands(commands=tuple(commands)))
            try:
                return decode_weighed(await peer.ask("weigh", payload, timeout_s=self._timeout_s))
            except (PeerError, PeerRefusedError):
                pass  # it says nothing, so nothing is allowed
        return Weighed(weights=(refused,) * len(commands))


def _refused(reason: Reason) -> ShellPreview:
    return ShellPreview(refused=_refusal(reason))


def _refusal(reason: Reason) -> Refused:
    return Refused(reason=reason, message=MESSAGES[reason])


def _moved(legs: Rows, most: Rows) -> int:
    """Return what legs (LEG_TIMES rows) move by the most of their slips, in the same order."""
    pairs = zip(legs["times_milli"].tolist(), most["most_minor"].tolist(), strict=True)
    return sum(-(-minor * times // ODDS_MILLI_ONE) for times, minor in pairs)
