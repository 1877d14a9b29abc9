"""Notebooks call the engine: they hold no outputs, import nothing foreign, and still compile."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "simulations" / "notebooks").glob("*.ipynb"))
ALLOWED = {"engine", "persistence", "actors", "simulations", "numpy", "matplotlib"}


def code_cells(path: Path) -> list[dict[str, Any]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in document["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"one_match", "margins"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    for cell in code_cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_imports_our_packages_numpy_and_matplotlib_only(path: Path) -> None:
    program = ast.parse("\n".join("".join(cell["source"]) for cell in code_cells(path)))
    imported: set[str] = set()
    for node in ast.walk(program):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported <= ALLOWED
    assert "engine" in imported


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_defines_no_formula_of_its_own(path: Path) -> None:
    program = ast.parse("\n".join("".join(cell["source"]) for cell in code_cells(path)))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for node in ast.walk(program) if isinstance(node, defined)]
