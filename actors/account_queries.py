"""Answer an AccountQuery from a shard's ledger.

Owns which read answers which query; never how it is sent, and never a rule.
"""

from actors.messages import (
    AccountQuery,
    AccountTotalsQuery,
    AccountViewQuery,
    BalanceQuery,
    ExposedQuery,
    HistoryQuery,
    HouseQuery,
    OpenBetsQuery,
    StatusQuery,
)
from engine.common.account_views import AccountTotals, AccountView, ExposedAccounts
from engine.common.house import HouseStop
from engine.common.ids import AccountNo, BetId
from engine.common.units import Nanos
from engine.common.views import Balance, Slip, SlipPage
from engine.ledger.ledger import LedgerMachine

Answer = (
    Slip
    | Balance
    | list[Slip]
    | SlipPage
    | AccountView
    | AccountTotals
    | ExposedAccounts
    | HouseStop
    | None
)


def answer_query(machine: LedgerMachine, query: AccountQuery) -> tuple[Answer, bool]:
    """Return the answer, and whether a damaged journal may be why it is None.

    The record of a bet that is not found may lie behind the damage.
    """
    answer: Answer
    if isinstance(query, HouseQuery):
        return machine.house_stop, True
    if isinstance(query, ExposedQuery):
        return machine.floor.exposed(query.limit), False
    account_no = AccountNo(query.account_no)
    match query:
        case StatusQuery():
            answer = machine.slip(account_no=account_no, ref=query.ref)
            return answer, answer is None
        case BalanceQuery():
            return machine.balance(account_no, before_free_bet=query.before_free_bet), False
        case OpenBetsQuery():
            answer = machine.open_slips(
                account_no=account_no,
                after_bet_id=BetId(query.after_bet_id),
                limit=query.limit,
                parts_max=query.parts_max,
            )
            return answer, False
        case HistoryQuery():
            answer = machine.settled_slips(
                account_no=account_no,
                before_bet_id=BetId(query.before_bet_id),
                limit=query.limit,
                parts_max=query.parts_max,
            )
            return answer, answer is None
        case AccountViewQuery():
            return machine.floor.account(account_no), False
        case AccountTotalsQuery():
            answer = machine.floor.totals(
                account_no,
                since_ns=Nanos(query.since_ns),
                before_bet_id=BetId(query.before_bet_id),
            )
            return answer, answer is None
