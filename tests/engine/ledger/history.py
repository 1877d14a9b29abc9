"""All pages of an account's settled bets."""

from engine.ledger.ledger import LedgerMachine


def history(ledger: LedgerMachine, account_no: int = 7, **bounds: int) -> list[int]:
    """Return the bet ids of an account's settled slips in the order of their pages."""
    page = ledger.settled_slips(account_no=account_no, **bounds)
    found = [slip.bet_id for slip in page.slips]
    while page.before_bet_id:
        before = page.before_bet_id
        page = ledger.settled_slips(account_no=account_no, before_bet_id=before, **bounds)
        found += [slip.bet_id for slip in page.slips]
    return found
