"""Judge the slips of several legs: their accounts, the markets of their legs, and what is paid.

Owns the promises of slips. Every leg is held or released, no slip stands without one of its legs,
the stake is taken once, the payout is the oracle's from what stands in the markets' journals, and
each market is charged what the slip lets run on its leg.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from engine.common.offers import EarlyPayoutRule
from engine.common.rows import FLAG_PRE_MATCH, SlipKind
from engine.common.units import STAKE_MINOR_MAX
from simulations.expected_offers import added_minor
from simulations.expected_slips import charges_minor, owed_minor
from tests.simulator.account_model import ShardModel
from tests.simulator.offers import offered
from tests.simulator.one_market import AcceptedBet, MarketModel
from tests.simulator.slip_model import (
    ACCEPTED,
    PENDING,
    REFUSED,
    SETTLED,
    LegModel,
    SlipModel,
)
from tests.simulator.story import Layout, PlaceSlip

_RESULTS = {"none": 0, "won": 1, "lost": 2, "refunded": 3, "half_lost": 5}
_POLICIES = {
    ("none", "legs"): 0,
    ("higher", "legs"): 1,
    ("any", "legs"): 2,
    ("none", "combined"): 3,
    ("higher", "combined"): 4,
    ("any", "combined"): 2,
}
Content = tuple[Any, ...]
Accepted = Mapping[int, tuple[AcceptedBet, MarketModel]]


class SlipAudit:
    """The audit of the slips of one run; `fault` takes what is wrong.

    Parameters
    ----------
    rows : mapping
        The rows of all accounts' slips by bet id, of every kind.
    shards : collection of ShardModel
        What the accounts' journals say.
    accepted : mapping
        The bets that markets accepted, by bet id.
    added : callable
        Returns what the offer of an account's slip has given, by the account's number and the ref.
    """

    def __init__(
        self,
        rows: Mapping[int, Any],
        shards: Collection[ShardModel],
        accepted: Accepted,
        fault: Callable[[str], None],
        added: Callable[[int, str], int],
    ) -> None:
        self._rows = rows
        self._accepted = accepted
        self._fault = fault
        self._added = added
        self._rules = {no: rule for shard in shards for no, rule in shard.offers.rules.items()}
        self._slips = {no: slip for shard in shards for no, slip in shard.slips.items()}

    def run(self) -> None:
        legs: dict[int, None] = {}
        for bet_id, slip in self._slips.items():
            if slip.legs:
                self._check_slip(bet_id, slip)
                legs.update(dict.fromkeys(leg.bet_id for leg in slip.legs))
        for bet_id, row in self._rows.items():
            if (row["kind"] == SlipKind.LEG) != (bet_id in legs):
                self._fault(f"bet {bet_id} has the kind {row['kind']}")
        for bet_id, (bet, _) in self._accepted.items():
            if bet.is_leg != (bet_id in legs):
                self._fault(f"bet {bet_id}: its market and its account differ on what it is")

    def _check_slip(self, bet_id: int, slip: SlipModel) -> None:
        row = self._rows.get(bet_id)
        if row is None or any(leg.bet_id not in self._rows for leg in slip.legs):
            self._fault(f"slip {bet_id} or a leg of it is not in its account")
            return
        what = f"slip {bet_id} ({row['ref']})"
        for field, due in (
            ("kind", SlipKind.HEAD),
            ("state", slip.state),
            ("reason", slip.reason),
            ("stake_minor", slip.stake),
            ("payout_minor", slip.payout),
            ("result", _RESULTS[slip.result()]),
        ):
            if row[field] != due:
                self._fault(f"{what}: {field} {row[field]} in its account, {due} by its journal")
        if slip.state == PENDING:
            self._fault(f"{what} is not resolved")
        for leg in slip.legs:
            self._check_leg(f"{what}, leg {leg.bet_id}", slip, leg)
        if slip.state in (ACCEPTED, SETTLED):
            self._check_payout(what, slip)
            self._check_early(what, slip, row["ref"])
        self._check_charges(what, slip)

    def _check_leg(self, what: str, slip: SlipModel, leg: LegModel) -> None:
        row = self._rows[leg.bet_id]
        if row["state"] != leg.state:
            self._fault(f"{what}: state {row['state']} in its account, {leg.state} by its journal")
        if leg.state == PENDING:
            self._fault(f"{what} is not resolved")
        stands = slip.state in (ACCEPTED, SETTLED)
        if stands != (leg.state in (ACCEPTED, SETTLED)):
            self._fault(f"{what} has the state {leg.state} in a slip of the state {slip.state}")
        held = self._accepted.get(leg.bet_id)
        if held is None:
            if leg.state != REFUSED:
                self._fault(f"{what} has the state {leg.state}, and no market accepted it")
            return
        if leg.state == REFUSED:
            self._fault(f"{what} was accepted by its market and is refused in its account")
        bet, market = held
        given = (bet.account, bet.market, bet.outcome, bet.odds_seen, bet.odds)
        due = (slip.account, leg.market, leg.outcome, leg.odds_seen, leg.odds)
        if given != due:
            self._fault(f"{what}: {due} in its account, {given} in its market")
        if stands and market.back(bet) != leg.back:
            self._fault(f"{what} gives back {leg.back} by its account, {market.back(bet)} by now")
        mark = (row["held"], bool(row["bets"] & FLAG_PRE_MATCH))
        if stands and mark != (bet.early_lead, bet.pre_match):
            self._fault(
                f"{what} has the mark {mark} in its account, {(bet.early_lead, bet.pre_match)} by "
                "its market"
            )

    def _check_payout(self, what: str, slip: SlipModel) -> None:
        """Compare the payout with the oracle's, from what stands in the markets' journals."""
        backs = []
        for leg in slip.legs:
            held = self._accepted.get(leg.bet_id)
            if held is None:
                return
            bet, market = held
            backs.append(market.back(bet))
        owed = owed_minor(slip.with_backs(backs).shape(), slip.bets)
        paid = slip.payout if slip.state == SETTLED else None
        if paid != owed:
            self._fault(f"{what} got {paid} instead of {owed}")

    def _check_early(self, what: str, slip: SlipModel, ref: str) -> None:
        """Compare what an early payout gave with the oracle's, by what the markets' journals say.

        A free bet may be of such an offer too: it gives the stake, and no early payout.
        """
        rule = self._rules.get(slip.offer)
        held = [self._accepted.get(leg.bet_id) for leg in slip.legs]
        if not isinstance(rule, EarlyPayoutRule) or slip.free_bet or None in held:
            return
        stood = slip.with_backs([market.back(bet) for bet, market in filter(None, held)])
        for leg, (bet, _) in zip(stood.legs, filter(None, held), strict=True):
            leg.early_lead, leg.pre_match = bet.early_lead, bet.pre_match
        due, given = added_minor(rule, offered(stood)), self._added(slip.account, ref)
        if given != due:
            self._fault(f"{what}: its early payout gave {given} instead of {due}")

    def _check_charges(self, what: str, slip: SlipModel) -> None:
        """Check that each market charges what the slip lets run on its leg; 0 when released.

        A settled leg keeps its last charge, of which its account may not have been notified.
        """
        due = charges_minor(slip.shape(), slip.bets)
        for leg, charge in zip(slip.legs, due, strict=True):
            held = self._accepted.get(leg.bet_id)
            if held is None:
                continue
            bet, row = held[0], self._rows[leg.bet_id]
            settled = leg.state == SETTLED
            here, there = (bet.charge_no, bet.stake), (row["charge_no"], row["charged_minor"])
            if here != there and not (settled and bet.charge_no > row["charge_no"]):
                self._fault(
                    f"{what}: charge {here[0]} of leg {leg.bet_id} is {here[1]} in its market, and "
                    f"its account says charge {there[0]} of {there[1]}"
                )
            wanted = 0 if slip.state == REFUSED else charge
            if wanted is not None and bet.stake != min(wanted, STAKE_MINOR_MAX):
                self._fault(f"{what}: leg {leg.bet_id} is charged {bet.stake} instead of {wanted}")


def content_sent(step: PlaceSlip, layout: Layout) -> Content:
    """Return what a client asked for in a form that compares with `content_booked`."""
    fixtures = list(dict.fromkeys(layout.fixture_of(leg.market) for leg in step.legs))
    legs = tuple(
        (
            leg.market,
            leg.outcome,
            leg.odds,
            leg.position,
            fixtures.index(layout.fixture_of(leg.market)),
        )
        for leg in step.legs
    )
    bets = tuple(
        (
            bet.stake,
            tuple(sorted(bet.positions)),
            tuple(sorted(bet.sizes)),
            tuple(sorted(bet.bankers)),
        )
        for bet in step.bets
    )
    named = (step.free_bet or step.offer, bool(step.free_bet))
    return (legs, bets, _POLICIES[step.policy, step.over], named)


def content_booked(slip: SlipModel) -> Content:
    """Return what an account's journal says that a client asked for."""
    legs = tuple(
        (leg.market, leg.outcome, leg.odds_seen, leg.position, leg.event) for leg in slip.legs
    )
    bets = tuple((bet.stake_minor, bet.positions, bet.sizes, bet.bankers) for bet in slip.bets)
    return (legs, bets, slip.policy, slip.named)
