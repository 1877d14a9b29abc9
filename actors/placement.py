"""Decide which shell hosts a new market: a pure policy over counts and names.

Owns the rule (fill a shell up to `markets_per_actor`, keep a fixture's markets together, fill an
empty shell before a new one is named). A market that follows others (a bet builder, a place market
at a fraction of win odds) goes to their shell, whatever room that has, and takes no other's. Never
stores a decision; the directory does.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from engine.common.ids import is_derived, parse_market_key

_PREFIX: Final = "market-"


def market_shell_name(serial: int) -> str:
    """Return the name of the `serial`-th market shell to be created, from 0."""
    return f"{_PREFIX}{serial:05d}"


def _serial_of(shell: str) -> int:
    """Return the serial number in a market shell's name; -1 for a name of another form."""
    serial = shell.removeprefix(_PREFIX)
    return int(serial) if shell.startswith(_PREFIX) and serial.isdecimal() else -1


class Placement:
    """The number of markets in each shell, and the latest shell of each fixture.

    Parameters
    ----------
    markets_per_actor : int
        How many markets one shell may host.
    placed : iterable of (key, shell)
        The markets that the directory holds, in its order.
    shells : iterable of str
        Every shell that the directory ever named, so that a new name is new: a shell whose markets
        were all withdrawn is in no item of `placed`.
    """

    def __init__(
        self,
        *,
        markets_per_actor: int,
        placed: Iterable[tuple[str, str]] = (),
        shells: Iterable[str] = (),
    ) -> None:
        self._markets_per_actor = markets_per_actor
        self._load: dict[str, int] = dict.fromkeys(shells, 0)
        self._empty: dict[str, None] = {}
        self._next_serial = 0
        for shell in self._load:
            self._note_name(shell)
        self._latest_of_fixture: dict[str, str] = {}
        self._latest: str | None = None
        for key, shell in placed:
            parsed = parse_market_key(key)
            if not is_derived(parsed):
                self._note(parsed.fixture, shell)
        self._empty = {shell: None for shell, load in self._load.items() if load == 0}

    def place(self, keys: Sequence[str]) -> list[str]:
        """Return a shell's name for each key, in order; new names where no shell has room.

        A fixture whose markets all fit one shell is not split over two. It goes to its latest
        shell, else to the newest shell if all its markets in `keys` fit there, else to a shell that
        stands empty, else to a new one.
        """
        fixtures = [parse_market_key(key).fixture for key in keys]
        unplaced: dict[str, int] = {}
        for fixture in fixtures:
            unplaced[fixture] = unplaced.get(fixture, 0) + 1
        shells = []
        for fixture in fixtures:
            shell = self._shell_for(fixture, unplaced=unplaced[fixture])
            unplaced[fixture] -= 1
            self._note(fixture, shell)
            shells.append(shell)
        return shells

    def withdraw(self, key: str, shell: str) -> None:
        """Forget a market of a shell, which the directory has withdrawn."""
        if is_derived(parse_market_key(key)):
            return
        self._load[shell] -= 1
        if self._load[shell] == 0:
            self._empty[shell] = None

    def _shell_for(self, fixture: str, *, unplaced: int) -> str:
        shell = self._latest_of_fixture.get(fixture)
        if shell is not None and self._load[shell] < self._markets_per_actor:
            return shell
        if self._latest is not None:
            room = self._markets_per_actor - self._load[self._latest]
            if room >= min(unplaced, self._markets_per_actor):
                return self._latest
        for empty in self._empty:
            return empty
        return market_shell_name(self._next_serial)

    def _note(self, fixture: str, shell: str) -> None:
        self._note_name(shell)
        self._empty.pop(shell, None)
        self._load[shell] = self._load.get(shell, 0) + 1
        self._latest_of_fixture[fixture] = shell
        self._latest = shell

    def _note_name(self, shell: str) -> None:
        self._next_serial = max(self._next_serial, _serial_of(shell) + 1)
