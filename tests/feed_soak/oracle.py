"""Say what must not have happened in a story: bets after a stop, and money paid otherwise.

Independent of the adapter: it folds the facts of the messages by their own times and never looks at
bytes, marks or markets.
"""

from collections.abc import Sequence

from engine.common.rows import SlipState
from tests.feed_soak.damage import (
    changes_result,
    has_lost_name,
    has_lost_time,
    is_another,
    is_lost,
    named_by,
    status_of,
)
from tests.feed_soak.house import STAKE_MINOR, Record, Wager
from tests.feed_soak.messages import Message, Place
from tests.feed_soak.story import Delivery, Restart

_RESULTS = frozenset(
    {"bet_settlement", "rollback_bet_settlement", "bet_cancel", "rollback_bet_cancel"}
)


def faults(record: Record) -> list[str]:
    """Return a sentence for each bet that was accepted after a stop or paid otherwise."""
    found = [*(_accepted_after_a_stop(record, wager) for wager in record.wagers)]
    found += [_paid_otherwise(record, wager) for wager in record.wagers if wager.accepted]
    return [fault for fault in found if fault]


# --- stops ---------------------------------------------------------------------------------------
def _accepted_after_a_stop(record: Record, wager: Wager) -> str:
    if not wager.accepted:
        return ""
    stopped_ms, opened_ms = -1, -1
    stop: Message | None = None
    newest_ms = 0
    for delivery in record.deliveries[: wager.after]:
        message = delivery.message
        if message.event != wager.market[0] or not delivery.event_readable:
            continue
        at_ms = message.at_ms
        if has_lost_time(delivery):
            at_ms = newest_ms  # nobody knows its time: it stops what was open when it came
        elif message.statuses.get(wager.market[1]) == 1:
            at_ms -= 1  # a sound copy of the same message opens what this one stops
        newest_ms = max(newest_ms, message.at_ms)
        if _opens(delivery, wager.market[1]):
            opened_ms = max(opened_ms, message.at_ms)
        elif _stops(delivery, wager.market[1]) and at_ms >= stopped_ms:
            stopped_ms, stop = at_ms, message
    if opened_ms > stopped_ms:
        return ""
    why = "no message ever opened it" if stop is None else f"{stop.kind} at {stopped_ms} stopped it"
    return f"{wager.ref} on {wager.market} was accepted after {wager.after} deliveries: {why}"


def _opens(delivery: Delivery, place: int) -> bool:
    if delivery.message.kind != "odds_change" or is_lost(delivery):
        return False
    return any(status_of(delivery, row) == 1 for row in _rows_of(delivery, place))


def _stops(delivery: Delivery, place: int) -> bool:
    """Return whether a message that does not open a market stops it."""
    if is_another(delivery):
        return False
    if is_lost(delivery) or delivery.message.kind == "bet_stop":
        return True
    named = _rows_of(delivery, place)
    if not named and has_lost_name(delivery):
        return True  # it may be the one that was meant
    return bool(named) and delivery.message.kind in ("odds_change", "bet_settlement")


def _rows_of(delivery: Delivery, place: int) -> list[int]:
    return [row for row in delivery.message.rows if named_by(delivery, row) == place]


# --- money ---------------------------------------------------------------------------------------
def _paid_otherwise(record: Record, wager: Wager) -> str:
    slip = record.slips.get(wager.ref)
    if slip is None or slip.state not in (SlipState.ACCEPTED, SlipState.SETTLED):
        return f"{wager.ref} was accepted, and its slip is {slip}"
    expected = _expected_payout(record.deliveries, wager)
    if expected is None or _forgotten(record, wager.market):
        return ""
    paid = slip.payout_minor if slip.state is SlipState.SETTLED else -1
    if paid == expected:
        return ""
    return (
        f"{wager.ref} on {wager.market} outcome {wager.outcome}: {expected} expected, {paid} paid"
    )


def _forgotten(record: Record, market: Place) -> bool:
    """Return whether the feed began anew between a market's results and its creation."""
    created = min(wager.after for wager in record.wagers if wager.market == market)
    early = False
    for delivery in record.deliveries[:created]:
        message = delivery.message
        early = early or (message.event == market[0] and market[1] in message.winners)
        if early and delivery.restart in (Restart.PIPELINE, Restart.ALL):
            return True
    return False


def _expected_payout(deliveries: Sequence[Delivery], wager: Wager) -> int | None:
    """Return the payout, -1 for a bet that is open, None where nothing can be said.

    Nothing can be said of a market with a damaged result, nor where results came late (what is
    older than what a market has obeyed is left to a trader), nor where `_is_voided` says nothing.
    """
    event, place = wager.market
    spoken: set[int] = set()
    newest_ms = -1
    winner: int | None = None
    cancelled: bool | None = False
    for number, delivery in enumerate(deliveries):
        message = delivery.message
        if message.event != event or message.kind not in _RESULTS or not delivery.event_readable:
            continue
        if changes_result(delivery, place):
            return None
        if place not in message.rows:
            continue
        again = number < wager.after or message.at_ms in spoken
        if message.kind == "bet_cancel" and delivery.damaged and again:
            return None  # its sound copy is another message, and may void the bets between them
        if message.at_ms < newest_ms and message.at_ms not in spoken:
            return None
        newest_ms = max(newest_ms, message.at_ms)
        if message.at_ms in spoken:
            continue
        spoken.add(message.at_ms)
        if message.kind == "bet_settlement":
            winner = message.winners[place]
        elif message.kind == "rollback_bet_settlement":
            winner = None
        elif message.kind == "rollback_bet_cancel":
            cancelled = False
        elif cancelled is not True and number >= wager.after:
            voided = _is_voided(deliveries, number, wager)
            cancelled = cancelled if voided is False else voided
    if cancelled is None:
        return None
    if cancelled:
        return STAKE_MINOR
    if winner is None:
        return -1
    return STAKE_MINOR * wager.odds_milli // 1_000 if winner == wager.outcome else 0


def _is_voided(deliveries: Sequence[Delivery], cancelled: int, wager: Wager) -> bool | None:
    """Return whether a cancellation voids a bet placed before it came; None: nothing can be said.

    A bet at odds newer than the cancellation stays, also where they came first. Nothing can be
    said after a restart since then, nor of bets before several such odds: the feed's memory is as
    short.
    """
    at_ms = deliveries[cancelled].message.at_ms
    newer = [
        number
        for number, delivery in enumerate(deliveries[:cancelled])
        if delivery.message.at_ms > at_ms
        and delivery.message.event == wager.market[0]
        and (delivery.damaged or _opens(delivery, wager.market[1]))
        and delivery.message.kind == "odds_change"
    ]
    if not newer:
        return True
    restarts = {delivery.restart for delivery in deliveries[newer[0] : cancelled + 1]}
    if restarts & {Restart.PIPELINE, Restart.ALL} or any(deliveries[at].damaged for at in newer):
        return None
    if wager.after > newer[0]:
        return False
    return True if len({deliveries[at].message.at_ms for at in newer}) == 1 else None
