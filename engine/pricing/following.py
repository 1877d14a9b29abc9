"""What a feed says of this shell's markets, made into commands: odds where it gives chances.

Owns the way from fair probabilities to a market's odds, by margin, lean and ladder, and from a
message's place in its feed to a FeedUpdate, which a market obeys once. Never decides whether a
command is allowed. Loaded at its first use: a shell that must take bets again does not wait for
pricing kernels.
"""

from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from engine.common.commands import (
    FeedStep,
    FeedUpdate,
    MarketCommand,
    Quote,
    SetOdds,
)
from engine.common.events import Refused
from engine.common.ids import parse_market_key
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from engine.market.status_transitions import as_fed, unpriced
from engine.pricing.fair_probabilities import Fair, Mark
from engine.pricing.quoting import BookFigures, Margin, Quoted, quote
from engine.pricing.skew import Skew

UPDATES_IN_CALL_MAX: Final = 1_024
"""Markets' parts of messages that one call may carry; a caller with more makes more calls."""


class Followed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One market's part of one message: odds if `fair`, then the steps, in this order.

    With a `mark` both are one FeedUpdate; without, the steps are given as often as they are asked,
    and those that move the market set its status, so that they heed a trader's hold and are none.
    """

    market_no: int
    mark: Mark | None = None
    steps: tuple[FeedStep, ...] = ()
    fair: Fair | None = None


class Follow(Struct, frozen=True, kw_only=True):
    """Parts of messages for one shell's markets, in order, journaled as one record."""

    by: str
    updates: tuple[Followed, ...]
    margin: Margin = Margin()
    skew: Skew | None = None


decode_follow = msgspec.msgpack.Decoder(Follow).decode


def follow_commands(
    asked: Follow, machine: MarketMachine
) -> tuple[list[MarketCommand], list[Refused]]:
    """Return what the markets are to obey, in order, and which probabilities made no odds.

    Raises
    ------
    ValueError
        When there are more updates than one call may carry: the caller's bug.
    """
    if len(asked.updates) > UPDATES_IN_CALL_MAX:
        message = f"{len(asked.updates)} updates, at most {UPDATES_IN_CALL_MAX} in one call"
        raise ValueError(message)
    here = frozenset(machine.market_nos())
    refused: list[Refused] = []
    priced: list[_Fair] = []
    for place, followed in enumerate(asked.updates):
        if followed.fair is None:
            continue
        if followed.market_no not in here:
            message = f"no market {followed.market_no} here"
            refused.append(
                Refused(reason=Reason.MARKET_UNKNOWN, field="market_no", message=message)
            )
        else:
            fair = _Fair(place, followed.market_no, followed.fair, machine)
            if fair.fault:
                refused.append(
                    Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field="fair", message=fair.fault)
                )
            else:
                priced.append(fair)
    odds = _odds(priced, asked, machine)
    commands: list[MarketCommand] = []
    for place, followed in enumerate(asked.updates):
        steps = followed.steps
        if place in odds:
            steps = (odds[place], *steps)
        elif followed.fair is not None:
            steps = tuple(map(unpriced, steps))
        if followed.mark is None:
            commands += map(as_fed, steps)
        elif steps:
            commands.append(feed_update(followed.market_no, followed.mark, steps))
    return commands, refused


def feed_update(market_no: int, mark: Mark, steps: tuple[FeedStep, ...]) -> FeedUpdate:
    """Return what has a market obey a message's steps once."""
    return FeedUpdate(
        market_no=market_no,
        source=mark.source,
        position=mark.position,
        digest=mark.digest,
        steps=steps,
    )


class _Fair:
    """The probabilities of one market that are to be quoted; `fault` says why they are not."""

    __slots__ = ("fault", "held_milli", "market_no", "place", "quoted", "source", "type")

    def __init__(self, place: int, market_no: int, fair: Fair, machine: MarketMachine) -> None:
        image = machine.price_image(market_no)
        self.place = place
        self.market_no = market_no
        self.source = fair
        self.held_milli = image.odds_milli
        self.type = parse_market_key(image.key).type
        self.quoted: list[int] = []
        self.fault = ""
        count, given = len(image.outcomes), len(fair.probabilities)
        if given != count or len(fair.active) != count:
            self.fault = f"{image.key} has {count} outcomes, not {given}"
        elif fair.winners < 1 or not all(0.0 <= p <= 1.0 for p in fair.probabilities):
            self.fault = f"{image.key}: probabilities lie from 0 to 1, winners from 1"
        else:
            self.quoted = [i for i in range(count) if fair.active[i] and fair.probabilities[i] > 0]


def _odds(priced: list[_Fair], asked: Follow, machine: MarketMachine) -> dict[int, SetOdds]:
    """Return each priced update's odds, by its place; all are quoted in one pass.

    An outcome that is not on offer keeps the odds that it had, and takes no part in the book.
    """
    markets = [fair for fair in priced if fair.quoted]
    odds = {
        fair.place: SetOdds(
            market_no=fair.market_no,
            quotes=tuple(
                Quote(outcome=i, odds_milli=milli, active=False)
                for i, milli in enumerate(fair.held_milli)
            ),
        )
        for fair in priced
        if not fair.quoted
    }
    if not markets:
        return odds
    quoted = _quote(markets, asked, machine)
    odds_milli, offered = quoted.odds_milli.tolist(), quoted.offered.tolist()
    first = 0
    for fair in markets:
        quotes = [
            Quote(outcome=i, odds_milli=milli, active=False)
            for i, milli in enumerate(fair.held_milli)
        ]
        for k, i in enumerate(fair.quoted, start=first):
            quotes[i] = Quote(outcome=i, odds_milli=odds_milli[k], active=offered[k])
        first += len(fair.quoted)
        odds[fair.place] = SetOdds(market_no=fair.market_no, quotes=tuple(quotes))
    return odds


def _quote(markets: list[_Fair], asked: Follow, machine: MarketMachine) -> Quoted:
    offsets = np.cumsum([0, *(len(fair.quoted) for fair in markets)]).astype(np.int64)
    chances = [fair.source.probabilities[i] for fair in markets for i in fair.quoted]
    figures = None
    if asked.skew is not None:
        books = [machine.book_image(fair.market_no) for fair in markets]
        stakes, payouts = zip(
            *(
                (book.stake_minor[i], book.payout_minor[i])
                for fair, book in zip(markets, books, strict=True)
                for i in fair.quoted
            ),
            strict=True,
        )
        figures = BookFigures(
            stake_minor=np.array(stakes, np.int64), payout_minor=np.array(payouts, np.int64)
        )
    return quote(
        np.array(chances),
        offsets,
        np.array([float(fair.source.winners) for fair in markets]),
        [fair.type for fair in markets],
        margin=asked.margin,
        skew=asked.skew,
        figures=figures,
    )
