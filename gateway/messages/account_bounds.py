"""The message by which a trader bounds what one account's open bets can pay.

Owns schemas only; the ledger decides. The bound of every account is a setting.
"""

from engine.common.commands import AccountNoField
from engine.common.ids import AccountNo
from engine.common.payout_bounds import PayoutBoundField
from engine.common.units import Minor
from gateway.messages.base import FromClient, FromGateway, IdField


class BoundAccount(FromClient, frozen=True, kw_only=True, tag="set_account_bound"):
    """Set an account's own bound of its open payout; answered by `account_bound_set`.

    `open_payout_minor_max` is what its open bets can pay together, in minor units of base currency;
    it goes before the house's bound, and 0 gives the account the house's again. Bets that are open
    stand whatever the bound is. Sent again it changes nothing.
    """

    id: IdField = 0
    account: AccountNoField
    open_payout_minor_max: PayoutBoundField


class AccountBounded(FromGateway, frozen=True, kw_only=True, tag="account_bound_set"):
    """The account has the bound."""

    id: int = 0
    account: AccountNo
    open_payout_minor_max: Minor = Minor(0)
