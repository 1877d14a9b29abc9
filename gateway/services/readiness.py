"""What a gateway's `/readyz` says.

Owns the shape; gateway.app fills it in, and who reads the page decodes it.
"""

from msgspec import Struct


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether the gateway can serve, the number of shells in each state, clocks and alarms.

    `quarantined` names the shells whose journals are damaged; `markets_stale` counts the markets
    that are shown suspended for it. An alarm needs a person and does not keep the gateway from
    serving: money in dispute, accounts and markets that differ, settlements that cannot be carried,
    stops that have not reached a shell.

    `opening` says that the opening file is still being applied; `parts_down` names the parts of the
    system that are no shells and do not run now; `ports` says where each gateway listens, as a
    gateway that is started again on port 0 gets others. Anyone may read this page: the logs, and no
    page, say which bets differ and what failed. `clock_jumps` counts
    jumps of the wall clock that shells saw; `clocks_behind` counts shells whose records keep a time
    that their clock has not reached.
    """

    ready: bool
    routes_version: int
    markets: int
    markets_without_prices: int
    shells: dict[str, int]
    quarantined: tuple[str, ...] = ()
    markets_stale: int = 0
    alarms: tuple[str, ...] = ()
    opening: bool = False
    parts_down: tuple[str, ...] = ()
    ports: dict[str, dict[str, int]] = {}
    clock_jumps: int = 0
    clocks_behind: int = 0
