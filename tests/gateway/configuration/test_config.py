"""Settings: found in order, shown as they can be read again, named with their bound if wrong."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from actors.settings import RaceTableError
from gateway.configuration.config import (
    CONFIG_BYTES_MAX,
    NOT_SETTINGS,
    Config,
    ConfigError,
    Setting,
    describe,
    gateway_settings,
    load_config,
)
from gateway.configuration.config import settings as all_settings
from gateway.market_limits import LimitRuleError, LimitRules
from gateway.settings import FEED_FRAME_BYTES_MIN

PRINTABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "settings.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def declared(section: str, name: str) -> inspect.Type:
    """Return the type that a setting is declared with, its bounds in it."""
    table = inspect.type_info(Config)
    for step in (section, name) if section else (name,):
        assert isinstance(table, inspect.StructType)
        table = next(field.type for field in table.fields if field.name == step)
    return table


def texts(kind: inspect.StrType) -> st.SearchStrategy[str]:
    """Return texts that the declared pattern and lengths allow."""
    low, high = kind.min_length or 0, kind.max_length or 200
    if kind.pattern is not None and kind.min_length is None:
        return st.from_regex(kind.pattern, fullmatch=True)
    return st.text(PRINTABLE, min_size=low, max_size=min(high, 200))


def values(one: Setting) -> st.SearchStrategy[Any]:
    """Return what a setting may be."""
    if isinstance(one.default, bool):
        return st.booleans()
    if isinstance(one.default, int):
        low, high = map(int, one.bound.split(" to "))
        return st.sampled_from([low, one.default, high]) | st.integers(low, high)
    if one.bound.startswith("one of "):
        return st.sampled_from(one.bound.removeprefix("one of ").split(", "))
    if (one.section, one.name) == ("limits", "rules"):
        return st.just(("type=1x2 tier=1 stake_minor_max=5", "payout_minor_max=7"))
    if (one.section, one.name) == ("markets", "each_way"):
        return st.just(("ascot-*=handicap", "*=5:2:1/4,8:3:1/5"))
    if (one.section, one.name) == ("markets", "deductions"):
        return st.just(("ascot-*=tattersalls", "*=2000:900,5000:500"))
    if one.name == "serve_despite_loss":
        return st.just(("accounts-0", "market-00000"))
    if (one.section, one.name) == ("limits", "tiers"):
        return st.just(("1=wc22-*",))
    if (one.section, one.name) == ("limits", "slip_payouts"):
        return st.just(("1=50_000_000",))
    kind = declared(one.section, one.name)
    if isinstance(kind, inspect.VarTupleType):
        assert isinstance(kind.item_type, inspect.StrType)
        return st.lists(texts(kind.item_type), max_size=3).map(tuple)
    assert isinstance(kind, inspect.StrType)
    return st.just("") if one.name == "secret" else texts(kind)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for one in draw(st.lists(st.sampled_from(list(all_settings())), max_size=8)):
        table = document.setdefault(one.section, {}) if one.section else document
        table[one.name] = draw(values(one))
    return document


def holds_together(config: Config) -> bool:
    gateways = gateway_settings(config)
    ports = [
        port
        for one in gateways
        for port in (one.bets_port, one.control_port, one.feed_port)
        if port
    ]
    return (
        len(set(ports)) == len(ports)
        and max(ports, default=0) <= 65_535
        and config.supervisor.backoff_min_ms <= config.supervisor.backoff_max_ms
        and config.supervisor.start_deadline_ms >= config.supervisor.tick_deadline_ms
        and config.supervisor.restart_window_ms
        > (config.supervisor.restarts_max + 1)
        * (config.supervisor.tick_ms + config.supervisor.tick_deadline_ms)
        and config.reconciler.orphan_after_ms > config.gateway.bet_deadline_ms
        and config.gateway.feed_frame_bytes_max >= FEED_FRAME_BYTES_MIN
        and config.gateway.batch_rows_max <= config.markets.batch_rows_max
        and config.reconciler.chunk_rows <= config.markets.batch_rows_max
        and bool(config.cluster.road_certificate)
        == bool(config.cluster.road_key)
        == bool(config.cluster.road_authority)
        and tables_are_read(config)
    )


def tables_are_read(config: Config) -> bool:
    try:
        config.markets.place_tables()
        config.markets.deduction_tables()
        LimitRules(config.limits)
    except (RaceTableError, LimitRuleError):
        return False
    return True


# --- finding -------------------------------------------------------------------------------------


def test_every_setting_has_a_default_that_holds() -> None:
    assert load_config(env={}) == Config()


def test_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, 'data_dir = "a"\n[gateway]\nbets_port = 1000\nping_after_s = 7\n')
    env = {"OVERROUND_GATEWAY__BETS_PORT": "2000", "PATH": "/bin"}
    config = load_config(path, env=env)
    assert (config.data_dir, config.gateway.bets_port, config.gateway.ping_after_s) == (
        "a",
        2000,
        7,
    )


@pytest.mark.parametrize("text", ["2024", "true", "'quoted'", '"quoted"', "", "[1]", "a b"])
def test_variable_of_a_text_setting_is_taken_as_it_stands(text: str) -> None:
    assert load_config(env={"OVERROUND_TOKENS__SECRET": text}).tokens.secret == text


def test_variable_of_another_setting_is_read_as_toml() -> None:
    config = load_config(
        env={
            "OVERROUND_GATEWAY__METRICS_ON_BETS": "false",
            "OVERROUND_GATEWAY__ORIGINS": '["https://a.example", "https://b.example"]',
            "OVERROUND_JOURNAL__SEGMENT_BYTES": "1_000_000",
        }
    )
    assert config.gateway.metrics_on_bets is False
    assert config.gateway.origins == ("https://a.example", "https://b.example")
    assert config.journal.segment_bytes == 1_000_000


def test_ports_may_be_swapped_by_two_variables() -> None:
    env = {"OVERROUND_GATEWAY__BETS_PORT": "8481", "OVERROUND_GATEWAY__CONTROL_PORT": "8480"}
    assert load_config(env=env).gateway.bets_port == 8481


def test_each_gateway_has_three_ports_of_its_own() -> None:
    config = load_config(env={"OVERROUND_CLUSTER__GATEWAYS": "3"})
    ports = [(one.bets_port, one.control_port, one.feed_port) for one in gateway_settings(config)]
    assert ports == [(8480, 8481, 8482), (8483, 8484, 8485), (8486, 8487, 8488)]


def test_secrets_of_providers_are_no_settings() -> None:
    assert load_config(env=dict.fromkeys(NOT_SETTINGS, "word")) == Config()


# --- wrong ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nonsense = 1", ["no such setting: nonsense"]),
        ("[gateway]\nbets_prot = 1", ["gateway: no such setting: bets_prot", "mean bets_port?"]),
        ("[gatway]\nbets_port = 1", ["no such setting: gatway", "mean gateway?"]),
        ("[journal]\nsegment = 1", ["journal: no such setting: segment"]),
        ("[gateway]\nping_after_s = 0", ["gateway.ping_after_s", ">= 1"]),
        ("[gateway]\nping_after_s = 86401", ["gateway.ping_after_s", "<= 86400"]),
        ("[gateway]\nping_after_s = '5'", ["gateway.ping_after_s", "`int`", "`str`"]),
        ("[gateway]\nping_after_s = 5.5", ["gateway.ping_after_s", "`int`", "`float`"]),
        ("[gateway]\nping_after_s = true", ["gateway.ping_after_s", "`int`", "`bool`"]),
        ("[gateway]\norigins = 'x'", ["gateway.origins", "`array`"]),
        ("[gateway]\norigins = ['a', 1]", ["gateway.origins[1]", "`str`"]),
        ("gateway = 5", ["gateway", "`object`"]),
        (
            "[supervisor]\nmarkets_per_actor = 18446744073709551616",
            ["supervisor.markets_per_actor"],
        ),
        ("[journal]\nallocate_bytes = 1", ["journal.allocate_bytes", ">= 4096"]),
        ("[cluster]\nnamespace = 'a b'", ["cluster.namespace", "regex"]),
        ("data_dir = ''", ["data_dir", "length >= 1"]),
        ('data_dir = "a\\u0000b"', ["data_dir"]),
        ("[gateway]\nbets_port = 8481", ["gateway.bets_port", "cannot share"]),
        ("[cluster]\ngateways = 2\n[gateway]\nbets_port = 65534", ["gateways = 2", "over 65535"]),
        ("[cluster]\ngateways = 64\n[gateway]\nbets_port = 65500", ["65689, over 65535"]),
        ("[cluster]\ngateways = 2\n[gateway]\ncontrol_port = 8483", ["cannot share"]),
        ("[supervisor]\nbackoff_min_ms = 20000", ["supervisor.backoff_max_ms", "10000", "20000"]),
        (
            "[supervisor]\nstart_deadline_ms = 1999",
            ["supervisor.start_deadline_ms", "1999", "supervisor.tick_deadline_ms", "2000"],
        ),
        (
            "[supervisor]\nrestart_window_ms = 20250",
            ["supervisor.restart_window_ms", "20250", "restarts_max"],
        ),
        ("[cluster]\nroad_certificate = 'a.pem'", ["cluster.road_key", "all three or none"]),
        ("[gateway]\nbet_deadline_ms = 10000", ["reconciler.orphan_after_ms", "10000"]),
        ("[gateway]\nfeed_frame_bytes_max = 1000000", ["gateway.feed_frame_bytes_max", "23833258"]),
        ("[markets]\nbatch_rows_max = 1023", ["gateway.batch_rows_max", "1024", "1023"]),
        ("[markets]\nbatch_rows_max = 2047", ["reconciler.chunk_rows", "2048", "2047"]),
        ("a = 1\nb ?", ["not TOML", "line 2"]),
        ("a = 1\na = 2", ["not TOML", "overwrite"]),
        ("a = " + "[" * 5_000, ["not TOML"]),
        ("a = " + "9" * 5_000, ["not TOML"]),
        (b"a = '\xff'", ["not UTF-8", "byte 5"]),
        (b"\x00", ["not TOML"]),
        (b"#" * (CONFIG_BYTES_MAX + 1), ["larger than 1048576 bytes"]),
    ],
)
def test_wrong_file_is_named_with_key_and_bound(
    tmp_path: Path, text: str | bytes, parts: list[str]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert all(part in said for part in parts), said


def test_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "Is a directory"),
        (Path("a\0b"), "null byte"),
        (tmp_path / ("x" * 300), "name too long"),
    ):
        with pytest.raises(ConfigError, match=why):
            load_config(path, env={})


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("OVERROUND_GATEWAY__PING_AFTER_S", "0", ["gateway.ping_after_s", ">= 1"]),
        ("OVERROUND_GATEWAY__PING_AFTER_S", "soon", ["gateway.ping_after_s", "`int`"]),
        ("OVERROUND_GATEWAY__PING_AFTER_S", "", ["gateway.ping_after_s", "`int`"]),
        ("OVERROUND_GATEWAY__PING_AFTER_S", "9" * 5_000, ["gateway.ping_after_s"]),
        ("OVERROUND_GATEWAY__PING_AFTER_S", "2020-01-01", ["gateway.ping_after_s"]),
        ("OVERROUND_GATEWAY__ORIGINS", "[" * 5_000, ["nested too deeply"]),
        ("OVERROUND_GATEWAY__ORIGINS", "https://a", ["gateway.origins", "`array`"]),
        ("OVERROUND_GATEWAY__PING", "5", ["gateway: no such setting: ping"]),
        ("OVERROUND_PING_AFTER_S", "5", ["no such setting: ping_after_s"]),
        ("OVERROUND_GATEWAY", "5", ["gateway"]),
        ("OVERROUND_", "5", ["no such setting"]),
        ("OVERROUND_DATA_DIR__X", "5", ["data_dir", "`str`"]),
        ("OVERROUND_DATA_DIR", "", ["data_dir", "length >= 1"]),
        ("OVERROUND_DATA_DIR", "\udcff", ["not UTF-8"]),
    ],
)
def test_wrong_variable_is_named_with_key_and_bound(name: str, text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(env={name: text})
    said = str(caught.value)
    assert said.startswith(f"{name}: ")
    assert all(part in said for part in parts), said


def test_variable_below_a_setting_is_refused() -> None:
    env = {"OVERROUND_DATA_DIR": "a", "OVERROUND_DATA_DIR__B": "c"}
    with pytest.raises(ConfigError, match="OVERROUND_DATA_DIR__B: data_dir is a setting"):
        load_config(env=env)


# --- showing -------------------------------------------------------------------------------------


def check_shown_loads_back(config: Config, folder: Path) -> None:
    path = written(folder, describe(config))
    if holds_together(config):
        assert load_config(path, env={}) == config
    else:
        with pytest.raises(ConfigError):
            load_config(path, env={})


@settings(max_examples=60)
@given(document=documents())
def test_what_is_shown_loads_back_to_the_same_settings(
    document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = msgspec.convert(document, Config)
    check_shown_loads_back(config, tmp_path_factory.mktemp("shown"))


@settings(max_examples=10)
@given(data=st.data())
def test_every_setting_takes_what_it_is_declared_to_take(data: st.DataObject) -> None:
    for one in all_settings():
        table = {one.name: data.draw(values(one))}
        config = msgspec.convert({one.section: table} if one.section else table, Config)
        held = getattr(config, one.section) if one.section else config
        assert getattr(held, one.name) == table[one.name]


def test_secret_is_not_shown() -> None:
    secret = "a secret of more than thirty-two bytes"
    shown = describe(load_config(env={"OVERROUND_TOKENS__SECRET": secret}))
    assert secret not in shown
    assert "# secret is set, and not shown" in shown


def test_operations_page_lists_every_setting_with_default_and_bound() -> None:
    page = OPERATIONS.read_text(encoding="utf-8")
    table = page[page.index("| setting | default |") :].partition("\n\n")[0]
    listed = [line for line in table.splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line for line in listed}
    for one in all_settings():
        name = f"{one.section}.{one.name}" if one.section else one.name
        default = msgspec.json.encode(one.default).decode()
        assert rows[name].startswith(f"| `{name}` | {default} | {one.bound} | "), name
    assert set(rows) == {
        f"{one.section}.{one.name}" if one.section else one.name for one in all_settings()
    }
