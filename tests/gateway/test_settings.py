"""The bounds of a gateway: documents state what a client sees at each of them."""

import re
from pathlib import Path

import pytest

from gateway.settings import LIMITS, GatewaySettings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", LIMITS)
def test_operations_page_states_what_a_client_sees_at_each_bound(name: str) -> None:
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `gateway\.{name}` \|.*\|$", page, re.MULTILINE)
    assert row.endswith(f" | {LIMITS[name]} |")


@pytest.mark.parametrize(
    ("listener", "bound"),
    [
        ("bets", "frame_bytes_max"),
        ("control", "control_frame_bytes_max"),
        ("feed", "feed_frame_bytes_max"),
    ],
)
def test_each_listener_has_its_own_frame_bound(listener: str, bound: str) -> None:
    settings = GatewaySettings(
        frame_bytes_max=2_000, control_frame_bytes_max=3_000, feed_frame_bytes_max=4_000
    )
    assert settings.frame_bytes(listener) == getattr(settings, bound)
