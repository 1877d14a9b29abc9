"""Settings of the shells, their supervisor, the other parts and the cluster: typed, bounded.

Owns names, defaults and bounds. Never reads a file or the environment; the gateway's configuration
does.
"""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct

from actors.scheduling import SLICE_US_MAX, SLICE_US_MIN
from engine.common.ids import SHARD_NO_MAX
from engine.common.odds_guard import GUARD_MILLI_MAX
from engine.common.units import LIMIT_MINOR_MAX, MARKETS_MAX
from engine.pricing.race.terms import DeductionTable, EachWayTable, read_deductions, read_table

Table = TypeVar("Table")
EACH_WAY_MAX = 256
"""Patterns of fixtures that may have place terms, or deductions, of their own."""

_Millis = Annotated[int, Meta(ge=1, le=86_400_000)]
_File = Annotated[str, Meta(max_length=4_096)]
_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]


class RaceTableError(ValueError):
    """A table of place terms or deductions is malformed; the message names it and why."""


class ClusterSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which Ray runs the actors.

    An empty `address` starts a Ray on this machine's loopback. Any other joins a running cluster,
    whose addresses, tokens and limits its operator sets. `cpus` 0 uses every core.
    """

    address: Annotated[str, Meta(max_length=256)] = ""
    namespace: _Name = "overround"
    cpus: Annotated[int, Meta(ge=0, le=1_024)] = 0
    object_store_mib: Annotated[int, Meta(ge=76, le=65_536)] = 100
    """Answers of more than 100 KiB pass through it; pages of an audit are the largest."""
    log_to_driver: bool = False
    head_deadline_ms: _Millis = 10_000
    """Ray's head process is lost when it leaves a question unanswered for so long."""
    gateways: Annotated[int, Meta(ge=1, le=64)] = 1
    road: bool = True
    """Whether what is hot goes straight from process to process; else every call is Ray's."""
    road_host: Annotated[str, Meta(max_length=256)] = ""
    """Address at which every process also listens on TCP, for processes of other machines; empty:
    on Unix sockets only."""
    road_certificate: _File = ""
    """With key and authority, files in PEM: TCP between processes goes over TLS then, and either
    end must show a certificate of that authority, which signs nothing else."""
    road_key: _File = ""
    road_authority: _File = ""
    slice_us: Annotated[int, Meta(ge=0, le=SLICE_US_MAX)] = SLICE_US_MIN
    """With the road, slices of processor time that gateways and shells ask the kernel for, so that
    they run soon after they wake; 0: its own."""


class MarketShellSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds that every market shell shares."""

    batch_rows_max: Annotated[int, Meta(ge=1, le=65_536)] = 4_096
    """Most bets of one call; a larger batch is the caller's bug, and none of it is decided."""
    commands_max: Annotated[int, Meta(ge=1, le=65_536)] = 16_384
    """Most commands of one control record; more are refused together with CAPACITY."""
    bets_ahead: Annotated[int, Meta(ge=0, le=1 << 20)] = 32_768
    """Bets for which memory is reserved at every tick, so that no batch waits while it grows."""
    feed_ahead_ms_max: _Millis = 60_000
    """How far a feed's position, a time in milliseconds since 1970, may be ahead of the shell's
    clock; a message further ahead is refused, and its market suspended."""
    odds_book_milli_min: Annotated[int, Meta(ge=0, le=GUARD_MILLI_MAX)] = 1_000
    """Least sum of one over a market's odds, in thousandths; odds of less are refused."""
    odds_step_milli_max: Annotated[int, Meta(ge=0, le=GUARD_MILLI_MAX)] = 4_000
    """Most that an outcome's odds may rise or fall at once while bets are taken: the higher in
    thousandths of the lower. 0 for any."""
    odds_model_step_milli_max: Annotated[int, Meta(ge=0, le=GUARD_MILLI_MAX)] = 4_000
    """The same between odds that someone sets and those that a model or another source gave last.
    0 for any, also of decided outcomes."""
    odds_model_age_ms_max: _Millis = 60_000
    """How old odds of a model may be so that others are compared with them."""
    builder_void: Literal["void_all", "lost_first"] = "void_all"
    """What a void leg does to a bet builder created from now on: the builder is void, or void
    unless another leg is lost. Paying at the odds of the legs left is not offered: a market's
    result is one for all of its bets, and those odds differ from bet to bet."""
    each_way: Annotated[tuple[str, ...], Meta(max_length=EACH_WAY_MAX)] = ("*=standard",)
    """Place terms by fixture, as ``PATTERN=TABLE``; the first pattern that matches counts. A table
    is ``standard``, ``handicap``, or rows ``RUNNERS:PLACES:NUM/DEN`` joined by commas."""
    deductions: Annotated[tuple[str, ...], Meta(max_length=EACH_WAY_MAX)] = ()
    """What winners of earlier bets lose when a runner is withdrawn, by fixture, as
    ``PATTERN=TABLE``; the first pattern that matches counts, and none is no deduction. A table is
    ``tattersalls`` (Rule 4(c)), ``none``, or rows ``TO_MILLI:DEDUCT_MILLI`` joined by commas:
    thousandths of the winnings for odds up to some. Deductions of a settlement stand above it."""

    def place_tables(self) -> tuple[tuple[str, EachWayTable], ...]:
        """Return patterns of fixtures with their tables of place terms.

        Raises
        ------
        RaceTableError
            When a text is malformed; the message names its place in `each_way`.
        """
        return _tables("markets.each_way", self.each_way, read_table)

    def deduction_tables(self) -> tuple[tuple[str, DeductionTable | None], ...]:
        """Return patterns of fixtures with their tables of deductions; None: no deduction.

        Raises
        ------
        RaceTableError
            When a text is malformed; the message names its place in `deductions`.
        """
        return _tables("markets.deductions", self.deductions, read_deductions)


def _tables(
    where: str, texts: tuple[str, ...], read: Callable[[str], Table]
) -> tuple[tuple[str, Table], ...]:
    tables = []
    for at, text in enumerate(texts, start=1):
        pattern, equals, table = text.partition("=")
        if not (pattern and equals):
            raise RaceTableError(f"{where}[{at}]: {text!r} is not PATTERN=TABLE")
        try:
            tables.append((pattern, read(table)))
        except ValueError as error:
            raise RaceTableError(f"{where}[{at}]: {error}") from error
    return tuple(tables)


class SupervisorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many processes run, how long each may leave a call unanswered, how often it may end."""

    account_shards: Annotated[int, Meta(ge=1, le=SHARD_NO_MAX + 1)] = 2
    """Never changes for one data folder: an account's shard is its number modulo this."""
    markets_per_actor: Annotated[int, Meta(ge=1, le=MARKETS_MAX)] = 512
    """Markets that share a process. A fixture whose markets all fit stays in one, as its bet
    builders and its limit by score need: the default holds a board of 400. Fewer spread bets over
    more processes, and take fewer markets down with one."""
    builders_per_fixture_max: Annotated[int, Meta(ge=0, le=MARKETS_MAX)] = 256
    """Bet builders that one fixture may have; another is refused with CAPACITY. They are beside
    `markets_per_actor`, in the shell of their legs. Of all bounds of builders, those count that are
    neither settled nor cancelled."""
    builders_per_account_max: Annotated[int, Meta(ge=0, le=MARKETS_MAX)] = 256
    """Bet builders that one account may have caused, by asking for them first; another is refused
    with CAPACITY. Asking for one that exists needs no place."""
    builders_max: Annotated[int, Meta(ge=0, le=MARKETS_MAX)] = 16_384
    """Bet builders that the data folder may have; another is refused with CAPACITY."""
    tick_ms: _Millis = 250
    tick_deadline_ms: _Millis = 2_000
    """A shell that leaves a tick unanswered for this long is frozen: it is killed and replaced."""
    part_deadline_ms: _Millis = 5_000
    """A gateway, feed pipeline, reconciler or supervisor that leaves a question unanswered for this
    long is frozen: it is killed and replaced."""
    start_deadline_ms: _Millis = 120_000
    """How long a start may stand still: a shell is given up when it has compiled no kernel and
    replayed no record for so long. However long it takes, it lives while it moves."""
    backoff_min_ms: _Millis = 100
    """Pause before the second restart in a window; it doubles before each later one.

    Each pause is multiplied by a random number from 0.5 to 1.5.
    """
    backoff_max_ms: _Millis = 10_000
    """Longest such pause, before the random number."""
    restarts_max: Annotated[int, Meta(ge=1, le=1_000)] = 8
    """Restarts a shell may have in `restart_window_ms`; after one more it is QUARANTINED."""
    restart_window_ms: _Millis = 60_000
    """Counted while the shell serves: neither a failed start nor a long recovery lets it pass."""
    spare_process: bool = True
    """Keep one idle process (some 110 MB) that takes the place of a dead market shell at once."""
    serve_despite_loss: tuple[_Name, ...] = ()
    """Shells that serve although the end of their journal is missing. Without a name here such a
    shell is QUARANTINED. The bets that it lost stay open in their accounts and in every
    comparison."""
    recoveries_max: Annotated[int, Meta(ge=0, le=1_024)] = 0
    """Shells that may start or recover at once; 0: one per core."""


class ReconcilerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often settlements are carried and orphans resolved, and in what portions."""

    period_ms: _Millis = 200
    orphan_after_ms: _Millis = 10_000
    """Age at which a pending stake counts as orphaned; well above a gateway's bet deadline."""
    chunk_rows: Annotated[int, Meta(ge=1, le=4_096)] = 2_048
    call_timeout_ms: _Millis = 10_000
    backoff_max_ms: _Millis = 10_000
    """Longest pause of the work with one shell that fails; the first pause is one period."""
    compare_period_ms: _Millis = 1_000
    """How often one shell's next slice of bets is compared with its counterparts."""
    compare_rows: Annotated[int, Meta(ge=1, le=131_072)] = 16_384
    """Bets or slips of one such slice."""


class DeskSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What needs a second person, how long a proposal waits for one, and how often is repriced."""

    approval_minor: Annotated[int, Meta(ge=0, le=LIMIT_MINOR_MAX)] = 0
    """Change of what bets are paid, in base currency, over which a command of the floor needs the
    approval of a second person; 0: none does."""
    approval_window_ms: Annotated[int, Meta(ge=0, le=604_800_000)] = 3_600_000
    """For how long what one person's messages have changed of a market counts together, against the
    same figure; 0: each message counts alone."""
    quote_ms: Annotated[int, Meta(ge=10, le=600_000)] = 5_000
    """How often a fixture whose clock the desk runs is repriced."""
    proposal_ms: Annotated[int, Meta(ge=1_000, le=604_800_000)] = 86_400_000
    """How long a proposal waits for its decision."""
