"""Where a process of a part is reached on the road.

Owns the address and the choice between its two ways. An address is that of one process: a
successor has another one.
"""

import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import Struct

TOKEN_BYTES: Final = 16


class RoadAddress(Struct, frozen=True, kw_only=True):
    """One process of a part.

    `token` is drawn by the process. `machine` says where its Unix socket can be reached: its name
    is in Linux's abstract namespace, so that a killed process leaves nothing behind. `host` is
    empty for a process that does not listen on TCP.
    """

    part: str
    token: bytes
    machine: str
    host: str = ""
    port: int = 0

    @property
    def socket_name(self) -> str:
        """Name of the Unix socket: nobody can take it before the process does."""
        return f"\0overround/{self.part[:64]}/{self.token.hex()}"

    @property
    def near(self) -> bool:
        """Whether the process runs on this machine."""
        return self.machine == this_machine()

    @property
    def reachable(self) -> bool:
        """Whether this process can reach it."""
        return self.near or bool(self.host)


def new_token() -> bytes:
    """Return the token of a new process."""
    return secrets.token_bytes(TOKEN_BYTES)


@lru_cache(maxsize=1)
def this_machine() -> str:
    """Return what tells this machine, this start of it and this network namespace from others."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/net').st_ino}"
