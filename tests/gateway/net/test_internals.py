"""A release of websockets without a part that is used is refused at import, by name and version."""

import subprocess
import sys

import pytest

from gateway.net.internals import NEEDS, WebsocketsChangedError, check


def test_the_installed_release_has_every_part() -> None:
    check(NEEDS, version="installed")


@pytest.mark.parametrize(
    ("owner", "name"), [(object(), "apply_mask"), ({"method": 1}, "path"), (subprocess, "Frame")]
)
def test_a_missing_part_is_named_with_the_release(owner: object, name: str) -> None:
    with pytest.raises(WebsocketsChangedError, match=rf"websockets 99\.0 has no .*{name}"):
        check([(owner, (name,))], version="99.0")


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
