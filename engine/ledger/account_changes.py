"""The changes that the house made to single accounts, kept beside the accounts' rows.

Owns how many are kept, and how they are dumped and loaded with checks. Never changes an account:
engine.ledger.accounts does.
"""

from typing import Any, Final

import msgspec

from engine.common.account_changes import CHANGES_KEPT_MAX, AccountChange, ChangedField
from engine.common.state_hash import Reader
from engine.common.units import Nanos

CHANGES_FIELD: Final = "account_changes"
"""The field of a dump that holds the changes."""


class AccountChanges:
    """The newest changes of each account that has any, oldest first, by the account's slot."""

    def __init__(self) -> None:
        self._by_slot: dict[int, list[AccountChange]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_slot)

    def of(self, slot: int) -> tuple[AccountChange, ...]:
        """Return an account's changes, oldest first."""
        return tuple(self._by_slot.get(slot, ()))

    def note(
        self,
        slot: int,
        field: ChangedField,
        before: int,
        after: int,
        *,
        at_ns: Nanos,
        by: str,
        why: str,
    ) -> None:
        """Keep a change; a value that stays the same is none."""
        if before == after:
            return
        kept = self._by_slot.setdefault(slot, [])
        kept.append(
            AccountChange(field=field, before=before, after=after, at_ns=at_ns, by=by, why=why)
        )
        del kept[:-CHANGES_KEPT_MAX]

    def dump(self) -> list[Any]:
        """Return the field of a dump: the changes with their accounts' slots, by rising slot."""
        return [
            [slot, str(each.field), each.before, each.after, each.at_ns, each.by, each.why]
            for slot in sorted(self._by_slot)
            for each in self._by_slot[slot]
        ]

    @classmethod
    def load(cls, reader: Reader, *, accounts_len: int) -> "AccountChanges":
        """Read the field of a dump.

        Raises
        ------
        ValueError
            When an item is no change of one of the accounts, or the items are not as dumped.
        """
        changes = cls()
        items = reader.items(CHANGES_FIELD)
        for item in items:
            try:
                slot, *values = item
                named = dict(zip(AccountChange.__struct_fields__, values, strict=True))
                change = msgspec.convert(named, AccountChange)
            except (TypeError, ValueError) as error:  # msgspec's errors are ValueErrors
                raise reader.fail(CHANGES_FIELD, f"{item!r:.80}: {error}") from error
            if type(slot) is not int or not 0 <= slot < accounts_len:
                raise reader.fail(CHANGES_FIELD, f"of no account (row {slot!r:.20})")
            changes._by_slot.setdefault(slot, []).append(change)
        most = max(map(len, changes._by_slot.values()), default=0)
        if changes.dump() != [list(item) for item in items] or most > CHANGES_KEPT_MAX:
            why = f"not by rising account, at most {CHANGES_KEPT_MAX} of each"
            raise reader.fail(CHANGES_FIELD, why)
        return changes
