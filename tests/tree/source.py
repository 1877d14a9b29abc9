"""Read the source tree as data: files, syntax trees, imports and the names that code defines.

Owns the parsing that the rules of tests/tree share. It imports none of the product's modules.
"""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "persistence", "actors", "gateway", "simulations")
ALL = (*PACKAGES, "tests")


class Module(NamedTuple):
    """One Python file: its dotted name, path and syntax tree."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def shown(self) -> str:
        """The path as a person writes it."""
        return str(self.path.relative_to(ROOT))


class Definition(NamedTuple):
    """A name that code gives to something, and where."""

    name: str
    line: int


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """Return every module of the packages and of the tests, sorted by path."""
    found = []
    for package in ALL:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, path, ast.parse(text), text.count("\n")))
    return tuple(found)


def product() -> Iterator[Module]:
    """Yield the modules that are not tests."""
    return (module for module in modules() if not module.name.startswith("tests"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every dotted name that an import statement anywhere in a tree may load."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@lru_cache(maxsize=1)
def import_graph() -> dict[str, dict[str, None]]:
    """Return for each product module the product modules it imports, wherever the import stands."""
    names = {module.name for module in product()}
    return {
        module.name: {
            name: None for name in imported(module.tree) if name in names and name != module.name
        }
        for module in product()
    }


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def definitions(module: Module) -> Iterator[Definition]:
    """Yield the names a module defines: the module, classes, functions, parameters, variables."""
    yield Definition(module.path.stem, 1)
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield Definition(node.name, node.lineno)
        elif isinstance(node, ast.arg):
            yield Definition(node.arg, node.lineno)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield Definition(node.id, node.lineno)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield Definition(node.attr, node.lineno)


def parts_of(name: str) -> list[str]:
    """Return the parts of a name in lower case: ``FeedDesk_2`` is feed, desk."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def cycles(graph: dict[str, dict[str, None]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            component, stack[at:] = stack[at:], []
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return found
