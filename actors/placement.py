"""Decide which shell hosts a new market: a pure policy over counts and names.

Owns the rule (fill a shell up to `markets_per_actor`, keep a fixture's markets together). Never
stores a decision; the directory does.
"""

from collections.abc import Iterable, Sequence

from engine.common.ids import parse_market_key


def market_shell_name(serial: int) -> str:
    """Return the name of the `serial`-th market shell to be created, from 0."""
    return f"market-{serial:05d}"


class Placement:
    """The number of markets in each shell, and the latest shell of each fixture.

    Parameters
    ----------
    markets_per_actor : int
        How many markets one shell may host.
    placed : iterable of (key, shell)
        The markets that the directory holds, in its order.
    """

    def __init__(self, *, markets_per_actor: int, placed: Iterable[tuple[str, str]] = ()) -> None:
        self._markets_per_actor = markets_per_actor
        self._load: dict[str, int] = {}
        self._latest_of_fixture: dict[str, str] = {}
        self._latest: str | None = None
        for key, shell in placed:
            self._note(parse_market_key(key).fixture, shell)

    def place(self, keys: Sequence[str]) -> list[str]:
        """Return a shell's name for each key, in order; new names where no shell has room.

        A fixture whose markets all fit one shell is not split over two. It goes to its latest
        shell, else to the newest shell if all its markets in `keys` fit there, else to a new one.
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

    def _shell_for(self, fixture: str, *, unplaced: int) -> str:
        shell = self._latest_of_fixture.get(fixture)
        if shell is not None and self._load[shell] < self._markets_per_actor:
            return shell
        if self._latest is not None:
            room = self._markets_per_actor - self._load[self._latest]
            if room >= min(unplaced, self._markets_per_actor):
                return self._latest
        return market_shell_name(len(self._load))

    def _note(self, fixture: str, shell: str) -> None:
        self._load[shell] = self._load.get(shell, 0) + 1
        self._latest_of_fixture[fixture] = shell
        self._latest = shell
