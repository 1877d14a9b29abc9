"""Compare the result that a market states with its own bets and with what stands for them.

Owns this comparison, which is one link of a chain: a market's figures are those of its bets, each
bet has its slip, each slip is settled as its market says (see reconciliation), and the settled
slips add up to the house's account of each currency. It counts with Python's integers and shares no
code with the market's machine, so that a defect there is not repeated here.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from engine.common.book_result import BookResult
from engine.common.rows import FLAG_LEG, BetResult, Rows
from engine.common.units import Minor
from engine.common.views import BookImage
from engine.market.market import MarketMachine

BETS_MAX: Final = 16_384
"""Bets of a market that is compared while its shell serves; larger ones are left to an audit."""
_RATE_ONE: Final = 1_000_000
_STAKE_BACK: Final = (BetResult.REFUNDED, BetResult.CANCELLED)


def machine_differences(machine: MarketMachine) -> Iterator[str]:
    """Yield how the markets of a machine state another result than their bets have."""
    bets = machine.bets()
    accepted = bets[bets["reason"] == 0]
    legs = np.flatnonzero(accepted["flags"] & FLAG_LEG)
    charges = machine.charges_of(accepted["bet_id"][legs])
    of_charge = np.isin(accepted["bet_id"][legs], charges["bet_id"])
    accepted["stake_minor"][legs[of_charge]] = charges["stake_minor"]  # in the order of the legs
    accepted = accepted[np.argsort(accepted["market_no"], kind="stable")]
    for number in machine.market_nos():
        first, last = np.searchsorted(accepted["market_no"], (number, number + 1))
        yield from stated_differences(
            machine.book_image(number), accepted[first:last], machine.present_resolutions(number)
        )


def stated_differences(image: BookImage, bets: Rows, standing: Rows) -> Iterator[str]:
    """Yield how a market states another result than its bets have.

    Parameters
    ----------
    image : BookImage
        What the market states.
    bets : Rows
        BET_RECORD rows of its accepted bets; a leg has its present charge for its stake.
    standing : Rows
        SETTLEMENT rows of what stands for each of them, in any order, of the same instant.
    """
    name = f"market {image.prices.market_no} ({image.prices.key})"
    if image.bets != len(bets):
        yield f"{name}: states {image.bets} bets, has {len(bets)}"
    unlike = np.setxor1d(bets["bet_id"], standing["bet_id"]).tolist()
    if unlike:
        yield f"{name}: nothing says what stands for bet {unlike[0]}, or it is another market's"
        return
    outcomes = len(image.results)
    expected = _results(bets, standing, outcomes=outcomes, stand=image.results_stand)
    for outcome, (stated, counted) in enumerate(zip(image.results, expected, strict=True)):
        yield from _differences(f"{name}: outcome {outcome}", stated, counted)
    whole = BookResult(
        staked_minor=Minor(sum(one.staked_minor for one in expected)),
        refunded_minor=Minor(sum(one.refunded_minor for one in expected)),
        paid_minor=Minor(sum(one.paid_minor for one in expected)),
        profit_minor=Minor(sum(one.profit_minor for one in expected)),
    )
    yield from _differences(name, image.result, whole)


def _differences(name: str, stated: BookResult, counted: BookResult) -> Iterator[str]:
    for field in BookResult.__struct_fields__:
        if getattr(stated, field) != getattr(counted, field):
            yield (
                f"{name}: {field} is stated as {getattr(stated, field)}, "
                f"by its bets it is {getattr(counted, field)}"
            )


def _results(bets: Rows, standing: Rows, *, outcomes: int, stand: bool) -> list[BookResult]:
    """Return the result of each outcome: stakes in base currency down, payouts up, bet by bet."""
    staked, refunded, paid = [0] * outcomes, [0] * outcomes, [0] * outcomes
    bets = bets[np.argsort(bets["bet_id"])]
    standing = standing[np.argsort(standing["bet_id"])]
    for outcome, stake, rate, result, back, back_den in zip(
        bets["outcome"].tolist(),
        bets["stake_minor"].tolist(),
        bets["rate_micro"].tolist(),
        standing["result"].tolist(),
        standing["payout_minor"].tolist(),
        standing["back_den"].tolist(),
        strict=True,
    ):
        # The row of a leg has the fraction of its stake that it gives back.
        payout = stake * back // back_den if back_den else back
        base = stake * rate // _RATE_ONE
        staked[outcome] += base
        if result in _STAKE_BACK:
            refunded[outcome] += base
        elif result:
            paid[outcome] += -(-payout * rate // _RATE_ONE)
    return [
        BookResult(
            staked_minor=Minor(s),
            refunded_minor=Minor(r),
            paid_minor=Minor(p),
            profit_minor=Minor(s - r - p if stand else 0),
        )
        for s, r, p in zip(staked, refunded, paid, strict=True)
    ]
