"""`overround feed lsports` as a process, between the provider's sockets and a feed listener."""

import time
from functools import partial
from pathlib import Path

from actors.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from actors.peer import PeerError
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.lsports.trust import TrustSettings
from tests.gateway.cli.test_feed import LSPORTS_KEYS
from tests.gateway.cli.test_feed_live import WAIT_S, command
from tests.gateway.feeds.feed_system import open_feed_system
from tests.gateway.feeds.lsports.provider import ODDS, Provider
from tests.gateway.feeds.lsports.server import KEYS, ProviderServer
from tests.gateway.price_gateway import until

SETTINGS = LsportsSettings(trust=TrustSettings(every_ms=0))


async def test_the_feed_is_carried_with_its_snapshots_and_recorded(tmp_path: Path) -> None:
    provider = Provider(clock_ms=lambda: time.time_ns() // NS_PER_MS)
    provider.fixture()
    provider.odds(ODDS)
    adapter = partial(LsportsAdapter, feed="tiny", settings=SETTINGS)
    recording = tmp_path / "kept.jsonl"
    async with (
        ProviderServer(provider).running() as server,
        open_feed_system(tmp_path, make_adapter=adapter, gateway={}, tick_ms=20) as feeds,
        command(
            "lsports", "--socket", server.socket_url, "--api", server.api_url,
            "--url", feeds.feed_url, "--record", recording, folder=tmp_path, env=LSPORTS_KEYS,
        ) as running,
    ):  # fmt: skip

        async def is_now(status: Status) -> bool:
            try:
                images = await feeds.images()
            except PeerError:  # a shell that starts
                return False
            return {image.status for image in images.values()} == {status}

        await until(lambda: is_now(Status.ACTIVE), wait_s=WAIT_S)
        await server.send(provider.suspend())
        await until(lambda: is_now(Status.SUSPENDED), wait_s=WAIT_S)
        code, out, err = await running.ended(stop=True)
    assert (code, err) == (EXIT_INTERRUPTED, "")
    assert out.startswith("4 messages read, 4 answered, 0 refused")
    assert "1 recovery requests" in out
    for secret in (KEYS.user, KEYS.password):
        assert secret not in out
        assert secret.encode() not in recording.read_bytes()
    assert len(recording.read_bytes().splitlines()) == 2


async def test_missing_or_refused_credentials_end_the_command(tmp_path: Path) -> None:
    async with ProviderServer(Provider()).running() as server:
        arguments = ("lsports", "--socket", server.socket_url, "--url", "ws://127.0.0.1:1")
        async with command(*arguments, folder=tmp_path) as running:
            code, out, err = await running.ended()
        assert (code, out) == (EXIT_FAILED, "")
        assert err.startswith("overround feed: set OVERROUND_LSPORTS_PACKAGE")
        adapter = partial(LsportsAdapter, feed="tiny", settings=SETTINGS)
        wrong = LSPORTS_KEYS | {"OVERROUND_LSPORTS_PASSWORD": "another-password"}
        async with open_feed_system(tmp_path, make_adapter=adapter, gateway={}) as feeds:
            arguments = ("lsports", "--socket", server.socket_url, "--url", feeds.feed_url)
            async with command(*arguments, folder=tmp_path, env=wrong) as running:
                code, _, err = await running.ended()
    assert code == EXIT_FAILED
    assert "overround feed: the provider refuses: server rejected" in err
    assert "another-password" not in err
