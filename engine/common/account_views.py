"""Views of an account for traders: frozen copies of what its shard holds.

Owns the shapes. A view never refers back to the machine that made it.
"""

from msgspec import Struct

from engine.common.account_changes import AccountChange
from engine.common.ids import BetId
from engine.common.units import Minor
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
