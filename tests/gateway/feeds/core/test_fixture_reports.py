"""Descriptions of a feed's fixtures on their way to a real supervisor."""

import asyncio
from pathlib import Path

import pytest

from engine.common.fixtures import FeedDescription, FixturePatch
from gateway.feeds.core.fixture_reports import (
    REPORTS_WAITING_MAX,
    FixtureReports,
    category_id,
    shown_text,
)
from tests.actors.stand_ins import UnreliablePeer
from tests.actors.supervised import SupervisedShells
from tests.actors.virtual import run_virtual


def said(fixture: str, position: int, name: str) -> FeedDescription:
    patch = FixturePatch(fixture=fixture, name=name)
    return FeedDescription(patch=patch, source="lsports", position=position)


@pytest.mark.parametrize("fault", ["lose_calls", "lose_answers"])
def test_a_report_is_repeated_until_it_is_answered_and_the_newest_counts(
    tmp_path: Path, fault: str
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            peer = UnreliablePeer(system.supervisor, name="supervisor")
            getattr(peer, fault)["put_fixtures"] = 2
            reports = FixtureReports(by="feed:lsports", supervisor=peer)
            reports.add([said("a", 1, "old"), said("b", 1, "b")])
            await asyncio.sleep(0.1)
            reports.add([said("a", 2, "new")])
            directory = system.supervisor._directory
            assert directory is not None
            await system.until(lambda: directory.fixtures.get("a", None) is not None)
            await system.until(lambda: directory.fixtures["a"].name == "new")
            assert directory.fixtures["b"].name == "b"
            await system.until(lambda: peer.methods.count("put_fixtures") >= 3)
            await asyncio.sleep(60)
            asked = peer.methods.count("put_fixtures")
            await asyncio.sleep(60)
            assert peer.methods.count("put_fixtures") == asked, "nothing waits any more"

    run_virtual(main())


def test_a_defect_in_one_report_does_not_stop_the_later_ones(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            peer = UnreliablePeer(system.supervisor, name="supervisor")
            peer.fail.add("put_fixtures")
            reports = FixtureReports(by="feed:lsports", supervisor=peer)
            reports.add([said("a", 1, "lost")])
            await asyncio.sleep(1)
            peer.fail.clear()
            reports.add([said("b", 1, "b")])
            directory = system.supervisor._directory
            assert directory is not None
            await system.until(lambda: "b" in directory.fixtures)
            assert "a" not in directory.fixtures

    run_virtual(main())


def test_too_many_reports_that_wait_drop_the_oldest_and_are_counted(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            peer = UnreliablePeer(system.supervisor, name="supervisor")
            peer.hang.add("put_fixtures")
            reports = FixtureReports(by="feed:lsports", supervisor=peer)
            reports.add(said(f"f{n}", 1, "x") for n in range(REPORTS_WAITING_MAX + 3))
            assert reports.dropped == 3
            await asyncio.sleep(0.01)
            reports.stop()

    run_virtual(main())


def test_a_provider_s_texts_become_names_and_ids() -> None:
    assert shown_text(" Côte\nd'Ivoire ") == "Côted'Ivoire"
    assert len(shown_text("x" * 100)) == 64
    assert category_id("American Football") == "american_football"
    assert category_id("Футбол") == ""
