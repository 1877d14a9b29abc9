"""What runs under early payouts: the open legs of slips with such an offer, by offer and outcome.

Owns the sums. Never says how likely a lead is: pricing does.
"""

from collections.abc import Sequence

import numpy as np

from engine.common.ids import MarketNo
from engine.common.offers import OfferKind
from engine.common.rows import FLAG_PRE_MATCH, Rows, SlipState
from engine.common.units import ODDS_MILLI_ONE, RATE_MICRO_ONE, Minor
from engine.common.views import EarlyStanding
from engine.ledger.tables import LedgerTables


def standing_early(tables: LedgerTables, market_nos: Sequence[int]) -> list[EarlyStanding]:
    """Return the open legs in some markets that an early payout covers, summed up.

    Covered are legs at the offer's lowest odds or more; of those that a lead has marked, the ones
    that were placed when the offer asks. The cost is one pass over the slips with an offer.
    """
    offers, offered = tables.offers.offers, tables.offers.used_offered()
    early = offered[offers["kind"][offered["offer"]] == OfferKind.EARLY_PAYOUT]
    heads = early["head"].astype(np.int64)
    counts = tables.slips["legs"][heads].astype(np.int64)
    firsts = np.repeat(heads + 1 - (np.cumsum(counts) - counts), counts)
    legs: Rows = tables.slips[firsts + np.arange(counts.sum())]
    rules: Rows = offers[np.repeat(early["offer"], counts)]
    numbers = np.repeat(early["offer"], counts)
    late = (legs["held"] > 0) & (rules["pre_match"] > 0) & (legs["bets"] & FLAG_PRE_MATCH == 0)
    covered = (
        (legs["state"] == SlipState.ACCEPTED)
        & np.isin(legs["market_no"], market_nos)
        & (legs["odds_milli"] >= rules["odds_milli_min"])
        & ~late
    )
    sums: dict[tuple[int, int, int], list[int]] = {}
    marked = legs["held"] >= rules["lead"]
    for number, leg, mark in zip(
        numbers[covered].tolist(), legs[covered], marked[covered].tolist(), strict=True
    ):
        key = (number, int(leg["market_no"]), int(leg["outcome"]))
        at = sums.setdefault(key, [0, 0, 0, 0])
        runs_minor = int(leg["charged_minor"]) * int(leg["odds_milli"]) // ODDS_MILLI_ONE
        at[2 * mark] += 1
        at[2 * mark + 1] += runs_minor * int(leg["rate_micro"]) // RATE_MICRO_ONE
    return [
        EarlyStanding(
            offer_no=number,
            lead=int(offers["lead"][number]),
            market_no=MarketNo(market_no),
            outcome=outcome,
            legs=legs_open,
            payout_minor=Minor(payout),
            marked_legs=legs_marked,
            marked_payout_minor=Minor(marked_payout),
        )
        for (number, market_no, outcome), (
            legs_open, payout, legs_marked, marked_payout,
        ) in sorted(sums.items())
    ]  # fmt: skip
