"""Set offers in every account shard, grant free bets, and add up what offers cost.

Owns the fan-out to the shards. It never decides what an offer gives, and keeps no offer itself.
"""

import asyncio

from actors.messages import decode_offers
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.events import FreeBetGranted, LedgerEvent, Refused
from engine.common.ids import ShardNo
from engine.common.offers import GrantFreeBet, SetOffer
from engine.common.units import Minor
from engine.common.views import OfferView
from gateway.messages.offers import (
    FreeBetGiven,
    GiveFreeBet,
    ListOffers,
    OfferLine,
    OfferPut,
    OfferRequest,
    Offers,
    PutOffer,
)
from gateway.messages.protocol import ServerMessage
from gateway.services.ledger_control import NO_ANSWER, error_of, ledger_command
from gateway.settings import GatewaySettings


class OfferService:
    """Offers of all account shards.

    Parameters
    ----------
    routes : Routes
        The account shards, and how to call them.
    settings : GatewaySettings
        How long an answer may take.
    """

    def __init__(self, *, routes: Routes, settings: GatewaySettings) -> None:
        self._routes = routes
        self._timeout_s = settings.control_timeout_ms / 1_000

    async def answer(self, by: str, request: OfferRequest) -> ServerMessage:
        """Answer a request about offers."""
        match request:
            case PutOffer():
                return await self.put(by, request)
            case GiveFreeBet():
                return await self.give(by, request)
            case ListOffers():
                return await self.offers(request)

    async def put(self, by: str, request: PutOffer) -> ServerMessage:
        """Set an offer in every shard; the first refusal is the answer."""
        command = SetOffer(
            offer_no=request.offer,
            name=request.name,
            currency=request.currency,
            rule=request.rule,
            active=request.active,
        )
        events = await asyncio.gather(
            *(self._command(shell, by, command) for shell in self._shells())
        )
        for event in events:
            if isinstance(event, Refused):
                return error_of(event, request.id)
        return OfferPut(id=request.id, offer=request.offer, active=request.active)

    async def give(self, by: str, request: GiveFreeBet) -> ServerMessage:
        """Grant an account a free bet."""
        command = GrantFreeBet(
            account_no=request.account,
            offer_no=request.offer,
            amount_minor=request.amount_minor,
            expires_at_ns=request.expires_at_ns,
            ref=request.ref,
        )
        event = await self._command(self._routes.account_shell(request.account), by, command)
        if isinstance(event, FreeBetGranted):
            return FreeBetGiven(
                id=request.id, account=request.account, free_bet=event.free_bet, known=event.known
            )
        return error_of(event if isinstance(event, Refused) else NO_ANSWER, request.id, request.ref)

    async def offers(self, request: ListOffers) -> ServerMessage:
        """Return all offers, with what each has given in the shards that answered."""
        answers = await asyncio.gather(*map(self._offers_of, self._shells()))
        lines: dict[int, OfferLine] = {}
        for answer in answers:
            for view in answer or ():
                lines[view.offer_no] = _added_to(lines.get(view.offer_no), view)
        return Offers(
            id=request.id,
            offers=tuple(lines[number] for number in sorted(lines)),
            missing=answers.count(None),
        )

    def _shells(self) -> list[str]:
        return [account_shell_name(ShardNo(shard)) for shard in range(self._routes.shards)]

    async def _command(self, shell: str, by: str, command: SetOffer | GrantFreeBet) -> LedgerEvent:
        return await ledger_command(self._routes, shell, by, command, timeout_s=self._timeout_s)

    async def _offers_of(self, shell: str) -> list[OfferView] | None:
        peer = self._routes.peer(shell)
        if peer is None:
            return None
        try:
            return decode_offers(await peer.ask("offers", timeout_s=self._timeout_s))
        except (PeerError, PeerRefusedError):
            return None


def _added_to(line: OfferLine | None, view: OfferView) -> OfferLine:
    """Return an offer's line with one more shard's figures; it is open if it is anywhere."""
    return OfferLine(
        offer=view.offer_no,
        name=view.name,
        currency=view.currency,
        rule=view.rule,
        given_minor=Minor(view.given_minor + (line.given_minor if line else 0)),
        shards=1 + (line.shards if line else 0),
        active=view.active or (line is not None and line.active),
    )
