"""What a damaged journal gives is marked stale wherever it is shown, until its shell serves."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages import ShellState, encode
from engine.common.reasons import Reason
from engine.common.views import PriceImage
from gateway.client import BettorSession, RefusedError, connect
from gateway.messages.market import Seen
from persistence.chain import segment_paths
from persistence.disk import LocalDisk
from persistence.frames import Record, parse
from tests.gateway.bookmaker import Bookmaker, bettor, open_bookmaker, trader
from tests.gateway.price_gateway import PriceGateway, image, open_price_gateway, token, until
from tests.gateway.raw_client import tcp

BET = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}


async def get(system: PriceGateway, path: str, *extra: str) -> tuple[int, bytes]:
    async with tcp(system.ports["bets"]) as raw:
        raw.send("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *extra, "", ""]).encode())
        head, _, body = (await raw.rest()).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def damage(bookmaker: Bookmaker, name: str) -> bytes:
    """Kill a shell and flip a bit in a record in the middle of its journal; return what it was."""
    bookmaker.kill_shell(name)
    (path,) = segment_paths(LocalDisk(), bookmaker.folder / name)
    sound = path.read_bytes()
    ends: list[int] = []
    while isinstance(record := parse(sound, ends[-1] if ends else 0, path=path), Record):
        ends.append(record.end)
    data = bytearray(sound)
    data[ends[-3] - 12] ^= 1
    path.write_bytes(data)
    return sound


def start(bookmaker: Bookmaker, name: str) -> None:
    """Start a shell, which goes into quarantine, and notify the gateway."""
    bookmaker.start_shell(name)
    assert bookmaker.processes[name].target.why, "the damage is found"
    bookmaker.notify_routes(name, ShellState.QUARANTINED)


def repair(bookmaker: Bookmaker, name: str, sound: bytes) -> None:
    bookmaker.kill_shell(name)
    (path,) = segment_paths(LocalDisk(), bookmaker.folder / name)
    path.write_bytes(sound)
    bookmaker.start_shell(name)


async def place(client: BettorSession, count: int) -> None:
    for number in range(count):
        assert (await client.place(ref=f"b{number}", **BET)).state == "accepted"


async def test_market_in_quarantine_is_suspended_and_stale_wherever_it_is_shown(
    tmp_path: Path,
) -> None:
    async with (
        open_bookmaker(tmp_path) as bookmaker,
        bettor(bookmaker) as client,
        trader(bookmaker) as control,
    ):
        await client.subscribe(markets=[1, 3])
        await place(client, 6)
        assert (await control.book(1)).bets == 6
        sound = damage(bookmaker, "market-a")
        start(bookmaker, "market-a")
        await until(lambda: client.prices[1].stale == "quarantined")
        assert client.prices[1].status == "suspended"
        assert (client.prices[3].status, client.prices[3].stale) == ("active", "")
        assert (await client.place(ref="late", **BET)).reason == Reason.QUARANTINED

        book = await control.book(1)
        assert (book.bets < 6, book.stale) == (True, "quarantined")
        assert (await control.book(3)).stale == ""
        lines = (await control.list_markets()).markets
        assert [(line.status, line.stale) for line in lines] == [
            ("suspended", "quarantined"), ("suspended", "quarantined"), ("active", ""),
        ]  # fmt: skip
        _, page = await get(bookmaker, "/v1/markets/cup-0/1x2")
        assert json.loads(page)["stale"] == "quarantined"
        version = json.loads(page)["version"]
        assert (await get(bookmaker, "/v1/markets/cup-0/1x2", f'If-None-Match: "{version}"'))[
            0
        ] == 200
        status, ready = await get(bookmaker, "/readyz")
        assert (status, json.loads(ready)["quarantined"]) == (200, ["market-a"])
        assert json.loads(ready)["markets_stale"] == 2
        _, metrics = await get(bookmaker, "/metrics")
        assert b"overround_gateway_shells_quarantined 1.0" in metrics
        assert b"overround_gateway_markets_stale 2.0" in metrics

        repair(bookmaker, "market-a", sound)
        await until(lambda: client.prices[1].stale == "")
        assert client.prices[1].status == "active"
        assert ((await control.book(1)).bets, (await control.book(1)).stale) == (6, "")
        assert json.loads((await get(bookmaker, "/readyz"))[1])["markets_stale"] == 0
        assert (await client.place(ref="late", **BET)).state == "accepted"


async def test_exposure_names_the_markets_whose_bets_may_be_missing(tmp_path: Path) -> None:
    async with (
        open_bookmaker(tmp_path) as bookmaker,
        bettor(bookmaker) as client,
        trader(bookmaker) as control,
    ):
        await place(client, 6)
        assert (await control.exposure("cup-0")).stale == ()
        damage(bookmaker, "market-a")
        start(bookmaker, "market-a")
        exposure = await control.exposure("cup-0")
        assert exposure.stale == (1, 2)
        assert exposure.stake_minor < 3_000


async def test_account_in_quarantine_answers_with_stale_figures(tmp_path: Path) -> None:
    async with open_bookmaker(tmp_path) as bookmaker, bettor(bookmaker) as client:
        await place(client, 6)
        sound = damage(bookmaker, "account-001")
        start(bookmaker, "account-001")
        assert (await client.balance()).stale == "quarantined"
        page = await client.open_bets()
        assert page.stale == "quarantined"
        assert {slip.stale for slip in page.bets} == {"quarantined"}
        slip = await client.status("b0")
        assert slip is not None
        assert slip.stale == "quarantined"
        assert (await client.history()).stale == "quarantined"
        with pytest.raises(RefusedError) as raised:
            await client.history(before_bet_id=(1 << 48) + 99)
        assert raised.value.reason is Reason.UNAVAILABLE, "the bet may lie behind the damage"
        async with bettor(bookmaker, account=8) as other:
            assert (await other.balance()).stale == ""
        assert json.loads((await get(bookmaker, "/readyz"))[1])["quarantined"] == ["account-001"]
        repair(bookmaker, "account-001", sound)
        assert (await client.balance()).stale == ""


class Shell:
    """A market shell's peer that answers with images."""

    name = "market-a"

    def __init__(self, images: Sequence[PriceImage]) -> None:
        self.images = {one.market_no: one for one in images}

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        assert method == "price_images"
        return encode([self.images[number] for number in args[0]])

    def notify(self, method: str, /, *args: Any) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("version", [3, 5, 8])
async def test_image_after_the_quarantine_counts_whatever_its_version(version: int) -> None:
    shell = Shell([image(1, version=5)])
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:

        def route(generation: int, state: ShellState) -> None:
            system.route(
                version=generation, shell=shell.name, peer=shell, kind="market",
                generation=generation, state=state, markets=[image(1)],
            )  # fmt: skip

        route(1, ShellState.SERVING)
        await until(lambda: not system.gateway.fanout.missing())
        await client.subscribe(markets=[1])
        route(2, ShellState.QUARANTINED)
        await until(lambda: client.prices[1].stale == "quarantined")
        # Who has seen the sound image is told as well, though its version is the same.
        async with connect(system.bets_url, token=token()) as again:
            again.received.take_image(msgspec.structs.replace(client.prices[1], stale=""))
            await again.subscribe(markets=[1], seen=[Seen(market=1, version=5)])
            await until(lambda: again.prices[1].stale == "quarantined")
        shell.images[1] = image(1, version=version, odds=(2_700, 2_900))
        route(3, ShellState.DOWN)
        assert system.gateway.fanout.topics[1].stale == "quarantined"
        route(4, ShellState.SERVING)
        await until(lambda: client.prices[1].stale == "")
        assert client.prices[1].version == version
        assert client.prices[1].odds_milli == (2_700, 2_900)


async def test_market_that_is_new_to_the_gateway_is_stale_at_once() -> None:
    shell = Shell([image(1, version=5)])
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        system.route(
            version=1, shell=shell.name, peer=shell, kind="market", state=ShellState.QUARANTINED,
            markets=[image(1)],
        )  # fmt: skip
        await client.subscribe(markets=[1])
        await until(lambda: 1 in client.prices)
        assert (client.prices[1].status, client.prices[1].stale) == ("suspended", "quarantined")
