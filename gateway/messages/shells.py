"""Messages about the shells that hold markets and accounts, and about their reconciliation.

Owns schemas only. What they say is the supervisor's and the reconciler's.
"""

from typing import Final

from msgspec import Struct, field

from gateway.messages.base import FromClient, FromGateway, IdField

SHELLS_SHOWN_MAX: Final = 1_000
"""Shells in one answer: those that do not serve in front."""


class AskShells(FromClient, frozen=True, kw_only=True, tag="shells"):
    """Ask how the market shells and account shards are; answered by `shells`."""

    id: IdField = 0


class ShellLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One shell as its supervisor knows it, as of its last tick.

    `state` is `starting`, `serving`, `quarantined` or `down`, and `why` says why it does not serve.
    `folder` holds its journal and snapshots. `restarts` counts those of the present window, and
    `outage_ms` is how long the last outage took. `seq` is the journal's last record. A start reads
    the newest snapshot, that of record `snapshot_seq` at `snapshot_ms` (UTC; 0 for none), and
    replays what follows: `unsnapshotted_bytes` since then. `snapshot_trouble` says why the last
    snapshot was not written; the journal has all that it would. `recovery_ms` is how long the last
    start took to replay `recovered_bets`. Amounts of a journal in quarantine are not known: 0.
    """

    name: str
    kind: str
    state: str
    why: str = ""
    folder: str = ""
    pid: int = 0
    restarts: int = 0
    outage_ms: int = 0
    markets: int = 0
    bets: int = 0
    seq: int = 0
    journal_bytes: int = 0
    journal_segments: int = 0
    unsnapshotted_bytes: int = 0
    snapshot_seq: int = 0
    snapshot_ms: int = 0
    snapshot_bytes: int = 0
    snapshot_trouble: str = ""
    recovered_bets: int = 0
    recovery_ms: int = 0
    clock_jumps: int = 0
    clock_behind_ms: int = 0
    disputes: int = 0


class Reconciliation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the reconciler has done since it started, and what it cannot do now.

    `settled`, `resolved` and `charged` count settlements, lost answers and charges of legs that it
    carried; `postponed` counts tasks that met a shell which did not serve and are tried again, and
    `troubles` says which fail now, and why. `compared` counts bets compared with their accounts;
    of `differences_found` the first are in `differences`. `disputes` are settlements that an
    account holds because it had refused the bet or never knew it; `ids_reused` and `charges_unfit`
    are as in the alarms of `/readyz`.
    """

    settled: int = 0
    resolved: int = 0
    charged: int = 0
    postponed: int = 0
    compared: int = 0
    differences: tuple[str, ...] = ()
    differences_found: int = 0
    troubles: tuple[str, ...] = ()
    disputes: int = 0
    ids_reused: int = 0
    charges_unfit: int = 0


class Shells(FromGateway, frozen=True, kw_only=True, tag="shells"):
    """The shells, those that do not serve in front, then by name, and their reconciliation.

    `states` counts all shells by state, also those past the bound of an answer.
    """

    id: int = 0
    shells: tuple[ShellLine, ...] = ()
    states: dict[str, int] = field(default_factory=dict)
    reconciliation: Reconciliation = Reconciliation()
