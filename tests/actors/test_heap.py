"""What a process begins with is not looked through again."""

import subprocess
import sys


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_alive_is_frozen_and_what_is_not_is_gone() -> None:
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


def test_at_once_nothing_is_looked_for() -> None:
    run(
        "import gc\n"
        "from actors.heap import freeze_heap, freeze_heap_at_once\n"
        "gc.collect()\n"
        "before = gc.get_stats()[2]['collections']\n"
        "freeze_heap_at_once()\n"
        "assert gc.get_freeze_count() > 1_000\n"
        "assert gc.get_stats()[2]['collections'] == before\n"
    )
