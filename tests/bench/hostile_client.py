"""Run one attack of tests.gateway.attacks against a gateway until the process is ended.

Runs as a process of its own: port, token and the attack's name come as arguments.
"""

import sys

import uvloop

from tests.gateway.attacks import ATTACKS, Target, mount

if __name__ == "__main__":
    port, token, name = sys.argv[1:]
    uvloop.run(mount(ATTACKS[name], Target(port=int(port), token=token)))
