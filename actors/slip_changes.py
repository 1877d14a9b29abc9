"""What a change did to slips, as the owners of their accounts are notified of it.

Owns which events follow from a slip's state before and after. Never sends one, and never changes a
slip.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np

from actors.messages import AccountEventKind, GrantedFreeBet
from engine.common.events import FreeBetGranted, LedgerEvent
from engine.common.ids import BetId
from engine.common.rows import Rows, SlipKind, SlipState, U64s
from engine.common.views import SlipOfferView
from engine.ledger.ledger import LedgerMachine

_DECIDED: Final = (SlipState.ACCEPTED, SlipState.REFUSED)

IsWatched = Callable[[int], bool]
"""Says whether anybody watches an account."""


class SlipsBefore(NamedTuple):
    """Heads of slips before a change, as SLIP rows, and what the offers of some give, by bet id."""

    heads: Rows
    offers: dict[int, SlipOfferView | None]


def slips_before(machine: LedgerMachine, bet_ids: U64s, is_watched: IsWatched) -> SlipsBefore:
    """Return the slips of several legs that have legs among some bets."""
    slips = machine.slips_of(bet_ids)
    legs = slips[slips["kind"] == SlipKind.LEG]
    heads = machine.slips_of(np.unique(legs["bet_id"] - legs["legs"]))
    return SlipsBefore(heads, _offers_of(machine, heads, is_watched))


def changes_since(
    machine: LedgerMachine,
    kind: AccountEventKind,
    bet_ids: U64s,
    before: SlipsBefore,
    is_watched: IsWatched,
) -> dict[AccountEventKind, list[int]]:
    """Return the bet ids of what changed, by the kind of event: of a slip one, of its legs none.

    Parameters
    ----------
    machine : LedgerMachine
        The accounts after the change.
    kind : AccountEventKind
        What happened to singles.
    bet_ids : U64s
        The bets that it happened to, singles and legs.
    before : SlipsBefore
        The slips of the legs among them as they were before.
    is_watched : Callable
        Says of which accounts what offers give is looked at.
    """
    heads = before.heads
    now = machine.slips_of(heads["bet_id"])
    resolved = (heads["state"] == SlipState.PENDING) & np.isin(now["state"], _DECIDED)
    settled = (now["settlement_no"] != heads["settlement_no"]) & ~resolved
    slips = machine.slips_of(bet_ids)
    events: dict[AccountEventKind, list[int]] = {
        kind: slips["bet_id"][slips["kind"] == SlipKind.SINGLE].tolist()
    }
    events.setdefault(AccountEventKind.RESOLVED, []).extend(now["bet_id"][resolved].tolist())
    events.setdefault(AccountEventKind.SETTLED, []).extend(now["bet_id"][settled].tolist())
    # What an offer gives may change while the slip is neither settled nor paid otherwise.
    others = _offers_of(machine, now[~resolved & ~settled], is_watched)
    events[AccountEventKind.OFFER_CHANGED] = [
        bet_id for bet_id, given in others.items() if given != before.offers.get(bet_id)
    ]
    return events


def free_bets_granted(
    machine: LedgerMachine, events: Iterable[LedgerEvent], is_watched: IsWatched
) -> list[GrantedFreeBet]:
    """Return the free bets that some events granted just now to accounts that are watched."""
    granted: list[GrantedFreeBet] = []
    for event in events:
        if not isinstance(event, FreeBetGranted) or event.known or not is_watched(event.account_no):
            continue
        balance = machine.balance(event.account_no, before_free_bet=event.free_bet + 1)
        assert balance is not None
        given = balance.free_bets[-1]
        granted.append(GrantedFreeBet(account_no=event.account_no, free_bet=given))
    return granted


def _offers_of(
    machine: LedgerMachine, heads: Rows, is_watched: IsWatched
) -> dict[int, SlipOfferView | None]:
    given: dict[int, SlipOfferView | None] = {}
    for head in heads[heads["offer"] > 0]:
        if is_watched(int(head["account_no"])):
            slip = machine.slip_by_id(BetId(int(head["bet_id"])))
            given[int(head["bet_id"])] = slip.offer if slip is not None else None
    return given
