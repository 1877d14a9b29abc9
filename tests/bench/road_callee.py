"""A process that echoes calls, over the road or over ZeroMQ, for `tests.bench.road`.

Run with the way as its argument; it prints where it is reached, and works until it is killed.
"""

import sys
import tempfile
import time
from typing import Any

import msgspec
import zmq

from actors.road.road import RoadSettings, serve_on_road
from actors.road.work_thread import WorkThread

SETTINGS = RoadSettings(secret=b"the secret of this bench")


class Echo:
    """A part with one method, which the road knows."""

    def exchange(self, payload: bytes) -> bytes:
        """Return the argument."""
        return payload


def serve_zmq(folder: str) -> None:
    """Answer as the road does: call number and method in, call number and answer out."""
    router: Any = zmq.Context().socket(zmq.ROUTER)
    where = f"ipc://{folder}/callee"
    router.bind(where)
    sys.stdout.write(where + "\n")
    sys.stdout.flush()
    echo = Echo()
    while True:
        caller, payload = router.recv_multipart()
        number, _, args = msgspec.msgpack.decode(payload)
        router.send_multipart((caller, msgspec.msgpack.encode((number, echo.exchange(*args)))))


def main() -> None:
    """Serve until killed."""
    if sys.argv[1] == "zmq":
        with tempfile.TemporaryDirectory() as folder:
            serve_zmq(folder)
    address = WorkThread("echo").wait(serve_on_road(Echo(), "echo", SETTINGS))
    sys.stdout.write(msgspec.msgpack.encode(address).hex() + "\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
