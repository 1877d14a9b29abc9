"""The journaled directory: every market's number, key, first specification and shell.

Owns what a cold start needs before any shell is up. Every change is on disk before it is answered.
Never gives a market's number to a market of another key, even after the first was withdrawn.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.stop_messages import Lifting, OwedStop
from engine.common.commands import CreateMarket, ResumeWithAll, SuspendMarket
from engine.common.events import Refused
from engine.common.fixtures import Fixture
from engine.common.house import HouseStop
from engine.common.ids import (
    BUILDER,
    MARKET_NO_MAX,
    AccountNo,
    MalformedIdError,
    MarketNo,
    parse_market_key,
)
from engine.common.outcome_marks import ResumeOutcomes, SuspendOutcomes
from engine.common.people import is_one_person
from engine.common.reasons import Reason
from engine.common.units import Nanos
from persistence.chain import ChainReader, segment_paths
from persistence.disk import Disk, DiskFullError
from persistence.frames import Record
from persistence.journal import Journal, JournalOptions
from persistence.records import EpochMark, Kind

MARKETS_IN_RECORD_MAX = 1_024
"""Most markets of one record; more markets go into several records, each complete."""


OWED_STOPS_MAX = 1 << 17
"""Stops that shells have not got yet; one past it is not kept, which its answer says."""
NAME_BYTES_IN_RECORD_MAX = 1 << 22
"""Most bytes of outcome names in one record; one market's are at most a tenth of that."""


def record_bounds(
    markets: Sequence[CreateMarket], *, most: int = MARKETS_IN_RECORD_MAX
) -> Iterator[tuple[int, int]]:
    """Yield the first index and the end of each part of the markets that fits one record."""
    start = name_bytes = 0
    for index, market in enumerate(markets):
        size = sum(len(name.encode()) for name in market.outcomes)
        if index > start and (
            index - start >= most or name_bytes + size > NAME_BYTES_IN_RECORD_MAX
        ):
            yield start, index
            start, name_bytes = index, 0
        name_bytes += size
    if start < len(markets):
        yield start, len(markets)


class DirectoryMismatchError(ValueError):
    """The settings contradict those the data was created with; the message names the setting."""


class Founded(Struct, frozen=True, kw_only=True, tag_field="doc", tag="founded"):
    """The first document: the count of account shards, which never changes afterwards."""

    account_shards: int


class MarketsPlaced(Struct, frozen=True, kw_only=True, tag_field="doc", tag="markets_placed"):
    """Markets with their numbers, and the shell of each; both tuples have the same order."""

    by: str
    markets: tuple[CreateMarket, ...]
    shells: tuple[str, ...]
    account_no: AccountNo | None = None
    """The account for which they were created; None: not for a bettor."""


class MarketsWithdrawn(Struct, frozen=True, kw_only=True, tag_field="doc", tag="withdrawn"):
    """Markets that their shell refused; their numbers stay used, their keys are free again."""

    market_nos: tuple[MarketNo, ...]


class ProcessBegun(Struct, frozen=True, kw_only=True, tag_field="doc", tag="life_begun"):
    """A process is about to be started for a part; a part's generations only rise."""

    part: str
    generation: int


class JournalsEnded(Struct, frozen=True, kw_only=True, tag_field="doc", tag="journals_ended"):
    """Shells closed their journals in order: the last record of each, by the shell's name."""

    last_seqs: dict[str, int]


class FixturesPut(Struct, frozen=True, kw_only=True, tag_field="doc", tag="fixtures_put"):
    """Fixtures as they are after a change, and whose change it was."""

    by: str
    fixtures: tuple[Fixture, ...]


class HouseStopKept(Struct, frozen=True, kw_only=True, tag_field="doc", tag="house_stop_kept"):
    """The house is to be stopped, or, with None, to take bets."""

    stop: HouseStop | None


class StopsOwed(Struct, frozen=True, kw_only=True, tag_field="doc", tag="stops_owed"):
    """Stops of one person that their markets' shells have not got."""

    by: str
    commands: tuple[OwedStop, ...]


class StopsStruck(Struct, frozen=True, kw_only=True, tag_field="doc", tag="stops_struck"):
    """Stops of one person that their shells have got, or that were lifted before."""

    by: str
    commands: tuple[OwedStop, ...]


Document = (
    Founded
    | MarketsPlaced
    | MarketsWithdrawn
    | ProcessBegun
    | JournalsEnded
    | FixturesPut
    | HouseStopKept
    | StopsOwed
    | StopsStruck
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Document).decode


class Built(NamedTuple):
    """A bet builder: its fixture, and the account that asked for it first."""

    fixture: str
    account_no: AccountNo | None


class Placed(Struct, frozen=True, kw_only=True):
    """A market in the directory: how it was specified first, and its shell."""

    command: CreateMarket
    shell: str


class Directory:
    """The directory, open. Construct it with `open`.

    Every change is written and synced before the method returns. `JournalBrokenError` and
    `DiskFullError` of the journal pass through: after the first the process must be started again.
    """

    def __init__(self) -> None:
        self.account_shards = 0
        self.markets: dict[MarketNo, Placed] = {}
        self.no_by_key: dict[str, MarketNo] = {}
        self.shells: dict[str, None] = {}
        """Every market shell that was ever named, those without a market included."""
        self.generations: dict[str, int] = {}
        self.last_seqs: dict[str, int] = {}
        """The record at which each shell's journal last ended in order."""
        self.builders: dict[MarketNo, Built] = {}
        """The bet builders."""
        self.fixtures: dict[str, Fixture] = {}
        """What is known of fixtures, by id; one that was never described is not among them."""
        self.fixture_markets: dict[str, int] = {}
        """How many markets each fixture has, by the prefix of their keys."""
        self.house_stop: HouseStop | None = None
        """By whom the house is to be stopped; None: it is to take bets."""
        self.owed_stops: dict[MarketNo, dict[tuple[str, OwedStop], OwedStop]] = {}
        """The stops that each market's shell has not got, by whose and what it is, less its why."""
        self._owed_len = 0
        self._withdrawn: dict[MarketNo, str] = {}
        """The keys that withdrawn markets had."""
        self._highest_no = 0
        self._last_ns = Nanos(0)
        self._journal: Journal | None = None

    @classmethod
    def open(
        cls, folder: Path, *, disk: Disk, at_ns: Nanos, options: JournalOptions, account_shards: int
    ) -> "Directory":
        """Open the directory of a folder, or create it there.

        Raises
        ------
        DirectoryMismatchError
            When `account_shards` is not what the data was founded with.
        JournalDamagedError, LockHeldError
            From the journal, which is unchanged then.
        """
        directory = cls()
        journal = Journal.open(
            folder,
            disk=disk,
            at_ns=at_ns,
            options=options,
            mark=EpochMark(machine="directory"),
            visit=directory._replay,
        )
        directory._journal = journal
        try:
            if directory.account_shards == 0:
                directory._write([Founded(account_shards=account_shards)], at_ns=at_ns)
            if directory.account_shards != account_shards:
                raise DirectoryMismatchError(
                    f"account_shards: {account_shards} is set, but this data was founded with "
                    f"{directory.account_shards}"
                )
        except BaseException:
            journal.close()
            raise
        return directory

    @classmethod
    def read(cls, folder: Path, *, disk: Disk) -> "Directory":
        """Return the directory of a folder for reading; no method that writes may be called.

        Raises
        ------
        JournalDamagedError
            From the journal.
        FileNotFoundError
            When the folder holds no directory.
        """
        if not segment_paths(disk, folder):
            raise FileNotFoundError(f"{folder}: no directory found")
        directory = cls()
        for record in ChainReader(disk, folder):
            directory._replay(record)
        return directory

    @property
    def epoch(self) -> int:
        """Number of this start; it rises with every start."""
        assert self._journal is not None
        return self._journal.epoch

    def check(self, market: CreateMarket) -> tuple[CreateMarket, Refused | None]:
        """Return a specification with its key in canonical form, and why it cannot be placed.

        A key that exists is refused with MARKET_EXISTS; a caller that looks the key up first can
        repeat a creation.
        """
        try:
            key = str(parse_market_key(market.key))
        except MalformedIdError as error:
            return market, Refused(reason=Reason.MALFORMED, field="key", message=str(error))
        market = msgspec.structs.replace(market, key=key)
        if len(market.outcomes) != len(market.odds_milli):
            message = f"{len(market.outcomes)} outcomes, {len(market.odds_milli)} odds"
            return market, Refused(
                reason=Reason.FIELD_OUT_OF_BOUNDS, field="odds_milli", message=message
            )
        if key in self.no_by_key:
            return market, Refused(reason=Reason.MARKET_EXISTS, field="key", message=key)
        had = self._withdrawn.get(market.market_no, key)
        if market.market_no in self.markets or had != key:
            return market, Refused(
                reason=Reason.MARKET_EXISTS, field="market_no", message=str(market.market_no)
            )
        return market, None

    def place(
        self,
        markets: Sequence[CreateMarket],
        *,
        shells: Sequence[str],
        by: str,
        at_ns: Nanos,
        account_no: AccountNo | None = None,
    ) -> list[CreateMarket]:
        """Write checked markets and their shells to disk; return the markets with their numbers.

        A `market_no` of 0 is given the number after the highest one so far, from 1.
        """
        numbered = self._number(markets)
        documents: list[Document] = []
        for start, stop in record_bounds(numbered):
            documents.append(
                MarketsPlaced(
                    by=by,
                    markets=tuple(numbered[start:stop]),
                    shells=tuple(shells[start:stop]),
                    account_no=account_no,
                )
            )
        self._write(documents, at_ns=at_ns)
        return numbered

    def withdraw(self, market_nos: Sequence[MarketNo], *, at_ns: Nanos) -> None:
        """Withdraw markets that their shell refused with a reason no retry would change."""
        self._write([MarketsWithdrawn(market_nos=tuple(market_nos))], at_ns=at_ns)

    def put_fixtures(self, fixtures: Sequence[Fixture], *, by: str, at_ns: Nanos) -> None:
        """Write what is known of fixtures after a change: one record."""
        self._write([FixturesPut(by=by, fixtures=tuple(fixtures))], at_ns=at_ns)

    def keep_house_stop(self, stop: HouseStop | None, *, at_ns: Nanos) -> None:
        """Write whether the house is to be stopped, unless that is known."""
        if stop != self.house_stop:
            self._write_or_hold(HouseStopKept(stop=stop), at_ns=at_ns)

    def owe_stops(self, commands: Sequence[OwedStop], *, by: str, at_ns: Nanos) -> int:
        """Write stops of one person that shells have not got; return how many were not kept.

        Those are of markets that nobody knows, or past OWED_STOPS_MAX.
        """
        known = [each for each in commands if each.market_no in self.markets]
        kept = tuple(known[: OWED_STOPS_MAX - self._owed_len])
        if kept:
            self._write_or_hold(StopsOwed(by=by, commands=kept), at_ns=at_ns)
        return len(commands) - len(kept)

    def strike_stops(self, commands: Sequence[OwedStop], *, by: str, at_ns: Nanos) -> None:
        """Write that shells have got stops of one person."""
        if commands:
            self._write_or_hold(StopsStruck(by=by, commands=tuple(commands)), at_ns=at_ns)

    def lift_stops(self, liftings: Sequence[Lifting], *, by: str, at_ns: Nanos) -> None:
        """Write that stops are owed no more, as one lifts them.

        A resumption of a market lifts its author's, with `force` everybody's, and what was a stop
        of this market alone; one of outcomes those of any of them.
        """
        lifted: dict[str, list[OwedStop]] = {}
        for lifting in liftings:
            for whose, stop in self.owed_stops.get(lifting.market_no, ()):
                if _lifts(lifting, stop, own=is_one_person(whose, by)):
                    lifted.setdefault(whose, []).append(stop)
        for whose, stops in lifted.items():
            self.strike_stops(stops, by=whose, at_ns=at_ns)

    def stops_of(self, shell: str) -> dict[str, list[OwedStop]]:
        """Return the stops that a shell has not got, by whose they are."""
        owed: dict[str, list[OwedStop]] = {}
        for number, stops in self.owed_stops.items():
            if self.markets[number].shell == shell:
                for (by, _), stop in stops.items():
                    owed.setdefault(by, []).append(stop)
        return owed

    def begin_process(self, part: str, *, at_ns: Nanos) -> int:
        """Return the generation of a part's next process.

        A full disk must not keep a process from starting: the number is then kept in memory only,
        and may be used again after a cold start.
        """
        generation = self.generations.get(part, 0) + 1
        try:
            self._write([ProcessBegun(part=part, generation=generation)], at_ns=at_ns)
        except DiskFullError:
            self.generations[part] = generation
        return generation

    def note_ends(self, last_seqs: Mapping[str, int], *, at_ns: Nanos) -> None:
        """Note where shells closed their journals; a full disk leaves it unnoted."""
        with contextlib.suppress(DiskFullError):
            self._write([JournalsEnded(last_seqs=dict(last_seqs))], at_ns=at_ns)

    def close(self) -> None:
        """Close the journal and release its lock."""
        if self._journal is not None:
            self._journal.close()

    def _number(self, markets: Sequence[CreateMarket]) -> list[CreateMarket]:
        asked = {market.market_no for market in markets}
        last = max([self._highest_no, *asked])
        numbered = []
        for market in markets:
            if market.market_no == 0:
                last = self._free_after(last, asked)
                numbered.append(msgspec.structs.replace(market, market_no=last))
            else:
                numbered.append(market)
        assert len({market.market_no for market in numbered}) == len(numbered)
        return numbered

    def _free_after(self, number: int, asked: Set[int]) -> MarketNo:
        """Return the next number that no market has or had; after the highest possible, from 1."""
        while True:
            number = number % MARKET_NO_MAX + 1
            market_no = MarketNo(number)
            if not (number in asked or market_no in self.markets or market_no in self._withdrawn):
                return market_no

    def _write_or_hold(self, document: Document, *, at_ns: Nanos) -> None:
        """Write a document; a full disk leaves it in memory only, as no stop is refused for it."""
        try:
            self._write([document], at_ns=at_ns)
        except DiskFullError:
            self._apply(document)

    def _write(self, documents: Sequence[Document], *, at_ns: Nanos) -> None:
        assert self._journal is not None
        at_ns = self._last_ns = max(self._last_ns, at_ns)
        for document in documents:
            self._journal.append(Kind.DOCUMENT, at_ns=at_ns, parts=[_encode(document)])
            self._journal.sync()
            self._apply(document)

    def _replay(self, record: Record) -> None:
        self._last_ns = max(self._last_ns, record.at_ns)
        if record.kind == Kind.DOCUMENT:
            self._apply(_decode(record.payload.tobytes()))

    def _apply(self, document: Document) -> None:
        match document:
            case Founded():
                self.account_shards = document.account_shards
            case MarketsPlaced():
                for market, shell in zip(document.markets, document.shells, strict=True):
                    self.markets[market.market_no] = Placed(command=market, shell=shell)
                    self.no_by_key[market.key] = market.market_no
                    self.shells[shell] = None
                    parsed = parse_market_key(market.key)
                    self._count_market(parsed.fixture, 1)
                    if parsed.type == BUILDER:
                        built = Built(parsed.fixture, document.account_no)
                        self.builders[market.market_no] = built
                    self._highest_no = max(self._highest_no, market.market_no)
            case MarketsWithdrawn():
                for market_no in document.market_nos:
                    placed = self.markets.pop(market_no)
                    del self.no_by_key[placed.command.key]
                    self._withdrawn[market_no] = placed.command.key
                    self._count_market(placed.command.key.partition("/")[0], -1)
                    self.builders.pop(market_no, None)
                    self._owed_len -= len(self.owed_stops.pop(market_no, ()))
            case ProcessBegun():
                self.generations[document.part] = document.generation
            case JournalsEnded():
                self.last_seqs.update(document.last_seqs)
            case FixturesPut():
                self.fixtures.update((each.fixture, each) for each in document.fixtures)
            case HouseStopKept():
                self.house_stop = document.stop
            case StopsOwed() | StopsStruck():
                note = self._owe if isinstance(document, StopsOwed) else self._strike
                for stop in document.commands:
                    note(document.by, stop)

    def _owe(self, by: str, stop: OwedStop) -> None:
        own = self.owed_stops.setdefault(stop.market_no, {})
        self._owed_len -= len(own)
        own[by, replace(stop, why="")] = stop
        self._owed_len += len(own)

    def _strike(self, by: str, stop: OwedStop) -> None:
        own = self.owed_stops.get(stop.market_no, {})
        self._owed_len -= own.pop((by, replace(stop, why="")), None) is not None
        if not own:
            self.owed_stops.pop(stop.market_no, None)

    def _count_market(self, fixture: str, step: int) -> None:
        count = self.fixture_markets.pop(fixture, 0) + step
        if count:
            self.fixture_markets[fixture] = count


def _lifts(lifting: Lifting, stop: OwedStop, *, own: bool) -> bool:
    """Say whether a command ends a stop, of its own author or of another person."""
    if isinstance(lifting, ResumeOutcomes) or isinstance(stop, SuspendOutcomes):
        if not isinstance(lifting, ResumeOutcomes) or not isinstance(stop, SuspendOutcomes):
            return False
        return not lifting.outcomes or not set(lifting.outcomes).isdisjoint(stop.outcomes)
    if isinstance(stop, SuspendMarket):
        return not isinstance(lifting, ResumeWithAll)
    return own or (isinstance(lifting, ResumeWithAll) and lifting.force is True)
