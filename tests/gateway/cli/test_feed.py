"""The command `overround feed`: its arguments, exit codes and final counts."""

import asyncio
import os
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.exit_codes import EXIT_FAILED, EXIT_WRONG_ARGUMENTS
from gateway.cli.main import main
from gateway.feeds.bridge.amqp import with_password
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.feed_system import feed_token, open_feed_system
from tests.gateway.price_gateway import until

OVERROUND = Path(sys.executable).with_name("overround")
LSPORTS_KEYS = {
    "OVERROUND_LSPORTS_PACKAGE": "4321",
    "OVERROUND_LSPORTS_USER": "user-of-ours",
    "OVERROUND_LSPORTS_PASSWORD": "password-of-ours",
}


def odds_change(at_ms: int) -> str:
    return (
        f'<odds_change product="1" event_id="sr:match:7" timestamp="{at_ms}"><odds>'
        '<market id="1" status="1"><outcome id="1" odds="2.5" active="1"/>'
        '<outcome id="2" odds="3.1" active="1"/><outcome id="3" odds="2.9" active="1"/>'
        "</market></odds></odds_change>\n"
    )


async def run(*arguments: str | Path, folder: Path, env: dict[str, str] | None = None) -> Any:
    return await asyncio.create_subprocess_exec(
        OVERROUND,
        "feed",
        *arguments,
        env={**os.environ, "OVERROUND_DATA_DIR": str(folder), **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def system_of_feeds(folder: Path) -> Any:
    adapter = partial(UofAdapter, "tiny", UofSettings(watch=False))
    return open_feed_system(folder / "system", make_adapter=adapter, gateway={})


async def test_recording_is_carried_and_its_counts_are_printed(tmp_path: Path) -> None:
    recording = tmp_path / "messages.xml"
    recording.write_text("".join(map(odds_change, range(1, 21))) + "<nonsense/>\n")
    async with system_of_feeds(tmp_path) as feed_system:
        process = await run(
            "uof", "--files", recording, "--url", feed_system.feed_url, "--token", feed_token(),
            "--name", "tiny", folder=tmp_path,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, err) == (0, b"")
        text = out.decode()
        assert text.startswith("21 messages read, 21 answered, 1 refused, 0 sent again")
        assert "odds_change: 20" in text
        assert feed_system.pipeline.stats()["applied"] == 20


async def test_interrupted_bridge_prints_what_it_carried(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    recording = tmp_path / "messages.xml"
    recording.write_text(odds_change(1))
    nowhere = f"ws://127.0.0.1:{unused_tcp_port}"
    process = await run("uof", "--files", recording, "--url", nowhere, folder=tmp_path)
    errors = bytearray()

    async def has_retried() -> bool:
        errors.extend(await process.stderr.read(4_096))
        return b"next attempt in" in errors

    await until(has_retried, wait_s=30)
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    # The recording is read while the gateway is looked for; its reading may not have begun.
    assert re.match(rb"[01] messages read, 0 answered, ", out)


async def test_unknown_feed_ends_the_command_with_the_gateways_reason(tmp_path: Path) -> None:
    recording = tmp_path / "messages.xml"
    recording.write_text(odds_change(1))
    async with system_of_feeds(tmp_path) as feed_system:
        process = await run(
            "uof", "--files", recording, "--url", feed_system.feed_url, "--token", feed_token(),
            folder=tmp_path,
        )  # fmt: skip
        _, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == EXIT_FAILED
        assert b"no such feed; there are: tiny" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["uof", "--amqp", "http://broker"], "amqp:// or amqps://"),
        (["uof", "--amqp", "amqp://broker", "--api", "ftp://x"], "http or https"),
        (["exchange", "--tls", "nowhere"], "HOST:PORT"),
        (["lsports", "--socket", "http://x"], "ws or wss"),
        (["lsports", "--socket", "ws://x", "--api", "ftp://x"], "http or https"),
    ],
)
def test_wrong_arguments_have_their_own_exit_code(
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in LSPORTS_KEYS.items():
        monkeypatch.setenv(name, value)
    assert main(["feed", *arguments, "--token", "t"]) == EXIT_WRONG_ARGUMENTS
    assert complaint in capsys.readouterr().err


def test_password_is_added_to_an_address_without_one() -> None:
    assert with_password("amqp://me@broker/x", "secret") == "amqp://me:secret@broker/x"
    assert with_password("amqp://me:mine@broker/x", "secret") == "amqp://me:mine@broker/x"
    assert with_password("amqps://broker/x", "") == "amqps://broker/x"
