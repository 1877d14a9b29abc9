"""Notebooks call the engine: no outputs, no other packages, no formulas, no unknown names."""

import ast
import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "simulations" / "notebooks").glob("*.ipynb"))
ALLOWED = {"engine", "persistence", "actors", "simulations", "numpy", "matplotlib"}


OWN = {"engine", "persistence", "actors", "simulations"}


def code_cells(path: Path) -> list[dict[str, Any]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in document["cells"] if cell["cell_type"] == "code"]


def program(path: Path) -> ast.Module:
    """Return the syntax tree of all code cells together."""
    return ast.parse("\n".join("".join(cell["source"]) for cell in code_cells(path)))


def imported_objects(path: Path) -> dict[str, Any]:
    """Return what a notebook imports from our packages, by name; a missing name is an error."""
    return {
        name.asname or name.name: getattr(importlib.import_module(node.module or ""), name.name)
        for node in ast.walk(program(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OWN
        for name in node.names
    }


def test_every_notebook_is_checked() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"calibrating", "margins", "one_match", "skewing"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    for cell in code_cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_imports_our_packages_numpy_and_matplotlib_only(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(program(path)):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported <= ALLOWED
    assert "engine" in imported


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_defines_no_formula_of_its_own(path: Path) -> None:
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for node in ast.walk(program(path)) if isinstance(node, defined)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_calls_the_engine_with_arguments_that_exist(path: Path) -> None:
    objects = imported_objects(path)
    calls = [
        (objects[node.func.id], node)
        for node in ast.walk(program(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in objects
    ]
    assert calls
    for called, node in calls:
        keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg}
        if not any(isinstance(argument, ast.Starred) for argument in node.args):
            inspect.signature(called).bind(*node.args, **keywords)
