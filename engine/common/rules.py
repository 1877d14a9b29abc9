"""Versions of the rules by which machines decide, so that an old journal replays as it was written.

Owns the number of the present rules. A journal names the rules of its writer at the start of each
epoch; a machine that replays it follows those rules up to the next epoch. A change of rules needs a
new number only where a replay would decide otherwise; the text of a refusal decides nothing. Never
holds a rule: the machines do.

Rules 2, from layout 3 of the journals on:

- ledger: bet ids begin a new range at each start; a stake that was handed out twice is not voided
  by a refusal that no market recorded; a settlement of a refused or unknown bet is a dispute; a
  settlement that posts a pending slip also gives it the market's odds.
- markets: a known bet id with other content is refused; in base currency the limits of one bet and
  the liability are rounded up, not down; bets that a cancellation refunds leave the book; an outbox
  that holds two rows per bet drops those that have a newer row of the same bet; a window that is
  cancelled again covers the bets accepted since, and one more than the bound is not refused.
"""

from typing import Final

RULES_FIRST: Final = 1
"""The rules of journals whose epochs name none."""
RULES: Final = 2
"""The rules that this release writes."""
