"""Functions fit a screen and files fit a sitting."""

from tests.tree.source import functions, modules

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{module.shown}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for module in modules()
        for node in functions(module.tree)
        if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_no_file_is_longer_than_500_lines() -> None:
    long = [
        f"{module.shown}: {module.lines} lines"
        for module in modules()
        if module.lines > FILE_LINES_MAX
    ]
    assert not long, "\n".join(long)
