"""Views of an account for traders: frozen copies of what its shard holds.

Owns the shapes. A view never refers back to the machine that made it.
"""

from msgspec import Struct

from engine.common.account_changes import AccountChange
from engine.common.ids import AccountNo, BetId
from engine.common.units import Minor, base_minor_up
from engine.common.views import Balance


class AccountView(Struct, frozen=True, kw_only=True):
    """An account: its money, what it may do, and the newest changes of that, oldest first.

    `open_payout_minor_max` is its own bound of its open payout in base currency, 0 for the house's,
    which is `house_open_payout_minor_max`, 0 for none; `open_payout_bound_minor` is the one in
    force, in the account's currency, None for none.
    """

    balance: Balance
    rate_micro: int
    blocked: bool
    factor_milli: int
    open_payout_minor_max: Minor
    house_open_payout_minor_max: Minor
    open_payout_bound_minor: Minor | None
    changes: tuple[AccountChange, ...]


class AccountTotals(Struct, frozen=True, kw_only=True):
    """Sums over a page of an account's bets, in its currency; slips count once.

    `turnover_minor` is the stakes of the `settled` bets, `paid_minor` what they were paid, and
    `offers_minor` what offers gave beside it. The next page is before the bet `before_bet_id`, 0
    when there is none.
    """

    settled: int
    turnover_minor: Minor
    paid_minor: Minor
    offers_minor: Minor
    open: int
    pending: int
    refused: int
    before_bet_id: BetId


class ExposedAccount(Struct, frozen=True, kw_only=True, gc=False):
    """What an account's open bets can pay, and what they staked, in its currency.

    `open_payout_minor` is the most that they can pay if all of them win together.
    """

    account_no: AccountNo
    currency: str
    rate_micro: int
    open_payout_minor: Minor
    staked_minor: Minor
    blocked: bool
    factor_milli: int
    open_payout_bound_minor: Minor | None
    """The bound of the open payout that is in force, None for none."""

    @property
    def at_risk_minor(self) -> int:
        """The most that the house can lose on it, in base currency, rounded up."""
        return base_minor_up(self.open_payout_minor - self.staked_minor, self.rate_micro)


class ExposedAccounts(Struct, frozen=True, kw_only=True):
    """A shard's accounts on which the house can lose most, those first; `open` have open bets.

    `open_payout_minor` and `staked_minor` add up all of these, in base currency, rounded up.
    """

    accounts: tuple[ExposedAccount, ...] = ()
    open: int = 0
    open_payout_minor: Minor = Minor(0)
    staked_minor: Minor = Minor(0)
