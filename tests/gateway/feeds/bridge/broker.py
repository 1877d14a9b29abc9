"""A RabbitMQ process for tests, on loopback, with its files in the test's folder.

The machine's own broker is not touched: name, ports, port mapper, cookie and folders belong to the
test, and both processes are ended by their ids.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from gateway.net.held_ports import hold_port, port_of
from tests.gateway.feeds.certificate import Certificate

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
EPMD = Path("/usr/bin/epmd")
FULL_SUITE = "CI_FULL_SUITE"
"""When set, a missing broker fails the tests instead of skipping them."""
READY_S = 60.0
ENDED_S = 20.0


def require_broker() -> None:
    if SERVER.exists() and EPMD.exists():
        return
    if os.environ.get(FULL_SUITE):
        pytest.fail(f"{SERVER} is missing, and {FULL_SUITE} requires every test")
    pytest.skip("rabbitmq-server is not installed")


class Broker:
    """A broker that restarts on the same files; with a certificate it listens for TLS as well."""

    def __init__(
        self, folder: Path, *, certificate: Certificate | None = None, password: str = "guest"
    ) -> None:
        self.folder = folder
        self._held = [hold_port("127.0.0.1") for _ in range(4)]
        self.port, self.tls_port, self._dist_port, epmd_port = map(port_of, self._held)
        self._password = password
        self._tls = certificate is not None
        tls = ""
        if certificate is not None:
            tls = (
                f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
                f"ssl_options.cacertfile = {certificate.cert}\n"
                f"ssl_options.certfile = {certificate.cert}\n"
                f"ssl_options.keyfile = {certificate.key}\n"
                "ssl_options.verify = verify_none\n"
            )
        for name in ("home", "mnesia", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users.guest = true\n"
            "log.console = false\nvm_memory_high_watermark.absolute = 256MB\n"
            f"disk_free_limit.absolute = 1MB\ndefault_pass = {password}\n{tls}"
        )
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"overround{os.getpid()}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel "
            "inet_dist_use_interface {127,0,0,1}",
        }
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:{self._password}@127.0.0.1:{self.port}/"

    @property
    def tls_url(self) -> str:
        """The address of the TLS listener, without a password."""
        return f"amqps://guest@127.0.0.1:{self.tls_port}/"

    def start(self) -> None:
        """Start the broker; return when a client can connect."""
        if self._epmd is None:
            self._epmd = self._spawn(EPMD, "-address", "127.0.0.1")
        self._server = self._spawn(SERVER)
        until_s = time.monotonic() + READY_S
        ports = [self.port, self.tls_port] if self._tls else [self.port]
        while not (all(map(_listens, ports)) and asyncio.run(_connects(self.url))):
            assert self._server.poll() is None, self.output
            assert time.monotonic() < until_s, self.output
            time.sleep(0.1)

    def stop(self) -> None:
        """Kill the broker, as a crash would; `start` may follow."""
        if self._server is not None:
            _end(self._server)
            self._server = None

    def close(self) -> None:
        """Kill the broker and the port mapper."""
        self.stop()
        if self._epmd is not None:
            _end(self._epmd)
            self._epmd = None
        for held in self._held:
            held.close()

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text(encoding="utf-8", errors="replace")[-4_000:]

    def _spawn(self, *command: str | Path) -> "subprocess.Popen[bytes]":
        with (self.folder / "output.txt").open("ab") as out:
            return subprocess.Popen(
                command,
                env=self._env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


@contextmanager
def running_broker(folder: Path, **options: Any) -> Iterator[Broker]:
    require_broker()
    broker = Broker(folder, **options)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


async def _connects(url: str) -> bool:
    try:
        connection = await aio_pika.connect(url, timeout=2)
    except (OSError, aio_pika.exceptions.AMQPError, TimeoutError):
        return False
    await connection.close()
    return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and its session, which holds nothing else."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(ENDED_S)
