"""Which shell hosts a market: a pure policy over counts and names.

Owns the rule (fill up to `markets_per_actor`, keep a fixture's markets together) and nothing else:
what was decided is the directory's to remember.
"""

from collections.abc import Iterable, Sequence

from engine.common.ids import parse_market_key


def market_shell_name(serial: int) -> str:
    """Return the name of the market shell that was the `serial`-th to be made, from 0."""
    return f"market-{serial:05d}"


class Placement:
    """How full each market shell is, and of which fixtures.

    Parameters
    ----------
    markets_per_actor : int
        How many markets one shell may host.
    placed : iterable of (key, shell)
        What the directory holds already, in its order.
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

        A fixture that fits a shell whole is not split over two: it goes where its markets are
        already, else to the newest shell if all its markets in `keys` fit there, else to a new one.
        """
        fixtures = [parse_market_key(key).fixture for key in keys]
        waiting: dict[str, int] = {}
        for fixture in fixtures:
            waiting[fixture] = waiting.get(fixture, 0) + 1
        shells = []
        for fixture in fixtures:
            shell = self._room_for(fixture, wanted=waiting[fixture])
            waiting[fixture] -= 1
            self._note(fixture, shell)
            shells.append(shell)
        return shells

    def _room_for(self, fixture: str, *, wanted: int) -> str:
        home = self._latest_of_fixture.get(fixture)
        if home is not None and self._load[home] < self._markets_per_actor:
            return home
        if self._latest is not None:
            room = self._markets_per_actor - self._load[self._latest]
            if room >= min(wanted, self._markets_per_actor):
                return self._latest
        return market_shell_name(len(self._load))

    def _note(self, fixture: str, shell: str) -> None:
        self._load[shell] = self._load.get(shell, 0) + 1
        self._latest_of_fixture[fixture] = shell
        self._latest = shell
