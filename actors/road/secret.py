"""The secret by which the processes of one system know one another.

Owns its file in the data folder: drawn once, readable by its owner alone. It outlives a start,
since shells that a killed start has left go on with it.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from actors.road.greeting import SECRET_BYTES_MIN
from actors.road.road import RoadSettingsError

NAME: Final = "road.secret"
_SECRET_BYTES: Final = 32


def load_secret(data_dir: Path) -> bytes:
    """Return the secret of a data folder; draw it at the first call.

    To be called under the lock of the process that runs the system.

    Raises
    ------
    RoadSettingsError
        When the file is too short to hold one.
    """
    path = data_dir / NAME
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        draft.rename(path)
    path.chmod(0o600)
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES_MIN:
        raise RoadSettingsError(
            f"{path} holds {len(secret)} bytes, at least {SECRET_BYTES_MIN}: stop the system, "
            "remove the file, and it is drawn anew"
        )
    return secret
