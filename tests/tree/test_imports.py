"""Imports point down only and never in a circle, between modules and between folders."""

from tests.tree.source import cycles, import_graph, imported, product

LAYERS = {"engine": 0, "persistence": 1, "actors": 2, "simulations": 2, "gateway": 3}
"""A package imports packages of a lower number; two of one number do not know each other."""


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert not cycles(import_graph())


def test_no_folders_import_one_another_in_a_circle() -> None:
    """Inside every folder, its files and sub-folders taken as wholes form no circle."""
    found = []
    for folder in {module.name.rpartition(".")[0] for module in product()} - {""}:
        depth = folder.count(".") + 2
        graph: dict[str, dict[str, None]] = {}
        for name, imports in import_graph().items():
            if not name.startswith(f"{folder}."):
                continue
            child = ".".join(name.split(".")[:depth])
            children = graph.setdefault(child, {})
            for other in imports:
                if other.startswith(f"{folder}."):
                    sibling = ".".join(other.split(".")[:depth])
                    if sibling != child:
                        children[sibling] = None
        found += cycles(graph)
    assert not found, found


def test_no_import_points_up() -> None:
    up = [
        f"{name} imports {other}"
        for name, imports in import_graph().items()
        for other in imports
        if (above := other.split(".")[0]) != (here := name.split(".")[0])
        and LAYERS[above] >= LAYERS[here]
    ]
    assert not up, "\n".join(up)


def test_the_engine_never_imports_the_outside() -> None:
    outside = {"asyncio", "os", "pathlib", "random", "socket", "threading", "time", "uuid", "io"}
    found = [
        f"{module.shown}: {name}"
        for module in product()
        if module.name.startswith("engine")
        for name in imported(module.tree)
        if name.split(".")[0] in outside
    ]
    assert not found, "\n".join(found)
