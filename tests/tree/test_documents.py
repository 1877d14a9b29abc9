"""Documents name what exists: files, functions, commands, settings and metrics."""

import argparse
import ast
import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.gateway.feeds.feed_system import open_feed_system
from tests.tree.source import ROOT

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]
FILE = re.compile(r"`((?:engine|persistence|actors|gateway|simulations|tests|docs)/[\w/.-]+)`")
STEP = re.compile(r"`((?:engine|persistence|actors|gateway|simulations)/[\w/]+\.py)`\s+`([\w.]+)`")
LINK = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def definitions(path: Path) -> set[str]:
    """Return the functions, classes and methods of a file, methods as ``Class.method``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {
                f"{node.name}.{part.name}"
                for part in node.body
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [name for name in FILE.findall(text) if not (ROOT / name.rstrip("/")).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not [name for name in LINK.findall(text) if not (page.parent / name).exists()]


def test_every_step_of_a_walk_names_a_function_of_its_file() -> None:
    steps = [
        (page, file, name)
        for page in PAGES
        for file, name in STEP.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(steps) > 30
    missing = [
        f"{shown(page)}: {file} {name}"
        for page, file, name in steps
        if name not in definitions(ROOT / file)
    ]
    assert not missing, "\n".join(missing)


def commands(parser: argparse.ArgumentParser, prefix: str = "overround") -> dict[str, set[str]]:
    """Return each command with its options, sub-commands as ``overround journal show``."""
    found: dict[str, set[str]] = {}
    options: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                found |= commands(child, f"{prefix} {name}")
        else:
            options |= {text for text in action.option_strings if text.startswith("--")}
    found[prefix] = options - {"--help"}
    return found


def documented() -> dict[str, set[str]]:
    """Return the commands and options of the table in docs/commands.md."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(overround[\w ]*)` \| (.*?) \|", text, re.MULTILINE)
    return {name: set(re.findall(r"`(--[\w-]+)`", options)) for name, options in rows}


def test_the_page_of_commands_lists_every_command_and_option_and_no_other() -> None:
    from gateway.cli.commands import make_parser

    assert documented() == commands(make_parser())


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    known = documented()
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"(?:^ {4}|`|\| )(?:[A-Z_]+=\S+ )*overround ([a-z][^`\n]*)", text, re.M):
        parts = line.split(" #")[0].split()
        name = next(
            (
                candidate
                for count in (2, 1)
                if (candidate := " ".join(["overround", *parts[:count]])) in known
            ),
            None,
        )
        assert name is not None, f"overround {line}"
        options = set(re.findall(r"--[a-z][\w-]*", line.split(" #")[0])) - {"--help"}
        below = {option for each in known if each.startswith(name) for option in known[each]}
        assert not options - below - known["overround"], f"overround {line}"


METRIC = re.compile(r"\boverround_(?:gateway|bets?|feed)_[a-z_]+")


async def test_the_table_of_metrics_lists_every_sample_and_no_other(tmp_path: Path) -> None:
    """Scrape a gateway and compare the names with docs/operations.md."""
    async with open_feed_system(tmp_path, gateway={}) as system:
        url = urlsplit(system.feed_url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        scraped = (await reader.read()).decode()
        writer.close()
    families = {line.split()[2] for line in scraped.splitlines() if line.startswith("# TYPE ")}
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(overround_\w+)` \|", text, re.MULTILINE))
    assert listed == families
    for page in PAGES:
        named = set(METRIC.findall(page.read_text(encoding="utf-8")))
        assert not {name for name in named if not name.endswith("_")} - families, shown(page)
