"""Say on which accounts the house can lose most, as all account shards have them.

Owns the question to all shards, asked once for all: a shard looks at all of its accounts for it. It
changes nothing.
"""

import asyncio
from typing import Final

import msgspec

from actors.messages import ExposedQuery, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common import account_views
from engine.common.ids import ShardNo
from engine.common.units import Minor
from gateway.messages.exposed_accounts import (
    EXPOSED_MAX,
    AskExposedAccounts,
    ExposedAccounts,
    ExposedLine,
)
from gateway.services.shared_answers import SharedAnswer

LIFETIME_S: Final = 1.0
"""Seconds for which an answer serves others."""

_decode: Final = msgspec.msgpack.Decoder(account_views.ExposedAccounts).decode


class ExposedAccountService:
    """The accounts of all shards, from one gateway.

    Parameters
    ----------
    routes : Routes
        The account shards, and how to call them.
    timeout_s : float
        Seconds that a shard's answer may take.
    """

    def __init__(self, *, routes: Routes, timeout_s: float) -> None:
        self._routes = routes
        self._timeout_s = timeout_s
        self._answer = SharedAnswer(self._ask, lifetime_s=LIFETIME_S)

    async def answer(self, request: AskExposedAccounts) -> ExposedAccounts:
        """Return the accounts, as of `LIFETIME_S` ago at most."""
        found = await self._answer.get()
        return msgspec.structs.replace(
            found, id=request.id, accounts=found.accounts[: request.limit]
        )

    async def _ask(self) -> ExposedAccounts:
        names = [account_shell_name(ShardNo(shard)) for shard in range(self._routes.shards)]
        answers = await asyncio.gather(*map(self._of_shard, names))
        known = [one for one in answers if one is not None]
        lines = sorted(
            (line for one in known for line in one.accounts),
            key=lambda line: (-line.at_risk_minor, line.account_no),
        )
        return ExposedAccounts(
            accounts=tuple(map(_line, lines[:EXPOSED_MAX])),
            open=sum(one.open for one in known),
            open_payout_minor=Minor(sum(one.open_payout_minor for one in known)),
            staked_minor=Minor(sum(one.staked_minor for one in known)),
            missing=tuple(name for name, one in zip(names, answers, strict=True) if one is None),
        )

    async def _of_shard(self, name: str) -> account_views.ExposedAccounts | None:
        """Return a shard's accounts; None where it did not answer."""
        peer = self._routes.peer(name)
        if peer is None:
            return None
        query = encode(ExposedQuery(limit=EXPOSED_MAX))
        try:
            return _decode(await peer.ask("query", query, timeout_s=self._timeout_s))
        except (PeerError, PeerRefusedError):
            return None


def _line(one: account_views.ExposedAccount) -> ExposedLine:
    return ExposedLine(
        account=one.account_no,
        currency=one.currency,
        at_risk_minor=one.at_risk_minor,
        open_payout_minor=one.open_payout_minor,
        staked_minor=one.staked_minor,
        rate_micro=one.rate_micro,
        blocked=one.blocked,
        factor_milli=one.factor_milli,
        open_payout_bound_minor=one.open_payout_bound_minor,
    )
