"""The market shell on a faulty disk: decisions, control, publishing, and its failures."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.exit_codes import EXIT_JOURNAL_BROKEN, EXIT_LOCK_HELD
from actors.market_shell import MarketShell
from actors.messages import (
    ShellState,
    decode_book_images,
    decode_health,
    decode_price_deltas,
    decode_price_images,
    encode,
)
from actors.peer import PeerRefusedError
from actors.recovery_progress import PROGRESS_NAME, ProgressFile, progress_text, read_progress
from actors.settings import MarketShellSettings
from engine.common.commands import (
    CancelBets,
    CreateMarket,
    FeedUpdate,
    LimitsPatch,
    OpenMarket,
    SetLimits,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    FeedApplied,
    FeedRefused,
    MarketResumed,
    MarketSuspended,
    OddsSet,
    Refused,
)
from engine.common.kernel_cache import KernelCacheError
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import NS_PER_MS
from engine.pricing.football.market_types import outcome_names
from engine.pricing.football.model import MatchModel, MatchState
from engine.pricing.repricing import Reprice
from persistence.chain import ChainReader
from persistence.disk import LockHeldError
from persistence.journal import JournalBrokenError, JournalOptions
from tests.actors.stand_ins import RecordingGateway
from tests.actors.trade import (
    FOLDER,
    HOME_WINS,
    bets,
    decisions_of,
    events_of,
    market,
    market_control,
    market_shell_on,
    open_market,
    settle_home,
)
from tests.faults.faulty_disk import FaultyDisk


def reasons(answer: bytes) -> list[int]:
    return decisions_of(answer)["reason"].tolist()


def test_decisions_are_repeated_after_a_kill():
    disk = FaultyDisk()
    shell = market_shell_on(disk)
    open_market(shell)
    answer = shell.place(bets(1, 2).tobytes())
    assert reasons(answer) == [0, 0]
    restarted = market_shell_on(disk.killed(calls=len(disk.trace)))
    assert restarted.state_hash() == shell.state_hash()
    repeated = decisions_of(restarted.place(bets(1, 2).tobytes()))
    assert repeated["odds_milli"].tolist() == decisions_of(answer)["odds_milli"].tolist()


def test_no_bet_of_a_batch_over_its_bound_is_decided():
    shell = market_shell_on(FaultyDisk(), settings=MarketShellSettings(batch_rows_max=2))
    open_market(shell)
    with pytest.raises(ValueError, match="3 rows, at most 2"):
        shell.place(bets(1, 2, 3).tobytes())
    assert shell.bets() == b""


def test_too_many_commands_in_one_call_are_refused_together():
    shell = market_shell_on(FaultyDisk(), settings=MarketShellSettings(commands_max=1))
    events = events_of(shell.control(market_control(market(market_no=1), market("b/1x2"))))
    assert [event.reason for event in events] == [Reason.CAPACITY] * 2
    assert shell.market_nos() == []


def test_changes_are_published_once_after_the_sync():
    disk = FaultyDisk()
    shell, gateway = market_shell_on(disk), RecordingGateway()
    shell.set_gateways([gateway])
    shell.control(market_control(market(market_no=1), market("b/1x2", market_no=2)))
    shell.control(market_control(OpenMarket(market_no=1), SuspendMarket(market_no=1)))
    created, changed = gateway.notified
    assert created[0] == "on_created"
    assert [image.key for image in decode_price_images(created[1])] == ["cup-1/1x2", "b/1x2"]
    assert changed[0] == "on_prices"
    (delta,) = decode_price_deltas(changed[1])
    assert (delta.market_no, delta.status, delta.version) == (1, Status.SUSPENDED, 3)
    assert disk.trace[-1].kind == "sync"


def test_a_new_gateway_receives_every_markets_image_first():
    shell, gateway = market_shell_on(FaultyDisk()), RecordingGateway()
    open_market(shell)
    shell.set_gateways([gateway])
    ((method, payload),) = gateway.notified
    assert method == "on_created"
    (image,) = decode_price_images(payload)
    assert (image.market_no, image.status) == (1, Status.ACTIVE)


def test_changes_that_bettors_cannot_see_are_not_published():
    shell, gateway = market_shell_on(FaultyDisk()), RecordingGateway()
    open_market(shell)
    shell.set_gateways([gateway])
    gateway.notified.clear()
    shell.control(market_control(SetLimits(market_no=1, limits=LimitsPatch(stake_minor_max=9))))
    shell.control(market_control(OpenMarket(market_no=1)))
    assert gateway.notified == []


def test_a_feeds_repeated_or_refused_updates_are_not_published():
    shell, gateway = market_shell_on(FaultyDisk()), RecordingGateway()
    open_market(shell)
    shell.set_gateways([gateway])
    stop = SetStatus(market_no=1, status=Status.SUSPENDED)
    shell.control(market_control(stop))
    gateway.notified.clear()
    shell.control(market_control(stop))
    open_again = OpenMarket(market_no=1)
    update = FeedUpdate(market_no=1, source="f/odds", position=1, steps=(stop, open_again))
    shell.control(market_control(update))
    shell.control(market_control(update))
    assert gateway.notified == []
    active = SetStatus(market_no=1, status=Status.ACTIVE)
    shell.control(market_control(FeedUpdate(market_no=1, source="f", position=2, steps=(active,))))
    ((method, payload),) = gateway.notified
    assert method == "on_prices"
    assert [delta.status for delta in decode_price_deltas(payload)] == [Status.ACTIVE]


def test_a_feeds_position_is_bounded_by_the_shells_clock_and_a_recovery_decides_the_same():
    disk, gateway = FaultyDisk(), RecordingGateway()
    now_ms = 1_700_000_000_000
    settings = MarketShellSettings(feed_ahead_ms_max=5_000)
    shell = market_shell_on(disk, settings=settings, clock=lambda: now_ms * NS_PER_MS)
    open_market(shell)
    shell.set_gateways([gateway])
    gateway.notified.clear()
    active = SetStatus(market_no=1, status=Status.ACTIVE)

    def update(position: int) -> FeedUpdate:
        return FeedUpdate(market_no=1, source="f/odds", position=position, steps=(active,))

    (applied,) = events_of(shell.control(market_control(update(now_ms + 5_000))))
    assert isinstance(applied, FeedApplied)
    (refused,) = events_of(shell.control(market_control(update(now_ms + 5_001))))
    assert isinstance(refused, FeedRefused)
    assert refused.reason is Reason.FEED_POSITION_AHEAD
    *_, (_, payload) = gateway.notified
    assert [delta.status for delta in decode_price_deltas(payload)] == [Status.SUSPENDED]
    before = shell.state_hash()
    shell.abandon()
    wider = MarketShellSettings(feed_ahead_ms_max=3_600_000)
    assert market_shell_on(disk, settings=wider).state_hash() == before


def test_a_recovery_moves_its_file_and_the_file_holds_the_count_of_records(tmp_path: Path):
    disk, path = FaultyDisk(), tmp_path / "shell" / PROGRESS_NAME
    shell = market_shell_on(disk)
    open_market(shell)
    assert read_progress(path) == b""
    shell.abandon()
    market_shell_on(disk, progress=str(path)).abandon()
    first = read_progress(path)
    assert first
    market_shell_on(disk, progress=str(path)).abandon()
    assert read_progress(path) != first, "each recovery moves the file"
    seconds = iter((1.0, 1.001, 9.0, 10.0))
    note = ProgressFile(path, clock_s=lambda: next(seconds))
    for records in (0, 7, 41):
        note(records)
    assert progress_text(read_progress(path)) == "recovering: 41 records"
    assert b"9.000" in read_progress(path)
    note.compiling(6)
    assert progress_text(read_progress(path)) == "compiling its kernels: 6 so far"
    assert progress_text(b"") == "recovering: 0 records"


# --- kernels ------------------------------------------------------------------------------------


def test_a_shell_that_has_started_prices_every_sport_without_loading_or_compiling() -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.actors.price_every_sport"], check=True, timeout=300
    )


def test_an_idle_process_that_warms_up_leaves_nothing_for_the_shell_to_load() -> None:
    program = (
        "import sys; from actors.market_shell import MarketShell; MarketShell.warm_up()\n"
        "before = set(sys.modules)\n"
        "from tests.actors.trade import FaultyDisk, market_shell_on; loaded = set(sys.modules)\n"
        "market_shell_on(FaultyDisk())\n"
        "late = [name for name in set(sys.modules) - loaded if name.endswith('_nb')]\n"
        "assert 'engine.pricing.football.model_nb' in before and not late, late"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


class ShellWithoutCache(MarketShell):
    """A shell that cannot store what it has compiled: its second kernel fails."""

    def _load_kernels(self, on_compile: Callable[[str], None]) -> None:
        on_compile("first_nb")
        assert self._progress is not None
        self.said = progress_text(read_progress(self._progress))
        raise KernelCacheError("no space")


def test_a_shell_without_its_kernels_says_so_and_takes_nothing(tmp_path: Path) -> None:
    shell = ShellWithoutCache(
        name="market-00000",
        folder=str(tmp_path),
        options=JournalOptions(),
        progress=str(tmp_path / "other" / PROGRESS_NAME),
    )
    health = decode_health(shell.tick())
    assert health.state is ShellState.QUARANTINED
    assert health.why == "start failed: KernelCacheError('no space')"
    assert reasons(shell.place(bets(1).tobytes())) == [Reason.QUARANTINED]
    for answer in (shell.reprice(b""), shell.follow(b"")):
        assert [event.reason for event in events_of(answer)] == [Reason.QUARANTINED]
    assert not list(tmp_path.glob("*.journal"))


HOUR_NS = 3_600_000_000_000


def test_records_stay_in_order_when_the_clock_steps_an_hour_both_ways():
    disk, wall_ns = FaultyDisk(), 10 * HOUR_NS

    def record_times() -> list[int]:
        reader = ChainReader(disk, Path(FOLDER))
        return [record.at_ns for record in reader]

    def clock() -> int:
        nonlocal wall_ns
        wall_ns += 1_000
        return wall_ns

    shell = market_shell_on(disk, clock=clock)
    open_market(shell)
    shell.place(bets(1, 2).tobytes())
    before_ns = wall_ns
    wall_ns += HOUR_NS
    shell.place(bets(3).tobytes())
    wall_ns -= 2 * HOUR_NS
    shell.place(bets(4).tobytes())
    assert decode_health(shell.tick()).clock_behind_ms > 1_000_000
    shell.abandon()
    shell = market_shell_on(disk, clock=clock)
    assert decode_health(shell.tick()).clock_behind_ms > 1_000_000
    shell.place(bets(5).tobytes())
    window = CancelBets(market_no=1, from_ns=0, until_ns=before_ns + 1_000)
    (event,) = events_of(shell.control(market_control(window)))
    assert event.bets == 2, "the window holds the bets that were placed in it, and no other"
    times = record_times()
    assert times == sorted(times)
    assert times[-1] > before_ns + HOUR_NS
    wall_ns += 2 * HOUR_NS
    shell.place(bets(6).tobytes())
    assert record_times()[-1] == wall_ns
    assert decode_health(shell.tick()).clock_behind_ms == 0


def test_images_are_returned_for_hosted_markets_only():
    shell = market_shell_on(FaultyDisk())
    shell.control(market_control(market(market_no=1), market("b/1x2", market_no=2)))
    assert [i.market_no for i in decode_price_images(shell.price_images([2, 99]))] == [2]
    assert [i.prices.market_no for i in decode_book_images(shell.book_images())] == [1, 2]


def test_the_tick_reports_counts_epoch_and_seq():
    shell = market_shell_on(FaultyDisk())
    open_market(shell)
    shell.place(bets(1, 2, 3).tobytes())
    health = decode_health(shell.tick())
    assert (health.state, health.markets, health.bets) == (ShellState.SERVING, 1, 3)
    assert (health.epoch, health.seq) == (1, 3)


def test_a_broken_journal_ends_the_process_before_anything_is_answered():
    disk = FaultyDisk()
    codes: list[int] = []
    shell = market_shell_on(disk, exit_process=codes.append)
    gateway = RecordingGateway()
    open_market(shell)
    shell.set_gateways([gateway])
    gateway.notified.clear()
    disk.fail("sync")
    with pytest.raises(JournalBrokenError):
        shell.control(market_control(SuspendMarket(market_no=1)))
    assert codes == [EXIT_JOURNAL_BROKEN]
    assert gateway.notified == []
    with pytest.raises(JournalBrokenError):
        shell.place(bets(1).tobytes())
    assert codes == [EXIT_JOURNAL_BROKEN] * 2


def test_a_full_disk_refuses_bets_and_commands_until_there_is_room():
    disk = FaultyDisk()
    options = JournalOptions(allocate_bytes=1, snapshot_aside=False)
    shell = market_shell_on(disk, options=options)
    open_market(shell)
    disk.capacity = sum(map(len, disk.files().values()))
    bet_id = 1
    # What the journal has allocated ahead is used up first.
    while reasons(shell.place(bets(bet_id).tobytes())) == [0]:
        bet_id += 1
    before = shell.state_hash()
    assert reasons(shell.place(bets(bet_id).tobytes())) == [Reason.DISK_FULL]
    assert reasons(shell.place(bets(1, bet_id).tobytes())) == [0, Reason.DISK_FULL], (
        "a bet that is recorded keeps its decision: a call that came twice has two answers"
    )
    other = bets(1)
    other["stake_minor"] += 1
    assert reasons(shell.place(other.tobytes())) == [Reason.DISK_FULL], "another bet's decision"
    (event,) = events_of(shell.control(market_control(SuspendMarket(market_no=1))))
    assert isinstance(event, Refused)
    assert event.reason is Reason.DISK_FULL
    assert shell.state_hash() == before
    disk.capacity = None
    assert reasons(shell.place(bets(bet_id + 1, bet_id).tobytes())) == [0, Reason.FENCED], (
        "a late copy of a bet whose stake may be back is never accepted"
    )
    assert reasons(shell.place(bets(bet_id).tobytes())) == [Reason.FENCED]


def damaged() -> FaultyDisk:
    disk = FaultyDisk()
    shell = market_shell_on(disk)
    open_market(shell)
    shell.place(bets(1).tobytes())
    shell.place(bets(2).tobytes())
    files = disk.files()
    (segment,) = [path for path in files if path.name != "lock"]
    data = bytearray(files[segment])
    data[100] ^= 1
    return FaultyDisk.of({**files, segment: bytes(data)})


def test_a_shell_with_a_damaged_journal_answers_quarantined():
    shell = market_shell_on(damaged())
    health = decode_health(shell.tick())
    assert health.state is ShellState.QUARANTINED
    assert "the checksum is wrong" in health.why
    assert reasons(shell.place(bets(3, 4).tobytes())) == [Reason.QUARANTINED] * 2
    events = events_of(shell.control(market_control(settle_home(), settle_home(2))))
    assert [event.reason for event in events] == [Reason.QUARANTINED] * 2
    assert shell.outbox_shards() == []


def test_a_shell_whose_recovery_meets_a_defect_still_answers():
    shell = market_shell_on(FaultyDisk(), progress="no file has a \0 in its name")
    health = decode_health(shell.tick())
    assert health.state is ShellState.QUARANTINED
    assert "start failed: ValueError" in health.why
    assert reasons(shell.place(bets(1).tobytes())) == [Reason.QUARANTINED]
    with pytest.raises(PeerRefusedError):
        shell.price_images()


def test_a_shell_whose_journal_has_another_writer_ends_its_process():
    disk = FaultyDisk()
    holder = market_shell_on(disk)
    codes: list[int] = []
    with pytest.raises(LockHeldError):
        market_shell_on(disk, exit_process=codes.append)
    assert codes == [EXIT_LOCK_HELD]
    holder.stop()
    assert decode_health(market_shell_on(disk).tick()).state is ShellState.SERVING


def test_a_shell_started_in_quarantine_never_touches_its_journal():
    disk = FaultyDisk()
    shell = market_shell_on(disk, quarantine="restart budget spent")
    assert disk.trace == []
    assert decode_health(shell.tick()).why == "restart budget spent"


def test_a_stopped_shell_releases_its_journal_to_its_successor():
    disk = FaultyDisk()
    first = market_shell_on(disk)
    first.stop()
    assert decode_health(first.tick()).state is ShellState.QUARANTINED
    assert decode_health(market_shell_on(disk).tick()).state is ShellState.SERVING


def football(key: str, market_no: int) -> CreateMarket:
    names = outcome_names(key.split("/")[1], ())
    return CreateMarket(
        market_no=market_no, key=key, outcomes=names, odds_milli=(2_000,) * len(names)
    )


def reprice(**fields: Any) -> bytes:
    return encode(
        Reprice(
            by="feed:test",
            fixture="cup-1",
            model=MatchModel(home_rate=1.4, away_rate=1.1),
            state=MatchState(),
            **fields,
        )
    )


def test_repricing_suspends_prices_and_resumes_a_fixture_in_one_record():
    shell, gateway = market_shell_on(FaultyDisk()), RecordingGateway()
    shell.control(market_control(football("cup-1/1x2", 1), football("cup-2/1x2", 2)))
    shell.control(market_control(OpenMarket(market_no=1), OpenMarket(market_no=2)))
    shell.set_gateways([gateway])
    gateway.notified.clear()
    seq = decode_health(shell.tick()).seq
    events = events_of(shell.reprice(reprice(suspend="goal", resume=True)))
    assert [type(event) for event in events] == [MarketSuspended, OddsSet, MarketResumed]
    assert decode_health(shell.tick()).seq == seq + 1
    (method, payload), match = gateway.notified
    assert match == ("on_match", "cup-1", False, 0, 0, True)
    assert method == "on_prices"
    (delta,) = decode_price_deltas(payload)
    assert (delta.market_no, delta.status) == (1, Status.ACTIVE)
    assert delta.odds_milli != (2_000,) * 3


@pytest.mark.parametrize("fed", [False, True])
def test_repricing_whose_odds_are_refused_resumes_nothing_on_the_old_ones(*, fed: bool):
    settings = MarketShellSettings(odds_book_milli_min=1_100)
    shell = market_shell_on(FaultyDisk(), settings=settings)
    shell.control(market_control(football("cup-1/1x2", 1), OpenMarket(market_no=1)))
    events = events_of(shell.reprice(reprice(suspend="goal", resume=True, fed=fed)))
    assert Reason.BOOK_SUM_LOW in [getattr(event, "reason", None) for event in events]
    (image,) = decode_price_images(shell.price_images())
    assert (image.status, image.odds_milli) == (Status.SUSPENDED, (2_000,) * 3)


def test_repricing_skips_settled_markets_and_those_the_model_does_not_price():
    shell = market_shell_on(FaultyDisk())
    unknown = CreateMarket(
        market_no=3, key="cup-1/first_throw_in", outcomes=("a", "b"), odds_milli=(2_000, 2_000)
    )
    renamed = CreateMarket(
        market_no=4, key="cup-1/1x2", outcomes=("a", "b", "c"), odds_milli=(2_000, 3_000, 4_000)
    )
    shell.control(market_control(football("cup-1/draw_no_bet", 1), unknown, renamed))
    shell.control(market_control(OpenMarket(market_no=1), OpenMarket(market_no=3)))
    shell.control(market_control(SettleMarket(market_no=1, results=HOME_WINS[:2])))
    before = shell.state_hash()
    assert events_of(shell.reprice(reprice(suspend="goal", resume=True))) == []
    assert shell.state_hash() == before


def test_odds_set_by_repricing_are_replayed_from_the_journal(tmp_path: Path):
    options = JournalOptions(snapshot_aside=False)
    arguments: dict[str, Any] = {"name": "m", "folder": str(tmp_path), "options": options}
    shell = MarketShell(**arguments)
    shell.control(market_control(football("cup-1/1x2", 1), OpenMarket(market_no=1)))
    shell.reprice(reprice())
    state_hash = shell.state_hash()
    shell.stop()
    restarted = MarketShell(**arguments)
    assert restarted.state_hash() == state_hash
    restarted.stop()
