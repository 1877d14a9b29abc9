"""The rows of a ledger's offers: the rules, the slips that took one, and the free bets granted.

Owns the layouts. Rows are the bytes of a ledger's snapshot and of its state hash. Never changes a
row.
"""

from typing import Final

from engine.common.offers import OFFER_LEGS_MAX
from engine.common.row_layout import row_dtype

GRANTS_MAX: Final = 1 << 24
"""Free bets that one shard may hold, promised ones among them; past it a grant and a bet with an
insurance are refused with CAPACITY."""

OFFER: Final = row_dtype(
    184,
    ("ladder_milli", "<u2", (OFFER_LEGS_MAX + 1,)),
    ("cap_minor", "<i8"),
    ("stake_minor_max", "<i8"),
    ("expires_after_ns", "<i8"),
    ("currency", "<u4"),
    ("market_no", "<u4"),
    ("odds_milli_min", "<i4"),
    ("odds_milli", "<i4"),
    ("outcome", "<u2"),
    ("one_winner_milli", "<u2"),
    ("kind", "u1"),
    ("legs_min", "u1"),
    ("void_excludes", "u1"),
    ("active", "u1"),
    ("lead", "u1"),
    ("pre_match", "u1"),
    ("uses_max", "<u2"),
    ("pad", "u1", (4,)),
)
"""An offer; its slot is its number, and a slot that no offer has is zero. `kind` is an OfferKind,
and a field that the kind has not is 0. `ladder_milli` is the ladder by the number of legs. Only
`active` ever changes."""

OFFERED: Final = row_dtype(
    24,
    ("added_minor", "<i8"),
    ("head", "<u4"),
    ("grant", "<u4"),
    ("offer", "<u2"),
    ("pays", "u1"),
    ("uses", "u1"),
    ("pad", "u1", (4,)),
)
"""A slip that took an offer; these lie in the order of their heads, which are slots. `added_minor`
is what the offer's account has given the bettor beside the payout. `grant` is the number of a free
bet: with `pays` 1 it pays the stake, and `uses` is 1 while it counts the stake as used; with `pays`
0 an insurance promises it. 0 is none. Of an offer with a bound of uses `uses` is 1 while the slip
counts as one of its account."""

GRANT: Final = row_dtype(
    80,
    ("ref", "<u8", (4,)),
    ("amount_minor", "<i8"),
    ("used_minor", "<i8"),
    ("granted_at_ns", "<i8"),
    ("expires_at_ns", "<i8"),
    ("account", "<u4"),
    ("head", "<u4"),
    ("offer", "<u2"),
    ("pad", "u1", (6,)),
)
"""A free bet; its number is its slot plus one. `used_minor` is the stakes of the slips that it pays
for, which are not refused and were not wholly void. `head` is one more than the slot of the slip
whose insurance promises it, 0 for one that was granted by a command; only a granted one has a ref.
A promised one has no amount until it is earned, and again when a correction undoes that. So the
used part may be more than the amount: then nothing is left."""
