"""What each user has arranged: theme, columns, sorting, filters.

Owns one small file per subject in the console's folder, and its bounds. A layout that cannot be
read or written is the default one; nothing else depends on it.
"""

import logging
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

logger = logging.getLogger("overround.console")

LAYOUT_BYTES_MAX: Final = 65_536
USERS_KEPT_MAX: Final = 1_000
"""Files of layouts; past it the layout of a further user is not kept."""
GRIDS_MAX: Final = 32

GridName = Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]


class Layout(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One user's arrangement; `grids` holds what the browser says of each table's columns."""

    dark: bool | None = None
    grids: Annotated[dict[GridName, list[dict[str, Any]]], Meta(max_length=GRIDS_MAX)] = {}


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
