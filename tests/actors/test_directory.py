"""The journaled directory across restarts."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.directory import (
    NAME_BYTES_IN_RECORD_MAX,
    Directory,
    DirectoryMismatchError,
    FixturesPut,
    record_bounds,
)
from actors.directory import _decode as decode_document
from actors.directory import _encode as encode_document
from engine.common.fixtures import Fixture, FixturePatch, FixtureState
from engine.common.ids import MARKET_NO_MAX
from engine.common.reasons import Reason
from persistence.disk import LocalDisk, LockHeldError
from persistence.journal import JournalOptions
from tests.actors.trade import market


def open_directory(folder: Path, *, account_shards: int = 2) -> Directory:
    return Directory.open(
        folder,
        disk=LocalDisk(),
        at_ns=1,
        options=JournalOptions(),
        account_shards=account_shards,
    )


def place(directory: Directory, *keys: str, shell: str = "market-00000") -> list[int]:
    markets = [market(key) for key in keys]
    placed = directory.place(markets, shells=[shell] * len(keys), by="test", at_ns=2)
    return [command.market_no for command in placed]


NAMES = tuple(f"{n:03}" + "é" * 197 for n in range(512))


@settings(deadline=None)
@given(st.lists(st.sampled_from([1, 3, 200, 512]), max_size=60), st.integers(1, 50))
def test_markets_are_divided_into_records_that_fit(outcomes, most):
    markets = [replace(market("a/1x2"), outcomes=NAMES[:count]) for count in outcomes]
    parts = list(record_bounds(markets, most=most))
    assert [index for start, stop in parts for index in range(start, stop)] == list(
        range(len(markets))
    )
    for start, stop in parts:
        size = sum(len(name.encode()) for one in markets[start:stop] for name in one.outcomes)
        assert 1 <= stop - start <= most
        assert size <= NAME_BYTES_IN_RECORD_MAX
    for (start, stop), (_, end) in pairwise(parts):
        sizes = [sum(len(n.encode()) for n in one.outcomes) for one in markets[start : stop + 1]]
        assert stop - start == most or sum(sizes) > NAME_BYTES_IN_RECORD_MAX, (start, stop, end)


def test_more_markets_of_long_names_than_one_record_holds_are_placed_and_found(tmp_path: Path):
    directory = open_directory(tmp_path)
    long = [
        replace(market(f"a{n}/1x2"), outcomes=NAMES, odds_milli=(2_000,) * len(NAMES))
        for n in range(100)
    ]
    placed = directory.place(long, shells=["market-00000"] * 100, by="test", at_ns=2)
    directory.close()
    reopened = open_directory(tmp_path)
    assert [reopened.markets[one.market_no].command for one in placed] == placed
    reopened.close()


def test_a_cold_start_finds_every_market(tmp_path: Path):
    directory = open_directory(tmp_path)
    assert place(directory, "a/1x2", "b/1x2") == [1, 2]
    directory.close()
    reopened = open_directory(tmp_path)
    assert reopened.no_by_key == {"a/1x2": 1, "b/1x2": 2}
    assert reopened.markets == directory.markets
    assert place(reopened, "c/1x2") == [3]
    assert reopened.epoch > directory.epoch
    reopened.close()


def test_the_number_of_a_withdrawn_market_is_never_given_again(tmp_path: Path):
    directory = open_directory(tmp_path)
    place(directory, "a/1x2", "b/1x2")
    directory.withdraw([2], at_ns=3)
    directory.close()
    reopened = open_directory(tmp_path)
    assert reopened.no_by_key == {"a/1x2": 1}
    assert place(reopened, "b/1x2") == [3]
    _, refused = reopened.check(market("c/1x2", market_no=2))
    assert refused is not None
    assert (refused.reason, refused.field) == (Reason.MARKET_EXISTS, "market_no")
    reopened.close()


def test_a_withdrawn_market_may_ask_for_its_number_again(tmp_path: Path):
    directory = open_directory(tmp_path)
    place(directory, "a/1x2", "b/1x2")
    directory.withdraw([2], at_ns=3)
    _, refused = directory.check(market("b/1x2", market_no=2))
    assert refused is None
    directory.close()


def test_a_market_with_the_highest_number_uses_up_no_others(tmp_path: Path):
    directory = open_directory(tmp_path)
    for key, number in (("a/1x2", MARKET_NO_MAX), ("b/1x2", 2)):
        directory.place([market(key, market_no=number)], shells=["s"], by="test", at_ns=1)
    assert place(directory, "c/1x2", "d/1x2") == [1, 3]
    assert place(directory, "e/1x2") == [4]
    directory.withdraw([4], at_ns=3)
    assert place(directory, "f/1x2") == [5]
    directory.close()


def test_requested_and_assigned_numbers_never_collide(tmp_path: Path):
    directory = open_directory(tmp_path)
    markets = [market("a/1x2"), market("b/1x2", market_no=1), market("c/1x2", market_no=7)]
    placed = directory.place(markets, shells=["s"] * 3, by="test", at_ns=1)
    assert [command.market_no for command in placed] == [8, 1, 7]
    directory.close()


def test_a_checked_key_has_its_specifiers_sorted(tmp_path: Path):
    directory = open_directory(tmp_path)
    checked, refused = directory.check(market("a/mix?z=1|b=2"))
    assert (checked.key, refused) == ("a/mix?b=2|z=1", None)
    directory.close()


def test_a_malformed_or_taken_key_is_refused(tmp_path: Path):
    directory = open_directory(tmp_path)
    place(directory, "a/1x2")
    _, malformed = directory.check(market("no key at all"))
    _, taken = directory.check(market("a/1x2"))
    _, number = directory.check(market("b/1x2", market_no=1))
    assert malformed is not None
    assert taken is not None
    assert number is not None
    assert (malformed.reason, taken.reason) == (Reason.MALFORMED, Reason.MARKET_EXISTS)
    assert (number.reason, number.field) == (Reason.MARKET_EXISTS, "market_no")
    directory.close()


def test_the_count_of_shards_never_changes(tmp_path: Path):
    open_directory(tmp_path, account_shards=2).close()
    with pytest.raises(DirectoryMismatchError, match=r"account_shards: 3 .* founded with 2"):
        open_directory(tmp_path, account_shards=3)
    open_directory(tmp_path, account_shards=2).close()


def test_two_directories_cannot_write_one_folder(tmp_path: Path):
    directory = open_directory(tmp_path)
    with pytest.raises(LockHeldError):
        open_directory(tmp_path)
    directory.close()


def test_generations_rise_over_restarts(tmp_path: Path):
    directory = open_directory(tmp_path)
    assert [directory.begin_process("x", at_ns=1) for _ in range(2)] == [1, 2]
    directory.close()
    reopened = open_directory(tmp_path)
    assert reopened.begin_process("x", at_ns=1) == 3
    reopened.close()


def test_a_cold_start_finds_every_fixture_and_who_changed_it(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    place(directory, "a/1x2", "a/total?total=2.5", "b/1x2")
    final = Fixture(
        fixture="a",
        name="Final",
        sport="football",
        sides=("Argentina", "France"),
        start_ms=1_671_375_600_000,
        state=FixtureState.LIVE,
        external_ids={"uof": "sr:match:1"},
        owner="trader:anna",
        by_hand=("start_ms",),
        withheld=FixturePatch(fixture="a", start_ms=1),
        positions={"uof": 7},
        version=3,
    )
    directory.put_fixtures([final, Fixture(fixture="c", version=1)], by="trader:anna", at_ns=3)
    directory.put_fixtures([Fixture(fixture="c", version=2)], by="feed:uof", at_ns=4)
    directory.withdraw([2, 3], at_ns=5)
    directory.close()
    read = Directory.read(tmp_path, disk=LocalDisk())
    assert read.fixtures == {"a": final, "c": Fixture(fixture="c", version=2)}
    assert read.fixture_markets == {"a": 1}


def test_the_bytes_of_a_record_of_fixtures_are_those_of_its_first_release() -> None:
    """A record that was written once must be read for ever."""
    written = bytes.fromhex(RECORD_OF_FIXTURES)
    assert encode_document(RECORDED) == written
    assert decode_document(written) == RECORDED


RECORDED = FixturesPut(
    by="trader:anna",
    fixtures=(
        Fixture(
            fixture="a",
            sides=("Argentina", "France"),
            start_ms=1_671_375_600_000,
            state=FixtureState.ENDED,
            external_ids={"uof": "sr:match:1"},
            by_hand=("start_ms",),
            withheld=FixturePatch(fixture="a", start_ms=1),
            positions={"uof": 7},
            version=2,
        ),
        Fixture(fixture="b", version=1),
    ),
)
RECORD_OF_FIXTURES = (
    "83a3646f63ac66697874757265735f707574a26279ab7472616465723a616e6e61a866697874757265739289"
    "a766697874757265a161a5736964657392a9417267656e74696e61a64672616e6365a873746172745f6d73cf"
    "0000018525bfb980a57374617465a5656e646564ac65787465726e616c5f69647381a3756f66aa73723a6d61"
    "7463683a31a762795f68616e6491a873746172745f6d73a87769746868656c6482a766697874757265a161a8"
    "73746172745f6d7301a9706f736974696f6e7381a3756f6607a776657273696f6e0282a766697874757265a1"
    "62a776657273696f6e01"
)
