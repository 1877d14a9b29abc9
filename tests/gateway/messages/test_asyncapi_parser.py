"""The committed document is an AsyncAPI document for the parser that other tools use, too."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docs" / "asyncapi.json"
PARSER = ROOT / ".ci" / "asyncapi"
FULL_SUITE = "CI_FULL_SUITE"
"""When set, a missing parser fails the tests instead of skipping them."""

Parse = Callable[[Path], tuple[int, str]]


@pytest.fixture
def parse() -> Parse:
    """Return a function that parses a file: exit code and errors."""
    node = shutil.which("node")
    if node is None or not (PARSER / "node_modules").is_dir():
        missing = "the parser is not installed: npm ci --prefix .ci/asyncapi --ignore-scripts"
        if os.environ.get(FULL_SUITE):
            pytest.fail(f"{missing}; {FULL_SUITE} requires every test")
        pytest.skip(missing)

    def run(path: Path) -> tuple[int, str]:
        done = subprocess.run(
            [node, PARSER / "parse.mjs", path],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_document_is_accepted(parse: Parse) -> None:
    assert parse(FILE) == (0, "")


def test_object_as_discriminator_is_not(parse: Parse, tmp_path: Path) -> None:
    broken: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    commands = broken["components"]["schemas"]["Control"]["properties"]["commands"]["items"]
    commands["discriminator"] = {"propertyName": "do"}
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken), encoding="utf-8")
    code, errors = parse(path)
    assert code == 1
    assert "discriminator" in errors
