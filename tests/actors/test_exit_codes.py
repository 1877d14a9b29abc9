"""Exit codes: distinct, and stated in actors/exit_codes.py only."""

import ast
from collections.abc import Iterator

import pytest

from actors import exit_codes
from tests.tree.source import modules

ENDS = {"exit", "_exit", "SystemExit"}
"""Last names of the calls that end a process with an exit code."""


def stated(tree: ast.AST) -> Iterator[int]:
    """Yield the line of every call that ends a process with a literal number."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            code = node.args[0]
            if name in ENDS and isinstance(code, ast.Constant) and isinstance(code.value, int):
                yield node.lineno


def test_no_module_states_an_exit_code_of_its_own() -> None:
    found = [f"{module.shown}:{line}" for module in modules() for line in stated(module.tree)]
    assert not found, found


@pytest.mark.parametrize("code", ["os._exit(3)", "import sys; sys.exit(1)", "raise SystemExit(2)"])
def test_a_stated_exit_code_is_found(code: str) -> None:
    assert list(stated(ast.parse(code))) == [1]


def test_exit_codes_are_distinct() -> None:
    codes = [code for name, code in vars(exit_codes).items() if name.startswith("EXIT_")]
    assert len(codes) > 5
    assert len(set(codes)) == len(codes)
