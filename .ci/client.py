"""Lay out the source tree of the distribution `overround-client` in a folder, ready for pip.

    python .ci/client.py build/client

It holds `gateway.client` and every module of ours that this imports, and nothing else, under one
package `overround_client`, so that no module of a user's own can take the place of one. The
client's modules are at its top, all others keep their dotted names below it; the only lines that
differ from the tree's are those that import. It refuses a module that imports anything but the
packages named in `ALLOWED`.
"""

import ast
import configparser
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENT = "gateway.client"
PACKAGE = "overround_client"
OURS = ("engine", "persistence", "actors", "simulations", "gateway")
ALLOWED = {"msgspec", "websockets"}
"""Packages that the client may need; setup.cfg has their versions."""
PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "overround-client"
version = "{version}"
description = "The client library of Overround, a bookmaker's trading engine"
readme = "README.md"
license = "Apache-2.0"
requires-python = "{python}"
dependencies = {dependencies}
classifiers = ["Programming Language :: Python :: 3", "Typing :: Typed"]

[tool.setuptools]
packages.find.include = ["{package}*"]
package-data."*" = ["py.typed"]
"""


def source_of(name: str) -> Path:
    """Return the file of a module of ours."""
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_module(name: str) -> bool:
    """Return whether a dotted name is a module of ours."""
    return name.partition(".")[0] in OURS and source_of(name).is_file()


def imports_of(name: str) -> dict[int, str]:
    """Return what a module imports: dotted names by line.

    Raises
    ------
    SystemExit
        An import cannot be rewritten, or is of a package that a client must not need.
    """
    found: dict[int, str] = {}
    for node in ast.walk(ast.parse(source_of(name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                sys.exit(f"{name}:{node.lineno}: a relative import")
            names = [node.module]
            found[node.lineno] = node.module
            if any(is_module(f"{node.module}.{alias.name}") for alias in node.names):
                sys.exit(f"{name}:{node.lineno}: a module is imported as a name")
        else:
            continue
        for top in {imported.partition(".")[0] for imported in names}:
            if top in OURS and isinstance(node, ast.Import):
                sys.exit(f"{name}:{node.lineno}: write `from {top}... import ...`")
            if top not in {*OURS, *ALLOWED, *sys.stdlib_module_names}:
                sys.exit(f"{name}:{node.lineno}: {top} would have to be installed by every client")
    return {line: imported for line, imported in found.items() if is_module(imported)}


def modules_needed() -> dict[str, dict[int, str]]:
    """Return the client's modules and all that they import, with their imports."""
    found: dict[str, dict[int, str]] = {}
    waiting = [CLIENT]
    while waiting:
        name = waiting.pop()
        if name and name not in found:
            found[name] = imports_of(name)
            waiting += [name.rpartition(".")[0], *found[name].values()]
    return found


def name_there(name: str) -> str:
    """Return a module's name in the distribution."""
    if name == CLIENT or name.startswith(f"{CLIENT}."):
        return PACKAGE + name[len(CLIENT) :]
    return f"{PACKAGE}.{name}"


def rewritten(name: str, imports: dict[int, str]) -> str:
    """Return a module's text with its imports of ours under their names in the distribution."""
    lines = source_of(name).read_text(encoding="utf-8").splitlines(keepends=True)
    for line, imported in imports.items():
        start = f"from {imported} import"
        assert lines[line - 1].lstrip().startswith(start), f"{name}:{line} has {start!r}"
        lines[line - 1] = lines[line - 1].replace(start, f"from {name_there(imported)} import", 1)
    return re.sub(rf"\b{re.escape(CLIENT)}\b", PACKAGE, "".join(lines))


def pyproject() -> str:
    """Return the distribution's pyproject.toml, with version and bounds of setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = config["options"]["install_requires"].split()
    dependencies = [line for line in required if re.split(r"[<>=]", line)[0] in ALLOWED]
    assert len(dependencies) == len(ALLOWED), "setup.cfg has each of them once"
    return PYPROJECT.format(
        version=config["metadata"]["version"],
        python=config["options"]["python_requires"],
        dependencies=str(dependencies).replace("'", '"'),
        package=PACKAGE,
    )


def main(folder: Path) -> None:
    """Write the tree anew."""
    needed = modules_needed()
    shutil.rmtree(folder, ignore_errors=True)
    for name, imports in sorted(needed.items()):
        parts = name_there(name).split(".")
        here = folder.joinpath(*parts)
        path = here / "__init__.py" if source_of(name).name == "__init__.py" else here
        path = path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rewritten(name, imports), encoding="utf-8")
    (folder / PACKAGE / "py.typed").touch()
    (folder / "pyproject.toml").write_text(pyproject(), encoding="utf-8")
    shutil.copyfile(ROOT / "docs" / "client.md", folder / "README.md")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
