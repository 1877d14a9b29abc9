"""A table of bounded size keeps what was used last."""

from engine.watch.bounded import Recent


def test_the_entry_unused_for_longest_is_dropped() -> None:
    table: Recent[str, list[int]] = Recent(list, most=2)
    table.use("a").append(1)
    table.use("b")
    table.use("a")
    table.use("c")
    assert list(table.items) == ["a", "c"]
    assert table.use("a") == [1]
    assert len(table) == 2
