"""`overround feed` as its users meet it: words, exit codes, and what it prints at the end."""

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


def odds_change(at_ms: int) -> str:
    return (
        f'<odds_change product="1" event_id="sr:match:7" timestamp="{at_ms}"><odds>'
        '<market id="1" status="1"><outcome id="1" odds="2.5" active="1"/>'
        '<outcome id="2" odds="3.1" active="1"/><outcome id="3" odds="2.9" active="1"/>'
        "</market></odds></odds_change>\n"
    )


async def run(*words: str | Path, folder: Path, env: dict[str, str] | None = None) -> Any:
    return await asyncio.create_subprocess_exec(
        OVERROUND,
        "feed",
        *words,
        env={**os.environ, "OVERROUND_DATA_DIR": str(folder), **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def system_of_feeds(folder: Path) -> Any:
    adapter = partial(UofAdapter, "tiny", UofSettings(watch=False))
    return open_feed_system(folder / "hall", make_adapter=adapter, gateway={})


async def test_a_recording_is_carried_and_its_counts_are_told(tmp_path: Path) -> None:
    recording = tmp_path / "messages.xml"
    recording.write_text("".join(map(odds_change, range(1, 21))) + "<nonsense/>\n")
    async with system_of_feeds(tmp_path) as feed_system:
        process = await run(
            "uof", "--files", recording, "--url", feed_system.feed_url, "--token", feed_token(),
            "--name", "tiny", folder=tmp_path,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, err) == (0, b"")
        words = out.decode()
        assert words.startswith("21 messages read, 21 answered, 1 refused, 0 sent again")
        assert "odds_change: 20" in words
        assert feed_system.pipeline.stats()["applied"] == 20


async def test_an_interrupted_bridge_says_what_it_carried(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    recording = tmp_path / "messages.xml"
    recording.write_text(odds_change(1))
    nobody = f"ws://127.0.0.1:{unused_tcp_port}"
    process = await run("uof", "--files", recording, "--url", nobody, folder=tmp_path)
    said = bytearray()

    async def tries() -> bool:
        said.extend(await process.stderr.read(4_096))
        return b"again in" in said

    await until(tries, wait_s=30)
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    # The recording is read while a gateway is sought: it may not have begun.
    assert re.match(rb"[01] messages read, 0 answered, ", out)


async def test_a_feed_that_is_not_there_ends_it_with_its_words(tmp_path: Path) -> None:
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
    ("words", "says"),
    [
        (["uof", "--amqp", "http://broker"], "amqp:// or amqps://"),
        (["uof", "--amqp", "amqp://broker", "--api", "ftp://x"], "http or https"),
        (["exchange", "--tls", "nowhere"], "HOST:PORT"),
    ],
)
def test_wrong_words_are_told_apart_from_failures(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["feed", *words, "--token", "t"]) == EXIT_WRONG_ARGUMENTS
    assert says in capsys.readouterr().err


def test_a_password_joins_an_address_that_has_none() -> None:
    assert with_password("amqp://me@broker/x", "word") == "amqp://me:word@broker/x"
    assert with_password("amqp://me:mine@broker/x", "word") == "amqp://me:mine@broker/x"
    assert with_password("amqps://broker/x", "") == "amqps://broker/x"
