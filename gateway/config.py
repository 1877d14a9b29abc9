"""One TOML file, typed and checked: every setting has a default, a bound and an override.

Owns how settings are found and how a wrong one is reported; each part defines its own section.
A setting of the file is overridden by the environment: `OVERROUND_GATEWAY__PING_AFTER_S=5` stands
for `ping_after_s` of section `[gateway]`.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from actors.settings import (
    ClusterSettings,
    MarketShellSettings,
    ReconcilerSettings,
    SupervisorSettings,
)
from gateway.limits import GatewaySettings
from gateway.tokens import TokenSettings
from persistence.journal import JournalOptions

ENV_PREFIX: Final = "OVERROUND_"
_LOCATION: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)


class ConfigError(ValueError):
    """A setting is unknown or out of range; the message names the key and the bound."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of every part, by section."""

    data_dir: str = "overround-data"
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    journal: JournalOptions = field(default_factory=JournalOptions)
    markets: MarketShellSettings = field(default_factory=MarketShellSettings)
    supervisor: SupervisorSettings = field(default_factory=SupervisorSettings)
    reconciler: ReconcilerSettings = field(default_factory=ReconcilerSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    tokens: TokenSettings = field(default_factory=TokenSettings)


def load_config(path: Path | None = None, *, env: Mapping[str, str]) -> Config:
    """Read settings: defaults, then the file, then the environment.

    Parameters
    ----------
    path : Path, optional
        A TOML file; None for defaults and environment alone.
    env : mapping
        Environment variables; those that do not start with ``OVERROUND_`` are ignored.

    Raises
    ------
    ConfigError
        The file cannot be read, is not TOML, or a setting is unknown, of the wrong type or out of
        bounds: the message names file or variable, key and bound.
    """
    document: dict[str, Any] = {}
    source = "environment"
    if path is not None:
        source = str(path)
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not UTF-8 text") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not TOML: {error}") from error
        _convert(document, source)  # the file's own mistakes are reported as the file's
    overrides = {name: text for name, text in env.items() if name.startswith(ENV_PREFIX)}
    for name in sorted(overrides):
        _override(document, name, overrides[name])
        _convert(document, name)
    return _convert(document, source)


def describe(config: Config) -> str:
    """Return the settings as the TOML text that would give them."""
    document: dict[str, Any] = msgspec.to_builtins(config)
    lines = [f"{key} = {_toml(value)}" for key, value in document.items() if not _is_table(value)]
    for key, table in document.items():
        if _is_table(table):
            lines += ["", f"[{key}]"]
            lines += [f"{name} = {_toml(value)}" for name, value in table.items()]
    return "\n".join(lines) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _toml(value: object) -> str:
    # JSON's scalars and arrays are TOML's; None (a setting left open) has no TOML form.
    return '""' if value is None else msgspec.json.encode(value).decode()


def _convert(document: dict[str, Any], source: str) -> Config:
    try:
        return msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        match = _LOCATION.match(str(error))
        assert match is not None, "the pattern matches every text"
        where = f"{match['where']}: " if match["where"] else ""
        raise ConfigError(f"{source}: {where}{match['what']}") from error


def _override(document: dict[str, Any], name: str, text: str) -> None:
    """Write one variable's value into the document, read as TOML where it is TOML."""
    *sections, key = name.removeprefix(ENV_PREFIX).lower().split("__")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    table = document
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{name}: {section} is a setting, not a section")
    table[key] = value
