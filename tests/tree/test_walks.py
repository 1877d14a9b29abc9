"""No request of a gateway walks all markets, of which there are tens of thousands.

What a fixture or a shell has is looked up in the routes, which keep it in order: a walk holds up
every bet of the gateway meanwhile.
"""

import ast

from tests.tree.source import Module, product

FOLDERS = ("gateway.services", "gateway.session", "gateway.bets")


def walks(tree: ast.AST) -> list[int]:
    """Return the lines of loops over all markets of the routes."""
    loops = [
        node.iter
        for node in ast.walk(tree)
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension)
    ]
    return [
        loop.lineno
        for loop in loops
        if any(_is_markets(node) for node in ast.walk(loop)) and not _is_lookup(loop)
    ]


def _is_markets(node: ast.AST) -> bool:
    """Say whether a node is `routes.markets`, however the routes are reached."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "markets"
        and isinstance(node.value, ast.Name | ast.Attribute)
        and ast.unparse(node.value).rpartition(".")[2].lstrip("_") == "routes"
    )


def _is_lookup(loop: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Subscript) and _is_markets(node.value) for node in ast.walk(loop)
    )


def of_requests() -> list[Module]:
    return [module for module in product() if module.name.startswith(FOLDERS)]


def test_no_request_walks_all_markets() -> None:
    found = [f"{module.shown}:{line}" for module in of_requests() for line in walks(module.tree)]
    assert not found, "\n".join(found)


def test_a_walk_is_found() -> None:
    loops = [
        "for number, route in sorted(self._routes.markets.items()): pass",
        "[route for route in routes.markets.values() if route.shell]",
        "{no for no in services.routes.markets}",
    ]
    assert [walks(ast.parse(loop)) for loop in loops] == [[1]] * len(loops)
    assert walks(ast.parse("for no in routes.numbers(fixture=name): routes.markets[no]")) == []
