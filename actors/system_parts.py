"""What a system is made of: the gateways and feeds to run, and the settings of every part.

Owns no process; system.py starts and keeps them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.road.road import RoadSettings
from actors.road.secret import load_secret
from actors.settings import (
    ClusterSettings,
    DeskSettings,
    MarketShellSettings,
    ReconcilerSettings,
    SupervisorSettings,
)
from persistence.journal import JournalOptions


class GatewayPart(Struct, frozen=True, kw_only=True):
    """A gateway to run: its class and its constructor's arguments besides name and supervisor.

    The class is an argument because `actors` is a layer below `gateway` and must not import it.
    """

    factory: type
    arguments: Mapping[str, Any] = {}


class FeedPart(Struct, frozen=True, kw_only=True):
    """A feed's pipeline to run, like a gateway; `feed` is the name to which sources push."""

    feed: str
    factory: type
    arguments: Mapping[str, Any] = {}


class SystemSettings(Struct, frozen=True, kw_only=True):
    """What the parts of a system are given."""

    cluster: ClusterSettings = ClusterSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    reconciler: ReconcilerSettings = ReconcilerSettings()
    desk: DeskSettings = DeskSettings()
    markets: MarketShellSettings = MarketShellSettings()
    journal: JournalOptions = JournalOptions()


def road_settings(cluster: ClusterSettings, data_dir: Path) -> RoadSettings | None:
    """Return what the parts of a data folder's system need to join its road, None for no road.

    Raises
    ------
    RoadSettingsError
        When a setting or the secret's file cannot be used.
    """
    if not cluster.road:
        return None
    settings = RoadSettings(
        secret=load_secret(data_dir),
        host=cluster.road_host,
        certificate=cluster.road_certificate,
        key=cluster.road_key,
        authority=cluster.road_authority,
        slice_us=cluster.slice_us,
    )
    settings.check()
    return settings
