"""A process that echoes calls, over the road or over ZeroMQ, for `tests.bench.road`.

Run with the way as its argument; it prints where it is reached, and works until it is killed.
"""

import os
import sys
from typing import Any, NoReturn

import msgspec
import zmq

from actors.road.road import RoadSettings
from tests.actors.road.callee import serve_until_killed

SETTINGS = RoadSettings(secret=b"the secret of this bench")


class Echo:
    """A part with one method, which the road knows."""

    def exchange(self, payload: bytes) -> bytes:
        """Return the argument."""
        return payload


def serve_zmq() -> NoReturn:
    """Answer as the road does: call number and method in, call number and answer out."""
    router: Any = zmq.Context().socket(zmq.ROUTER)
    where = f"ipc://@overround-bench/{os.getpid()}"  # an abstract name: a kill leaves no file
    router.bind(where)
    sys.stdout.write(where + "\n")
    sys.stdout.flush()
    echo = Echo()
    while True:
        caller, payload = router.recv_multipart()
        number, _, args = msgspec.msgpack.decode(payload)
        router.send_multipart((caller, msgspec.msgpack.encode((number, echo.exchange(*args)))))


if __name__ == "__main__":
    if sys.argv[1] == "zmq":
        serve_zmq()
    serve_until_killed(Echo(), "echo", SETTINGS)
