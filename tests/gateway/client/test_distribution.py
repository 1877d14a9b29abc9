"""`overround-client` as a user has it: built, installed by itself, beside packages of theirs."""

import asyncio
import importlib.metadata
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path
from typing import NamedTuple

import pytest

import gateway.client.commands
from engine.common.commands import Quote, SetOdds
from gateway.messages.trader import TraderCommand
from tests.gateway.bookmaker import Bookmaker, open_bookmaker
from tests.gateway.price_gateway import Role, token

ROOT = Path(__file__).parents[3]
INSTALLED_BYTES_MAX = 15_000_000
NEEDED = ("msgspec", "websockets")
USERS_OWN = ("engine", "gateway", "actors", "persistence", "messages")
"""Packages in the user's folder, some with names of ours."""


class Installed(NamedTuple):
    """An environment that holds the client, what this added, and the folder of a user's program."""

    python: Path
    packages: list[Path]
    folder: Path


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("client")
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    run(sys.executable, ROOT / ".ci" / "client.py", folder / "tree")
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder / "dist")
    run(sys.executable, *pip, "wheel", *options, folder / "tree")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    empty = set(packages.iterdir())
    (wheel,) = (folder / "dist").glob("overround_client-*-py3-none-any.whl")
    # The versions that these tests run on, so that the lowest allowed ones are tried as well.
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in NEEDED]
    run(python, *pip, "install", wheel, *pins)
    added = sorted(set(packages.iterdir()) - empty)
    for name in USERS_OWN:
        (folder / "program" / name).mkdir(parents=True)
        (folder / "program" / name / "__init__.py").write_text('WHOSE = "the user\'s"\n')
    return Installed(python, added, folder / "program")


async def run_program(installed: Installed, text: str, line: str = "") -> str:
    """Run a program as a person would: its folder is the first place that is searched."""
    (installed.folder / "program.py").write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        installed.python,
        "program.py",
        cwd=installed.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = await process.communicate(line.encode() + b"\n")
    assert process.returncode == 0, out.decode()
    return out.decode()


def readme_example(url: str, to: str) -> str:
    """Return the one example of README that connects to a URL, with another URL."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if url in block]
    return str(block.replace(url, to))


def test_the_client_with_all_it_needs_is_small(installed: Installed) -> None:
    names = {path.name.partition("-")[0] for path in installed.packages}
    assert names == {"overround_client", *NEEDED}
    files = [file for path in installed.packages for file in path.rglob("*") if file.is_file()]
    installed_bytes = sum(file.stat().st_size for file in files)
    print(f"installed: {installed_bytes / 1e6:.1f} MB")
    assert 0 < installed_bytes < INSTALLED_BYTES_MAX


async def test_readme_s_bettor_bets_beside_packages_of_our_names(
    installed: Installed, bookmaker: Bookmaker
) -> None:
    bookmaker.command(SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=2_700),)))
    program = readme_example("ws://localhost:8480", bookmaker.bets_url)
    first = await run_program(installed, program, token())
    assert first.count("state='accepted'") == 2, "a single and a double"
    assert first.count("odds_milli=2700") == 2
    assert await run_program(installed, program, token()) == first, "the same ref, the same bet"


async def test_readme_s_trader_suspends_beside_packages_of_our_names(
    installed: Installed, bookmaker: Bookmaker
) -> None:
    program = readme_example("ws://localhost:8481", bookmaker.control_url)
    out = await run_program(installed, program, token(Role.TRADER))
    assert "MarketSuspended" in out
    assert "status='suspended'" in out


async def test_the_guide_s_trader_settles_a_market(
    installed: Installed, bookmaker: Bookmaker
) -> None:
    guide = (ROOT / "docs" / "client.md").read_text()
    (block,) = re.findall(
        r"```python\n(from overround_client[^`]*async def trade.*?)```", guide, re.DOTALL
    )
    program = f"""{block}
import asyncio, overround_client
async def main(token):
    async with overround_client.connect_control("{bookmaker.control_url}", token=token) as trader:
        await trade(trader)
        print(await trader.book(1))
asyncio.run(main(input()))
"""
    book = await run_program(installed, program, token(Role.TRADER))
    assert "status='settled'" in book
    assert "stake_minor_max=20000" in book
    assert "odds_milli=(2450, 3300" in book


async def test_the_guide_s_bettor_places_slips(installed: Installed, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "client.md").read_text()
    (block,) = re.findall(
        r"```python\n(from overround_client[^`]*async def bet_on_four.*?)```", guide, re.DOTALL
    )
    markets = {4: ("market-b", "cup-2/1x2"), 5: ("market-b", "cup-3/1x2")}
    async with open_bookmaker(tmp_path, markets=markets) as bookmaker:
        program = f"""{block}
import asyncio, overround_client
async def main(token):
    async with overround_client.stay_connected("{bookmaker.bets_url}", token=token) as bettor:
        await bet_on_four(bettor)
        print(len((await bettor.open_bets()).bets))
asyncio.run(main(input()))
"""
        out = (await run_program(installed, program, token())).splitlines()
    assert out == ["accepted 15 150", "2500 0 ", "2500 0 ", "3200 0 ", "3000 0 ", "3"]


def test_every_command_of_a_trader_can_be_imported() -> None:
    commands = {command.__name__ for command in typing.get_args(TraderCommand)}
    assert commands <= set(gateway.client.commands.__all__)


async def test_the_user_s_packages_stay_theirs(installed: Installed) -> None:
    imports = "\n".join(f"import {name}" for name in USERS_OWN)
    names = ", ".join(USERS_OWN)
    program = f"""
import overround_client
{imports}
import sys
assert all(module.WHOSE == "the user's" for module in ({names}))
ours = [name for name in sys.modules if name.startswith("overround_client")]
print(len(ours), overround_client.Limits.__module__)
"""
    count, module = (await run_program(installed, program)).split()
    assert int(count) > 20
    assert module == "overround_client.engine.common.commands"


def test_every_public_name_of_the_client_is_there(installed: Installed) -> None:
    code = "import overround_client; print(*overround_client.__all__)"
    assert run(installed.python, "-I", "-c", code).split() == gateway.client.__all__


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("import numpy", "numpy would have to be installed by every client"),
        ("import engine.common.units", "write `from engine"),
        ("from engine.common import units", "a module is imported as a name"),
        ("from . import base", "a relative import"),
    ],
)
def test_a_tree_that_a_client_should_not_get_is_not_laid_out(
    tmp_path: Path, line: str, complaint: str
) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    for name in (".ci", "engine", "gateway", "actors", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    with (tmp_path / "gateway" / "messages" / "base.py").open("a") as file:
        file.write(f"{line}\n")
    command = [sys.executable, tmp_path / ".ci" / "client.py", tmp_path / "tree"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "gateway.messages.base:" in done.stderr
    assert not (tmp_path / "tree").exists()
