"""Show slips as clients see them: the account's record, and a slip that was accepted just now.

Owns the mapping from the engine's views and the gateway's tickets to messages. It asks nobody.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, SLIP_MESSAGES, Reason
from engine.common.rows import SLIP_BET, BetResult, SlipState
from engine.common.units import Minor, OddsMilli
from engine.common.views import FreeBetView, Slip, SlipBetView, SlipLegView, SlipOfferView
from gateway.bets.slip_ticket import SlipBetAnswer, SlipTicket
from gateway.bets.ticket import BetAnswer, Ticket
from gateway.messages.base import Stale
from gateway.messages.bettor import BetLinesView, FreeBet, LegView, OfferView, SlipView
from gateway.settings import OPEN_PARTS_MAX

STATE_NAMES: Final[dict[int, str]] = {
    SlipState.NONE: "none",
    SlipState.PENDING: "pending",
    SlipState.ACCEPTED: "accepted",
    SlipState.REFUSED: "rejected",
    SlipState.SETTLED: "settled",
    SlipState.RELEASED: "released",
}
RESULT_NAMES: Final[dict[int, str]] = {int(result): result.name.lower() for result in BetResult}


def slip_view(slip: Slip, *, stale: Stale = "") -> SlipView:
    """Return a slip as clients see it."""
    return SlipView(
        bet_id=slip.bet_id,
        ref=slip.ref,
        market=slip.market_no,
        outcome=slip.outcome,
        stake_minor=slip.stake_minor,
        odds_milli=slip.odds_milli,
        state=STATE_NAMES[slip.state],
        placed_at_ns=slip.placed_at_ns,
        reason=slip.reason,
        message=_slip_text(slip) if slip.legs else _text(slip.reason),
        stake_max_minor=slip.stake_max_minor,
        result=RESULT_NAMES[slip.result],
        payout_minor=slip.payout_minor,
        settlement_no=slip.settlement_no,
        legs=tuple(map(_leg_view, slip.legs)),
        bets=tuple(map(_bet_view, slip.bets)),
        positions=_positions([leg.position for leg in slip.legs]),
        offer=None if slip.offer is None else _offer_view(slip.offer),
        stale=stale,
    )


def page_of(slips: Iterable[Slip], *, limit: int) -> list[Slip]:
    """Return the first slips: at most `limit`, with OPEN_PARTS_MAX legs and bets at most."""
    page: list[Slip] = []
    parts = 0
    for slip in slips:
        parts += len(slip.legs) + len(slip.bets)
        if len(page) == limit or (page and parts > OPEN_PARTS_MAX):
            break
        page.append(slip)
    return page


def accepted_bet(ticket: Ticket, answer: BetAnswer) -> SlipView:
    """Return a bet that was accepted just now."""
    return SlipView(
        bet_id=answer.bet_id,
        ref=ticket.ref,
        market=ticket.market_no,
        outcome=ticket.outcome,
        stake_minor=ticket.stake_minor,
        odds_milli=answer.odds_milli,
        state="accepted",
    )


def accepted_slip(slip: SlipTicket, answer: SlipBetAnswer) -> SlipView:
    """Return a slip that was accepted just now."""
    return SlipView(
        bet_id=answer.bet_id,
        ref=slip.ref,
        market=MarketNo(0),
        outcome=0,
        stake_minor=slip.stake_minor,
        odds_milli=OddsMilli(0),
        state="accepted",
        legs=tuple(
            LegView(
                bet_id=result.bet_id,
                market=leg.market_no,
                outcome=leg.outcome,
                odds_milli=result.odds_milli,
                state="accepted",
                event=leg.event,
            )
            for leg, result in zip(slip.legs, answer.legs, strict=True)
        ),
        bets=tuple(map(_bet_row_view, np.frombuffer(slip.bets, SLIP_BET))),
        positions=_positions([leg.position for leg in slip.legs]),
        offer=_taken(slip),
    )


def free_bet(given: FreeBetView) -> FreeBet:
    """Return a free bet as clients see it."""
    return FreeBet(
        free_bet=given.free_bet,
        offer=given.offer_no,
        amount_minor=given.amount_minor,
        left_minor=given.left_minor,
        expires_at_ns=given.expires_at_ns,
    )


def _offer_view(offer: SlipOfferView) -> OfferView:
    return OfferView(
        offer=offer.offer_no,
        added_minor=offer.added_minor,
        free_bet=offer.free_bet,
        earned_free_bet=offer.earned_free_bet,
    )


def _taken(slip: SlipTicket) -> OfferView | None:
    """Return the offer of a slip that was accepted just now."""
    if not slip.offer and not slip.free_bet:
        return None
    added_minor = slip.stake_minor if slip.free_bet else Minor(0)
    return OfferView(offer=slip.offer, added_minor=added_minor, free_bet=slip.free_bet)


def _leg_view(leg: SlipLegView) -> LegView:
    return LegView(
        bet_id=leg.bet_id,
        market=leg.market_no,
        outcome=leg.outcome,
        odds_milli=leg.odds_milli,
        state=STATE_NAMES[leg.state],
        event=leg.event,
        reason=leg.reason,
        message=_text(leg.reason),
        stake_max_minor=leg.stake_max_minor,
        result=RESULT_NAMES[leg.result],
        back_num=leg.back_num,
        back_den=leg.back_den,
        early_lead=leg.early_lead,
    )


def _bet_view(bet: SlipBetView) -> BetLinesView:
    return BetLinesView(
        stake_minor=bet.stake_minor,
        lines=bet.lines,
        sizes=bet.sizes,
        positions=bet.positions,
        bankers=bet.bankers,
        payout_minor_max=bet.payout_minor_max,
    )


def _bet_row_view(bet: Any) -> BetLinesView:
    return BetLinesView(
        stake_minor=Minor(int(bet["stake_minor"])),
        lines=int(bet["lines"]),
        sizes=_bits(int(bet["sizes"])),
        positions=_bits(int(bet["positions"])),
        bankers=_bits(int(bet["bankers"])),
        payout_minor_max=Minor(int(bet["payout_minor_max"])),
    )


def _bits(mask: int) -> tuple[int, ...]:
    return tuple(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def _positions(positions: list[int]) -> tuple[int, ...]:
    """Return the positions of legs, nothing if each is its leg's own number."""
    return () if positions == list(range(len(positions))) else tuple(positions)


def _slip_text(slip: Slip) -> str:
    return SLIP_MESSAGES.get(Reason(slip.reason)) or _text(slip.reason)


def _text(reason: int) -> str:
    return "" if reason == Reason.ACCEPTED else MESSAGES[Reason(reason)]
