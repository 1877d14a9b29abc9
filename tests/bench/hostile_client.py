"""Run one attack of tests.gateway.attacks against a gateway until the process is ended.

Runs as a process of its own: port, token and the attack's name come as arguments.
"""

import sys
from typing import Final

import uvloop

from tests.gateway.attacks import ATTACKS, Target, mount

SOURCE: Final = "127.0.0.2"
"""Not the address of the good client: what an address's handshakes may use is shared by both."""

if __name__ == "__main__":
    port, token, name = sys.argv[1:]
    uvloop.run(mount(ATTACKS[name], Target(port=int(port), token=token, source=SOURCE)))
