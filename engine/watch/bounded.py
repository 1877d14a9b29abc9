"""Tables of bounded size, for detectors that watch without end."""

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
        self.items: Final[dict[K, V]] = {}
        self._new = new
        self._most = most

    def __len__(self) -> int:
        return len(self.items)

    def use(self, key: K) -> V:
        """Return a key's value, which becomes the one used last."""
        value = self.items.pop(key, None)
        if value is None:
            if len(self.items) == self._most:
                del self.items[next(iter(self.items))]
            value = self._new()
        self.items[key] = value
        return value
