"""Print a journal's records, and verify a journal from end to end.

Owns the text in which records are shown. Reads only and takes no lock, so it can run while a shell
writes. The only module of this package that imports rich.
"""

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from engine.common.reasons import Reason
from engine.common.rows import (
    FLAG_CORRECTED,
    FLAG_FENCE,
    FLAG_FREE_BET,
    FLAG_HEAD,
    FLAG_KNOWN,
    FLAG_LEG,
    FLAG_LEG_OF_SLIP,
    FLAG_PRE_MATCH,
    FLAG_RELEASED,
    LEG_RESERVATION,
    BetResult,
    SlipState,
)
from persistence.chain import (
    ChainReader,
    JournalDamagedError,
    Tail,
    first_seq_of,
    segment_paths,
)
from persistence.disk import DiskError, LocalDisk
from persistence.frames import Record
from persistence.records import (
    Kind,
    PayloadError,
    decode_bets,
    decode_charges,
    decode_epoch,
    decode_exchange,
    decode_ledger_control,
    decode_market_control,
    decode_settlements,
)
from persistence.recovery import KNOWN_MACHINES, hash_as_of, mark_of, replay_folder
from persistence.snapshot import SnapshotInvalidError, read_snapshot, snapshot_paths

BAR_BYTES: Final = 8 << 20
"""Segments of this length together, in bytes, or longer get a progress bar if one is wanted."""
_HEX_BYTES: Final = 200
"""Bytes shown of a document that is not msgpack."""

CountRecord = Callable[[Record], None]


def show(path: Path, *, limit: int, out: TextIO) -> bool:
    """Print the records of a shell's folder or of one segment.

    Parameters
    ----------
    path : Path
        A shell's folder, or one segment in it.
    limit : int
        Most rows (bets, reservations, settlements, commands) to print. Every record's own line is
        printed.
    out : TextIO
        Receives the text.

    Returns
    -------
    bool
        Whether the journal is undamaged. Damage is printed with file, offset and reason.
    """
    reader = _reader(path, out)
    if reader is None:
        return False
    left = limit
    hidden = 0
    try:
        for record in reader:
            title, rows = described(record)
            out.write(f"{_line(record)}  {title}\n")
            for row in rows[: max(0, left)]:
                out.write(f"    {row}\n")
            hidden += max(0, len(rows) - max(0, left))
            left -= len(rows)
    except (JournalDamagedError, DiskError) as error:
        out.write(f"DAMAGED: {error}\n")
        return False
    if hidden:
        out.write(f"({hidden:,} rows are not shown; a larger --limit shows more)\n")
    out.write(f"{_tail_text(reader.tail).strip()}\n")
    return True


def verify(path: Path, *, out: TextIO, progress: bool) -> bool:
    """Check a journal's chain, replay it, and compare every answer and every snapshot.

    A single segment has no state to replay from: only its chain is checked.

    Parameters
    ----------
    path : Path
        A shell's folder, or one segment in it.
    out : TextIO
        Receives the findings.
    progress : bool
        Whether to draw a progress bar on standard error for segments of 8 MiB or more
        (`BAR_BYTES`).

    Returns
    -------
    bool
        Whether everything is as its writer left it. Damage is printed with file, offset and reason.
    """
    reader = _reader(path, out)
    if reader is None:
        return False
    counts: Counter[str] = Counter()
    total = sum(segment.stat().st_size for segment in reader.paths)
    try:
        with _bar(total, wanted=progress) as advance_bar:

            def count(record: Record) -> None:
                counts[_kind(record)] += 1
                advance_bar(record)

            if path.is_dir() and mark_of(LocalDisk(), path).machine in KNOWN_MACHINES:
                findings = _replayed(path, count)
            else:
                for record in reader:
                    count(record)
                findings = [_tail_text(reader.tail), "the chain is valid; nothing was replayed"]
    except (JournalDamagedError, DiskError) as error:
        out.write(f"DAMAGED: {error}\n")
        return False
    out.write(f"{path}\n")
    for name, number in sorted(counts.items()):
        out.write(f"  {number:>12,} {name}\n")
    for line in findings:
        out.write(f"  {line}\n")
    return True


def _replayed(folder: Path, count: CountRecord) -> list[str]:
    """Replay a folder, compare each snapshot with the state at its record, and return findings."""
    disk = LocalDisk()
    expected_hashes: dict[int, tuple[str, dict[str, Any]]] = {}
    for path in snapshot_paths(disk, folder):
        try:
            snapshot = read_snapshot(disk, path)
        except SnapshotInvalidError as error:
            raise JournalDamagedError(path=path, offset=0, reason=str(error)) from error
        # Only the layout is kept: two large states would take memory beside the machine's own.
        layout = {"layout": snapshot.state.get("layout")}
        expected_hashes[int(path.stem)] = (snapshot.state_hash, layout)

    def visit(record: Record, machine: Any) -> None:
        count(record)
        expected, layout = expected_hashes.get(record.seq, (None, {}))
        if expected is not None and hash_as_of(machine, layout) != expected:
            reason = f"its state differs from the replayed state after record {record.seq}"
            path = next(p for p in snapshot_paths(disk, folder) if int(p.stem) == record.seq)
            raise JournalDamagedError(path=path, offset=0, reason=reason)

    replayed = replay_folder(folder, disk=disk, visit=visit)
    if replayed.tail.point.seq < max(expected_hashes, default=0):
        reason = f"the journal ends at record {replayed.tail.point.seq}, before this snapshot"
        raise JournalDamagedError(path=snapshot_paths(disk, folder)[0], offset=0, reason=reason)
    mark = replayed.replay.mark
    begin = f"the snapshot at {replayed.snapshot_seq}" if replayed.snapshot_seq else "record 1"
    machine = f"{mark.machine} (shard {mark.shard})" if mark.shard else mark.machine
    return [
        f"{replayed.replay.bets:>12,} bets replayed with the same answers, from {begin} on",
        f"{len(expected_hashes):>12,} snapshots equal the replayed state",
        _tail_text(replayed.tail),
        _end_text(closed=replayed.replay.closed),
        f"state of {machine}: {replayed.replay.machine.state_hash()}",
    ]


def _end_text(*, closed: bool) -> str:
    if closed:
        return "closed in order: nothing was lost after the last record"
    return "no closing mark: it is open, was ended by force, or its end is missing (see the audit)"


def _reader(path: Path, out: TextIO) -> ChainReader | None:
    """Return a reader of a folder or segment; print a line and return None if it is neither."""
    disk = LocalDisk()
    if path.is_dir() and (paths := segment_paths(disk, path)):
        # A journal whose first segments were removed is read from the first one that is left.
        complete = first_seq_of(paths[0]) == 1
        return ChainReader(disk, path) if complete else ChainReader(disk, path, after=None)
    if path.is_file() and first_seq_of(path):
        return ChainReader(disk, path.parent, paths=[path], after=None)
    out.write(f"{path}: no journal found (give a shell's folder or a segment in it)\n")
    return None


@contextlib.contextmanager
def _bar(total: int, *, wanted: bool) -> Iterator[CountRecord]:
    """Yield a function to call with each record; it advances a progress bar if one is drawn."""
    if not wanted or total < BAR_BYTES:
        yield lambda _record: None
        return
    columns = (TextColumn("{task.percentage:>3.0f}%"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=total)
        yield lambda record: bar.advance(task, record.end - record.offset)


# --- text -------------------------------------------------------------------------------------


def _kind(record: Record) -> str:
    return Kind(record.kind).name if record.kind in set(Kind) else f"KIND {record.kind}"


def _line(record: Record) -> str:
    seconds, nanos = divmod(record.at_ns, 1_000_000_000)
    when = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanos:09}"
    return f"{record.seq:>8}  epoch {record.epoch}  {when}  {_kind(record)}"


def described(record: Record) -> tuple[str, list[str]]:
    """Return a record's title with its counts, and a line for each row or command."""
    try:
        return _DESCRIBERS.get(record.kind, _document)(record)
    except PayloadError as error:
        raise JournalDamagedError(
            path=record.path, offset=record.offset, reason=f"record {record.seq}: {error}"
        ) from error


def _epoch(record: Record) -> tuple[str, list[str]]:
    mark = decode_epoch(record.payload)
    cut = f", {mark.cut_bytes} torn bytes cut" if mark.cut_bytes else ""
    return f"{mark.machine}, shard {mark.shard}{cut}", []


def _bets(record: Record) -> tuple[str, list[str]]:
    bets, decisions = decode_bets(record.payload)
    accepted = int((decisions["reason"] == 0).sum())
    lines = [_bet(*pair) for pair in zip(bets, decisions, strict=True)]
    return f"{len(bets)} bets, {accepted} accepted", lines


def _bet(bet: Any, decision: Any) -> str:
    fence = "fence of " if bet["flags"] & FLAG_FENCE else ""
    what, stake = ("leg", "charge") if bet["flags"] & FLAG_LEG else ("bet", "stake")
    return (
        f"{fence}{what} {bet['bet_id']}: account {bet['account_no']}, market {bet['market_no']}, "
        f"outcome {bet['outcome']}, {stake} {bet['stake_minor']} at {_odds(bet['odds_milli'])}"
        f" -> {_verdict(decision)}"
    )


def _verdict(decision: Any) -> str:
    known = ", known" if decision["flags"] & FLAG_KNOWN else ""
    if decision["reason"] == 0:
        return f"accepted at {_odds(decision['odds_milli'])}{known}"
    most = decision["stake_max_minor"]
    return f"refused: {_reason(decision['reason'])}{f', at most {most}' if most else ''}{known}"


def _exchange(record: Record) -> tuple[str, list[str]]:
    verdicts, reservations, slip_bets, answers = decode_exchange(record.payload, record.kind)
    lines = [f"verdict on bet {each['bet_id']}: {_verdict(each)}" for each in verdicts]
    bets = iter(slip_bets)
    of_head: list[str] = []
    for reservation, answer in zip(reservations, answers, strict=True):
        if not reservation["flags"] & FLAG_LEG_OF_SLIP:
            lines += of_head  # behind the legs of the head before
            of_head = []
        lines.append(f"{_reservation(reservation)} -> {_reserved(reservation, answer)}")
        if reservation["flags"] & FLAG_HEAD:
            own = itertools.islice(bets, int(reservation["market_no"]))
            of_head = [f"    {_slip_bet(bet)}" for bet in own]
    lines += of_head
    lines += [f"of no slip: {_slip_bet(bet)}" for bet in bets]
    of_slips = f", {len(slip_bets)} bets of slips" if len(slip_bets) else ""
    return f"{len(verdicts)} verdicts, {len(reservations)} reservations{of_slips}", lines


def _reservation(row: Any) -> str:
    if row["flags"] & FLAG_LEG_OF_SLIP:
        leg = np.frombuffer(row.tobytes(), LEG_RESERVATION)[0]
        return (
            f"    leg: market {row['market_no']}, outcome {row['outcome']} at "
            f"{_odds(row['odds_milli'])}, event {leg['event']}, position {leg['position']}"
        )
    ref = row["ref"].tobytes().rstrip(b"\0").decode("ascii", "replace")
    if row["flags"] & FLAG_HEAD:
        named = "free bet" if row["flags"] & FLAG_FREE_BET else "offer"
        offer = f", {named} {row['odds_milli']}" if row["odds_milli"] else ""
        return (
            f"slip {ref}: account {row['account_no']}, {row['outcome']} legs, "
            f"{row['market_no']} bets, stake {row['stake_minor']}{offer}"
        )
    return (
        f"reservation {ref}: account {row['account_no']}, "
        f"market {row['market_no']}, outcome {row['outcome']}, "
        f"stake {row['stake_minor']} at {_odds(row['odds_milli'])}"
    )


def _reserved(reservation: Any, answer: Any) -> str:
    known = ", known" if answer["flags"] & FLAG_KNOWN else ""
    state = SlipState(answer["state"]).name if answer["bet_id"] else ""
    reason = _reason(answer["reason"]) if answer["reason"] else ""
    pending_leg = answer["state"] == SlipState.PENDING and reservation["flags"] & FLAG_LEG_OF_SLIP
    charge = f", charge {answer['stake_max_minor']}" if pending_leg else ""
    return " ".join(filter(None, (f"bet {answer['bet_id']}", state, reason))) + charge + known


def _slip_bet(bet: Any) -> str:
    bankers = f", bankers {_bits(bet['bankers'])}" if bet["bankers"] else ""
    bound = f", payout at most {bet['payout_minor_max']}" if bet["payout_minor_max"] else ""
    return (
        f"bet: {bet['stake_minor']} a line of {_bits(bet['sizes'])} of positions "
        f"{_bits(bet['positions'])}{bankers}{bound}"
    )


def _bits(mask: Any) -> str:
    """Return the numbers of the bits that are set, as text."""
    return "+".join(str(bit) for bit in range(64) if int(mask) >> bit & 1) or "none"


def _settlements(record: Record) -> tuple[str, list[str]]:
    rows = decode_settlements(record.payload, record.kind)
    return f"{len(rows)} settlements", list(map(_settlement, rows))


def _settlement(row: Any) -> str:
    end = f"settlement {row['settlement_no']} at {_odds(row['odds_milli'])}"
    if row["flags"] & FLAG_CORRECTED:
        end += ", paid at corrected odds"
    lead = f", led by {row['early_lead']}" if row["early_lead"] else ""
    if row["early_flags"] & FLAG_PRE_MATCH:
        lead += ", placed before play"
    if row["back_den"]:
        fraction = f"{row['payout_minor']}/{row['back_den']}"
        return f"leg {row['bet_id']}: {_result(row['result'])}, gives back {fraction}{lead}, {end}"
    if row["result"] == BetResult.NONE and not row["payout_minor"]:
        what = "leg" if lead else "bet or leg"  # the row of an open leg is that of a single
        return f"{what} {row['bet_id']}: open{lead}, {end}"
    return f"bet {row['bet_id']}: {_result(row['result'])}, payout {row['payout_minor']}, {end}"


def _charges(record: Record) -> tuple[str, list[str]]:
    rows = decode_charges(record.payload)
    lines = [
        f"leg {row['bet_id']}: market {row['market_no']}, charge {row['stake_minor']}, "
        f"change {row['charge_no']}{', released' if row['flags'] & FLAG_RELEASED else ''}"
        for row in rows
    ]
    return f"{len(rows)} charges of legs", lines


def _result(result: int) -> str:
    """Return a result's name; a row that no market can have sent is in dispute, and shown too."""
    known = int(result) in set(BetResult)
    return BetResult(int(result)).name if known else f"result {result}"


def _close(record: Record) -> tuple[str, list[str]]:  # noqa: ARG001 - it has no content
    return "an orderly end", []


def _control(record: Record) -> tuple[str, list[str]]:
    """Describe commands of either machine; their tags differ, so only one decoder accepts them."""
    control: Any
    try:
        control = decode_market_control(record.payload)
    except PayloadError:
        control = decode_ledger_control(record.payload)
    pairs = zip(control.commands, control.events, strict=True)
    lines = [f"{_text(command)} -> {_text(event)}" for command, event in pairs]
    return f"{len(lines)} commands by {control.by}", lines


def _document(record: Record) -> tuple[str, list[str]]:
    try:
        document = str(msgspec.msgpack.decode(record.payload))
    except msgspec.MsgspecError:
        document = bytes(record.payload[:_HEX_BYTES]).hex()
    return f"{len(record.payload)} bytes", [document]


_DESCRIBERS: Final[dict[int, Callable[[Record], tuple[str, list[str]]]]] = {
    Kind.EPOCH: _epoch,
    Kind.BETS: _bets,
    Kind.CONTROL: _control,
    Kind.EXCHANGE: _exchange,
    Kind.EXCHANGE_SLIPS: _exchange,
    Kind.CHARGES: _charges,
    Kind.SETTLEMENTS: _settlements,
    Kind.SETTLEMENTS_2: _settlements,
    Kind.CLOSE: _close,
}


def _text(value: Any) -> str:
    """Return a command or an event as text, without the fields at their default."""
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    if not isinstance(value, msgspec.Struct):
        return str(value)
    fields = [
        f"{field.name} {_text(given)}"
        for field in msgspec.structs.fields(value)
        if (given := getattr(value, field.name)) != field.default
    ]
    return f"{type(value).__name__}({', '.join(fields)})"


def _odds(milli: int) -> str:
    return f"{int(milli) // 1_000}.{int(milli) % 1_000:03}"


def _reason(number: int) -> str:
    known = int(number) in set(Reason)
    return f"{int(number)} {Reason(int(number)).name}" if known else str(int(number))


def _tail_text(tail: Tail | None) -> str:
    assert tail is not None
    seq, torn = tail.point.seq, tail.torn_bytes
    if torn:
        return f"{torn:>12,} torn bytes after record {seq}: the next start cuts them"
    return f"{0:>12,} torn bytes: the journal ends cleanly after record {seq}"
