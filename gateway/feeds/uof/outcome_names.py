"""People's names of outcomes that the provider's messages name by an id: players, teams, texts.

Owns the names, read once from documents of the provider's interface that were saved as files:
market descriptions, those of variants, fixtures, player and competitor profiles. It never fetches
one, and a name is for people alone: markets, bets and results go by the ids.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import ParseError, iterparse

from engine.common.commands import OUTCOME_CHARS_MAX

NAMES_MAX: Final = 1 << 18
"""Names kept; past it the rest of the files is not read."""
NAME_CHARS_MAX: Final = 100
"""Characters of one name; longer ones are cut, and names of several ids at `OUTCOME_CHARS_MAX`."""
FILE_BYTES_MAX: Final = 256 << 20
_NAMED: Final = ("outcome", "player", "competitor")


class OutcomeNamesError(ValueError):
    """A file with names cannot be read; the message names it and the reason."""


class OutcomeNames:
    """Names by the provider's ids.

    Parameters
    ----------
    names : iterable of (str, str)
        Ids and names; of two names of one id the first counts.
    """

    def __init__(self, names: Iterable[tuple[str, str]] = ()) -> None:
        self._by_id: dict[str, str] = {}
        for outcome_id, name in names:
            if len(self._by_id) >= NAMES_MAX:
                break
            self._by_id.setdefault(outcome_id, name[:NAME_CHARS_MAX])

    def __len__(self) -> int:
        return len(self._by_id)

    def of_outcomes(self, outcomes: Sequence[str]) -> dict[str, str]:
        """Return the names that are known of a market's outcomes.

        An outcome of several ids, such as two players, has its own name, or those of its ids where
        each of them has one.
        """
        if not self._by_id:
            return {}
        found: dict[str, str] = {}
        for outcome in outcomes:
            name = self._by_id.get(outcome)
            names = [self._by_id.get(one) for one in outcome.split(",")] if name is None else [name]
            known = [each for each in names if each is not None]
            if len(known) == len(names):
                found[outcome] = " / ".join(known)[:OUTCOME_CHARS_MAX]
        return found


def read_outcome_names(paths: Sequence[str]) -> OutcomeNames:
    """Read the provider's documents in some files.

    A name belongs to an id that holds a colon (``sr:player:17``, ``pre:outcometext:9``,
    ``sr:exact_goals:4+:60``): such an id means the same in every market. Plain numbers do not.

    Raises
    ------
    OutcomeNamesError
        A file is missing, larger than `FILE_BYTES_MAX`, or no XML.
    """
    return OutcomeNames(pair for path in paths for pair in _names_of_file(path))


def _names_of_file(path: str) -> Iterable[tuple[str, str]]:
    try:
        size = Path(path).stat().st_size
        if size > FILE_BYTES_MAX:
            raise OutcomeNamesError(f"names: {path}: {size} bytes, at most {FILE_BYTES_MAX}")
        # The file is the operator's own, and expat itself limits how entities may grow.
        for _, element in iterparse(path):  # noqa: S314
            outcome_id, name = element.get("id", ""), element.get("name", "")
            if (
                element.tag.rpartition("}")[2] in _NAMED
                and ":" in outcome_id
                and len(outcome_id) <= OUTCOME_CHARS_MAX
                and name
            ):
                yield outcome_id, name
            element.clear()
    except (OSError, ParseError) as error:
        raise OutcomeNamesError(f"names: {path}: {error}") from error
