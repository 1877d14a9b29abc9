"""The command line: every argument has an effect, wrong ones are named, no traceback is shown."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.cli.main import main
from gateway.configuration.config import Config, load_config
from gateway.configuration.opening import Opening
from gateway.configuration.opening_file import load_opening
from gateway.session.tokens import Role, TokenSettings, load_key
from persistence.disk import LocalDisk
from persistence.durable import DurableLedger, DurableMarkets
from tests.persistence.command_sequences import LEDGER_STEPS, MARKET_STEPS, TINY, CommandSequence

OVERROUND = Path(sys.executable).with_name("overround")
OPENING = Path(__file__).parents[3] / "docs" / "example-opening.toml"
SECRET = "x" * 32


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Overround = Callable[..., Done]


@pytest.fixture
def overround(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Overround:
    """Run a command in the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Done:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # argparse exits this way
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Done(code, printed.out, printed.err)

    return run


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "",
        "demo",
        "serve",
        "token",
        "journal",
        "journal show",
        "journal verify",
        "config",
        "asyncapi",
    ],
)
def test_every_command_has_a_help_text(overround: Overround, command: str) -> None:
    done = overround(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: overround {command}".rstrip())


def test_help_of_the_demo_shows_its_options(overround: Overround) -> None:
    out = overround("demo", "--help").out
    assert all(option in out for option in ("--match", "--speed", "--resume", "--kill-minute"))


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("", "COMMAND"),
        ("bogus", "'bogus'"),
        ("config extra", "extra"),
        ("serve --bogus", "--bogus"),
        ("serve --open x", "--open"),
        ("demo --match-id 5", "--match-id"),
        ("demo --speed fast", "--speed"),
        ("demo --markets 126", "1 to 125"),
        ("token", "--role"),
        ("token --role king", "'king'"),
        ("token --role bettor", "--account"),
        ("token --role bettor --account -1", "0 to 4294967295"),
        ("token --role bettor --account 4294967296", "0 to 4294967295"),
        ("token --role bettor --account 7.5", "0 to 4294967295"),
        ("token --role bettor --account \u0667", "0 to 4294967295"),
        (f"token --role bettor --account {'9' * 9_000}", "0 to 4294967295"),
        ("token --role trader --expires-s 0", "1 to 31622400"),
        ("token --role trader --expires-s 31622401", "1 to 31622400"),
        ("token --role trader --subject a/b", "1 to 48 letters"),
        (f"token --role trader --subject {'a' * 49}", "1 to 48 letters"),
        ("journal", "ACTION"),
        ("journal burn x", "'burn'"),
        ("journal show", "path"),
        ("journal show --limit -1 x", "0 to 1000000000"),
        ("journal verify", "path"),
        ("--config none.toml config", "none.toml: No such file"),
        ("serve --opening none.toml", "none.toml: No such file"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_done(
    overround: Overround, tmp_path: Path, command: str, named: str
) -> None:
    done = overround(*command.split())
    assert (done.code, done.out) == (2, "")
    assert named in done.err
    assert len(done.err) < 1_000
    assert list(tmp_path.iterdir()) == []


def test_version_is_that_of_the_package(overround: Overround) -> None:
    assert overround("--version") == (0, "overround 0.1.0\n", "")


# --- settings -------------------------------------------------------------------------------------


def test_config_prints_the_settings_as_a_file_that_gives_them(
    overround: Overround, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OVERROUND_GATEWAY__PING_AFTER_S", "5")
    done = overround("config")
    monkeypatch.delenv("OVERROUND_GATEWAY__PING_AFTER_S")
    path = tmp_path / "settings.toml"
    path.write_text(done.out, encoding="utf-8")
    assert done.code == 0
    assert load_config(path, env={}).gateway.ping_after_s == 5
    assert overround("--config", path, "config").out == done.out


@pytest.mark.parametrize("command", ["config", "serve", "demo", "token --role trader", "asyncapi"])
def test_wrong_setting_stops_every_command(
    overround: Overround, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("OVERROUND_GATEWAY__PING_AFTER_S", "0")
    done = overround(*command.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("overround: OVERROUND_GATEWAY__PING_AFTER_S: gateway.ping_after_s: ")
    assert list(tmp_path.iterdir()) == []


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "role", "sub", "account"),
    [
        ("--role bettor --account 7", Role.BETTOR, "account-7", 7),
        ("--role bettor --account 0 --subject anna", Role.BETTOR, "anna", 0),
        ("--role trader", Role.TRADER, "trader", None),
        ("--role feed --subject uof", Role.FEED, "uof", None),
        ("--role quant --subject a@b.example", Role.QUANT, "a@b.example", None),
    ],
)
def test_token_carries_role_subject_account_and_expiry(
    overround: Overround, arguments: str, role: Role, sub: str, account: int | None
) -> None:
    before_s = int(time.time())
    done = overround("token", *arguments.split(), "--expires-s", "60")
    assert done.code == 0
    key = load_key(TokenSettings(), data_dir=Path(Config().data_dir))
    claims = key.verify(done.out.strip(), now_s=before_s)
    assert (claims.role, claims.sub, claims.account) == (role, sub, account)
    assert before_s + 60 <= claims.exp <= int(time.time()) + 60


def test_token_expires_after_the_configured_time(
    overround: Overround, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERROUND_TOKENS__SECRET", SECRET)
    monkeypatch.setenv("OVERROUND_TOKENS__EXPIRES_S", "5")
    before_s = int(time.time())
    token = overround("token", "--role", "trader").out.strip()
    key = load_key(TokenSettings(secret=SECRET), data_dir=Path("unused"))
    assert before_s + 5 <= key.verify(token, now_s=before_s).exp <= int(time.time()) + 5


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("OVERROUND_TOKENS__SECRET", "short", "at least 32 bytes"),
        ("OVERROUND_TOKENS__SECRET_FILE", "none.secret", "none.secret: No such file or directory"),
        ("OVERROUND_DATA_DIR", "/dev/null/data", "/dev/null/data/token.secret: Not a directory"),
    ],
)
@pytest.mark.parametrize("command", ["token --role trader", "serve"])
def test_unusable_secret_is_named_before_anything_starts(
    overround: Overround,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    variable: str,
    value: str,
    why: str,
) -> None:
    monkeypatch.setenv(variable, value)
    done = overround(*command.split())
    assert (done.code, done.out) == (2, "")
    assert done.err == f"overround: token secret: {why}\n"


def test_light_commands_import_neither_ray_nor_kernels() -> None:
    program = (
        "import sys; from gateway.cli.main import main; main(['config']);"
        "slow = {'ray', 'numba', 'rich', 'simulations'} & set(sys.modules);"
        "assert not slow, slow"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)


# --- journals -------------------------------------------------------------------------------------


@pytest.fixture(params=["markets", "ledger"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a shell's folder whose journal has several segments."""
    folder = tmp_path / "data" / "shell"
    folder.parent.mkdir()
    if request.param == "markets":
        _write_journal(CommandSequence(MARKET_STEPS, DurableMarkets), folder)
    else:
        _write_journal(CommandSequence(LEDGER_STEPS, DurableLedger), folder)
    return folder


def _write_journal(
    sequence: CommandSequence[DurableMarkets] | CommandSequence[DurableLedger], folder: Path
) -> None:
    durable = sequence.open(LocalDisk(), folder=folder, options=TINY)
    sequence.run(durable)  # type: ignore[arg-type]
    durable.close()


def segments(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.journal"))
    assert len(found) > 1
    return found


def test_sound_journal_is_shown_and_verified(overround: Overround, journal: Path) -> None:
    shown = overround("journal", "show", journal)
    assert (shown.code, shown.err) == (0, "")
    assert "0 torn bytes: the journal ends cleanly" in shown.out
    verified = overround("journal", "verify", journal)
    assert (verified.code, verified.err) == (0, "")
    assert "state of " in verified.out


def test_one_segment_is_shown_and_verified_without_replay(
    overround: Overround, journal: Path
) -> None:
    for path in segments(journal):
        assert overround("journal", "show", path).code == 0
        assert "nothing was replayed" in overround("journal", "verify", path).out


def test_limit_hides_rows_and_names_the_option(overround: Overround, journal: Path) -> None:
    done = overround("journal", "show", "--limit", "0", journal)
    assert done.code == 0
    assert "rows are not shown; a larger --limit shows more" in done.out


def test_torn_journal_is_sound_and_its_torn_bytes_are_shown(
    overround: Overround, journal: Path
) -> None:
    last = segments(journal)[-1]
    content = last.read_bytes().rstrip(b"\0")
    last.write_bytes(content[:-9])
    for action in ("show", "verify"):
        done = overround("journal", action, journal)
        assert done.code == 0
        assert "torn bytes after record" in done.out


def test_damaged_journal_is_named_with_file_offset_and_reason(
    overround: Overround, journal: Path
) -> None:
    first = segments(journal)[0]
    content = bytearray(first.read_bytes())
    content[150] ^= 1
    first.write_bytes(content)
    for action in ("show", "verify"):
        done = overround("journal", action, journal)
        assert done.code == 1
        assert f"DAMAGED: {first} at byte " in done.out


def test_missing_segment_in_the_middle_is_damage(overround: Overround, journal: Path) -> None:
    segments(journal)[1].unlink()
    for action in ("show", "verify"):
        done = overround("journal", action, journal)
        assert (done.code, "DAMAGED" in done.out) == (1, True)


def test_path_without_a_journal_is_named(overround: Overround, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "notes.txt"
    text.write_text("no journal", encoding="utf-8")
    for path in (tmp_path / "missing", empty, text, Path("/dev/null")):
        for action in ("show", "verify"):
            done = overround("journal", action, path)
            assert done.code == 1
            assert (
                done.out == f"{path}: no journal found (give a shell's folder or a segment in it)\n"
            )


@pytest.mark.parametrize(
    ("content", "torn"), [(b"", "0"), (b"\0" * 4_096, "0"), (b"foreign " * 512, "4,096")]
)
def test_a_segment_without_a_record_is_sound_and_other_bytes_in_it_are_a_torn_tail(
    overround: Overround, tmp_path: Path, content: bytes, torn: str
) -> None:
    path = tmp_path / f"{1:020}.journal"
    path.write_bytes(content)
    for where in (path, tmp_path):
        for action in ("show", "verify"):
            done = overround("journal", action, where)
            assert (done.code, done.err) == (0, "")
            assert f" {torn} torn bytes" in f" {done.out}"


def test_path_that_the_system_refuses_is_named_with_the_reason(overround: Overround) -> None:
    done = overround("journal", "show", "x" * 5_000)
    assert done.code == 1
    assert "name too long" in done.err


def test_closed_output_ends_the_printing_with_code_141_and_no_error() -> None:
    printing = subprocess.Popen(
        [OVERROUND, "asyncapi"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert printing.stdout is not None
    assert printing.stderr is not None
    printing.stdout.close()
    assert printing.wait(60) == 141
    assert printing.stderr.read() == b""
    printing.stderr.close()


# --- documents ------------------------------------------------------------------------------------


def test_asyncapi_prints_the_document_in_the_tree(overround: Overround) -> None:
    done = overround("asyncapi")
    stored = (OPENING.parent / "asyncapi.json").read_text(encoding="utf-8")
    assert (done.code, done.out) == (0, stored)


def test_example_opening_can_be_loaded() -> None:
    opening = load_opening(OPENING)
    keys = ["wc22-64/1x2", "wc22-64/total?total=2.5", "wc22-63/1x2"]
    assert [market.key for market in opening.markets] == keys
    assert [account.account for account in opening.accounts] == [7]
    assert opening != Opening()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("market = 1", "no such setting: market; did you mean markets?"),
        ("[[markets]]\nkey = 'a/b'", "markets[0]: object missing required field `outcomes`"),
        ("[[accounts]]\naccount = -1", "accounts[0].account: expected `int` >= 0"),
        ("[[accounts]]\naccount = 1\ncurrency = 'euro'", "accounts[0].currency"),
        ("[[deposits]]\naccount = 1\namount_minor = 0\nref = 'a'", "deposits[0].amount_minor"),
        ("[[deposits]]\naccount = 1\namount_minor = 1\nref = 'a b'", "deposits[0].ref"),
        ("[rates_micro]\neuro = 1", "rates_micro"),
        ("[rates_micro]\nUSD = 0", "rates_micro"),
    ],
)
def test_wrong_opening_is_named_with_field_and_bound(
    overround: Overround, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "opening.toml"
    path.write_text(text, encoding="utf-8")
    done = overround("serve", "--opening", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"overround: {path}: ")
    assert message in done.err
    assert [each.name for each in tmp_path.iterdir()] == ["opening.toml"]


def test_opening_with_wrong_meaning_starts_nothing_and_names_every_fault(
    overround: Overround, tmp_path: Path
) -> None:
    path = tmp_path / "opening.toml"
    path.write_text(
        """
        markets = [
          {key = "f/a", outcomes = ["x", "y"], odds_milli = [2000]},
          {key = "f/b", outcomes = ["x", "x"], odds_milli = [2000, 2000]},
          {key = "f/c?b=2|a=1", outcomes = ["x"], odds_milli = [2000]},
          {key = "f/c?a=1|b=2", outcomes = ["x"], odds_milli = [2000]},
          {key = "b a", outcomes = ["x"], odds_milli = [2000], limits={stake_minor_min=2000000}},
          {key = "f/d", outcomes = ["x"], odds_milli = [1000]},
        ]
        accounts = [
          {account = 1, deposit_minor = 5},
          {account = 1, deposit_minor = 6},
          {account = 2, currency = "EUR"},
        ]
        deposits = [
          {account = 3, amount_minor = 1, ref = "a"},
          {account = 1, amount_minor = 7, ref = "opening"},
          {account = 2, amount_minor = 1, ref = "b"},
          {account = 2, amount_minor = 2, ref = "b"},
          {account = 2, amount_minor = 1_000_000_000_000_000, ref = "c"},
        ]
        rates_micro = {euro = 1}
        """,
        encoding="utf-8",
    )
    done = overround("serve", "--opening", path)
    assert (done.code, done.out) == (2, "")
    assert [each.name for each in tmp_path.iterdir()] == ["opening.toml"]
    faults = done.err.removeprefix("overround: ").splitlines()
    assert [fault.removeprefix(f"{path}: ").split(": ")[0] for fault in faults] == [
        "rates_micro.euro",
        "markets[5].odds_milli[0]",
        "markets[0].odds_milli",
        "markets[1].outcomes",
        "markets[3].key",
        "markets[4].key",
        "markets[4].limits.stake_minor_min",
        "accounts[1].account",
        "deposits[0].account",
        "deposits[1].ref",
        "deposits[3].ref",
        "deposits[4].amount_minor",
    ]


def test_deposits_of_an_account_with_a_faulty_entry_are_not_called_strangers(
    overround: Overround, tmp_path: Path
) -> None:
    path = tmp_path / "opening.toml"
    path.write_text(
        """
        accounts = [{account = 1, currency = "euro"}]
        deposits = [{account = 1, amount_minor = 1, ref = "a"}]
        """,
        encoding="utf-8",
    )
    done = overround("serve", "--opening", path)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "accounts[0].currency" in done.err
