"""Messages by which a trader stops and starts the whole house, and asks whether it is stopped.

Owns schemas only; each account shard keeps the stop and refuses bets by it.
"""

from engine.common.commands import WhyField
from engine.common.units import Nanos
from gateway.messages.base import FromClient, FromGateway, IdField


class StopTheHouse(FromClient, frozen=True, kw_only=True, tag="stop_house"):
    """Refuse every new bet of every account with reason 419, at once; answered by `house`.

    Each account shard journals it. It outlasts every restart, and holds for singles, slips and bet
    builders. Bets that were reserved before go on to their markets; settlements, refunds and money
    go on, and no market changes. A shard that does not answer is named in `missing`: it is stopped
    before it takes bets again, unless `supervisor` is named too, which keeps the stop for it. The
    same sent again completes either. It is obeyed too when it has unknown fields, or a `why` that
    is too long.
    """

    id: IdField = 0
    why: WhyField = ""


class StartTheHouse(FromClient, frozen=True, kw_only=True, tag="start_house"):
    """Take bets again; answered by `house`. Sent again it reaches shards that were missing.

    Where `missing` names the `supervisor`, which keeps the stop, no shard was started.
    """

    id: IdField = 0


class AskHouse(FromClient, frozen=True, kw_only=True, tag="house"):
    """Ask whether the house is stopped; answered by `house`."""

    id: IdField = 0


class House(FromGateway, frozen=True, kw_only=True, tag="house"):
    """Whether the house is stopped: `stopped` counts the account shards, of `shards`, that are.

    `by`, `why` and `since_ns` are those of the earliest stop. The shards of `missing` did not
    answer: whether they are stopped is not known. Neither did market shells, which have bets that
    wait, and the `supervisor`, where these are named.
    """

    id: int = 0
    stopped: int = 0
    shards: int = 0
    by: str = ""
    why: str = ""
    since_ns: Nanos = Nanos(0)
    missing: tuple[str, ...] = ()


HouseRequest = StopTheHouse | StartTheHouse | AskHouse
