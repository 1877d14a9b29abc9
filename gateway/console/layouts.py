"""What each user has arranged: theme, columns, sorting, filters.

Owns one small file per subject in the console's folder, and its bounds. A layout that cannot be
read or written is the default one; nothing else depends on it.
"""

import logging
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

logger = logging.getLogger("overround.console")

LAYOUT_BYTES_MAX: Final = 65_536
USERS_KEPT_MAX: Final = 1_000
"""Files of layouts; past it the layout of a further user is not kept."""
GRIDS_MAX: Final = 32

COLUMNS_MAX: Final = 64

GridName = Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]
_Place = Annotated[int, Meta(ge=0, le=COLUMNS_MAX)] | UnsetType | None


class ColumnState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """One column as AG Grid's `getColumnState` tells it; what it does not tell is left out.

    The table's library runs what stands under a name that begins with a colon: so no name but
    these is kept, and no value but numbers, words of a list and a column's own name.
    """

    col_id: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}\Z")]
    width: Annotated[float, Meta(ge=0, le=10_000)] | UnsetType | None = UNSET
    flex: Annotated[float, Meta(ge=0, le=1_000)] | UnsetType | None = UNSET
    hide: bool | UnsetType | None = UNSET
    pinned: bool | Literal["left", "right"] | UnsetType | None = UNSET
    sort: Literal["asc", "desc"] | UnsetType | None = UNSET
    sort_index: _Place = UNSET
    agg_func: UnsetType | None = UNSET
    row_group: bool | UnsetType | None = UNSET
    row_group_index: _Place = UNSET
    pivot: bool | UnsetType | None = UNSET
    pivot_index: _Place = UNSET


Columns = Annotated[list[ColumnState], Meta(max_length=COLUMNS_MAX)]


class Layout(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One user's arrangement; `grids` holds what the browser says of each table's columns."""

    dark: bool | None = None
    grids: Annotated[dict[GridName, Columns], Meta(max_length=GRIDS_MAX)] = {}


def columns_of(state: Any) -> list[ColumnState] | None:
    """Return what a browser says of a table's columns; None for what is no such state."""
    try:
        return msgspec.convert(state, Columns)
    except msgspec.ValidationError:
        return None


class Layouts:
    """Layouts by subject, kept in memory and in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "layouts"
        self._layouts: dict[str, Layout] = {}

    def of(self, sub: str) -> Layout:
        """Return a user's layout; changes to it are kept by `save`."""
        layout = self._layouts.get(sub)
        if layout is None:
            layout = self._layouts[sub] = self._read(sub)
        return layout

    def save(self, sub: str) -> bool:
        """Write a user's layout; say whether it was within bounds and is written."""
        raw = msgspec.json.encode(self._layouts[sub])
        try:
            msgspec.json.decode(raw, type=Layout)
        except msgspec.ValidationError:
            return False
        path = self._path(sub)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            full = not path.exists() and len(list(self._folder.iterdir())) >= USERS_KEPT_MAX
            if len(raw) > LAYOUT_BYTES_MAX or full:
                return False
            temporary = path.with_suffix(".new")
            temporary.write_bytes(raw)
            temporary.replace(path)
        except OSError as error:
            logger.warning("layout of %s is not kept: %s", sub, error)
            return False
        return True

    def _path(self, sub: str) -> Path:
        # A subject has letters, digits and `. _ @ -` only; as hexadecimal it is no path of its own.
        return self._folder / f"{sub.encode().hex()}.json"

    def _read(self, sub: str) -> Layout:
        try:
            with self._path(sub).open("rb") as file:
                raw = file.read(LAYOUT_BYTES_MAX + 1)
            return msgspec.json.decode(raw, type=Layout)
        except FileNotFoundError:
            return Layout()
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("layout of %s is not read: %s", sub, error)
            return Layout()
