"""A tree of processes ends as a whole, also one whose parents would replace their children."""

import os
import signal
import subprocess
import sys
import time

from actors.process_tree import kill_descendants

GONE_S = 60.0

PARENT = """
import os, subprocess, sys
from actors.process_tree import kill_descendants

# A grandchild is replaced whenever it ends, as a daemon replaces its workers.
child = subprocess.Popen(["sh", "-c", "while true; do sleep 600 & echo started; wait $!; done"],
    stdout=subprocess.PIPE, text=True)
child.stdout.readline()
killed = kill_descendants(os.getpid())
print(len(killed), *killed, flush=True)
sys.stdin.readline()
"""


def test_parent_lives_and_every_descendant_is_gone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        count, *killed = map(int, parent.stdout.readline().split())
        assert count == 2
        assert parent.poll() is None
        assert _states(parent.pid) <= {"S", "R", "Z"}
        assert parent.pid not in killed
        parent.communicate("\n")
    assert parent.returncode == 0
    until = time.monotonic() + GONE_S
    while left := [pid for pid in killed if _runs(pid)]:  # a kill is sent, and takes effect later
        assert time.monotonic() < until, left
        time.sleep(0.01)


def test_process_without_descendants_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        assert kill_descendants(process.pid) == []
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)


def _states(pid: int) -> set[str]:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return {file.read().rpartition(")")[2].split()[0]}


def _runs(pid: int) -> bool:
    try:
        return not _states(pid) & {"Z", "X"}
    except FileNotFoundError:
        return False
