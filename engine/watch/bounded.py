"""Tables of bounded size, for detectors that watch without end."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keep the entries used last; when the table is full, drop the one unused for longest.

    Parameters
    ----------
    new : callable
        Constructs the value of a key that is not in the table.
    most : int
        Entries that are kept.
    """

    def __init__(self, new: Callable[[], V], *, most: int) -> None:
        assert most > 0
        # Not a dict: finding the first entry of one whose first entries were deleted is slow.
        self.items: Final[OrderedDict[K, V]] = OrderedDict()
        self._new = new
        self._most = most

    def __len__(self) -> int:
        return len(self.items)

    def use(self, key: K) -> V:
        """Return a key's value, which becomes the one used last."""
        value = self.items.get(key)
        if value is not None:
            self.items.move_to_end(key)
            return value
        if len(self.items) == self._most:
            self.items.popitem(last=False)
        value = self.items[key] = self._new()
        return value
