"""From settings to the system that they describe, not yet started.

Owns the choice of parts: gateways, feeds and their arguments. It starts nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from actors.system import System
from actors.system_parts import FeedPart, GatewayPart, SystemSettings
from gateway.app import Gateway
from gateway.configuration.config import Config, gateway_settings
from gateway.feeds.core.settings import FEEDS
from gateway.session.tokens import load_key, load_secret


def system_of(config: Config, *, feeds: Sequence[FeedPart] | None = None) -> System:
    """Return the system that a configuration describes, not yet started.

    Parameters
    ----------
    config : Config
        All settings.
    feeds : sequence of FeedPart, optional
        The feeds' parts, in place of those that the settings enable.

    Raises
    ------
    SecretError
        The signing secret cannot be read, or is too short.
    """
    data_dir = Path(config.data_dir)
    load_key(config.tokens, data_dir=data_dir)
    secret = load_secret(config.tokens, data_dir=data_dir)
    shards = config.supervisor.account_shards
    return System(
        data_dir=config.data_dir,
        settings=SystemSettings(
            cluster=config.cluster,
            supervisor=config.supervisor,
            reconciler=config.reconciler,
            desk=config.desk,
            markets=config.markets,
            journal=config.journal,
        ),
        gateways=[
            GatewayPart(
                factory=Gateway,
                arguments={
                    "shards": shards,
                    "secret": secret,
                    "settings": settings,
                    "limits": config.limits,
                    "desk": config.desk,
                },
            )
            for settings in gateway_settings(config)
        ],
        feeds=feed_parts(config) if feeds is None else feeds,
    )


def feed_parts(config: Config) -> list[FeedPart]:
    """Return the parts of the feeds that are enabled."""
    if not any(getattr(config, f"feed_{name}").enabled for name in FEEDS):
        return []
    from gateway.feeds.factory import feed_part  # noqa: PLC0415 - loads adapters and pricing

    return [
        feed_part(name, getattr(config, f"feed_{name}"), limits=config.limits)
        for name in FEEDS
        if getattr(config, f"feed_{name}").enabled
    ]
