"""The places of tests that are run one after another are real ones."""

from pathlib import Path

import pytest

from tests.spread import LONGEST_FIRST

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("prefix", LONGEST_FIRST)
def test_every_place_that_a_run_is_spread_by_has_tests(prefix: str) -> None:
    folder, _, beginning = prefix.rpartition("/")
    assert list((ROOT / folder).glob(f"{beginning}*.py"))
