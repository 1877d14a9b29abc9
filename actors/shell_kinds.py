"""The two kinds of shells, as the supervisor starts them: their classes and arguments.

Owns where a shell's journal is. It starts nothing.
"""

from pathlib import Path
from typing import Any

from actors.account_shell import AccountShell
from actors.market_shell import MarketShell
from actors.process_keeper import ShellProcess
from actors.recovery_progress import PROGRESS_NAME
from actors.routes import account_shell_name
from actors.settings import MarketShellSettings
from engine.common.ids import ShardNo
from persistence.journal import JournalOptions


def account_process(shard: ShardNo, *, folder: Path, journal: JournalOptions) -> ShellProcess:
    """Return what is to run for an account shard of a data folder."""
    name = account_shell_name(shard)
    arguments = {**_arguments(name, folder, journal), "shard": shard}
    return ShellProcess(
        name=name,
        kind="account",
        shard=shard,
        factory=AccountShell,
        arguments=arguments,
        progress_path=Path(arguments["progress"]),
    )


def market_process(
    name: str, *, folder: Path, journal: JournalOptions, settings: MarketShellSettings
) -> ShellProcess:
    """Return what is to run for a market shell of a data folder."""
    arguments = {**_arguments(name, folder, journal), "settings": settings}
    return ShellProcess(
        name=name,
        kind="market",
        shard=ShardNo(0),
        factory=MarketShell,
        arguments=arguments,
        progress_path=Path(arguments["progress"]),
    )


def _arguments(name: str, folder: Path, journal: JournalOptions) -> dict[str, Any]:
    own = folder / "shells" / name
    return {
        "name": name,
        "folder": str(own),
        "options": journal,
        "progress": str(own / PROGRESS_NAME),
    }
