"""The folders of demo runs and the progress file in each.

Owns which match a run plays and up to which second it has been played; the file is replaced
atomically. Bets, books and odds are in the shells' journals, never here.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from simulations.programme import BESIDE_MAX

PROGRESS: Final = "demo.json"
LAYOUT: Final = 1
RUNS_MAX: Final = 9_999
_RUN: Final = re.compile(r"run-(\d{4})")
_BYTES_MAX: Final = 4_096


class DemoFolderError(Exception):
    """A demo's folder cannot be used; the message says which and why."""


class Progress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run was set up and how far it has come, in seconds of play.

    `beside` and `slips` are 0 in runs of before there were slips. `starts` counts the processes
    that played it, so that no two give a bet the same ref.
    """

    layout: Annotated[int, Meta(ge=LAYOUT, le=LAYOUT)] = LAYOUT
    match: Annotated[str, Meta(min_length=1, max_length=40)]
    seed: Annotated[int, Meta(ge=0, le=1 << 31)]
    bettors: Annotated[int, Meta(ge=1, le=10_000)]
    markets: Annotated[int, Meta(ge=1, le=1_000)]
    beside: Annotated[int, Meta(ge=0, le=BESIDE_MAX)] = 0
    slips: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    played_s: Annotated[float, Meta(ge=0.0, le=100_000.0)] = 0.0
    killed: bool = False
    closed: bool = False
    starts: Annotated[int, Meta(ge=0, lt=1 << 31)] = 0


class RunFolder:
    """One run's folder.

    Parameters
    ----------
    path : Path
        The folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def data_dir(self) -> Path:
        """The engine's data folder."""
        return self.path / "data"

    def load(self) -> Progress:
        """Read the progress file.

        Raises
        ------
        DemoFolderError
            When the file cannot be read or is not a progress file.
        """
        file = self.path / PROGRESS
        try:
            with file.open("rb") as stream:
                return msgspec.json.decode(stream.read(_BYTES_MAX), type=Progress)
        except OSError as error:
            raise DemoFolderError(f"{file}: {error.strerror or error}") from error
        except msgspec.DecodeError as error:
            raise DemoFolderError(f"{file}: {error}") from error

    def save(self, progress: Progress) -> None:
        """Replace the progress file atomically.

        Raises
        ------
        DemoFolderError
            When it cannot be written.
        """
        file = self.path / PROGRESS
        fresh = file.with_suffix(".new")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as stream:
                stream.write(msgspec.json.encode(progress) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(file)
        except OSError as error:
            raise DemoFolderError(f"{file}: {error.strerror or error}") from error


def runs(base: Path) -> list[RunFolder]:
    """Return the runs below a folder that have a progress file, oldest first."""
    try:
        found = sorted(base.iterdir()) if base.is_dir() else []
    except OSError as error:
        raise DemoFolderError(f"{base}: {error.strerror or error}") from error
    return [
        RunFolder(path)
        for path in found
        if _RUN.fullmatch(path.name) and (path / PROGRESS).is_file()
    ]


def next_run(base: Path) -> RunFolder:
    """Return the folder of the next run; it does not exist yet.

    Raises
    ------
    DemoFolderError
        When there are `RUNS_MAX` runs already.
    """
    numbers = [0]
    if base.is_dir():
        numbers += [int(match[1]) for p in base.iterdir() if (match := _RUN.fullmatch(p.name))]
    if max(numbers) >= RUNS_MAX:
        raise DemoFolderError(f"{base}: at most {RUNS_MAX} runs; remove some")
    return RunFolder(base / f"run-{max(numbers) + 1:04d}")


def choose_run(base: Path, asked: Progress, *, resume: bool) -> tuple[RunFolder, Progress]:
    """Return the run to play: the newest one if unfinished and of the same options, else a new one.

    Parameters
    ----------
    base : Path
        Folder of runs.
    asked : Progress
        Match, seed, bettors, markets, matches beside and share of slips of a new run.
    resume : bool
        Take the newest run, whatever its options and its progress.

    Raises
    ------
    DemoFolderError
        When there is no run to resume, or its progress cannot be read.
    """
    there = runs(base)
    if resume:
        if not there:
            raise DemoFolderError(f"{base}: there is no run to resume here")
        return there[-1], there[-1].load()
    if there:
        newest = there[-1].load()
        same = _setup(newest) == _setup(asked)
        if same and not newest.closed:
            return there[-1], newest
    return next_run(base), asked


def _setup(progress: Progress) -> tuple[str, int, int, int, int, float]:
    """Return what a run was asked for."""
    return (
        progress.match,
        progress.seed,
        progress.bettors,
        progress.markets,
        progress.beside,
        progress.slips,
    )
