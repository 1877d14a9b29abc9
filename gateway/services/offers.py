"""Set offers in every account shard, grant free bets, and add up what offers cost.

Owns the fan-out to the shards. It never decides what an offer gives, and keeps no offer itself.
"""

import asyncio
from collections.abc import Mapping

from actors.messages import decode_offers
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.events import FreeBetGranted, LedgerEvent, Refused
from engine.common.ids import ShardNo
from engine.common.offers import GrantFreeBet, OfferRule, SetOffer
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
        """Set an offer in every shard; the first refusal is the answer.

        The first shard decides: the others are asked only once it has accepted. So a number never
        gets two rules, whichever shard is down and however many traders set it at once. A shard
        that missed it gets it when the same is sent again.
        """
        command = SetOffer(
            offer_no=request.offer,
            name=request.name,
            currency=request.currency,
            rule=request.rule,
            active=request.active,
        )
        first, *others = self._shells()
        events = [await self._command(first, by, command)]
        if not isinstance(events[0], Refused):
            events += await asyncio.gather(*(self._command(one, by, command) for one in others))
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
        shards = {
            shard: {view.offer_no: view for view in answer}
            for shard, answer in enumerate(answers)
            if answer is not None
        }
        numbers = sorted({number for views in shards.values() for number in views})
        return Offers(
            id=request.id,
            offers=tuple(_line(number, shards) for number in numbers),
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


def _line(number: int, shards: Mapping[int, Mapping[int, OfferView]]) -> OfferLine:
    """Return an offer's line from what each shard that answered has; it is open if it is anywhere.

    The first of these shards that has it says what it is, and those that have it otherwise, or not
    at all, are named.
    """
    held = [views[number] for views in shards.values() if number in views]
    stated = _stated(held[0])
    return OfferLine(
        offer=number,
        name=held[0].name,
        currency=held[0].currency,
        rule=held[0].rule,
        given_minor=Minor(sum(view.given_minor for view in held)),
        shards=len(held),
        active=any(view.active for view in held),
        differs=tuple(
            shard
            for shard, views in shards.items()
            if number not in views or _stated(views[number]) != stated
        ),
    )


def _stated(view: OfferView) -> tuple[str, str, OfferRule, bool]:
    """Return what `set_offer` has said of an offer."""
    return view.name, view.currency, view.rule, view.active
