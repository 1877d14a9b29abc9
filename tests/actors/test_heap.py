"""Frozen objects are exempt from later collections."""

import subprocess
import sys


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def test_live_objects_are_frozen_and_garbage_is_collected() -> None:
    run(
        "import gc, weakref\n"
        "from actors.heap import freeze_heap, freeze_heap_at_once\n"
        "class Thing: pass\n"
        "lost, kept = Thing(), Thing()\n"
        "lost.itself = lost\n"
        "gone = weakref.ref(lost)\n"
        "del lost\n"
        "freeze_heap()\n"
        "assert gone() is None\n"
        "assert gc.get_freeze_count() > 1_000\n"
        "assert all(one is not kept for one in gc.get_objects())\n"
    )


def test_freezing_at_once_runs_no_collection() -> None:
    run(
        "import gc\n"
        "from actors.heap import freeze_heap, freeze_heap_at_once\n"
        "gc.collect()\n"
        "before = gc.get_stats()[2]['collections']\n"
        "freeze_heap_at_once()\n"
        "assert gc.get_freeze_count() > 1_000\n"
        "assert gc.get_stats()[2]['collections'] == before\n"
    )
