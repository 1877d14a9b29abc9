"""Packages that are declared, explained and used are the same packages."""

import configparser
import re
import sys
from functools import cache

import pytest

from tests.tree.source import ROOT, imported, modules

IMPORTED_AS = {
    "aio-pika": "aio_pika",
    "import-linter": "importlinter",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "pyjwt": "jwt",
    "pytest-xdist": "xdist",
    "pyzmq": "zmq",
    "pytest-asyncio": "pytest_asyncio",
    "pytest-cov": "pytest_cov",
}
"""Import names that differ from the distribution's."""
RUN_BY = {
    "import-linter": ("Makefile", "lint-imports"),
    "ipykernel": ("Makefile", "nbconvert --execute"),
    "mypy": ("Makefile", "$(BIN)/mypy"),
    "nbconvert": ("Makefile", "-m nbconvert"),
    "pytest-asyncio": ("setup.cfg", "asyncio_mode"),
    "pytest-cov": ("Makefile", "--cov"),
    "pytest-timeout": ("setup.cfg", "timeout_method"),
    "ruff": ("Makefile", "$(BIN)/ruff"),
}
"""Tools that no module imports: the file that runs them, and the text that does."""
ENGINE_ALIKE = {"engine", "persistence", "actors", "gateway", "simulations", "tests"}


def declared() -> dict[str, str]:
    """Return every declared distribution and the extra it belongs to; '' for what all need."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    return {
        match.group(0).lower(): extra
        for extra, text in lists.items()
        for line in text.splitlines()
        if (match := re.match(r"[A-Za-z0-9_.-]+", line.strip()))
    }


def explained() -> str:
    """Return docs/dependencies.md in lower case."""
    return (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()


@cache
def imported_anywhere() -> set[str]:
    """Return the top-level names that code, examples and notebooks import."""
    names = {name.split(".")[0] for module in modules() for name in imported(module.tree)}
    for folder, pattern in (("docs/examples", "*.py"), ("simulations/notebooks", "*.ipynb")):
        for path in (ROOT / folder).glob(pattern):
            text = path.read_text(encoding="utf-8")
            names |= set(re.findall(r"(?:^|[\s\"])(?:from|import) (\w+)", text))
    return names


@pytest.mark.parametrize("package", declared())
def test_every_declared_package_is_used(package: str) -> None:
    if package in RUN_BY:
        file, text = RUN_BY[package]
        assert text in (ROOT / file).read_text(encoding="utf-8"), f"{file} does not run {package}"
    else:
        assert IMPORTED_AS.get(package, package) in imported_anywhere(), (
            f"{package} is declared in setup.cfg and imported nowhere"
        )


@pytest.mark.parametrize("package", declared())
def test_every_declared_package_is_explained(package: str) -> None:
    assert re.search(rf"\b{re.escape(package)}\b", explained()), (
        f"docs/dependencies.md does not say why {package}"
    )


def test_every_package_of_the_table_is_declared() -> None:
    rows = re.findall(r"^\| ([a-z][\w -]*?)(?: \(([\w, -]+)\))? \|", explained(), re.MULTILINE)
    names = [
        name.strip()
        for first, more in rows
        for name in (first, *more.split(","))
        if name and name.strip() != "package"
    ]
    assert names
    assert not set(names) - set(declared())


def test_every_imported_package_is_declared() -> None:
    known = {IMPORTED_AS.get(name, name).replace("-", "_") for name in declared()}
    used = {
        name.split(".")[0]
        for module in modules()
        if not module.name.startswith("tests")
        for name in imported(module.tree)
    }
    assert not used - known - ENGINE_ALIKE - set(sys.stdlib_module_names)


def test_what_a_user_runs_needs_no_extra() -> None:
    """Product modules import packages of every installation only; the console its own too."""
    extras = {IMPORTED_AS.get(name, name) for name, extra in declared().items() if extra}
    used = {
        (name.split(".")[0], module.shown)
        for module in modules()
        if not module.name.startswith("tests")
        for name in imported(module.tree)
    }
    console = {
        IMPORTED_AS.get(name, name) for name, extra in declared().items() if extra == "console"
    }
    assert not [
        where
        for name, where in used
        if name in extras and not (name in console and where.startswith("gateway/console/"))
    ]
