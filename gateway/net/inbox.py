"""Collect the bytes that a connection has received, up to a whole frame, in linear time.

Owns the bytes that wait. They are joined once per frame and not once per read, so a long frame in
many reads costs what its bytes cost. It never looks into a frame.
"""


class Inbox:
    """Received bytes: `data` from `at` on, and after them the reads not joined yet."""

    __slots__ = ("_reads", "at", "data", "need", "size")

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self.need = 1
        """Bytes from `at` on, below which there is nothing to do."""
        self.size = 0
        """Bytes that wait, the reads included."""
        self._reads: list[bytes] = []

    def put(self, data: bytes) -> None:
        """Add one read."""
        self._reads.append(data)
        self.size += len(data)

    def fill(self) -> bool:
        """Join the reads to `data` if that gives at least `need` bytes; return whether it does."""
        if self.size < self.need:
            return False
        if self._reads:
            if self.at < len(self.data):
                self._reads.insert(0, self.data[self.at :])
            self.data = self._reads[0] if len(self._reads) == 1 else b"".join(self._reads)
            self.at = 0
            self._reads = []
        return True

    def take(self, at: int, *, need: int) -> None:
        """Note that `data` is used up to `at`, and how many bytes the next step needs."""
        self.size -= at - self.at
        self.at = at
        self.need = need
        if at == len(self.data):
            self.data = b""
            self.at = 0

    def clear(self) -> None:
        """Drop everything."""
        self.data = b""
        self.at = self.size = 0
        self._reads = []
