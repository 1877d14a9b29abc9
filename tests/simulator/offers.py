"""The offers of a simulated house, and an account of them by one shard's journal.

Owns the rules that every shard is given, and a model of what they gave: which slip took which, what
is left of each free bet, and what each offer has cost. Takes the arithmetic from the oracle, and
nothing from the ledger.
"""

from zlib import crc32

from engine.common.commands import LedgerCommand
from engine.common.offers import (
    BoostRule,
    EarlyPayoutRule,
    FreeBetRule,
    FullCoverRule,
    GrantFreeBet,
    InsuranceRule,
    LadderStep,
    OddsBoostRule,
    OfferRule,
    SetOffer,
)
from simulations.expected_offers import (
    Leg,
    Offered,
    added_minor,
    earned_minor,
    paid_minor,
    uses_free_bet,
)
from tests.simulator.processes import BASE_NS
from tests.simulator.settings import CURRENCIES
from tests.simulator.slip_model import ACCEPTED, REFUSED, SETTLED, SlipModel

_STEPS = (LadderStep(legs=2, milli=50), LadderStep(legs=3, milli=137))
RULES: tuple[OfferRule, ...] = (
    FreeBetRule(),
    BoostRule(ladder=_STEPS, cap_minor=2_000, odds_milli_min=1_500, uses_max=1),
    InsuranceRule(legs_min=2, cap_minor=400, expires_after_ns=20 * 10**9),
    FullCoverRule(cap_minor=9_000, one_winner_milli=2_000, ladder=_STEPS),
    OddsBoostRule(market_no=1, outcome=0, odds_milli=3_333, cap_minor=5_000),
    EarlyPayoutRule(lead=2, cap_minor=30_000),
    EarlyPayoutRule(lead=1, cap_minor=3_000, pre_match=False, odds_milli_min=1_900, uses_max=2),
)
"""The rules of one currency's offers; their numbers follow one another by currency."""
_EARLY = tuple(at for at, rule in enumerate(RULES) if isinstance(rule, EarlyPayoutRule))
_FREE_BET_MINOR = 700
_FREE_BET_NS = 8 * 10**9


def offers_of(account: int, currency: str) -> tuple[LedgerCommand, ...]:
    """Return commands that give a shard all offers of an account's currency, and it a free bet."""
    first = _first(currency)
    given = tuple(
        SetOffer(offer_no=first + at, name=f"{currency} {at}", currency=currency, rule=rule)
        for at, rule in enumerate(RULES)
    )
    grant = GrantFreeBet(
        account_no=account,
        offer_no=first,
        amount_minor=_FREE_BET_MINOR,
        expires_at_ns=BASE_NS + _FREE_BET_NS,
        ref="first",
    )
    return (*given, grant)


def choice(ref: str, *, account: int, currency: str, shards: int) -> tuple[int, int]:
    """Return the numbers of the offer and the free bet that a slip asks for, most often none.

    It follows from the slip's ref, so that a story needs no further random number.
    """
    drawn = crc32(f"{ref}/{account}".encode())
    if drawn % 8 == 0:
        own = (account - 1) // shards + 1
        return 0, own if drawn // 8 % 4 else drawn // 8 % 23 + 1
    if drawn % 8 < 3:
        return _first(currency) + drawn // 8 % len(RULES), 0
    if drawn % 8 < 5:
        return _first(currency) + _EARLY[drawn // 8 % len(_EARLY)], 0
    return 0, 0


def _first(currency: str) -> int:
    return 1 + len(RULES) * list(CURRENCIES).index(currency)


class OfferModel:
    """Offers and free bets of one shard, by its journal."""

    def __init__(self) -> None:
        self.rules: dict[int, OfferRule] = {}
        self.grants: list[tuple[int, int, int | SlipModel]] = []
        """Free bets in the order of their numbers: account, offer, and the amount or the slip that
        earns it."""
        self.slips: list[SlipModel] = []

    def granted(self, account: int, offer: int, amount: int) -> None:
        self.grants.append((account, offer, amount))

    def take(self, slip: SlipModel, *, named: int, pays: bool) -> str:
        """Note that a new slip takes an offer or a free bet; return why it cannot."""
        if pays:
            if not 1 <= named <= len(self.grants) or self.grants[named - 1][0] != slip.account:
                return f"free bet {named} is none of account {slip.account}"
            if self.left(named) < slip.stake:
                return f"free bet {named} has {self.left(named)} left"
            slip.free_bet, slip.offer = named, self.grants[named - 1][1]
        elif named not in self.rules:
            return f"offer {named} is unknown"
        else:
            slip.offer = named
            most, uses = getattr(self.rules[named], "uses_max", 0), self.uses(slip)
            if 0 < most <= uses:
                return f"its account had {uses} slips under offer {named}, which takes {most}"
            if isinstance(self.rules[named], InsuranceRule):
                self.grants.append((slip.account, named, slip))
        self.slips.append(slip)
        return ""

    def change(self, slip: SlipModel) -> int:
        """Bring in line what an offer has given for a slip; return the difference."""
        before = slip.added
        if slip.free_bet:
            slip.added = paid_minor(offered(slip))
        elif slip.offer:
            slip.added = added_minor(self.rules[slip.offer], offered(slip))
        return slip.added - before

    def uses(self, slip: SlipModel) -> int:
        """Return how many earlier slips of an account count as uses of a slip's offer."""
        own = (
            each
            for each in self.slips
            if (each.account, each.offer, each.free_bet) == (slip.account, slip.offer, 0)
        )
        return sum(uses_free_bet(offered(each)) for each in own)

    def left(self, number: int) -> int:
        """Return what is left of a free bet, below 0 after some corrections."""
        _, offer, source = self.grants[number - 1]
        amount = source
        if isinstance(amount, SlipModel):
            amount = earned_minor(self.rules[offer], offered(amount))
        used = [slip for slip in self.slips if slip.free_bet == number]
        return amount - sum(slip.stake for slip in used if uses_free_bet(offered(slip)))

    def left_of(self, account: int) -> dict[int, int]:
        """Return what is left of each free bet of an account that has something left."""
        own = [at for at, grant in enumerate(self.grants, start=1) if grant[0] == account]
        return {number: self.left(number) for number in own if self.left(number) > 0}

    def costs(self) -> dict[int, int]:
        """Return what each offer has given."""
        sums = dict.fromkeys(self.rules, 0)
        for slip in self.slips:
            sums[slip.offer] += slip.added
        return sums


def offered(slip: SlipModel) -> Offered:
    """Return a slip as the oracle of offers wants it."""
    legs = [
        Leg(leg.position, leg.odds, leg.back, leg.result, leg.event, leg.early_lead, leg.pre_match)
        for leg in slip.legs
    ]
    payout = slip.payout if slip.state == SETTLED else None
    stands = slip.state in (ACCEPTED, SETTLED)
    return Offered(slip.stake, payout, slip.state == REFUSED, legs, slip.bets, stands)
