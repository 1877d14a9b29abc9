"""Read settings from a TOML file and the environment, with types, bounds and defaults.

Owns how settings are found, shown, and reported when wrong; each part defines its own section. A
variable overrides the file: `OVERROUND_GATEWAY__PING_AFTER_S=5` sets `ping_after_s` of section
`[gateway]`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct, field
from msgspec.inspect import (
    BoolType,
    IntType,
    LiteralType,
    StrType,
    StructType,
    VarTupleType,
    type_info,
)
from msgspec.structs import replace

from actors.settings import (
    ClusterSettings,
    DeskSettings,
    MarketShellSettings,
    RaceTableError,
    ReconcilerSettings,
    SupervisorSettings,
)
from gateway.feeds.core.settings import (
    ExchangeFeedSettings,
    LsportsFeedSettings,
    UofFeedSettings,
)
from gateway.market_limits import LimitRuleError, LimitRules, LimitsSettings
from gateway.session.tokens import TokenSettings
from gateway.settings import FEED_FRAME_BYTES_MIN, ConsoleSettings, GatewaySettings
from persistence.journal import JournalOptions

ENV_PREFIX: Final = "OVERROUND_"
NOT_SETTINGS: Final = frozenset(
    {
        "OVERROUND_AMQP_PASSWORD",
        "OVERROUND_UOF_TOKEN",
        "OVERROUND_EXCHANGE_APP_KEY",
        "OVERROUND_LSPORTS_PACKAGE",
        "OVERROUND_LSPORTS_USER",
        "OVERROUND_LSPORTS_PASSWORD",
        "OVERROUND_EXCHANGE_SESSION",
        "OVERROUND_EXCHANGE_CREDENTIALS",
    }
)
"""Variables that hold a bridge's credentials: they are no settings and are never shown."""
CONFIG_BYTES_MAX: Final = 1 << 20
"""Largest file of settings, or opening file, that is read."""
PORT_MAX: Final = 65_535
PORTS: Final = 3
"""Ports of one gateway: bets, control, feed."""
_PATH_CHARS_MAX: Final = 4_096
_SECRET: Final = ("tokens", "secret")
_LOCATION: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"unknown field `(?P<name>[^`]*)`")


class ConfigError(ValueError):
    """A setting is unknown or out of range; the message names the key and the bound."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of every part, by section."""

    data_dir: Annotated[
        str, Meta(min_length=1, max_length=_PATH_CHARS_MAX, pattern=r"^[^\x00]+\Z")
    ] = "overround-data"
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    journal: JournalOptions = field(default_factory=JournalOptions)
    markets: MarketShellSettings = field(default_factory=MarketShellSettings)
    supervisor: SupervisorSettings = field(default_factory=SupervisorSettings)
    reconciler: ReconcilerSettings = field(default_factory=ReconcilerSettings)
    desk: DeskSettings = field(default_factory=DeskSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    feed_uof: UofFeedSettings = field(default_factory=UofFeedSettings)
    feed_exchange: ExchangeFeedSettings = field(default_factory=ExchangeFeedSettings)
    feed_lsports: LsportsFeedSettings = field(default_factory=LsportsFeedSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    tokens: TokenSettings = field(default_factory=TokenSettings)


class Setting(NamedTuple):
    """One setting as people see it: section ("" for none), name, default, bound as text."""

    section: str
    name: str
    default: Any
    bound: str


# --- reading -------------------------------------------------------------------------------------


def load_config(path: Path | None = None, *, env: Mapping[str, str]) -> Config:
    """Read settings: defaults, then the file, then the environment.

    Parameters
    ----------
    path : Path, optional
        A TOML file; None for defaults and environment alone.
    env : mapping
        Environment variables; those that do not start with ``OVERROUND_`` are ignored, and so are
        NOT_SETTINGS. The variable of a text setting is taken literally; any other is read as
        TOML.

    Raises
    ------
    ConfigError
        The file cannot be read, is not TOML, or a setting is unknown, of the wrong type or out of
        bounds: the message names file or variable, key and bound.
    """
    document: dict[str, Any] = {}
    source = "settings"
    if path is not None:
        source = str(path)
        document = read_toml(path)
        _convert(document, source)  # the file's own mistakes are reported as the file's
    named = {name for name in env if name.startswith(ENV_PREFIX)} - NOT_SETTINGS
    for name in sorted(named):
        _override(document, name, env[name])
        _convert(document, name)
    config = _convert(document, source)
    _check_together(config, source)
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file that a person wrote.

    Raises
    ------
    ConfigError
        It cannot be read, is too large, or is not TOML; the message names the file and the place.
    """
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: {why}") from error
    if len(text) > CONFIG_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {CONFIG_BYTES_MAX} bytes")
    try:
        return tomllib.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not TOML: nested too deeply") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def convert_error(
    error: msgspec.ValidationError, *, names: tuple[str, ...] = (), at: str = ""
) -> str:
    """Return an error text with the place first.

    `names` are the fields that a hint may suggest, `at` is the place of what was converted.
    """
    match = _LOCATION.match(str(error))
    assert match is not None, "the pattern matches every text"
    inner = match["where"] or ""
    place = f"{at}.{inner}" if at and inner and inner[0] != "[" else at + inner
    where = f"{place}: " if place else ""
    unknown = _UNKNOWN.search(match["what"])
    if unknown is None:
        return f"{where}{match['what'][:1].lower()}{match['what'][1:]}"
    near = difflib.get_close_matches(unknown["name"], names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{where}no such setting: {unknown['name'][:80]}{hint}"


def gateway_settings(config: Config) -> tuple[GatewaySettings, ...]:
    """Return the settings of each gateway: the section's, with ports raised by three for each.

    A port of 0 stays 0: the system then chooses a free port.
    """
    first = config.gateway

    def ports(number: int) -> GatewaySettings:
        bets, control, feed = first.bets_port, first.control_port, first.feed_port
        return replace(
            first,
            bets_port=bets + PORTS * number if bets else 0,
            control_port=control + PORTS * number if control else 0,
            feed_port=feed + PORTS * number if feed else 0,
        )

    return tuple(ports(number) for number in range(config.cluster.gateways))


def _convert(document: dict[str, Any], source: str) -> Config:
    try:
        return msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        names = tuple(name for one in settings() for name in (one.section, one.name))
        raise ConfigError(f"{source}: {convert_error(error, names=names)}") from error


def _check_together(config: Config, source: str) -> None:
    """Refuse settings that are each in bounds and contradict one another."""
    try:
        LimitRules(config.limits)
        config.markets.place_tables()
        config.markets.deduction_tables()
    except (LimitRuleError, RaceTableError) as error:
        raise ConfigError(f"{source}: {error}") from error
    gateways = gateway_settings(config)
    names = "gateway.bets_port, gateway.control_port, gateway.feed_port"
    ports = [
        port
        for one in gateways
        for port in (one.bets_port, one.control_port, one.feed_port)
        if port
    ]
    if len(set(ports)) < len(ports):
        raise ConfigError(
            f"{source}: {names}: {len(gateways)} gateways cannot share ports, and each takes the "
            f"three that its predecessor has, plus {PORTS}"
        )
    if max(ports, default=0) > PORT_MAX:
        raise ConfigError(
            f"{source}: {names}: with cluster.gateways = {len(gateways)} the last port is "
            f"{max(ports)}, over {PORT_MAX}"
        )
    frame = config.gateway.feed_frame_bytes_max
    if frame < FEED_FRAME_BYTES_MIN:
        raise ConfigError(
            f"{source}: gateway.feed_frame_bytes_max: {frame} is below {FEED_FRAME_BYTES_MIN}: a "
            f"bridge's largest push would not fit"
        )
    supervisor = config.supervisor
    if supervisor.backoff_max_ms < supervisor.backoff_min_ms:
        raise ConfigError(
            f"{source}: supervisor.backoff_max_ms: {supervisor.backoff_max_ms} is below "
            f"supervisor.backoff_min_ms, {supervisor.backoff_min_ms}"
        )
    _check_supervisor(supervisor, source)
    cluster = config.cluster
    files = (cluster.road_certificate, cluster.road_key, cluster.road_authority)
    if any(files) and not all(files):
        raise ConfigError(
            f"{source}: cluster.road_certificate, cluster.road_key, cluster.road_authority: all "
            f"three or none"
        )
    if config.reconciler.orphan_after_ms <= config.gateway.bet_deadline_ms:
        raise ConfigError(
            f"{source}: reconciler.orphan_after_ms: {config.reconciler.orphan_after_ms} is not "
            f"above gateway.bet_deadline_ms, {config.gateway.bet_deadline_ms}: stakes would "
            f"count as orphaned while their bets are in flight"
        )
    taken = config.markets.batch_rows_max
    for name, sent in (
        ("gateway.batch_rows_max", config.gateway.batch_rows_max),
        ("reconciler.chunk_rows", config.reconciler.chunk_rows),
    ):
        if sent > taken:
            raise ConfigError(
                f"{source}: {name}: {sent} is over markets.batch_rows_max, {taken}: every full "
                f"batch would be refused"
            )


def _check_supervisor(supervisor: SupervisorSettings, source: str) -> None:
    """Refuse deadlines by which a sick shell would be killed for ever, or a sound one too soon."""
    if supervisor.start_deadline_ms < supervisor.tick_deadline_ms:
        raise ConfigError(
            f"{source}: supervisor.start_deadline_ms: {supervisor.start_deadline_ms} is below "
            f"supervisor.tick_deadline_ms, {supervisor.tick_deadline_ms}: a start would be given "
            f"up sooner than a shell that serves"
        )
    freezes_ms = (supervisor.restarts_max + 1) * (supervisor.tick_ms + supervisor.tick_deadline_ms)
    if supervisor.restart_window_ms <= freezes_ms:
        raise ConfigError(
            f"{source}: supervisor.restart_window_ms: {supervisor.restart_window_ms} is not above "
            f"{freezes_ms}, (restarts_max + 1) times (tick_ms + tick_deadline_ms): a shell that "
            f"freezes after every start would be restarted for ever"
        )


def _override(document: dict[str, Any], name: str, text: str) -> None:
    """Write one variable's value into the document."""
    *sections, key = name.removeprefix(ENV_PREFIX).lower().split("__")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name}: not UTF-8 text") from error
    table = document
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{name}: {section} is a setting, not a section")
    table[key] = text if (*sections, key) in _texts() else _read_value(name, text)


def _read_value(name: str, text: str) -> Any:
    """Return the TOML value of a variable's text; text that is no TOML is taken literally."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply") from error
    except ValueError:
        return text


# --- showing -------------------------------------------------------------------------------------


def describe(config: Config) -> str:
    """Return the settings, with their bounds, as the TOML text that gives them.

    The signing secret is not shown: where one is set, its line is a comment.
    """
    document: dict[str, Any] = msgspec.to_builtins(config)
    lines: list[str] = []
    section = ""
    for one in settings():
        if one.section != section:
            section = one.section
            lines += ["", f"[{section}]"]
        table = document[section] if section else document
        value = _toml(table[one.name])
        if (section, one.name) == _SECRET and table[one.name]:
            lines.append(f"# {one.name} is set, and not shown")
        else:
            lines.append(f"{one.name} = {value}  # {one.bound}")
    return "\n".join(lines) + "\n"


def settings() -> Iterator[Setting]:
    """Yield every setting, those without a section first."""
    root = type_info(Config)
    assert isinstance(root, StructType)
    for each in root.fields:
        if not isinstance(each.type, StructType):
            yield Setting("", each.name, each.default, _bound(each.type))
    for section in root.fields:
        if isinstance(section.type, StructType):
            for each in section.type.fields:
                yield Setting(section.name, each.name, each.default, _bound(each.type))


def _texts() -> frozenset[tuple[str, ...]]:
    """Return the paths of the settings that are text."""
    return frozenset(
        (one.section, one.name) if one.section else (one.name,)
        for one in settings()
        if isinstance(one.default, str)
    )


def _bound(kind: Any) -> str:
    """Return the values that a setting may have, as text."""
    match kind:
        case BoolType():
            return "true or false"
        case IntType(ge=low, le=high):
            return f"{low} to {high}"
        case StrType(pattern=str(pattern)) if kind.min_length is None:
            return f"text matching {pattern}"
        case StrType(max_length=int(most)):
            return f"text, {kind.min_length or 0} to {most} characters"
        case StrType():
            return "text"
        case LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case VarTupleType(item_type=StrType()):
            return "list of text"
    raise TypeError(f"a setting of a kind without a description: {kind}")


def _toml(value: object) -> str:
    # JSON's scalars and arrays are valid TOML, except for one character that TOML must escape.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007F")
