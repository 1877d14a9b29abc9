"""A release of websockets without a part that is used is refused at import, by name and version."""

import subprocess
import sys

import pytest

from gateway.net.internals import NEEDS, Need, WebsocketsChangedError, check


def test_the_installed_release_has_every_part() -> None:
    check(NEEDS, version="installed")


@pytest.mark.parametrize(
    ("part", "name"),
    [(object(), "apply_mask"), (frozenset({"method"}), "path"), (subprocess, "Frame")],
)
def test_a_missing_name_is_reported_with_its_part_and_the_release(part: object, name: str) -> None:
    need = Need("some.part", part, (name,))
    with pytest.raises(
        WebsocketsChangedError, match=rf"websockets 99\.0 has no some\.part\.{name},"
    ):
        check([need], version="99.0")


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.shown)
def test_every_part_of_the_list_is_checked_for_names(need: Need) -> None:
    with pytest.raises(WebsocketsChangedError, match=r"no_such_name"):
        check([need._replace(names=("no_such_name",))], version="99.0")


def test_importing_the_gateway_fails_when_the_release_lacks_a_part() -> None:
    program = (
        "import websockets.speedups, websockets.frames\n"
        "import websockets.server, websockets.asyncio.client\n"
        "del websockets.speedups.apply_mask\n"
        "import gateway.net.codec\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "WebsocketsChangedError: websockets " in done.stderr
    assert "apply_mask" in done.stderr
