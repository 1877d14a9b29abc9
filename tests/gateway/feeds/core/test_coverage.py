"""A fixture that its feed has lost is shown so: by the feed's word, and when none comes."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from actors.messages import encode
from actors.peer import LocalPeer, Peer, PeerDiedError, PeerTimeoutError
from engine.common.fixtures import Fixture
from gateway.feeds.core.adapter import ALL_FIXTURES
from gateway.feeds.core.coverage import NO_ANSWER, FeedCoverage
from gateway.feeds.exchange.adapter import BROKEN, ExchangeAdapter
from gateway.feeds.exchange.settings import ExchangeSettings
from gateway.services.catalogue import FixtureCatalogue
from tests.gateway.feeds.exchange.test_repeated_messages import WINDOW, greeting, image
from tests.gateway.feeds.feed_system import open_feed_system
from tests.gateway.price_gateway import until

FIXTURE = "tiny.77.202311142200"


class Pipeline:
    """What one feed's pipeline says it has lost; an exception: it does not answer."""

    def __init__(self) -> None:
        self.lost: dict[str, str] | Exception = {}

    def uncovered(self) -> bytes:
        if isinstance(self.lost, Exception):
            raise self.lost
        return encode(self.lost)


async def test_what_has_changed_is_sent_and_silence_is_a_loss_of_everything() -> None:
    pipelines = {"uof": Pipeline(), "ls": Pipeline()}
    peers: dict[str, Peer] = {name: LocalPeer(one, name=name) for name, one in pipelines.items()}
    sent: list[tuple[str, Mapping[str, str]]] = []
    coverage = FeedCoverage(peers, timeout_s=1.0)
    coverage.start(lambda feed, lost: sent.append((feed, lost)))
    coverage.stop()

    async def sent_of(feed: str, lost: dict[str, str] | Exception) -> list[object]:
        pipelines[feed].lost = lost
        sent.clear()
        await coverage.ask()
        return [*sent]

    assert await sent_of("uof", {}) == []
    assert await sent_of("uof", {"a": "silent"}) == [("uof", {"a": "silent"})]
    assert await sent_of("uof", {"a": "silent"}) == []
    for gone in (PeerTimeoutError("2 s passed"), PeerDiedError("gone"), KeyError("its own")):
        assert await sent_of("ls", gone) == [("ls", {ALL_FIXTURES: NO_ANSWER})]
        assert await sent_of("ls", {}) == [("ls", {})]


def test_a_fixture_names_the_feeds_that_describe_it_and_have_lost_it() -> None:
    catalogue, changed = FixtureCatalogue(), list[str]()
    catalogue.on_change = changed.append

    def lost(fixture: str) -> dict[str, str]:
        line = catalogue.line(fixture, for_bettors=False)
        assert line is not None
        return line.lost

    both = {"uof": "1", "ls": "2"}
    catalogue.take([Fixture(fixture="a", external_ids={"uof": "1"}, version=1)])
    catalogue.take([Fixture(fixture="b", external_ids=both, version=1)])
    catalogue.add_market("hand-made")
    changed.clear()
    catalogue.set_lost("uof", {"a": "late"})
    assert (lost("a"), lost("b"), changed) == ({"uof": "late"}, {}, ["a"])
    catalogue.set_lost("ls", {ALL_FIXTURES: "silent"})
    assert (lost("a"), lost("b"), changed) == ({"uof": "late"}, {"ls": "silent"}, ["a", "b"])
    catalogue.take([Fixture(fixture="a", external_ids=both, version=2)])
    catalogue.take([Fixture(fixture="c", external_ids={"ls": "3"}, version=1)])
    assert lost("a") == {"uof": "late", "ls": "silent"}
    assert lost("c") == {"ls": "silent"}
    for_bettors = catalogue.line("a", for_bettors=True)
    assert for_bettors is not None
    assert for_bettors.lost == {}
    changed.clear()
    catalogue.set_lost("ls", {})
    catalogue.set_lost("uof", {})
    assert [lost(name) for name in ("a", "b", "c", "hand-made")] == [{}] * 4
    assert changed == ["a", "b", "c", "a"]


async def test_a_stream_that_breaks_off_loses_its_fixtures_until_its_image_is_whole(
    tmp_path: Path,
) -> None:
    adapter = partial(ExchangeAdapter, feed="tiny", settings=ExchangeSettings(every_ms=0))
    async with open_feed_system(
        tmp_path, make_adapter=adapter, markets_per_actor=8, gateway={}
    ) as feed_system:
        catalogue = feed_system.gateway.catalogue

        async def lost(*, is_lost: dict[str, str]) -> bool:
            await feed_system.gateway.feeds.coverage.ask()
            line = catalogue.line(FIXTURE, for_bettors=False)
            return line is not None and bool(line.external_ids) and line.lost == is_lost

        await feed_system.push(*WINDOW)
        await until(partial(lost, is_lost={}))
        await feed_system.push(greeting(2))
        assert await lost(is_lost={"tiny": BROKEN})
        await feed_system.push(image(3_000, 0.75, "1.5", "1.6"))
        assert await lost(is_lost={})
