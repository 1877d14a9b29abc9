"""Layouts are kept by user, within bounds, and a spoilt one is the default."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.console import layouts
from gateway.console.layouts import (
    COLUMNS_MAX,
    LAYOUT_BYTES_MAX,
    ColumnState,
    Layout,
    Layouts,
    columns_of,
)

SENT: dict[str, Any] = {
    "colId": "worst",
    "width": 90,
    "hide": False,
    "pinned": None,
    "sort": "asc",
    "sortIndex": 0,
    "aggFunc": None,
    "rowGroup": False,
    "rowGroupIndex": None,
    "pivot": False,
    "pivotIndex": None,
    "flex": 1.5,
}
"""A column as the browser tells it."""
SCRIPT = "(window.taken = true, 'x')"


def test_a_layout_is_there_again_after_a_start(tmp_path: Path) -> None:
    first = Layouts(tmp_path)
    first.of("anna").dark = False
    columns = first.of("anna").grids["floor"] = [ColumnState(col_id="worst", width=90)]
    assert first.save("anna")
    again = Layouts(tmp_path)
    assert again.of("anna") == Layout(dark=False, grids={"floor": columns})
    assert again.of("bob") == Layout()


def test_a_name_is_no_path(tmp_path: Path) -> None:
    kept = Layouts(tmp_path)
    for sub in ("..", "a@b", "."):
        kept.of(sub).dark = True
        assert kept.save(sub)
    assert all(path.parent == tmp_path / "layouts" for path in tmp_path.rglob("*.json"))


def test_what_is_over_a_bound_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Layouts(tmp_path)
    wide = [ColumnState(col_id="x" * 64)] * COLUMNS_MAX
    kept.of("anna").grids = {f"grid_{chr(97 + n)}": wide for n in range(20)}
    assert not kept.save("anna")
    kept.of("anna").grids = {"floor": [*wide, ColumnState(col_id="x")]}
    assert not kept.save("anna")
    kept.of("anna").grids = {f"grid_{chr(97 + n // 26)}{chr(97 + n % 26)}": [] for n in range(40)}
    assert not kept.save("anna")
    kept.of("anna").grids = {"<script>": []}
    assert not kept.save("anna")
    assert not list(tmp_path.rglob("*.json"))
    monkeypatch.setattr(layouts, "USERS_KEPT_MAX", 1)
    kept.of("anna").grids = {}
    assert kept.save("anna")
    kept.of("bob").dark = True
    assert not kept.save("bob")


def test_a_spoilt_file_is_the_default_layout(tmp_path: Path) -> None:
    kept = Layouts(tmp_path)
    kept.of("anna").dark = False
    kept.save("anna")
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(b'{"dark": 3')
    assert Layouts(tmp_path).of("anna") == Layout()


def test_what_the_browser_sends_of_a_column_is_kept_as_it_is() -> None:
    columns = columns_of([SENT, {"colId": "odds", "pinned": "left", "sort": None}])
    assert msgspec.to_builtins(columns) == [
        SENT,
        {"colId": "odds", "pinned": "left", "sort": None},
    ]
    assert len(json.dumps([SENT] * COLUMNS_MAX)) < LAYOUT_BYTES_MAX


@pytest.mark.parametrize(
    "column",
    [
        {":colId": SCRIPT},
        SENT | {":width": SCRIPT},
        SENT | {"colId": SCRIPT},
        SENT | {"colId": ":worst"},
        SENT | {"colId": "worst\n"},
        SENT | {"width": SCRIPT},
        SENT | {"width": -1},
        SENT | {"aggFunc": SCRIPT},
        SENT | {"aggFunc": {":f": SCRIPT}},
        SENT | {"sort": "other"},
        SENT | {"pinned": SCRIPT},
        SENT | {"sortIndex": 10**9},
        {"width": 9},
        SCRIPT,
        None,
    ],
)
def test_a_column_with_anything_else_is_dropped_when_sent_and_when_read(
    tmp_path: Path, column: Any
) -> None:
    assert columns_of([SENT, column]) is None
    Layouts(tmp_path).of("anna")
    path = tmp_path / "layouts" / f"{b'anna'.hex()}.json"
    path.parent.mkdir()
    path.write_bytes(json.dumps({"dark": False, "grids": {"floor": [SENT, column]}}).encode())
    assert Layouts(tmp_path).of("anna") == Layout()
