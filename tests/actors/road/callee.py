"""A process with one part on the road, for tests: it prints its address and works until killed.

Run with the part's name as its argument.
"""

import sys
import time
from typing import NoReturn

import msgspec

from actors.peer import PeerRefusedError
from actors.road.road import RoadSettings, serve_on_road
from actors.road.work_thread import WorkThread

SECRET = b"the secret of these tests"


class Echo:
    """A part whose methods are named as a shell's, and do what tests need."""

    def exchange(self, verdicts: bytes, reservations: bytes) -> bytes:
        """Return the arguments one behind the other."""
        return verdicts + reservations

    def place(self, rows: bytes) -> bytes:
        """Refuse, or raise an error, as the rows say."""
        if rows == b"refuse":
            raise PeerRefusedError("the disk is full")
        raise ValueError(f"{len(rows)} rows")

    async def applied(self, ticket: int) -> int:
        """Return the ticket; not a plain function, as of pipelines."""
        return ticket


def serve_until_killed(part: object, name: str, settings: RoadSettings) -> NoReturn:
    """Serve a part on the road as a shell is served; print its address in hex first."""
    address = WorkThread(name).wait(serve_on_road(part, name, settings))
    sys.stdout.write(msgspec.msgpack.encode(address).hex() + "\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    serve_until_killed(Echo(), sys.argv[1], RoadSettings(secret=SECRET))
