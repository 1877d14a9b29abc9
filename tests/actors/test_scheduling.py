"""Slices of processor time that a thread asks the kernel for."""

import asyncio
import os
import platform
import threading
from collections.abc import Callable

import pytest

from actors.road.road import RoadSettings, leave_road, serve_on_road
from actors.scheduling import SLICE_US_MAX, SLICE_US_MIN, request_slice, slice_us

_KERNEL = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])

SLICES = _KERNEL >= (6, 12) and platform.machine() in ("x86_64", "aarch64")
"""Whether this machine's kernel gives slices; elsewhere a request must change nothing."""


def _in_a_thread(run: Callable[[], object]) -> object:
    """Return what a function returns in a new thread, whose slices end with it."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(run()))
    thread.start()
    thread.join()
    return answers[0]


def test_a_thread_gets_its_slices_and_no_other_thread_does() -> None:
    before = slice_us()
    nice = os.getpriority(os.PRIO_PROCESS, 0)

    def request() -> tuple[int, int]:
        assert request_slice(250) or not SLICES
        return slice_us(), os.getpriority(os.PRIO_PROCESS, 0)

    assert before != 250
    assert _in_a_thread(request) == (250 if SLICES else before, nice)
    assert slice_us() == before


@pytest.mark.parametrize(("asked", "given"), [(1, SLICE_US_MIN), (10 * SLICE_US_MAX, SLICE_US_MAX)])
def test_the_kernel_takes_the_nearer_of_its_bounds(asked: int, given: int) -> None:
    before = slice_us()

    def request() -> int:
        request_slice(asked)
        return slice_us()

    assert _in_a_thread(request) == (given if SLICES else before)


def test_a_thread_of_another_policy_is_left_alone() -> None:
    def request() -> tuple[bool, int]:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return request_slice(SLICE_US_MIN), os.sched_getscheduler(0)

    assert _in_a_thread(request) == (False, os.SCHED_IDLE)


@pytest.mark.parametrize("slice_us_wanted", [0, 300])
def test_the_thread_that_runs_a_part_gets_the_slices_of_the_settings(slice_us_wanted: int) -> None:
    settings = RoadSettings(secret=b"the secret of these tests", slice_us=slice_us_wanted)

    async def serve() -> int:
        await serve_on_road(object(), "gateway-0", settings)
        leave_road()
        return slice_us()

    before = slice_us()
    expected = slice_us_wanted if SLICES and slice_us_wanted else before
    assert _in_a_thread(lambda: asyncio.run(serve())) == expected
