"""Layouts are kept by user, within bounds, and a spoilt one is the default."""

from pathlib import Path

import pytest

from gateway.console import layouts
from gateway.console.layouts import LAYOUT_BYTES_MAX, Layout, Layouts


def test_a_layout_is_there_again_after_a_start(tmp_path: Path) -> None:
    first = Layouts(tmp_path)
    first.of("anna").dark = False
    first.of("anna").grids["floor"] = [{"colId": "worst", "width": 90}]
    assert first.save("anna")
    again = Layouts(tmp_path)
    assert again.of("anna") == Layout(
        dark=False, grids={"floor": [{"colId": "worst", "width": 90}]}
    )
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
    kept.of("anna").grids["floor"] = [{"colId": "x" * LAYOUT_BYTES_MAX}]
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
