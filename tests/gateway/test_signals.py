"""Signals of a command are taken by one thread: no handler runs, and children get the old mask."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actors.exit_codes import EXIT_DONE, EXIT_INTERRUPTED

PROGRAM = """
import asyncio, os, signal, subprocess, sys
from gateway.signals import TakenSignals

def intrude(*_):  # as Ray does: a handler that someone else installs, and that prints
    print("the handler ran", flush=True)

def say(text):
    print(text, flush=True)

async def main(signals, handlers):
    stopped = asyncio.Event()
    calls = {number: lambda number=number: (say(number.name), stopped.set()) for number in handlers}
    with signals.handled(calls):
        say("ready")
        await stopped.wait()

with TakenSignals() as signals:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, intrude)
    BODY
"""


def default_hangup() -> None:
    """Undo `nohup`, under which these tests may run."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def running(body: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("BODY", body)],
        stdout=subprocess.PIPE,
        text=True,
        **{"preexec_fn": default_hangup, **options},  # type: ignore[call-overload]
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_reaches_its_handler_in_the_loop_and_no_installed_one(
    number: signal.Signals,
) -> None:
    with running("asyncio.run(main(signals, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))") as p:
        assert line(p) == "ready"
        p.send_signal(number)
        assert p.stdout is not None
        assert p.stdout.read() == f"{number.name}\n"
        assert p.wait() == EXIT_DONE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_without_a_handler_ends_the_process(number: signal.Signals) -> None:
    with running("say('ready'); signal.sigtimedwait([], 60)") as p:
        assert line(p) == "ready"
        p.send_signal(number)
        assert p.wait() == EXIT_INTERRUPTED


def test_hangup_that_the_process_was_started_to_ignore_stays_ignored() -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with running("asyncio.run(main(signals, [signal.SIGTERM]))", preexec_fn=ignore) as p:
        assert line(p) == "ready"
        p.send_signal(signal.SIGHUP)
        p.send_signal(signal.SIGTERM)
        assert line(p) == "SIGTERM"
        assert p.wait() == EXIT_DONE


PRINT_MASK = (
    "[sys.executable, '-c', 'import signal; "
    "print(*sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))']"
)


def test_forked_process_can_be_stopped() -> None:
    with running(f"subprocess.run({PRINT_MASK}, preexec_fn=lambda: None)") as p:
        assert line(p) == ""


def test_process_that_is_started_without_a_hook_of_the_fork_inherits_the_blocked_signals() -> None:
    taken = sorted([signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
    with running(f"subprocess.run({PRINT_MASK})") as p:
        assert line(p) == " ".join(str(int(number)) for number in taken)
